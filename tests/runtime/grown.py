"""Networks of what imported models bring: inputs, padding values, wide fixed point, joins, rearrangements."""

from collections.abc import Callable

import numpy as np

from fermatnet.model.network import Network
from fermatnet.model.network.inputs import DTYPES
from fermatnet.model.network.nodes import (
    Add,
    AddConstant,
    Affine,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    LogicJoin,
    Lookup,
    MaxPool,
    Multiply,
    Pad,
    Requantize,
    SelectChannels,
    Slice,
    SumPool,
    Threshold,
    TopK,
    Upsample,
)

from ..model.network.samples import piecewise, thresholds

RNG = np.random.default_rng


def samples(net: Network, count: int = 9, seed: int = 0) -> np.ndarray:
    """(count, C, H, W) of the input's type: all lowest, all highest, both in turn, then random."""
    lo, hi = net.input_range
    x = RNG(seed).integers(lo, hi + 1, (count, *net.input_shape)).astype(net.input_dtype)
    x[0], x[1] = lo, hi
    x[2] = np.where(np.indices(net.input_shape).sum(axis=0) % 2, lo, hi)
    return x


def requantize(name: str, source: str, channels: int, corrections: int = 0, **more: object) -> Requantize:
    rng = RNG(channels)
    fields = {
        "multiplier": rng.integers(1 << 30, 1 << 31, channels),
        "offset": rng.integers(-(1 << 41), 1 << 41, channels),
        "shift": 31,
        "second": rng.integers(6, 11, channels),
        "zero": -7,
        "lo": -128,
        "hi": 127,
        "at": np.sort(rng.integers(-900, 900, (channels, corrections)), axis=1),
        "by": rng.choice(np.array([-1, 1]), (channels, corrections)),
    }
    return Requantize(name, (source,), **{**fields, **more})


def quantized() -> Network:
    """As int8 files are: padding with the zero point, depthwise, strides, both requantisations, a scaled
    sum."""
    rng = RNG(1)
    nodes = [
        Conv("stem", ("image",), rng.integers(-127, 128, (6, 2, 3, 3)), pad=(1, 1, 1, 1), pad_value=-128),
        Affine(
            "a", ("stem",), rng.integers(1, 1 << 24, 6), rng.integers(-(1 << 40), 1 << 40, 6), 33, -128, 127
        ),
        Conv(
            "deep",
            ("a",),
            rng.integers(-127, 128, (6, 1, 3, 3)),
            pad=(0, 1, 1, 1),
            stride=(2, 2),
            group=6,
            pad_value=5,
        ),
        requantize("b", "deep", 6),
        Conv("skip", ("a",), rng.integers(-127, 128, (6, 6, 1, 1)), stride=(2, 2)),
        requantize("c", "skip", 6, 3),
        Affine("wide0", ("b",), np.full(6, 405404), np.zeros(6, np.int64), 0, -(1 << 31), (1 << 31) - 1),
        Affine("wide1", ("c",), np.full(6, 1072283), np.zeros(6, np.int64), 0, -(1 << 31), (1 << 31) - 1),
        Add("sum", ("wide0", "wide1")),
        Affine("d", ("sum",), np.full(6, 1), np.full(6, 1 << 18), 19, -128, 127),
        Conv(
            "grouped",
            ("d",),
            rng.integers(-127, 128, (9, 2, 3, 2)),
            pad=(2, 1, 0, 1),
            group=3,
            pad_value=127,
            dilation=(1, 2),
        ),
        requantize("e", "grouped", 9),
        Dense("last", ("e",), rng.integers(-127, 128, (5, 9 * 4 * 4))),
        Affine(
            "out",
            ("last",),
            rng.integers(-(1 << 31) + 1, 1 << 31, 5),
            rng.integers(-(1 << 46), 1 << 46, 5),
            40,
            -128,
            127,
        ),
    ]
    return Network(nodes, (2, 8, 7), (-128, 127))


def two_pads() -> Network:
    """One tensor under windows that pad with different values, and one that pads with zero."""
    rng = RNG(2)
    weights = [rng.integers(-127, 128, (4, 3, 3, 3)) for _ in range(3)]
    nodes = [
        Conv("p", ("image",), weights[0], pad=(1, 1, 1, 1), pad_value=-9),
        Conv("q", ("image",), weights[1], pad=(2, 1, 0, 1), pad_value=100),
        Conv("r", ("image",), weights[2], pad=(1, 1, 1, 1)),
        Add("pq", ("p", "q")),
        Add("pqr", ("pq", "r")),
    ]
    return Network(nodes, (3, 5, 6), (-100, 100))


def vector() -> Network:
    """A vector in, two dense layers."""
    rng = RNG(3)
    nodes = [
        Dense("first", ("image",), rng.integers(-127, 128, (40, 70)), rng.integers(-9000, 9000, 40)),
        requantize("a", "first", 40),
        Dense("last", ("a",), rng.integers(-127, 128, (33, 40))),
    ]
    return Network(nodes, (70,), (-128, 127))


def inputs(dtype: str) -> Network:
    """The whole range of a type."""
    rng = RNG(4)
    lo, hi = DTYPES[dtype]
    top = max(-lo, hi)
    nodes = [
        Affine("a", ("image",), np.array([3, -5, 7]), np.array([1, -2, top]), 2, -(1 << 31), (1 << 31) - 1),
        AddConstant("b", ("a",), rng.integers(-70000, 70000, (3, 4, 5))),
        Dense("c", ("image",), rng.integers(-127, 128, (3, 60))),
        SumPool("s", ("b",)),
        Add("d", ("s", "c")),
    ]
    return Network(nodes, (3, 4, 5), DTYPES[dtype], input_dtype=dtype)


