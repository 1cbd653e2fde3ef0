"""How the layers of a network are quantized, as one argument: ``scheme("pa", weights=4, activations=5)``,
``scheme("int8")``, ``scheme("float")``.

An architecture asks its scheme for every layer it needs; swapping the scheme swaps the method and nothing
else. The first and the last layer are 8-bit integer in every quantized scheme (``edge_bits``), so that
methods are compared on what they do to the layers between.

``scheme("pa").map({"layer1.*": scheme("int8"), "layer1.0.conv2": "int8(4,4)"})`` gives layers schemes of
their own by patterns over their names (:mod:`fermatnet.model.nn.patterns`); the last pattern that covers a
layer wins. Who knows the names makes the layers: `fermatnet.model.nn.convert` and
`fermatnet.model.zoo.build`, by :mod:`fermatnet.model.nn.mixed`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral

from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.fixed_point import BatchNorm, FixedNorm, Rescale
from fermatnet.model.nn.layers import Conv2d, Linear
from fermatnet.model.nn.logic import LogicJoin, RealJoin
from fermatnet.model.nn.method import Method
from fermatnet.model.nn.methods import method, methods
from fermatnet.model.nn.patterns import covers, parse
from fermatnet.model.nn.uniform import UniformWeight

__all__ = ["Method", "Scheme", "method", "methods", "scheme"]


@dataclass(frozen=True)
class Scheme:
    """A method with its counts, and the factory of all layers. ``layers``: pattern and scheme of layers that
    have one of their own."""

    name: str
    weights: int
    activations: int
    edge_bits: int = 8
    layers: tuple[tuple[str, "Scheme"], ...] = ()

    def map(self, patterns: Mapping[str, "Scheme | str"]) -> "Scheme":
        """This scheme, with others for the layers that patterns cover; of several the last one counts.

        Parameters
        ----------
        patterns : glob over the names of modules, and a scheme, or one as a word such as ``"int8(4,4)"``

        A layer of a role (first, last, depthwise) keeps it: it is made as its scheme makes a layer there.
        Raises InputError for what is no scheme; a pattern without a layer is refused where the names are
        known, by ``convert`` and by ``build``.
        """
        if not isinstance(patterns, Mapping) or not all(isinstance(pattern, str) for pattern in patterns):
            raise InputError(
                f"a map gives patterns schemes, {{'layer1.*': 'int8'}} for instance; not {patterns!r}"
            )
        return replace(self, layers=(*self.layers, *((p, _own(p, how)) for p, how in patterns.items())))

    def named(self, *names: str) -> "Scheme | None":
        """The scheme that a pattern gives to a layer of one of these names; None: no pattern covers it."""
        found = [how for pattern, how in self.layers if any(covers(pattern, name) for name in names)]
        return found[-1] if found else None

    @property
    def common(self) -> "Scheme":
        """The scheme of all layers that no pattern covers."""
        return replace(self, layers=())

    @property
    def schemes(self) -> list["Scheme"]:
        """All that occur: the common one first."""
        return [self.common, *(how for _, how in self.layers)]

    @property
    def method(self) -> Method:
        """The quantization method of this name in the catalogue; exportable where those of all layers are."""
        found = methods()[self.name]
        return (
            replace(found, exportable=all(m.method.exportable for m in self.schemes))
            if self.layers
            else found
        )

    @property
    def full_precision(self) -> bool:
        """Whether nothing is quantized."""
        return self.name == "float" and all(how.name == "float" for _, how in self.layers)

    @property
    def branches(self) -> int:
        """How many times a residual branch is to be built, 1 but for methods of several branches."""
        return self.weights if self.method.branches else 1

    def weight(self, shape: tuple[int, ...]) -> nn.Module | None:
        """Quantizer of an inner layer; 0 weights = full precision."""
        self._alone()
        return self.method.weight(self.weights, shape) if self.weights else None

    def edge_weight(self, channels: int = 0) -> nn.Module | None:
        """Quantizer of the first and last layer: integers of ``edge_bits`` bits, one step in all, or one a
        channel."""
        self._alone()
        return (
            None
            if self.full_precision or not self.edge_bits
            else UniformWeight(self.edge_bits, channels=channels)
        )

    def conv(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
    ) -> nn.Module:
        """Inner convolution without bias; padding None keeps the size at stride 1."""
        padding = kernel // 2 if padding is None else padding
        return Conv2d(
            inputs,
            outputs,
            kernel,
            stride,
            padding,
            groups=groups,
            bias=False,
            quantizer=self.weight((outputs, inputs // groups, kernel, kernel)),
        )

    def stem(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int | None = None,
        bits: int = 8,
    ) -> nn.Module:
        """First convolution, on ``bits``-bit pixels."""
        padding = kernel // 2 if padding is None else padding
        return Conv2d(
            inputs,
            outputs,
            kernel,
            stride,
            padding,
            bias=False,
            quantizer=self.edge_weight(outputs),
            input_bits=bits,
        )

    def linear(self, inputs: int, outputs: int) -> nn.Module:
        """Inner dense layer without bias."""
        return Linear(inputs, outputs, bias=False, quantizer=self.weight((outputs, inputs)))

    def dense(self, inputs: int, outputs: int) -> nn.Module:
        """Last layer: logits."""
        return Linear(inputs, outputs, quantizer=self.edge_weight())

    def norm_activation(self, channels: int) -> nn.Sequential:
        """Batch norm and the activation that feeds the next inner layer."""
        self._alone()
        if self.method.fixed_point:
            return nn.Sequential(
                FixedNorm(channels, bits=self.activations, fraction=None, signed=False), nn.Identity()
            )
        return nn.Sequential(BatchNorm(channels), self.activation())

    def activation(self) -> nn.Module:
        """The activation alone: an input that is not normalised, or the rectifier where activations stay in
        full precision."""
        self._alone()
        found = self.method.activation(self.activations) if self.activations else None
        return nn.ReLU() if found is None else found

    def join(self, table: str | int) -> nn.Module:
        """Logic in the place of a residual sum (:mod:`fermatnet.model.nn.logic`): of activations of one
        bit; a sum in full precision."""
        made = LogicJoin(table)
        if self.full_precision:
            return RealJoin()
        if other := [how.name for how in self.schemes if not how.method.bits]:
            raise InputError(
                f"a logic join takes activations of one bit: use the scheme sign, not {other[0]}"
            )
        return made

    def fixed_norm(
        self, channels: int, *, bits: int = 10, fraction: int | None = 5, signed: bool = True
    ) -> nn.Module:
        """Batch norm in fixed point, for residual sums; in full precision where the method has no
        hardware."""
        return FixedNorm(
            channels, bits=bits, fraction=fraction, signed=signed, full_precision=not self.method.exportable
        )

    def rescale(self, gain: float = 1.0, *, bits: int = 8, signed: bool = True) -> nn.Module:
        """Integers of ``bits`` bits for the last layer."""
        return Rescale(gain, bits=bits, signed=signed, full_precision=not self.method.exportable)

    def describe(self) -> str:
        """As tables have it: ``pa(4,5)``; 32 stands for real numbers."""
        if self.layers:
            return f"{self.common.describe()} with {', '.join(f'{p} {m.describe()}' for p, m in self.layers)}"
        if self.full_precision:
            return "full precision"
        return f"{self.name}({self.weights or 32},{self.activations or 32})"

    def word(self) -> str:
        """A scheme without a map as :meth:`map` and ``--map`` take it; all counts."""
        return f"{self.name}({self.weights},{self.activations},{self.edge_bits})"

    def _alone(self) -> None:
        if self.layers:
            raise InputError(
                "a scheme with a map has to know the names of layers: build the network by "
                "fermatnet.model.zoo.build, or convert a model"
            )


def _own(pattern: str, how: Scheme | str) -> Scheme:
    """The scheme of a pattern, checked."""
    if isinstance(how, str):
        name, weights, activations, edge = parse(how)
        how = scheme(name, weights=weights, activations=activations, edge_bits=8 if edge is None else edge)
    if not isinstance(how, Scheme) or how.layers:
        raise InputError(f"the map gives {pattern!r} no plain scheme: write scheme('int8') or 'int8(4,4)'")
    if how.method.branches:
        raise InputError(
            f"the map gives {pattern!r} the scheme {how.name}, which builds several branches: it can only be "
            "the scheme of all layers"
        )
    return how


def scheme(
    name: str = "pa", *, weights: int | None = None, activations: int | None = None, edge_bits: int = 8
) -> Scheme:
    """How the layers of a network are quantized.

    Parameters
    ----------
    name : of the method: "pa" (piecewise approximation), "int8", "int16", "sign", "float", or one of those
    that they are compared with
    weights : pieces M of "pa", otherwise bases or bits, as the method counts them; None: its own
    activations : pieces N of "pa", otherwise bases or bits
    edge_bits : of the first and last layer's integers; 0: full precision, which no hardware has

    Impossible counts and unknown names raise InputError here, not later.
    """
    known = methods()
    if name not in known:
        raise InputError(f"no quantization scheme is called {name!r}; there are {', '.join(sorted(known))}")
    entry = known[name]
    made = Scheme(
        name,
        entry.weights if weights is None else weights,
        entry.activations if activations is None else activations,
        edge_bits,
    )
    for count in (made.weights, made.activations, made.edge_bits):
        if not isinstance(count, Integral):
            raise InputError(f"counts of weights, activations and edge bits are whole numbers, not {count!r}")
    if made.weights < 0 or made.activations < 0:
        raise InputError(
            f"counts of weights and activations cannot be negative: {made.weights}, {made.activations}"
        )
    made.edge_weight()
    if made.weights:
        entry.weight(made.weights, (1, 1, 1, 1))
    if made.activations:
        entry.activation(made.activations)
    return made
