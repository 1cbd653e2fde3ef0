"""Synthesised parts of the Fermat convolution engine and of the direct multiply-accumulate engine, and the
memories of both.

An engine is the sum of its parts. Each part is mapped on its own, flattened, and equal parts once; the large
memories are taken out of them and counted from width and depth, so that one part stands for every number of
channels. `whole` maps a complete engine to hold the sums against.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from rich.console import Console

from fermatnet.bench.fermat.stream import ZEROS
from fermatnet.hw.arrays.streamed import WithPlatform
from fermatnet.hw.fermat.adder import Adder
from fermatnet.hw.fermat.convolver import Convolver
from fermatnet.hw.fermat.multiplier import Multiplier
from fermatnet.hw.fermat.raster_buffer import RasterBuffer
from fermatnet.hw.fermat.residue import Reconstruct, WideEncoder
from fermatnet.hw.fermat.serial_transform2d import SerialTransform2d
from fermatnet.hw.rtl.platform import Within
from fermatnet.hw.rtl.verilog import emit
from fermatnet.model.fermat.block_memory import block_rams, circle_memory
from fermatnet.synth.flow import cells

__all__ = ["DEVICE", "Bare", "Part", "Parts", "fermat_memories", "fermat_parts", "whole"]

DEVICE = "xc7"
RESOURCES = ("dsps", "luts", "ffs", "brams")

Part = tuple[int, str, Callable[[], wiring.Component]]
"""How often, its name, how to build it."""


class _Words(Within):
    """Platform under which every read-only memory becomes a register that loads from outside."""

    def __init__(self, outer: Any, words: Any):
        super().__init__(outer)
        self._words = words

    def memory_block(self, rom):
        m = Module()
        with m.If(rom.en):
            m.d.sync += rom.data.eq(self._words)
        return m


class Bare(wiring.Component):
    """A part whose read-only memory, ``width`` bits a word, lies outside of it."""

    def __init__(self, part: wiring.Component, width: int):
        self.inner = part
        super().__init__({"part": Out(part.signature), "words": In(width)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = WithPlatform(self.inner, _Words(platform, self.words))
        wiring.connect(m, wiring.flipped(self.part), self.inner)
        return m


@dataclass
class Parts:
    """Synthesised parts by name. Each is built and mapped the first time it is asked for; ``file`` (JSON
    lines) keeps them."""

    console: Console
    file: Path | None = None
    known: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.file is not None and self.file.exists():
            for line in self.file.read_text().splitlines():
                row = json.loads(line)
                self.known[row.pop("part")] = row

    def cost(self, name: str, build: Callable[[], wiring.Component]) -> dict[str, Any]:
        """Cells of a part, synthesised unless its row is known."""
        if name not in self.known:
            with (
                tempfile.TemporaryDirectory(prefix="fermatnet-part-") as scratch,
                self.console.status(f"synthesising {name}"),
            ):
                emit(build(), "part", Path(scratch))
                verilog = Path(scratch) / "part.v"
                verilog.write_text(ZEROS.sub("", verilog.read_text()))
                counts = cells(verilog, "part", DEVICE)
            self.known[name] = {key: counts[key] for key in RESOURCES}
            if self.file is not None:
                with self.file.open("a") as file:
                    file.write(json.dumps({"part": name, **self.known[name]}) + "\n")
        return self.known[name]

    def total(self, parts: list[Part], memories: list[tuple[int, int]]) -> dict[str, Any]:
        """Sum of the parts and of ``memories`` (width, depth), which lie outside of them."""
        total: dict[str, Any] = dict.fromkeys(RESOURCES, 0)
        for count, name, build in parts:
            cost = self.cost(name, build)
            for key in RESOURCES:
                total[key] += count * cost[key] if key != "brams" or not name.startswith(BUFFERS) else 0
        total["brams"] += sum(block_rams(*m) for m in memories) / 2  # of 36 kbit
        total["memory kbit"] = sum(w * d for w, d in memories) // 1024
        return total


BUFFERS = ("tile reader", "output bands", "window")
"""Parts that hold a memory of the layer's size: it is counted with the memories, at the size it has."""


