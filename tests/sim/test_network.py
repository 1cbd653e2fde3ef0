"""Images through a hand-written design: values, cycle counts, stalls, and every way it can be wrong."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fermatnet.model.errors import InputError
from fermatnet.sim.network import Mismatch, compare, simulate
from fermatnet.sim.runner import SimulationError

SIMULATORS = ["verilator", *(["icarus"] if shutil.which("iverilog") else [])]


def break_it(design: Path, fault: int) -> None:
    (design / "fault.hex").write_text(f"{fault:x}\n")


@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("driver", ["harness", "cocotb"])
def test_values_and_cycles(design, images, expected, simulator, driver):
    result = simulate(design, images, simulator=simulator, driver=driver)
    assert compare(result, expected) is None
    assert (result.first_latency, result.cycles_per_image, result.cycles) == (8, 10.0, 50)


@pytest.mark.parametrize("driver", ["harness", "cocotb"])
def test_stalls_change_the_cycles_and_nothing_else(design, images, expected, driver):
    many, wanted = np.tile(images, (20, 1, 1, 1)), np.tile(expected, (20, 1))
    first, again, other = (simulate(design, many, stalls=seed, driver=driver) for seed in (1, 1, 2))
    for result in (first, again, other):
        assert compare(result, wanted) is None
    assert first.cycles == again.cycles != other.cycles  # seeded
    assert first.cycles > 1.2 * 10 * len(many)


def test_one_image(design, images, expected):
    result = simulate(design, images[:1])
    assert compare(result, expected[:1]) is None
    assert result.cycles == result.cycles_per_image == 10


def test_a_flipped_bit_in_a_weight_memory_is_named(design, images, expected):
    words = (design / "weights.hex").read_text().split()
    words[11] = f"{int(words[11], 16) ^ 0x10:02x}"
    (design / "weights.hex").write_text("\n".join(words) + "\n")
    report = compare(simulate(design, images), expected)
    assert isinstance(report, Mismatch)
    assert (report.image, report.logit) == (0, 1)
    got, wanted = report.got, report.expected
    assert abs(got - wanted) == 16 * 255  # image 0 is all 255
    assert f"image 0, logit 1: the design gives {got}, expected {wanted}" in str(report)


def test_wrong_expected_values_are_noticed(design, images, expected):
    expected[3, 0] += 1
    report = compare(simulate(design, images), expected)
    assert report is not None and (report.image, report.logit, report.logits, report.images) == (3, 0, 1, 1)
    with pytest.raises(InputError, match="must have shape"):
        compare(simulate(design, images), expected[:-1])
    with pytest.raises(InputError, match="must be integers"):
        compare(simulate(design, images), expected.astype(np.float64))


@pytest.mark.parametrize(
    "fault, words",
    [
        (
            1,
            r"no transfer for \d+ cycles: it refuses input .* 8 of 40 input beats accepted, 2 of 10 output "
            r"beats received .* image 1",
        ),
        (2, r"no transfer for \d+ cycles: all input was accepted .* 8 of 10 output beats received"),
        (3, r"m_axis_tvalid fell"),
        (4, r"m_axis_tdata or m_axis_tlast changed"),
        (5, r"m_axis_tlast is 0 on beat 1 of image 0|an output beat too many"),
        (7, r"m_axis_tlast is 0 on beat 1 of image 0"),
        (8, r"holds more than its 20 signed bits"),
    ],
)
def test_faults_are_told_apart(design, images, fault, words):
    break_it(design, fault)
    with pytest.raises(SimulationError, match=words):
        simulate(design, images, stalls=3)


@pytest.mark.parametrize(
    "fault, words", [(1, "not done after .* 8 of 160 input beats"), (3, "valid fell"), (4, "changed from")]
)
def test_faults_are_seen_by_the_python_drivers(design, images, fault, words):
    break_it(design, fault)
    with pytest.raises(SimulationError, match=words):
        simulate(design, np.tile(images, (4, 1, 1, 1)), stalls=3, driver="cocotb")


def test_waves(design, images, expected, tmp_path):
    waves = tmp_path / "run.fst"
    assert compare(simulate(design, images, waves=waves), expected) is None
    # an FST file opens with a header block
    assert waves.read_bytes()[:1] == b"\x00" and waves.stat().st_size > 1000
    with pytest.raises(InputError, match="writes waves as"):
        simulate(design, images, waves=tmp_path / "run.txt")
    with pytest.raises(InputError, match="does not exist"):
        simulate(design, images, waves=tmp_path / "none" / "run.fst")


def test_progress_ends_at_one(design, images):
    seen: list[tuple[float, str]] = []
    simulate(design, images, progress=lambda share, words: seen.append((share, words)))
    assert seen[0][0] == 0.0 and seen[-1] == (1.0, "done")
    assert all(0.0 <= share <= 1.0 for share, _ in seen)


def test_bad_input(design, images):
    for wrong, words in (
        (images.astype(np.int64), "must be uint8"),
        (images[:, :1], "must have shape"),
        (images[:0], "n at least 1"),
    ):
        with pytest.raises(InputError, match=words):
            simulate(design, wrong)
    with pytest.raises(InputError, match="simulator must be one of"):
        simulate(design, images, simulator="questa")
    with pytest.raises(InputError, match="driver must be one of"):
        simulate(design, images, driver="hand")
    interface = json.loads((design / "interface.json").read_text())
    interface["input"]["range"] = [0, 16]
    (design / "interface.json").write_text(json.dumps(interface))
    with pytest.raises(InputError, match=r"must lie within 0\.\.16, not 0\.\.255"):
        simulate(design, images)
    (design / "weights.hex").unlink()
    with pytest.raises(InputError, match=r"weights\.hex is missing"):
        simulate(design, images)
    (design / "interface.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        simulate(design, images)
    with pytest.raises(InputError, match="holds no generated design"):
        simulate(design.parent, images)


def test_the_design_folder_is_left_alone(design, images):
    before = {path.name: path.read_bytes() for path in design.iterdir()}
    simulate(design, images)
    assert {path.name: path.read_bytes() for path in design.iterdir()} == before


@pytest.mark.skipif("icarus" not in SIMULATORS, reason="Icarus is not on PATH")
def test_unknown_values_are_seen(design, images):
    break_it(design, 6)
    with pytest.raises(SimulationError, match="unknown"):
        simulate(design, images, simulator="icarus")
