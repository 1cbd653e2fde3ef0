"""The generated design against the reference and onnxruntime; and that each of these checks can fail."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from fermatnet.hw.compiler.generate import generate
from fermatnet.model.network import run, save
from fermatnet.report.oracle import onnxruntime_outputs
from fermatnet.sim.network import compare, simulate
from fermatnet.sim.tools import find

from .model.network.samples import digits_like

pytestmark = pytest.mark.xdist_group("end_to_end")  # one worker: the compiled design is shared


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    net = digits_like(seed=5)
    images = np.random.default_rng(5).integers(0, 17, (12, 1, 8, 8)).astype(np.uint8)
    save(net, folder / "net.onnx")
    np.save(folder / "x.npy", images)
    np.save(folder / "y.npy", run(net, images))
    interface = generate(net, folder / "verilog", cycles=3000)
    return folder, net, images, interface


def fermatnet(*words: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-P", "-m", "fermatnet.cli", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_reference_onnxruntime_and_rtl_agree(made):
    folder, net, images, interface = made
    expected = run(net, images)
    assert np.array_equal(onnxruntime_outputs(folder / "net.onnx", images), expected)
    result = simulate(folder / "verilog", images)
    assert compare(result, expected) is None
    assert (
        result.cycles_per_image == interface["cycles_per_image"]
        and result.first_latency == interface["latency_cycles"]
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_rtl_agrees_under_random_stalls(made, seed):
    folder, net, images, interface = made
    result = simulate(folder / "verilog", images, stalls=seed)
    assert compare(result, run(net, images)) is None
    assert result.cycles >= 12 * interface["cycles_per_image"]


@pytest.mark.parametrize("memory", ["weights.hex", "thresholds.hex", "bias.hex"])
def test_one_flipped_bit_of_a_memory_is_reported_with_image_and_logit(made, memory, tmp_path):
    folder, net, images, _ = made
    broken = tmp_path / "verilog"
    shutil.copytree(folder / "verilog", broken)
    path = broken / f"fermatnet_{memory}"
    words = path.read_text().split()
    bit = {"weights.hex": 0, "thresholds.hex": 13, "bias.hex": 4}[memory]  # 13: the sign of a bound
    words[0] = f"{int(words[0], 16) ^ 1 << bit:0{len(words[0])}x}"
    path.write_text("\n".join(words) + "\n")
    difference = compare(simulate(broken, images), run(net, images))
    assert difference is not None and 0 <= difference.image < 12 and 0 <= difference.logit < 10
    assert f"image {difference.image}, logit {difference.logit}" in str(difference)


def test_a_wrong_expected_file_fails(made, tmp_path):
    folder, net, images, _ = made
    words = (
        "sim",
        folder / "net.onnx",
        "--verilog",
        folder / "verilog",
        "--input",
        folder / "x.npy",
        "--output",
        tmp_path / "y.npy",
        "--expect",
    )
    right = fermatnet(*words, folder / "y.npy")
    assert right.returncode == 0, right.stderr
    assert np.array_equal(np.load(tmp_path / "y.npy"), run(net, images))
    wrong = np.load(folder / "y.npy")
    wrong[7, 3] += 1
    np.save(tmp_path / "wrong.npy", wrong)
    done = fermatnet(*words, tmp_path / "wrong.npy")
    assert done.returncode == 1 and "image 7, logit 3" in done.stdout.replace("\n", " ")


def test_generating_twice_gives_identical_bytes(made, tmp_path):
    folder, *_ = made
    again = fermatnet("verilog", folder / "net.onnx", "--out", tmp_path / "again", "--cycles", "3000")
    assert again.returncode == 0, again.stderr
    files = sorted(path.name for path in (folder / "verilog").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in files:
        assert (folder / "verilog" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_lint_is_clean_but_for_the_listed_waivers(made):
    folder, *_ = made
    words = ["--lint-only", "-Wall", "fermatnet.vlt", "fermatnet.v"]
    environment = find("verilator").environ()
    done = subprocess.run(
        ["verilator", *words], cwd=folder / "verilog", env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    waivers = (folder / "verilog" / "fermatnet.vlt").read_text().splitlines()
    assert (
        sum(line.startswith("lint_off") for line in waivers)
        == sum(line.startswith("//") for line in waivers)
        > 0
    ), "each waiver has its reason"
    bare = subprocess.run(
        ["verilator", *words[:2], "fermatnet.v"],
        cwd=folder / "verilog",
        env=environment,
        capture_output=True,
        text=True,
    )
    assert bare.returncode != 0, "lint sees the file"
