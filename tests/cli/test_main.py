"""The command line: help that loads nothing heavy, refusals in one line with status 2, nothing
half-written."""

import os
import subprocess
import sys

import numpy as np
import pytest

from fermatnet.model.network import run, save

from ..model.network.samples import digits_like


def fermatnet(*words: str, **more) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-P", "-m", "fermatnet.cli", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        **more,
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    net = digits_like()
    save(net, folder / "net.onnx")
    images = np.random.default_rng(0).integers(0, 17, (3, 1, 8, 8)).astype(np.uint8)
    np.save(folder / "x.npy", images)
    np.save(folder / "float.npy", images.astype(float))
    np.save(folder / "shape.npy", images[:, :, :5])
    with (folder / "bools.npy").open("wb") as file:  # numpy reads this header and trips over its shape
        header = {"descr": "|u1", "fortran_order": False, "shape": (True, 1, 8, 8)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(64))
    np.save(folder / "objects.npy", np.array([{}]), allow_pickle=True)
    (folder / "text.onnx").write_text("no network")
    (folder / "short.onnx").write_bytes((folder / "net.onnx").read_bytes()[:500])
    (folder / "full").mkdir()
    (folder / "full" / "thing").write_text("keep me")
    return folder, net, images


def test_help_lists_every_command_without_heavy_imports():
    code = "import sys; from fermatnet.cli.main import cli; cli.main(['--help'], standalone_mode=False); "
    code += "print(sorted({'torch', 'numpy', 'onnx', 'amaranth'} & set(sys.modules)))"
    shown = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert shown.splitlines()[-1] == "[]"
    for name in ("demo", "train", "export", "info", "run", "verilog", "sim", "synth", "ip", "zoo", "bench"):
        assert f"\n  {name} " in shown


@pytest.mark.parametrize(("given", "policy"), [({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active")])
def test_threads_that_wait_sleep_unless_told_otherwise(given, policy):
    code = "import os; from fermatnet.cli import main; "
    code += "main.cli.main = lambda **_: print(os.environ['OMP_WAIT_POLICY']); main.entry()"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | given
    shown = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, env=environment
    )
    assert shown.stdout.split() == [policy], shown.stderr


@pytest.mark.parametrize(
    "name", ["demo", "train", "export", "info", "run", "verilog", "sim", "synth", "ip", "zoo", "bench"]
)
def test_each_command_has_help(name):
    shown = fermatnet(name, "--help")
    assert shown.returncode == 0, shown.stderr
    assert "Usage: " in shown.stdout and len(shown.stdout) > 100


def test_run_writes_the_reference(files, tmp_path):
    folder, net, images = files
    done = fermatnet(
        "run", str(folder / "net.onnx"), "--input", str(folder / "x.npy"), "--output", str(tmp_path / "y.npy")
    )
    assert done.returncode == 0, done.stderr
    y = np.load(tmp_path / "y.npy")
    assert y.dtype == np.int64 and np.array_equal(y, run(net, images))


def test_info_shows_every_layer(files):
    folder, net, _ = files
    done = fermatnet("info", str(folder / "net.onnx"), env={"COLUMNS": "200", "PATH": ""})
    assert done.returncode == 0, done.stderr
    assert (
        all(node.name in done.stdout for node in net.nodes)
        and "fermat" in done.stdout
        and "and-popcount 4x5" in done.stdout
    )


REFUSALS = [
    (["info", "{f}/absent.onnx"], "no such file"),
    (["info", "{f}/text.onnx"], "not an ONNX file"),
    (["info", "{f}/short.onnx"], "truncated"),
    (["info", "{f}"], "folder"),
    (["run", "{f}/net.onnx", "--input", "{f}/float.npy", "--output", "{o}"], "uint8"),
    (["run", "{f}/net.onnx", "--input", "{f}/shape.npy", "--output", "{o}"], "shape"),
    (["run", "{f}/net.onnx", "--input", "{f}/objects.npy", "--output", "{o}"], "not a .npy file of numbers"),
    (["run", "{f}/net.onnx", "--input", "{f}/bools.npy", "--output", "{o}"], "not a .npy file of numbers"),
    (["run", "{f}/net.onnx", "--input", "{f}/net.onnx", "--output", "{o}"], "not a .npy file"),
    (["run", "{f}/net.onnx", "--input", "{f}/none.npy", "--output", "{o}"], "no such file"),
    (["run", "{f}/net.onnx", "--input", "{f}/x.npy", "--output", "{f}/nowhere/y.npy"], "does not exist"),
    (["run", "{f}/net.onnx"], "--input"),
    (["frobnicate"], "frobnicate"),
    (["verilog", "{f}/net.onnx", "--out", "{f}/full"], "not empty"),
    (["verilog", "{f}/net.onnx", "--out", "{o}", "--fps", "3", "--cycles", "4"], "at most one"),
    (["verilog", "{f}/net.onnx", "--out", "{o}", "--cycles", "3"], "cycles"),
    (["verilog", "{f}/net.onnx", "--out", "{o}", "--device", "abacus"], "abacus"),
    (["load", "{f}/net.onnx", "--verilog", "{f}/full", "--out", "{o}"], "holds no generated design"),
    (["sim", "{f}/net.onnx", "--input", "{f}/x.npy", "--output", "{o}", "--load"], "--load needs --verilog"),
    (
        ["sim", "{f}/net.onnx", "--input", "{f}/x.npy", "--output", "{o}", "--verilog", "{f}/full"],
        "holds no generated design",
    ),
    (["synth", "{f}/full", "--device", "abacus"], "abacus"),
    (["synth", "{f}/full", "--device", "ecp5-85k"], "interface.json"),
    (["ip", "frob", "--out", "{o}"], "frob"),
    (["ip", "adder", "--b", "1", "--out", "{o}"], "2"),
    (["zoo", "lenet9000"], "lenet9000"),
    (["bench", "nothing"], "nothing"),
    (["train", "digits", "--data", "nowhere", "--out", "{o}"], "nowhere"),
    (["train", "lenet9000", "--data", "digits", "--out", "{o}"], "lenet9000"),
    (["export", "{f}", "--out", "{o}"], "run"),
]


@pytest.mark.parametrize(
    ("words", "say"), REFUSALS, ids=[" ".join(words[:3]) + "..." for words, _ in REFUSALS]
)
def test_refusals_are_one_line(words, say, files, tmp_path):
    folder, _, _ = files
    out = tmp_path / "out"
    done = fermatnet(*(word.format(f=folder, o=out) for word in words))
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert say in done.stderr and done.stderr.startswith("fermatnet: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == [], "nothing half-written"
    assert (folder / "full" / "thing").read_text() == "keep me"
