"""Bench of the two-dimensional transform stream: frames against the diminished-1 reference, under stalls, at
the stated latency."""

from typing import Any

import cocotb

from fermatnet.model.fermat import transform
from fermatnet.model.fermat.number import Number, Ring
from fermatnet.sim import bench, residues
from fermatnet.sim.frames import check_frames


def transposed(x: Number) -> Number:
    """Numbers with rows and columns exchanged."""
    return Number(x.value.swapaxes(-1, -2), x.zero.swapaxes(-1, -2))


@cocotb.test()
async def fnt2d(dut: Any) -> None:
    """Forward: raster order in, column by column out. Inverse: the reverse."""
    settings = bench.load()
    ring, rows, columns = Ring(settings.options["b"]), settings.options["rows"], settings.options["columns"]
    frames = max(2, settings.vectors // (rows * columns))
    x = residues.draw(ring, frames * rows * columns, settings.seed).reshape(frames, rows, columns)
    if settings.options.get("inverse"):
        stimulus, expected = (
            transposed(x),
            transform.inverse2d(ring, x, scale=settings.options.get("scale", True)),
        )
    else:
        stimulus, expected = x, transposed(transform.forward2d(ring, x))
    await check_frames(dut, settings, ring.pack(stimulus), ring.pack(expected))