def fermat_parts(engine: Convolver, small: Convolver) -> list[Part]:
    """Every part of a convolver with its count. The job counters, about a hundred LUTs, are not in it.

    Tile reader, output bands and reconstruction are those of ``small``, the same layer with fewer channels:
    they differ in the widths of counters and sums. One reconstruction stands for sums up to 3 bits narrower,
    one weight reader for all kernels.
    """
    plan, p, lengths, shape = engine.plan, engine.products, engine.plan.lengths, engine.shape
    where = (
        f"k {plan.kernel[0]}, {plan.tiles[0]}x{plan.tiles[1]} tiles of {lengths[0]}, {small.channels} "
        "channels"
    )
    parts: list[Part] = [
        (1, f"tile reader {shape}, {where}", lambda: small.images),
        (
            1,
            f"output bands {small.bits} bits, {where}, {small.inverses} sources",
            partial(
                RasterBuffer,
                small.raster.shape,
                small.outputs,
                small.geometry,
                small.plan,
                small.inverses,
                small.lanes_out,
                banks=small.raster.banks,
            ),
        ),
        (
            engine.inverses,
            f"reconstruct {plan.widths}, about {-(-small.bits // 4) * 4} bits",
            partial(Reconstruct, plan.widths, small.plan.lo, small.plan.hi),
        ),
    ]
    if engine.reader is not None:
        reader = small.reader
        assert reader is not None
        width, rows = circle_memory(reader.bits * p, _taps(small))
        more = f", {width - reader.bits * p} bits of a row for further ones" * (rows < _taps(small))
        name = f"weight reader {reader.bits} bits x {p} of {lengths}{more}"
        parts.append((1, name, lambda: Bare(reader, width)))
    for path in engine.paths:
        b = path.b
        parts += [
            (1, f"encoder {b} {shape}", partial(WideEncoder, b, shape)),
            (1, f"transform {b} {lengths}", partial(SerialTransform2d, b, *lengths)),
            (
                1,
                f"inverse {b} {lengths} x {engine.inverses}",
                partial(SerialTransform2d, b, *lengths, inverse=True, lanes=engine.inverses),
            ),
            (p, f"product {b}", partial(Multiplier, b)),
            (p if path.sum_latency else 0, f"sum {b}", partial(Adder, b, latency=2)),
        ]
        if engine.reader is not None:
            bits = signed(engine.reader.bits)
            parts += [
                (1, f"transform {b} {lengths} x {p}", partial(SerialTransform2d, b, *lengths, lanes=p)),
                (p, f"encoder {b} {bits}", partial(WideEncoder, b, bits)),
            ]
    return [part for part in parts if part[0]]


def _taps(engine: Convolver) -> int:
    """Words of plain weights, ``products`` of them each."""
    plan, jobs = engine.plan, engine.outputs // engine.products
    return jobs * engine.channels * plan.phases * prod(plan.kernel) // engine.group


def fermat_memories(engine: Convolver) -> list[tuple[int, int]]:
    """(width, depth) of a convolver's memories that are not inside its parts (those of the transforms
    are)."""
    p, g = engine.products, engine.geometry
    memories = [
        (
            engine.shape.width * engine.lanes_in,
            engine.images.rows * g.width * engine.channels // engine.lanes_in,
        )
    ]
    memories += [
        (engine.bits * engine.raster.elements, engine.raster.banks * engine.raster.band_words)
    ] * engine.inverses
    jobs = engine.outputs // p
    if engine.reader is not None:
        memories.append(circle_memory(engine.reader.bits * p, _taps(engine)))
    for path in engine.paths:
        memories += [(path.b + 1, engine.spectra_banks * path.frame)] + [
            ((path.b + 1) * p, path.points)
        ] * engine.sums_banks
        if engine.reader is None:
            memories.append(circle_memory((path.b + 1) * p, jobs * path.job))
    return memories


def whole(parts: Parts, name: str, build: Callable[[], wiring.Component]) -> dict[str, Any]:
    """A complete engine, memories and control included."""
    return parts.cost(name, build)
