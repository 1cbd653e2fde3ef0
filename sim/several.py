"""Generated networks of several inputs or outputs in simulation: one array a name in, one a name out."""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fermatnet.hw.compiler.interface import edge_ports, read_interface, stream_ports
from fermatnet.model.errors import InputError
from fermatnet.sim import packing, runner, taps, weight_drivers
from fermatnet.sim.stimulus import checked_images

__all__ = ["SeveralResult", "simulate_several"]


@dataclass(frozen=True)
class SeveralResult:
    """``outputs``: int64 (n, K) by the output's name; ``cycles_per_image``: between the last beats of
    successive images of the slowest output, averaged over the second half of the run; ``cycles``: first input
    beat accepted to last output beat taken; ``seconds``: wall time of the run."""

    outputs: dict[str, NDArray[np.int64]]
    cycles_per_image: float
    cycles: int
    seconds: float


def simulate_several(
    directory: Path,
    images: Mapping[str, NDArray[np.integer]],
    *,
    stalls: int | None = None,
    simulator: str = "verilator",
    waves: Path | None = None,
    layers: Path | None = None,
) -> SeveralResult:
    """Streams one array a name through the generated network in ``directory``, driven by Python beat by beat.

    Parameters as those of `fermatnet.sim.network.simulate`; ``images``: (n, *dims) for every input's name,
    equally many; with ``stalls`` every stream stalls by itself.
    Raises InputError for arrays that do not fit and designs whose weights come from outside, SimulationError
    when the design deadlocks or breaks a rule of the protocol.
    """
    directory = Path(directory)
    interface = read_interface(directory, "network")
    if weight_drivers.needed(interface):
        raise InputError(f"{directory}: weights from outside are not simulated with several streams")
    inputs, outputs = stream_ports(interface, "input"), stream_ports(interface, "output")
    samples, count = _checked(images, inputs)
    waves = None if waves is None else Path(waves)
    ports = [f"{p['port']}_{part}" for p in (*inputs, *outputs) for part in _PARTS]
    sources = {name: (directory / name).read_text() for name in interface["files"]["verilog"]}
    built = runner.build(
        sources if layers is None else taps.tapped(sources, interface),
        interface["top"],
        simulator=simulator,
        visible=["clk", "rst", *ports, *(name for _, name, _ in edge_ports(interface))],
        waves=waves.suffix if waves is not None else "",
    )
    started = time.monotonic()
    with runner.working_directory() as scratch:
        for name in interface["files"]["memories"]:
            shutil.copyfile(directory / name, scratch / name)
        for port in inputs:
            beats = packing.pack(samples[port["name"]], port["lanes"], port["element_bits"])
            words = "".join(f"{row[::-1].tobytes().hex()}\n" for row in beats)
            (scratch / f"{port['port']}.hex").write_text(words)
        patience = (4 if stalls is None else 64) * (count + 1)
        settings = {
            "seed": stalls,
            "inputs": {port["port"]: port["beats_per_image"] for port in inputs},
            "outputs": {port["port"]: port["beats_per_image"] * count for port in outputs},
            "limit": patience * (interface["cycles_per_image"] + interface["latency_cycles"]) + 4096,
        }
        (scratch / "settings.json").write_text(json.dumps(settings))
        with taps.kept(scratch, layers):
            runner.run(built, "fermatnet.sim.drive_several", scratch, seed=stalls or 0, waves=waves)
        response = json.loads((scratch / "response.json").read_text())
    results = {port["name"]: _values(port, response["ports"][port["port"]], count) for port in outputs}
    ends = {port["name"]: _ends(port, response["ports"][port["port"]]) for port in outputs}
    last = max(end[-1] for end in ends.values())
    cycles = last - response["first_accepted"] + 1
    half = (count - 1) // 2
    steady = max((end[-1] - end[half]) / max(1, count - 1 - half) for end in ends.values())
    per_image = steady if count > 1 else float(cycles)
    return SeveralResult(results, per_image, cycles, time.monotonic() - started)


_PARTS = ("tdata", "tvalid", "tready", "tlast")


def _checked(
    images: Mapping[str, NDArray[np.integer]], inputs: list[dict[str, Any]]
) -> tuple[dict[str, NDArray[np.integer]], int]:
    """The arrays as (n, C, H, W), and n."""
    names = [port["name"] for port in inputs]
    if sorted(images) != sorted(names):
        raise InputError(
            f"the design takes {', '.join(names)}: give one array a name, not {', '.join(images) or 'none'}"
        )
    arrays = {}
    for port in inputs:
        try:
            arrays[port["name"]] = checked_images(images[port["name"]], port)
        except InputError as error:
            raise InputError(f"input {port['name']!r}: {error}") from error
    if len({len(value) for value in arrays.values()}) > 1:
        raise InputError("all inputs must hold the same number of samples")
    return arrays, len(arrays[names[0]])


def _ends(port: dict[str, Any], response: dict[str, Any]) -> list[int]:
    """Cycle of each image's last beat; SimulationError where tlast is on another one."""
    per_image = port["beats_per_image"]
    for at, last in enumerate(response["lasts"]):
        if last != (at % per_image == per_image - 1):
            raise runner.SimulationError(
                f"{port['port']}_tlast is {int(last)} on beat {at % per_image} of image {at // per_image}"
            )
    return response["cycles"][per_image - 1 :: per_image]


def _values(port: dict[str, Any], response: dict[str, Any], count: int) -> NDArray[np.int64]:
    """int64 (n, K) of the words of one output."""
    used = port["lanes"] * port["element_bits"] // 8
    words = [int(word, 16) for word in response["words"]]
    if any(word >> 8 * used for word in words):
        raise runner.SimulationError(f"{port['port']}_tdata: what fills up the beat is not 0")
    beats = np.frombuffer(b"".join(word.to_bytes(used, "little") for word in words), np.uint8)
    try:
        shape, bits, signed = tuple(port["shape"]), port["value_bits"], port["element_signed"]
        values = packing.unpack(beats.reshape(-1, used), shape, port["lanes"], bits, signed)
    except ValueError as error:
        raise runner.SimulationError(f"{port['port']}_tdata: {error}") from None
    return values.reshape(count, -1)
