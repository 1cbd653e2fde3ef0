"""A machine that only generates hardware does not install torch, scikit-learn, cocotb or matplotlib."""

import subprocess
import sys

import numpy as np
import pytest

from fermatnet.model.network import run, save

from ..model.network.samples import digits_like

BLOCKED = (
    "import sys\nfor name in ('torch', 'sklearn', 'matplotlib', 'cocotb', 'onnxruntime', 'numba', "
    "'galois'): sys.modules[name] = None\n"
)


def fermatnet(*words: str) -> subprocess.CompletedProcess:
    code = (
        BLOCKED + f"sys.argv = ['fermatnet', *{list(words)!r}]\nfrom fermatnet.cli.main import entry\nentry()"
    )
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("network")
    save(digits_like(), folder / "net.onnx")
    np.save(folder / "x.npy", np.zeros((2, 1, 8, 8), np.uint8))
    return folder


def test_run_and_info(network, tmp_path):
    assert fermatnet("info", str(network / "net.onnx")).returncode == 0
    done = fermatnet(
        "run",
        str(network / "net.onnx"),
        "--input",
        str(network / "x.npy"),
        "--output",
        str(tmp_path / "y.npy"),
    )
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(tmp_path / "y.npy"), run(digits_like(), np.zeros((2, 1, 8, 8), np.uint8)))


def test_verilog_and_ip(network, tmp_path):
    done = fermatnet("verilog", str(network / "net.onnx"), "--out", str(tmp_path / "v"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "v" / "interface.json").is_file()
    done = fermatnet("ip", "adder", "--out", str(tmp_path / "adder"))
    assert done.returncode == 0, done.stderr
    assert "module adder(" in (tmp_path / "adder" / "adder.v").read_text()


def test_what_is_missing_is_named_with_how_to_get_it(network, tmp_path):
    done = fermatnet("train", "digits", "--data", "digits", "--out", str(tmp_path / "run"))
    assert (
        done.returncode == 2
        and "pip install 'fermatnet[train]'" in done.stderr
        and len(done.stderr.splitlines()) == 1
    )
