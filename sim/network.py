"""Generated networks in simulation: images in through ``s_axis``, logits out of ``m_axis``, and the
comparison with a reference."""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fermatnet.hw.compiler.interface import edge_ports, read_interface
from fermatnet.model.errors import InputError
from fermatnet.sim import bulk, packing, runner, taps, weight_drivers
from fermatnet.sim.stimulus import checked_images, write_stimulus

__all__ = ["Mismatch", "SimulationResult", "compare", "simulate"]

HARNESS = "fermatnet_harness"
DRIVERS = ("harness", "cocotb")

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class SimulationResult:
    """What came out of a simulation.

    ``outputs``: int64 (n, K), logits of each image (channels, then rows, then columns where a map comes out).
    ``first_latency``: cycles from the first input beat accepted to the first output beat valid.
    ``cycles_per_image``: cycles between the last beats of successive images, averaged over the second half of
    the run (of a single image: all its cycles). ``cycles``: first input beat accepted to last output beat
    taken.
    ``seconds``: wall time of the run; ``build_seconds``: of the compilation before it, near 0 when it was
    cached.
    """

    outputs: NDArray[np.int64]
    cycles_per_image: float
    first_latency: int
    cycles: int
    seconds: float
    build_seconds: float = 0.0


class Mismatch(InputError):
    """Simulated outputs that differ from the expected ones; names the first image and logit, and how many
    differ."""

    def __init__(self, image: int, logit: int, got: int, expected: int, logits: int, images: int):
        self.image, self.logit, self.got, self.expected, self.logits, self.images = (
            image,
            logit,
            got,
            expected,
            logits,
            images,
        )
        super().__init__(
            f"image {image}, logit {logit}: the design gives {got}, expected {expected} "
            f"({logits} logits of {images} images differ in all)"
        )


def compare(result: SimulationResult | NDArray[Any], expected: NDArray[Any]) -> Mismatch | None:
    """None when every logit of every image is equal, else a `Mismatch` to print or raise.

    Raises InputError when ``expected`` has another shape or is not made of integers.
    """
    got = result.outputs if isinstance(result, SimulationResult) else np.asarray(result)
    expected = np.asarray(expected)
    if expected.dtype.kind not in "iu":
        raise InputError(f"expected outputs must be integers, not {expected.dtype}")
    if expected.shape != got.shape:
        raise InputError(f"expected outputs must have shape {got.shape}, not {expected.shape}")
    wrong = got != expected
    if not wrong.any():
        return None
    image, logit = (int(at) for at in np.argwhere(wrong)[0])
    return Mismatch(
        image,
        logit,
        int(got[image, logit]),
        int(expected[image, logit]),
        int(wrong.sum()),
        int(wrong.any(axis=1).sum()),
    )


def simulate(
    directory: Path,
    images: NDArray[np.integer],
    *,
    stalls: int | None = None,
    simulator: str = "verilator",
    waves: Path | None = None,
    progress: Progress | None = None,
    driver: str = "harness",
    load: Sequence[int] = (),
    layers: Path | None = None,
) -> SimulationResult:
    """Streams ``images`` through the generated network in ``directory`` and returns its outputs and cycle
    counts.

    Parameters
    ----------
    directory : path
        What ``fermatnet verilog`` wrote; left untouched.
    images : (n, *dims) or (n, C, H, W)
        Of the network's input type (uint8, int8, uint16 or int16), inside its range.
    stalls : int or None
        Seed of random stalls on both sides; None for none, which is what the cycle counts of the interface
        mean.
    simulator : str
        "verilator" or "icarus".
    waves : path or None
        Takes the signals of the run: ``.fst`` (or ``.vcd`` on Verilator).
    progress : callable or None
        Called with the share done, 0 to 1, and a few words.
    driver : str
        "harness": a Verilog harness streams the files, cocotb starts and judges it; "cocotb": Python drives
        every beat, some twenty times slower, and independent of the harness.
    load : sequence of int
        For a reloadable design, the burst (`fermatnet.hw.compiler.generate.load_burst`) that it takes before
        the first image; none: it keeps its weights.
    layers : path or None
        A folder that takes every layer's stream, for `fermatnet.sim.taps.first_difference`; also of a run
        that fails.

    Raises InputError for images that do not fit, and SimulationError when the design deadlocks, breaks a rule
    of the protocol, or gives too many beats.
    """
    directory = Path(directory)
    interface = read_interface(directory, "network")
    if "inputs" in interface:
        raise InputError(f"{directory} has several inputs or outputs: give them by name, in .npz files")
    if len(load) and "reload" not in interface:
        raise InputError(
            f"{directory} holds a design whose weights cannot be loaded: generate it with --reloadable"
        )
    images = checked_images(images, interface["input"])
    if driver not in DRIVERS:
        raise InputError(f"driver must be one of {', '.join(DRIVERS)}, not {driver!r}")
    if waves is not None:
        waves = Path(waves)
        if not waves.parent.is_dir():
            raise InputError(f"{waves}: its folder {waves.parent} does not exist")
    report = progress or (lambda share, words: None)
    started = time.monotonic()
    report(0.0, f"compiling for {simulator}")
    suffix = waves.suffix if waves is not None else ""
    built = _build(directory, interface, simulator, suffix, driver, layers is not None)
    compiled = time.monotonic()
    with runner.working_directory() as scratch:
        for name in interface["files"]["memories"]:
            shutil.copyfile(directory / name, scratch / name)
        if weight_drivers.needed(interface):
            weight_drivers.write(scratch, directory, interface, stalls, load)
        settings = write_stimulus(scratch, interface, images, stalls, len(load))
        poll = (
            _poll(
                scratch / "response.txt",
                settings,
                lambda share: report(share, f"{len(images)} images on {simulator}"),
            )
            if progress
            else None
        )
        with taps.kept(scratch, layers):
            _run(built, driver, scratch, stalls or 0, waves, poll)
        outcome = json.loads((scratch / "outcome.json").read_text())
        result = _read_response(
            scratch, interface, len(images), outcome, (compiled - started, time.monotonic() - compiled)
        )
    report(1.0, "done")
    return result


