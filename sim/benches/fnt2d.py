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
    given = bench.load()
    ring, rows, columns = Ring(given.options["b"]), given.options["rows"], given.options["columns"]
    frames = max(2, given.vectors // (rows * columns))
    x = residues.draw(ring, frames * rows * columns, given.seed).reshape(frames, rows, columns)
    if given.options.get("inverse"):
        given_words, expected = (
            transposed(x),
            transform.inverse2d(ring, x, scale=given.options.get("scale", True)),
        )
    else:
        given_words, expected = x, transposed(transform.forward2d(ring, x))
    await check_frames(dut, given, ring.pack(given_words), ring.pack(expected))
