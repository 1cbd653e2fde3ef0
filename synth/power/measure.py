"""One circuit in a cell library: area, memories, longest path, and power where the tools for it are there."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Value
from amaranth.lib import wiring

from fermatnet.hw.rtl import verilog
from fermatnet.synth import asic, liberty
from fermatnet.synth.power import activity, opensta

__all__ = ["drives_of", "measure"]

HELD = ("valid", "ready", "tvalid", "tready", "en")
BEATS = 512  # words of a port before they repeat


def measure(
    component: wiring.Component,
    made: verilog.Emitted,
    path: Path,
    library: liberty.Library,
    *,
    clock_mhz: float = 100.0,
    stimuli: Mapping[str, Sequence[int]] | None = None,
    skip: int = 16,
    cycles: int = 200,
) -> dict[str, Any]:
    """Figures of a clocked component, emitted as ``made``, in the library at ``path``.

    ``area`` (the library's units), ``gates``, ``gate_equivalents``, ``ffs``, ``rom_bits``, ``ram_bits`` (not
    in the area), ``delay_ns`` (without set-up time); with OpenSTA and Icarus Verilog also those of
    `fermatnet.synth.power.opensta.power` and ``activity``, the mean changes of a net a cycle. Without them
    ``power_mw`` is None.

    ``stimuli``: words for input ports by name, one a cycle or one a transfer; the others get random bits from
    a seed, and every valid, ready and enable is held high. ``cycles`` are counted after ``skip``.
    """
    with tempfile.TemporaryDirectory(prefix="fermatnet-gates-") as scratch:
        folder, top = Path(scratch), made.name
        made.write(folder)
        (folder / asic.LIBRARY).write_text(liberty.text_of(path))
        mapped = asic.map_cells(folder, [f"{top}.v"], top, avoid=liberty.avoided(library))
        row = asic.estimate(mapped["modules"], top, library, clock_mhz)
        row = {key: row[key] for key in ("gates", "area", "gate_equivalents", "ffs")}
        row |= asic.memory_bits(mapped["modules"], mapped["memories"], top)
        row["delay_ns"] = round(asic.delay_ns(mapped["flat"], library), 3)
        if not opensta.present():
            return {**row, "power_mw": None}
        drives, outputs = drives_of(component, stimuli or {})
        toggles = activity.toggles(folder, top, drives, outputs, skip=skip, cycles=cycles)
        nets = [value for name, value in toggles.items() if name.startswith("n")]
        row["activity"] = round(sum(nets) / max(1, len(nets)), 3)
        held = {name for name, cell in library.cells.items() if cell.sequential}
        return row | opensta.power(folder, top, mapped["flat"], toggles, held, clock_mhz)


def drives_of(
    component: wiring.Component, stimuli: Mapping[str, Sequence[int]]
) -> tuple[dict[str, activity.Drive], dict[str, int]]:
    """Drives of a component's inputs, and the widths of its outputs, by the names of the ports in Verilog."""
    rng = np.random.default_rng(0)
    inputs: dict[str, int] = {}
    outputs: dict[str, int] = {}
    for path, member, value in component.signature.flatten(component):
        bits = Value.cast(value).shape().width
        (inputs if member.flow is wiring.In else outputs)["__".join(map(str, path))] = bits
    drives = {}
    for name, bits in inputs.items():
        stem, last = name.rsplit("_", 1) if "_" in name else ("", name)
        words: Sequence[int]
        if last in HELD:
            words = (1,)
        elif last == "tlast":
            words = (0,)
        else:
            words = stimuli.get(name) or [
                int.from_bytes(rng.bytes(-(-bits // 8)), "little") % (1 << bits) for _ in range(BEATS)
            ]
        ready = {"payload": f"{stem}_ready", "tdata": f"{stem}_tready"}.get(last, "")
        drives[name] = activity.Drive(bits, tuple(words), ready if ready in outputs else "")
    return drives, outputs
