"""Writing the body of a model-local ONNX function: standard integer operators, one call a node.

onnxruntime executes these bodies, so the file carries its own independent definition. All bodies compute in
int64 except ConvInteger, which takes 8-bit operands; both operands are made unsigned with a zero point of
128, because on x86 without VNNI the mixed-sign kernel of onnxruntime saturates its 16-bit intermediate sums.
"""

from typing import Any

from onnx import AttributeProto, NodeProto, TensorProto, helper

__all__ = ["WINDOW", "Body"]

_INT, _INTS = AttributeProto.INT, AttributeProto.INTS
# attributes of a convolution that the standard operator takes as they are
WINDOW = ("strides", "pads", "dilations", "group")


class Body:
    """Collects the nodes of a function body; every method returns the name of a tensor."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.names: dict[str, str] = {}  # inputs of the function that another tensor has taken the place of

    def op(
        self,
        kind: str,
        *inputs: str,
        out: str = "",
        refs: tuple[str, ...] = (),
        renamed: dict[str, str] | None = None,
        **attributes: Any,
    ) -> str:
        """Appends an operator; the name of its output, a new one where ``out`` is empty."""
        name = out or f"t{len(self.nodes)}"
        node = helper.make_node(
            kind, [self.names.get(tensor, tensor) for tensor in inputs], [name], **attributes
        )
        for own, theirs in {**{ref: ref for ref in refs}, **(renamed or {})}.items():
            attribute = node.attribute.add()
            attribute.name, attribute.ref_attr_name = own, theirs
            attribute.type = _INT if own in ("group", "value_int", "axis", "blocksize") else _INTS
        self.nodes.append(node)
        return name

    def number(self, value: int) -> str:
        """A constant of one integer."""
        return self.op("Constant", value_int=value)

    def numbers(self, *values: int) -> str:
        """A constant of a list of integers."""
        return self.op("Constant", value_ints=list(values))

    def attribute(self, name: str) -> str:
        """A constant that is an integer attribute of the function."""
        return self.op("Constant", renamed={"value_int": name})

    def int64(self, tensor: str, out: str = "") -> str:
        """A tensor as int64."""
        return self.op("Cast", tensor, out=out, to=TensorProto.INT64)

    def uint8(self, tensor: str, out: str = "") -> str:
        """A tensor as uint8."""
        return self.op("Cast", tensor, out=out, to=TensorProto.UINT8)

    def convolve(self, x: str, x_zero: str, w: str) -> str:
        """Exact 8-bit convolution of int64 tensors: x + x_zero and w + 128 must fit uint8."""
        shifted = self.uint8(self.op("Add", x, x_zero))
        half = self.number(128)
        weight = self.uint8(self.op("Add", w, half))
        return self.int64(
            self.op("ConvInteger", shifted, weight, self.uint8(x_zero), self.uint8(half), refs=WINDOW)
        )

    def limbs(self, x: str) -> tuple[str, str]:
        """x = 256 * high + low with low in 0..255 (floor division)."""
        base = self.number(256)
        low = self.op("Mod", x, base)
        return self.op("Div", self.op("Sub", x, low), base), low
