"""The operators that an import understands, with every argument and the values it may have.

Which arguments exist is not written here: it comes from the operator's own schema (`onnx.defs`, and `QONNX`
below for the operators that onnx does not know), in the version that the file names. An argument that the
schema has and this table lacks is refused, and so is a version of the schema that this table does not name:
what a newer standard adds is never ignored.
"""

from dataclasses import dataclass, field
from typing import Any

from fermatnet.model.exchange.source_file import CUSTOM_DOMAINS

__all__ = ["FOLDED", "OPERATORS", "QONNX", "READ", "Only", "Operator"]


@dataclass(frozen=True)
class Only:
    """An argument that must have one of these values; ``instead``: what to do about another one."""

    values: tuple[Any, ...]
    instead: str = ""


READ = None  # an argument whose every legal value the import takes into account


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes
    ----------
    since : versions of its schema that are understood.
    inputs : what each input must be: "x" an activation, "w" quantized weights, "c" a constant (floats, or
    quantized), "i" whole
        numbers, "n" numbers of any type, "a" an activation or a constant; "?" after it: may be left out; "*":
        any number.
    attributes : `READ`, or the values taken.
    """

    since: tuple[int, ...]
    inputs: tuple[str, ...]
    attributes: dict[str, Only | None] = field(default_factory=dict)


_WINDOW = {"auto_pad": READ, "kernel_shape": READ, "pads": READ, "strides": READ}
_NO_DILATION = Only(((), (1,), (1, 1)), "write the pooling without dilation")
_ONE, _OFF = Only((1.0,), "fold the factor into the weights"), Only((0,))
_ARITHMETIC = Operator((7, 13, 14), ("a", "a"))
_RELU = Operator((6, 13, 14), ("x",))

OPERATORS: dict[tuple[str, str], Operator] = {
    ("", "Conv"): Operator((1, 11, 22), ("x", "w", "c?"), {**_WINDOW, "dilations": READ, "group": READ}),
    ("", "Gemm"): Operator(
        (7, 9, 11, 13),
        ("x", "w", "c?"),
        {
            "alpha": _ONE,
            "beta": _ONE,
            "transA": Only((0,), "transpose nothing but the weights"),
            "transB": Only((0, 1)),
        },
    ),
    ("", "MatMul"): Operator((1, 9, 13), ("x", "w")),
    ("", "Add"): _ARITHMETIC,
    ("", "Sub"): _ARITHMETIC,
    ("", "Mul"): _ARITHMETIC,
    ("", "Div"): _ARITHMETIC,
    ("", "BatchNormalization"): Operator(
        (7, 9, 14, 15),
        ("x", "c", "c", "c", "c"),
        {
            "epsilon": READ,
            "momentum": READ,
            "spatial": Only((1,), "export a norm of whole channels"),
            "training_mode": Only((0,), "export the model in evaluation mode"),
        },
    ),
    ("", "Relu"): _RELU,
    ("", "Clip"): Operator((6, 11, 12, 13), ("x", "c?", "c?"), {"min": READ, "max": READ}),
    ("", "MaxPool"): Operator(
        (1, 8, 10, 11, 12, 22),
        ("x",),
        {**_WINDOW, "ceil_mode": READ, "dilations": _NO_DILATION, "storage_order": _OFF},
    ),
    ("", "AveragePool"): Operator(
        (7, 10, 11, 19, 22),
        ("x",),
        {**_WINDOW, "ceil_mode": READ, "count_include_pad": READ, "dilations": _NO_DILATION},
    ),
    ("", "GlobalAveragePool"): Operator((1, 22), ("x",)),
    ("", "ReduceMean"): Operator(
        (1, 11, 13, 18), ("x", "i?"), {"axes": READ, "keepdims": Only((0, 1)), "noop_with_empty_axes": READ}
    ),
    ("", "Flatten"): Operator((1, 9, 11, 13, 21, 23, 24, 25), ("x",), {"axis": READ}),
    ("", "Reshape"): Operator((5, 13, 14, 19, 21, 23, 24, 25), ("x", "i"), {"allowzero": READ}),
    ("", "Squeeze"): Operator((1, 11, 13, 21, 23, 24, 25), ("x", "i?"), {"axes": READ}),
    ("", "Transpose"): Operator((1, 13, 21, 23, 24, 25), ("w",), {"perm": READ}),
    ("", "Concat"): Operator((4, 11, 13), ("x*",), {"axis": READ}),
    ("", "Identity"): Operator((1, 13, 14, 16, 19, 21, 23, 24, 25), ("a",)),
    ("", "Cast"): Operator(
        (6, 9, 13, 19, 21, 23, 24, 25, 28),
        ("x",),
        {"to": Only((1, 11), "cast to FLOAT or leave the cast out"), "saturate": READ, "round_mode": READ},
    ),
    ("", "Dropout"): Operator((7, 10, 12, 13, 22), ("x", "n?", "n?"), {"ratio": READ, "seed": READ}),
    ("", "Softmax"): Operator((1, 11, 13), ("x",), {"axis": READ}),
    ("", "Shape"): Operator((1, 13, 15, 19, 21, 23, 24, 25), ("x",), {"start": READ, "end": READ}),
    (CUSTOM_DOMAINS[0], "Quant"): Operator(
        (1, 2), ("a", "n", "n", "n"), {"signed": Only((0, 1)), "narrow": Only((0, 1)), "rounding_mode": READ}
    ),
    (CUSTOM_DOMAINS[0], "BipolarQuant"): Operator((1, 2), ("a", "n")),
    (CUSTOM_DOMAINS[0], "Trunc"): Operator(
        (1, 2),
        ("x", "n", "n", "n", "n", "n?"),
        {"rounding_mode": READ, "signed": Only((0, 1)), "narrow": Only((0, 1))},
    ),
}
OPERATORS[CUSTOM_DOMAINS[0], "IntQuant"] = OPERATORS[CUSTOM_DOMAINS[0], "Quant"]

# operators of constants alone, which onnx.reference evaluates before the import sees them
FOLDED = frozenset(
    {
        "Add",
        "Cast",
        "Concat",
        "Constant",
        "Div",
        "Gather",
        "Identity",
        "Mul",
        "Neg",
        "Pow",
        "Reciprocal",
        "Reshape",
        "Slice",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Transpose",
        "Unsqueeze",
    }
)

# The published definition of QONNX: attributes with their defaults, no default where the definition requires
# the attribute.
QONNX: dict[str, dict[str, int | bytes | None]] = {
    "Quant": {"signed": None, "narrow": None, "rounding_mode": b"ROUND"},
    "IntQuant": {"signed": None, "narrow": None, "rounding_mode": b"ROUND"},
    "BipolarQuant": {},
    "Trunc": {"rounding_mode": b"FLOOR", "signed": 1, "narrow": 0},  # the last two from version 2 on
}
