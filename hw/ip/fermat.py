"""Stand-alone IP of the Fermat engine: adder, subtractor, multiplier, butterfly, transforms, convolver."""

from collections.abc import Callable
from functools import partial

from amaranth.lib import data

from fermatnet.hw.fermat.adder import FORMS, Adder, Subtractor
from fermatnet.hw.fermat.butterfly import Butterfly
from fermatnet.hw.fermat.folded_transform import FoldedTransform, folded_latency
from fermatnet.hw.fermat.multiplier import Multiplier
from fermatnet.hw.fermat.number import Number
from fermatnet.hw.fermat.pipelined import FramedStream
from fermatnet.hw.fermat.serial_transform import SerialTransform, serial_latency
from fermatnet.hw.fermat.serial_transform2d import SerialTransform2d, serial_latency2d
from fermatnet.hw.fermat.transform import ParallelTransform
from fermatnet.hw.ip.block import Block, Option
from fermatnet.hw.ip.convolver import CONVOLVER
from fermatnet.model.fermat.transform import root_of_order

__all__ = ["BLOCKS"]

_B = Option("b", int, 32, "width of the modulus 2^b + 1, 2..64")
_LATENCY = Option(
    "latency", int, 2, "cycles: 0 combinational, 1, or 2 with a register between sum and increment"
)
_FORM = Option("form", FORMS, "chain", "carries: chain (FPGA), select, prefix (ASIC)")
_N = Option("n", int, 16, "points, a power of two that divides 2b, or 4b with sqrt(2)")
_INVERSE = Option("inverse", bool, False, "the inverse transform, bit-reversed order in")
_SCALE = Option("scale", bool, True, "inverse only: multiply by 1/N")


def _adder(b: int, latency: int, form: str) -> Adder:
    return Adder(b, latency=latency, form=form)


def _subtractor(b: int, latency: int, form: str) -> Subtractor:
    return Subtractor(b, latency=latency, form=form)


def _butterfly(b: int, latency: int, form: str) -> Butterfly:
    return Butterfly(b, latency=latency, form=form)


def _multiplier(b: int, form: str) -> Multiplier:
    return Multiplier(b, form=form)


def _fnt(b: int, n: int, inverse: bool, scale: bool, stage_latency: int, form: str) -> ParallelTransform:
    return ParallelTransform(b, n, inverse=inverse, scale=scale, stage_latency=stage_latency, form=form)


def _fnt_serial(b: int, n: int, inverse: bool, scale: bool, form: str) -> FramedStream:
    root = root_of_order(b, n)
    make = partial(SerialTransform, b, n, inverse=inverse, form=form)
    return FramedStream(
        make, n, serial_latency(b, n, 2), Number(b), shift=-root.log2 if inverse and scale else 0
    )


def _fnt_folded(b: int, n: int, lanes: int, inverse: bool, scale: bool, form: str) -> FramedStream:
    latency = folded_latency(b, n, lanes)
    make = partial(FoldedTransform, b, n, lanes, inverse=inverse, scale=scale, form=form)
    return FramedStream(make, n // lanes, latency, data.ArrayLayout(Number(b), lanes))


def _fnt2d(b: int, rows: int, columns: int, inverse: bool, scale: bool, form: str) -> FramedStream:
    shift = -root_of_order(b, rows).log2 - root_of_order(b, columns).log2
    make = partial(SerialTransform2d, b, rows, columns, inverse=inverse, form=form)
    return FramedStream(
        make,
        rows * columns,
        serial_latency2d(b, rows, columns, 2),
        Number(b),
        shift=shift if inverse and scale else 0,
    )


def _block(name: str, text: str, build: Callable, *options: Option) -> Block:
    return Block(name, text, build, options)


BLOCKS: dict[str, Block] = {
    block.name: block
    for block in (
        _block("adder", "x + y modulo 2^b + 1, diminished-1", _adder, _B, _LATENCY, _FORM),
        _block("subtractor", "x - y modulo 2^b + 1, diminished-1", _subtractor, _B, _LATENCY, _FORM),
        _block("butterfly", "x + y and x - y modulo 2^b + 1, diminished-1", _butterfly, _B, _LATENCY, _FORM),
        _block(
            "multiplier",
            "x * y modulo 2^b + 1, diminished-1, pipelined",
            _multiplier,
            _B,
            Option(
                "form",
                ("schoolbook", "karatsuba"),
                "karatsuba",
                "how wide products are split: 4 or 3 DSP blocks a halving",
            ),
        ),
        _block(
            "fnt",
            "Fermat number transform, all points every cycle",
            _fnt,
            _B,
            _N,
            _INVERSE,
            _SCALE,
            Option("stage_latency", int, 2, "cycles of each stage, 0..2"),
            _FORM,
        ),
        _block(
            "fnt_serial",
            "Fermat number transform as a stream, one point a cycle",
            _fnt_serial,
            _B,
            _N,
            _INVERSE,
            _SCALE,
            _FORM,
        ),
        _block(
            "fnt_folded",
            "Fermat number transform as a stream, several points a cycle",
            _fnt_folded,
            _B,
            _N,
            Option("lanes", int, 4, "points a cycle, a power of two from 2 to n/2"),
            _INVERSE,
            _SCALE,
            _FORM,
        ),
        _block(
            "fnt2d",
            "two-dimensional Fermat number transform as a stream, one point a cycle",
            _fnt2d,
            _B,
            Option("rows", int, 16, "rows, as n of fnt"),
            Option("columns", int, 16, "columns, as n of fnt"),
            _INVERSE,
            _SCALE,
            _FORM,
        ),
        CONVOLVER,
    )
}