def sixteen_bits() -> Network:
    """An int16 input under a convolution of 16-bit weights that pads with a value, sums beyond 32 bits."""
    rng = RNG(5)
    nodes = [
        Conv(
            "wide",
            ("image",),
            rng.integers(-32767, 32768, (3, 2, 3, 3)),
            16,
            pad=(1, 1, 1, 1),
            pad_value=-32768,
        ),
        Affine(
            "a",
            ("wide",),
            rng.integers(-(1 << 21), 1 << 21, 3),
            rng.integers(-(1 << 60), 1 << 60, 3),
            45,
            -30000,
            30000,
        ),
        requantize(
            "b",
            "wide",
            3,
            multiplier=np.array([1 << 21, 77, -(1 << 21)]),
            shift=13,
            second=np.array([0, 3, 31]),
            offset=np.array([5, -6, 7]),
        ),
        Concat("c", ("a", "b")),
    ]
    return Network(nodes, (2, 4, 4), (-32768, 32767))


def joins() -> Network:
    """Tables, products of both kinds, a constant map, sums over windows with padding, the places of the
    largest."""
    rng = RNG(6)
    nodes = [
        Lookup("table", ("image",), rng.integers(-128, 128, 256), -128),
        SumPool("mean", ("table",)),
        Affine("gate", ("mean",), np.full(4, 77), np.full(4, 1 << 11), 12, -128, 127),
        Multiply("scaled", ("table", "gate"), (3, -5)),
        Multiply("square", ("image", "table"), (-128, 9)),
        Add("both", ("scaled", "square")),
        AddConstant("moved", ("both",), rng.integers(-(1 << 20), 1 << 20, (4, 6, 5))),
        SumPool("windows", ("moved",), (3, 2), (2, 1), (1, 1, 0, 1), -4000),
        Affine("small", ("windows",), np.full(4, 1), np.zeros(4, np.int64), 15, -128, 127),
        SumPool("overlap", ("small",), (2, 3), (1, 2)),
        Dense("scores", ("overlap",), rng.integers(-2, 3, (12, 4 * 2 * 2))),
        TopK("top", ("scores",), 12),
    ]
    return Network(nodes, (4, 6, 5), (-128, 127))


def rearranged() -> Network:
    """Every layer that moves values, of the image, of sums and of what stands in blocks; joined along each
    axis."""
    rng = RNG(7)
    nodes = [
        Pad("pad", ("image",), (1, 2, 0, 3), -77),
        Slice("cut", ("pad",), (1, 2), (6, 9), (2, 1)),
        Upsample("near", ("cut",), (2, 1)),
        Conv("conv", ("near",), rng.integers(-127, 128, (8, 4, 3, 3)), pad=(1, 1, 1, 1), pad_value=7),
        SelectChannels("order", ("conv",), rng.permutation(8)),
        DepthToSpace("shuffle", ("order",), 2),
        Upsample("insert", ("shuffle",), (1, 2), "insert", 9),
        Concat("rows", ("shuffle", "shuffle"), 2),
        Slice("half", ("rows",), (12, 0), (24, 14)),
        Concat("columns", ("half", "half"), 3),
        Add("sum", ("columns", "insert")),
        Concat("joined", ("sum", "insert", "columns")),
        MaxPool("most", ("joined",), (2, 2), (2, 2)),
        SumPool("all", ("most",)),
    ]
    return Network(nodes, (4, 5, 6), (-128, 127))


def indices() -> Network:
    """Piece indices that are moved before they are read."""
    rng = RNG(8)
    nodes = [
        Threshold("act", ("image",), *thresholds(rng, 4, 120)),
        Pad("pad", ("act",), (0, 1, 1, 0), 2),
        SelectChannels("order", ("pad",), np.array([3, 0, 2, 1, 1, 3, 0, 0])),
        Slice("cut", ("order",), (0, 1), (5, 6)),
        piecewise(rng, "conv", "cut", 8, 5, pad=(1, 1, 1, 1)),
    ]
    return Network(nodes, (4, 4, 6), (-128, 127))


def logic() -> Network:
    """Every truth table, on bits of a threshold, of a join, and as planes that a convolution reads."""
    rng = RNG(9)
    nodes = [Threshold(f"bit{k}", ("image",), *thresholds(rng, 5, 120, 1)) for k in range(2)]
    joins = [LogicJoin(f"join{table}", ("bit0", "bit1"), table) for table in range(16)]
    chain = LogicJoin("chain", ("join6", "join14"), 0b1001)
    both = Concat("both", tuple(node.name for node in (*joins, chain)))
    conv = piecewise(rng, "conv", "both", 85, 7, pad=(1, 1, 1, 1))
    conv.levels_a = np.array([0, 1])
    return Network([*nodes, *joins, chain, both, conv], (5, 4, 6), (-128, 127))


MAKERS: dict[str, Callable[[], Network]] = {
    "quantized": quantized,
    "two_pads": two_pads,
    "vector": vector,
    **{dtype: lambda dtype=dtype: inputs(dtype) for dtype in DTYPES},
    "sixteen_bits": sixteen_bits,
    "joins": joins,
    "rearranged": rearranged,
    "indices": indices,
    "logic": logic,
}