def _poll(response: Path, settings: dict[str, int], report: Callable[[float], None]) -> Callable[[], None]:
    """Reports the share of the output beats that have come."""

    def poll() -> None:
        size = response.stat().st_size if response.exists() else 0
        report(min(1.0, size / settings["response_line"] / settings["beats_out"]))

    return poll


def _run(
    built: runner.Built,
    driver: str,
    scratch: Path,
    seed: int,
    waves: Path | None,
    poll: Callable[[], None] | None,
) -> None:
    module = "fermatnet.sim.bulk" if driver == "harness" else "fermatnet.sim.drive"
    try:
        runner.run(built, module, scratch, seed=seed, waves=waves, poll=poll)
    except runner.SimulationError as error:
        if (scratch / weight_drivers.REFUSED).exists():
            raise runner.SimulationError("the design refused the load: its load_error rose") from error
        raise


def _build(
    directory: Path, interface: dict[str, Any], simulator: str, waves: str, driver: str, watched: bool
) -> runner.Built:
    sources = {name: (directory / name).read_text() for name in interface["files"]["verilog"]}
    if watched:
        sources = taps.tapped(sources, interface)
    top = interface["top"]
    if weight_drivers.needed(interface):
        sources, top = sources | weight_drivers.sources(interface), weight_drivers.TOP
    if driver == "cocotb":
        ports = [f"{side}_axis_{name}" for side in "sm" for name in ("tdata", "tvalid", "tready", "tlast")]
        ports += [name for _, name, _ in edge_ports(interface)]
        return runner.build(
            sources,
            top,
            simulator=simulator,
            visible=[interface["clock"], interface["reset"], *ports],
            waves=waves,
        )
    sources["harness.v"] = (resources.files("fermatnet.sim") / "harness.v").read_text()
    parameters = {"S_BITS": interface["input"]["tdata_bits"], "M_BITS": interface["output"]["tdata_bits"]}
    return runner.build(
        sources,
        HARNESS,
        simulator=simulator,
        parameters=parameters,
        defines={"DUT": top, **_edge_defines(interface)},
        visible=bulk.VISIBLE,
        waves=waves,
    )


def _edge_defines(interface: dict[str, Any]) -> dict[str, str]:
    """What harness.v has to connect beside the two streams' usual signals."""
    names = {name for _, name, _ in edge_ports(interface)}
    return {
        define: "1" for define, name in (("CHECKED", "error"), ("TKEEP", "s_axis_tkeep")) if name in names
    }


def _read_response(
    scratch: Path,
    interface: dict[str, Any],
    images: int,
    outcome: dict[str, int],
    seconds: tuple[float, float],
) -> SimulationResult:
    out = interface["output"]
    rows = [line.split() for line in (scratch / "response.txt").read_text().splitlines()]
    per_image = out["beats_per_image"]
    if len(rows) != images * per_image:
        raise runner.SimulationError(f"{len(rows)} output beats came, {images * per_image} were expected")
    for at, row in enumerate(rows):
        if (row[1] == "1") != (at % per_image == per_image - 1):
            raise runner.SimulationError(
                f"m_axis_tlast is {row[1]} on beat {at % per_image} of image {at // per_image}"
            )
    width, bits = out["tdata_bits"] // 8, out.get("value_bits", out["element_bits"])
    beats = np.frombuffer(bytes.fromhex("".join(row[0] for row in rows)), np.uint8).reshape(-1, width)[
        :, ::-1
    ]
    used = out["lanes"] * packing.field_bits(out["element_bits"]) // 8
    if beats[:, used:].any():
        raise runner.SimulationError(
            f"m_axis_tdata: the bytes from {used} on, which fill up the beat, are not 0"
        )
    beats = beats[:, :used]
    try:
        values = packing.unpack(
            np.ascontiguousarray(beats), tuple(out["shape"]), out["lanes"], bits, out["element_signed"]
        )
    except ValueError as error:
        raise runner.SimulationError(f"m_axis_tdata: {error}") from None
    ends = [int(row[2], 16) for row in rows[per_image - 1 :: per_image]]
    half = (images - 1) // 2
    steady = (
        (ends[-1] - ends[half]) / (images - 1 - half)
        if images > 1
        else ends[0] - outcome["first_accepted"] + 1
    )
    return SimulationResult(
        values.reshape(images, -1),
        steady,
        outcome["first_offered"] - outcome["first_accepted"],
        ends[-1] - outcome["first_accepted"] + 1,
        seconds[1],
        seconds[0],
    )
