"""``--resources`` of ``fermatnet info`` and ``fermatnet verilog``: the same figures, and refusals in one
line."""

import json
import subprocess
import sys

import pytest

from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.model.network import save


def fermatnet(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-P", "-m", "fermatnet.cli", *words], capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "net.onnx"
    save(pa_resnet((2, 6, 6), (4,), (1,), seed=3), path)
    return str(path)


def test_info_and_verilog_say_the_same(file, tmp_path):
    words = ("--resources", "--cycles", "2500", "--device", "xc7")
    shown, generated = (
        fermatnet("info", file, "--json", *words),
        fermatnet("verilog", file, "--out", str(tmp_path / "out"), *words),
    )
    assert shown.returncode == generated.returncode == 0, shown.stderr + generated.stderr
    design, interface = (
        json.loads(shown.stdout)["design"],
        json.loads((tmp_path / "out" / "interface.json").read_text()),
    )
    assert design["resources"] == interface["resources"] and design["layers"] == interface["layers"]
    assert all(f" {layer['name']} " in generated.stdout for layer in interface["layers"])
    total = f"{interface['resources']['total']['luts']:,}"
    assert f" {total} " in generated.stdout


@pytest.mark.parametrize(
    "words, say",
    [
        (("--resources", "--device", "gw1nr-9"), "predicted for the families xc7, ecp5, ice40"),
        (("--resources", "--cycles", "3"), "cannot be met"),
    ],
)
def test_refusals(file, words, say):
    done = fermatnet("info", file, *words)
    assert done.returncode == 2 and say in done.stderr and len(done.stderr.strip().splitlines()) == 1
