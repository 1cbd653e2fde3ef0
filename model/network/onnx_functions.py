"""What each layer means in standard ONNX integer operators: the body of one model-local function a layer
type.

onnxruntime executes these bodies, so the file carries its own independent definition. All bodies compute in
int64 except ConvInteger, which takes 8-bit operands; both operands are made unsigned with a zero point of
128, because on x86 without VNNI the mixed-sign kernel of onnxruntime saturates its 16-bit intermediate sums.
"""

from collections.abc import Callable
from typing import Any

from onnx import AttributeProto, FunctionProto, NodeProto, TensorProto, helper

__all__ = ["DOMAIN", "OPSET", "function"]

DOMAIN = "fermatnet"
OPSET = 21
_INT, _INTS = AttributeProto.INT, AttributeProto.INTS
_CONV = ("strides", "pads", "dilations", "group")


class _Body:
    """Collects the nodes of a function body; every method returns the name of a tensor."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []

    def op(
        self,
        kind: str,
        *inputs: str,
        out: str = "",
        refs: tuple[str, ...] = (),
        renamed: dict[str, str] | None = None,
        **attributes: Any,
    ) -> str:
        name = out or f"t{len(self.nodes)}"
        node = helper.make_node(kind, list(inputs), [name], **attributes)
        for own, theirs in {**{ref: ref for ref in refs}, **(renamed or {})}.items():
            attribute = node.attribute.add()
            attribute.name, attribute.ref_attr_name = own, theirs
            attribute.type = _INT if own in ("group", "value_int", "axis") else _INTS
        self.nodes.append(node)
        return name

    def number(self, value: int) -> str:
        return self.op("Constant", value_int=value)

    def numbers(self, *values: int) -> str:
        return self.op("Constant", value_ints=list(values))

    def attribute(self, name: str) -> str:
        return self.op("Constant", renamed={"value_int": name})

    def int64(self, tensor: str, out: str = "") -> str:
        return self.op("Cast", tensor, out=out, to=TensorProto.INT64)

    def uint8(self, tensor: str, out: str = "") -> str:
        return self.op("Cast", tensor, out=out, to=TensorProto.UINT8)

    def convolve(self, x: str, x_zero: str, w: str) -> str:
        """Exact 8-bit convolution of int64 tensors: x + x_zero and w + 128 must fit uint8."""
        shifted = self.uint8(self.op("Add", x, x_zero))
        half = self.number(128)
        weight = self.uint8(self.op("Add", w, half))
        return self.int64(
            self.op("ConvInteger", shifted, weight, self.uint8(x_zero), self.uint8(half), refs=_CONV)
        )

    def limbs(self, x: str) -> tuple[str, str]:
        """x = 256 * high + low with low in 0..255 (floor division)."""
        base = self.number(256)
        low = self.op("Mod", x, base)
        return self.op("Div", self.op("Sub", x, low), base), low


def _conv8(b: _Body) -> None:
    b.op("Identity", b.convolve(b.int64("x"), b.attribute("x_zero"), b.int64("weight")), out="y")


def _conv16(b: _Body) -> None:
    (xh, xl), (wh, wl) = b.limbs(b.int64("x")), b.limbs(b.int64("weight"))
    half, none = b.number(128), b.number(0)
    centred = b.op("Sub", wl, half)  # low weight limbs are unsigned: w = 256 wh + (wl - 128) + 128
    ones = b.op("Add", b.op("Mul", wl, none), b.number(1))
    high = b.convolve(xh, half, wh)
    cross = b.op(
        "Add",
        b.convolve(xl, none, wh),
        b.op("Add", b.convolve(xh, half, centred), b.op("Mul", half, b.convolve(xh, half, ones))),
    )
    low = b.op("Add", b.convolve(xl, none, centred), b.op("Mul", half, b.convolve(xl, none, ones)))
    b.op(
        "Add",
        b.op("Add", b.op("Mul", high, b.number(65536)), b.op("Mul", cross, b.number(256))),
        low,
        out="y",
    )


def _piecewise(b: _Body) -> None:
    weight = b.op("Gather", b.int64("levels_w"), b.int64("codes"), axis=0)
    b.op(
        "Identity",
        b.convolve(b.op("Gather", b.int64("levels_a"), b.int64("x"), axis=0), b.number(0), weight),
        out="y",
    )


def _threshold(b: _Body) -> None:
    columns = b.numbers(1, 2)
    x = b.op(
        "Unsqueeze", b.op("Mul", b.int64("x"), b.op("Unsqueeze", b.int64("sign"), columns)), b.numbers(1)
    )
    limits = b.op("Unsqueeze", b.op("Transpose", b.int64("thresholds"), perm=[1, 0]), b.numbers(2, 3))
    passed = b.int64(b.op("GreaterOrEqual", x, limits))
    b.uint8(b.op("ReduceSum", passed, b.numbers(1), keepdims=0), out="y")


def _affine(b: _Body) -> None:
    columns = b.numbers(1, 2)
    product = b.op("Mul", b.int64("x"), b.op("Unsqueeze", b.int64("multiplier"), columns))
    total = b.op("Add", product, b.op("Unsqueeze", b.int64("offset"), columns))
    divisor = b.attribute("divisor")
    floored = b.op("Div", b.op("Sub", total, b.op("Mod", total, divisor)), divisor)
    b.op("Min", b.op("Max", floored, b.attribute("lo")), b.attribute("hi"), out="y")


def _levels(b: _Body) -> None:
    b.op("Gather", b.int64("levels"), b.int64("x"), out="y", axis=0)


def _maxpool_index(b: _Body) -> None:
    b.op("MaxPool", "x", out="y", refs=("kernel_shape", "strides", "pads"))


def _maxpool(b: _Body) -> None:
    # MaxPool has no int64 kernel; values within 32 bits are exact in double
    wide = b.op("Cast", b.int64("x"), to=TensorProto.DOUBLE)
    b.int64(b.op("MaxPool", wide, refs=("kernel_shape", "strides", "pads")), out="y")


def _sumpool(b: _Body) -> None:
    blocks = b.op("Constant", renamed={"value_ints": "blocks"})
    b.op("ReduceSum", b.op("Reshape", b.int64("x"), blocks), b.numbers(3, 5), out="y", keepdims=0)


def _add(b: _Body) -> None:
    b.op("Add", b.int64("x"), b.int64("x2"), out="y")


def _dense(b: _Body) -> None:
    flat = b.op("Flatten", b.int64("x"), axis=1)
    total = b.op(
        "Add", b.op("MatMul", flat, b.op("Transpose", b.int64("weight"), perm=[1, 0])), b.int64("bias")
    )
    b.op("Unsqueeze", total, b.numbers(2, 3), out="y")


def _argmax(b: _Body) -> None:
    b.op("ArgMax", b.int64("x"), out="y", axis=1, keepdims=1)


# op: body, inputs, attributes
_FUNCTIONS: dict[str, tuple[Callable[[_Body], None], tuple[str, ...], tuple[str, ...]]] = {
    "ConvInt8": (_conv8, ("x", "weight"), (*_CONV, "x_zero", "engine", "moduli", "length")),
    "ConvInt16": (_conv16, ("x", "weight"), (*_CONV, "engine", "moduli", "length")),
    "PiecewiseConv": (_piecewise, ("x", "codes", "levels_w", "levels_a"), _CONV),
    "Threshold": (_threshold, ("x", "thresholds", "sign"), ()),
    "Affine": (_affine, ("x", "multiplier", "offset"), ("divisor", "lo", "hi")),
    "Levels": (_levels, ("x", "levels"), ()),
    "MaxPoolIndex": (_maxpool_index, ("x",), ("kernel_shape", "strides", "pads")),
    "MaxPool": (_maxpool, ("x",), ("kernel_shape", "strides", "pads")),
    "SumPool": (_sumpool, ("x",), ("blocks",)),
    "Add": (_add, ("x", "x2"), ()),
    "Dense": (_dense, ("x", "weight", "bias"), ()),
    "ArgMax": (_argmax, ("x",), ()),
}


def function(op: str) -> FunctionProto:
    """The model-local function of one op: ``Concat3`` joins three tensors (``ConcatInt3`` too, the uint8
    image among them), the others are as listed above."""
    body = _Body()
    if op.startswith("Concat"):
        inputs: tuple[str, ...] = tuple(
            f"x{k}" for k in range(int(op.removeprefix("Concat").removeprefix("Int")))
        )
        attributes: tuple[str, ...] = ()
        body.op(
            "Concat", *(map(body.int64, inputs) if op.startswith("ConcatInt") else inputs), out="y", axis=1
        )
    else:
        make, inputs, attributes = _FUNCTIONS[op]
        make(body)
    imports = [helper.make_opsetid("", OPSET)]
    return helper.make_function(DOMAIN, op, list(inputs), ["y"], body.nodes, imports, list(attributes))
