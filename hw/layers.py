# amaranth: UnusedElaboratable=no
"""From a network's node to the block that computes it: possible folds, lanes, cycles, the component and its timing."""

from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
from amaranth.hdl import Module, Shape
from amaranth.lib import stream, wiring

from fermatnet.hw import timing
from fermatnet.hw.depthwise import DepthwiseArray
from fermatnet.hw.external import Streamed
from fermatnet.hw.fermat.convolver import Convolver, inverse_count
from fermatnet.hw.integer import IntegerArray
from fermatnet.hw.piecewise.array import PiecewiseArray
from fermatnet.hw.piecewise.scale import AffineUnit, LevelsUnit
from fermatnet.hw.piecewise.thresholds import ThresholdUnit
from fermatnet.hw.stream.fifo import Fifo
from fermatnet.hw.stream.join import Adder, Concat
from fermatnet.hw.stream.pooling import ArgMax, MaxPool, SumPool
from fermatnet.hw.stream.window import SlidingWindow
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, nodes
from fermatnet.model.network.engine import conv_plan
from fermatnet.model.network.nodes import Node, TensorType
from fermatnet.model.network.rules import sum_kernel

__all__ = ["Fold", "Layer", "Pace", "divisors", "layer_of", "link", "shape_of"]


def divisors(n: int) -> list[int]:
    return [k for k in range(1, n + 1) if n % k == 0]


def shape_of(tensor: TensorType) -> Shape:
    """How one value of a tensor travels: as narrow as its proven range."""
    return Shape(tensor.bits, tensor.signed)


def beats_of(tensor: TensorType, lanes: int) -> int:
    channels, height, width = tensor.shape
    return height * width * (channels // lanes)


@dataclass(frozen=True, order=True)
class Fold:
    """Parallelism of one layer: ``pe`` outputs by ``simd`` inputs (pools and depthwise layers: ``pe`` lanes)."""

    pe: int = 1
    simd: int = 1


@dataclass(frozen=True)
class Pace:
    """How a tensor travels: channels a beat, and cycles between two beats at least."""

    lanes: int
    interval: int


class Layer:
    """One node, seen by the compiler; subclasses know one kind of block each.

    ``pace(fold, incoming, period)`` says with how many lanes the block takes each input and how it emits; ``build`` makes
    the component (ports ``i`` or ``i0``, ``i1``, ..., and ``o``); ``model`` is its timing.
    """

    foldable = False
    external = False        # weights come from a stream
    target = "generic"      # what compressor trees are made for

    def __init__(self, net: Network, node: Any):
        self.net, self.node, self.name = net, node, node.name
        self.inputs = [net.types[name] for name in node.inputs]
        self.output = net.types[node.name]

    @property
    def kind(self) -> str:
        return type(self.node).__name__

    def folds(self) -> list[Fold]:
        return [Fold()]

    def cycles(self, fold: Fold) -> int:
        """Cycles an image of the block itself, whatever its neighbours do."""
        return 1

    def pace(self, fold: Fold, incoming: list[Pace], period: int) -> tuple[list[int], Pace]:
        raise InputError(f"layer {self.name!r}: a {self.kind} cannot be generated")

    def build(self, fold: Fold, lanes: list[int], rows: int = 0) -> wiring.Component:
        raise InputError(f"layer {self.name!r}: a {self.kind} cannot be generated")

    def model(self, component: Any, fold: Fold, lanes: list[int]) -> Any:
        return timing.Chain(component.latency, getattr(component, "gap", 1))

    def windowed(self, fold: Fold) -> bool:
        """Whether a buffer stands at the input, so that its ready comes from registers."""
        return False

    def narrowest(self, incoming: Pace, period: int, tensor: TensorType) -> int:
        """Fewest lanes that keep up with the producer and divide its lanes."""
        for lanes in divisors(incoming.lanes):
            if incoming.lanes // lanes <= incoming.interval and beats_of(tensor, lanes) <= period:
                return lanes
        return incoming.lanes


class Elementwise(Layer):
    """Thresholds, fixed-point scale, level tables: beat for beat."""

    interval = 1        # cycles that the producer leaves between beats

    def pace(self, fold, incoming, period):
        lanes = self.narrowest(incoming[0], period, self.inputs[0])
        self.interval = incoming[0].interval if lanes == incoming[0].lanes else 1
        return [lanes], Pace(lanes, self.interval)

    def build(self, fold, lanes, rows=0):
        node, shape = self.node, shape_of(self.inputs[0])
        if isinstance(node, nodes.Threshold):
            return ThresholdUnit(node.thresholds, node.sign, shape, lanes=lanes[0], interval=self.interval)
        if isinstance(node, nodes.Affine):
            return AffineUnit(node.multiplier, node.offset, node.shift, node.lo, node.hi, shape, lanes=lanes[0])
        return LevelsUnit(node.levels, max(shape.width, (len(node.levels) - 1).bit_length()), lanes=lanes[0])


class Matrix(Layer):
    """Convolutions and dense layers on an array behind a sliding window; folds are (divisors of O/group) x (divisors of C/group)."""

    foldable = True

    def __init__(self, net, node):
        super().__init__(net, node)
        channels, height, width = self.inputs[0].shape
        if isinstance(node, nodes.Dense):
            # Flattened as (C, H, W) in the file, as (H, W, C) on the stream: the weights move, not the data.
            weight = node.weight.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
            self.matrix = weight.reshape(len(weight), -1)
            self.geometry = {"kernel": (1, 1), "stride": (1, 1), "pad": (0, 0, 0, 0), "dilation": (1, 1)}
            self.map, self.group = (channels * height * width, 1, 1), 1
        else:
            weight = node.codes if isinstance(node, nodes.PiecewiseConv) else node.weight
            self.matrix = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
            self.geometry = {"kernel": tuple(int(k) for k in weight.shape[2:]), "stride": tuple(node.stride), "pad": tuple(node.pad),
                             "dilation": tuple(node.dilation)}
            self.map, self.group = (channels, height, width), node.group
        self.outputs, self.taps = self.matrix.shape
        self.pixels = self.output.shape[1] * self.output.shape[2]

    def folds(self):
        inputs = self.map[0] // self.group
        allowed = divisors(inputs)
        if isinstance(self.node, nodes.Dense):      # a beat of the stream holds channels of one pixel
            allowed = divisors(self.inputs[0].shape[0])
        return [Fold(pe, simd) for pe in divisors(self.outputs // self.group) for simd in allowed]

    def cycles(self, fold):
        return self.pixels * (self.outputs // fold.pe) * (self.taps // fold.simd)

    def pace(self, fold, incoming, period):
        return [fold.simd], Pace(fold.pe, self.taps // fold.simd)

    def repeats(self, fold: Fold) -> int:
        return self.outputs // self.group // fold.pe

    def needs_window(self, fold: Fold) -> bool:
        plain = self.geometry["kernel"] == (1, 1) and self.geometry["stride"] == (1, 1) and not any(self.geometry["pad"])
        return not (plain and self.group == 1 and self.repeats(fold) == 1)

    def windowed(self, fold):
        return self.needs_window(fold)

    def window(self, fold: Fold, rows: int) -> SlidingWindow:
        try:
            return SlidingWindow(shape_of(self.inputs[0]), *self.map, **self.geometry, lanes=fold.simd, repeats=self.repeats(fold),
                                 groups=self.group, rows=rows)
        except InputError as error:
            raise InputError(f"layer {self.name!r}: {error}") from error

    def array(self, fold: Fold) -> wiring.Component:
        node, shape = self.node, shape_of(self.inputs[0])
        if isinstance(node, nodes.PiecewiseConv):
            return PiecewiseArray(self.matrix, node.levels_w, node.levels_a, pe=fold.pe, simd=fold.simd, target=self.target)
        bias = node.bias if isinstance(node, nodes.Dense) else np.zeros(0, np.int64)
        return IntegerArray(self.matrix, bias, shape, pe=fold.pe, simd=fold.simd)

    def build(self, fold, lanes, rows=0):
        array = Streamed(self.array(fold)) if self.external else self.array(fold)
        return Pipeline(self.window(fold, rows), array) if self.needs_window(fold) else array

    def model(self, component, fold, lanes):
        beats = self.taps // fold.simd
        if not isinstance(component, Pipeline):
            return timing.Runs(beats, component.latency - beats + 1)
        return timing.Windows.of(component.parts[0], self.outputs // fold.pe, beats, 2 + component.parts[1].latency)


class Depthwise(Matrix):
    """Convolutions with as many groups as channels, in and out: ``pe`` channels side by side."""

    def folds(self):
        return [Fold(lanes, lanes) for lanes in divisors(self.outputs)]

    def cycles(self, fold):
        return self.pixels * (self.outputs // fold.pe) * self.taps

    def pace(self, fold, incoming, period):
        return [fold.pe], Pace(fold.pe, self.taps)

    def needs_window(self, fold):
        return True

    def window(self, fold, rows):
        return SlidingWindow(shape_of(self.inputs[0]), *self.map, **self.geometry, lanes=fold.pe, groups=self.outputs // fold.pe, rows=rows)

    def array(self, fold):
        node, shape = self.node, shape_of(self.inputs[0])
        if isinstance(node, nodes.PiecewiseConv):
            weight = node.levels_w.astype(np.int64)[self.matrix]
            return DepthwiseArray(weight, Shape((len(node.levels_a) - 1).bit_length()), lanes=fold.pe, levels=node.levels_a)
        return DepthwiseArray(self.matrix, shape, lanes=fold.pe)

    def model(self, component, fold, lanes):
        return timing.Windows.of(component.parts[0], self.outputs // fold.pe, self.taps, 2 + component.parts[1].latency)


class Transform(Layer):
    """Convolutions on the Fermat engine; the fold's ``pe`` is the number of parallel products."""

    foldable = True

    def __init__(self, net, node, chosen):
        super().__init__(net, node)
        self.plan = chosen
        self.built: dict[Fold, Convolver] = {}

    def folds(self):
        outputs = self.node.weight.shape[0] // self.node.group
        planes = self.node.weight.shape[1] * self.plan.phases
        return [Fold(p) for p in divisors(outputs) if any(inverse_count(p, planes, lanes) for lanes in divisors(self.output.shape[0]))]

    def _lanes(self, fold: Fold) -> tuple[int, int]:
        """Fewest lanes in and out that keep up with the products."""
        node, plan = self.node, self.plan
        channels, outputs, planes = self.inputs[0].shape[0], self.output.shape[0], node.weight.shape[1] * plan.phases
        work = plan.tiles[0] * plan.tiles[1] * (outputs // node.group // fold.pe) * channels * plan.phases * plan.lengths[0] * plan.lengths[1]
        lanes_in = next((k for k in divisors(channels) if 2 * beats_of(self.inputs[0], k) <= work), channels)
        fitting = [k for k in divisors(outputs) if inverse_count(fold.pe, planes, k)]
        return lanes_in, next((k for k in fitting if 2 * beats_of(self.output, k) <= work), fitting[-1])

    def engine(self, fold: Fold) -> Convolver:
        if fold not in self.built:
            node, (_, height, width) = self.node, self.inputs[0].shape
            lanes_in, lanes_out = self._lanes(fold)
            try:
                self.built[fold] = Convolver(
                    node.weight, self.inputs[0].lo, self.inputs[0].hi, height, width, stride=node.stride, pad=node.pad, dilation=node.dilation,
                    group=node.group, plan=self.plan, lanes_in=lanes_in, lanes_out=lanes_out, products=fold.pe, name="spectra")
            except InputError as error:
                raise InputError(f"layer {self.name!r}: {error}") from error
            _weighed(self.built[fold])
        return self.built[fold]

    def cycles(self, fold):
        return self.engine(fold).cycles

    def pace(self, fold, incoming, period):
        lanes_in, lanes_out = self._lanes(fold)
        return [lanes_in], Pace(lanes_out, 1)

    def build(self, fold, lanes, rows=0):
        return self.engine(fold)

    def windowed(self, fold):
        return True

    def model(self, component, fold, lanes):
        return timing.Tiles(component.timing)


class Largest(Layer):
    """Max-pooling."""

    foldable = True

    def folds(self):
        return [Fold(lanes, lanes) for lanes in divisors(self.inputs[0].shape[0])]

    def cycles(self, fold):
        return max(beats_of(self.output, fold.pe) * self.node.kernel[0] * self.node.kernel[1], beats_of(self.inputs[0], fold.pe))

    def pace(self, fold, incoming, period):
        return [fold.pe], Pace(fold.pe, self.node.kernel[0] * self.node.kernel[1])

    def build(self, fold, lanes, rows=0):
        node = self.node
        return MaxPool(shape_of(self.inputs[0]), *self.inputs[0].shape, kernel=node.kernel, stride=node.stride, pad=node.pad, lanes=fold.pe,
                       rows=rows)

    def windowed(self, fold):
        return True

    def model(self, component, fold, lanes):
        window = component.window
        return timing.Windows.of(window, window.groups, window.beats, window.beats + 1)


class Sums(Layer):
    """Sum pooling."""

    def pace(self, fold, incoming, period):
        lanes = self.narrowest(incoming[0], period, self.inputs[0])
        return [lanes], Pace(lanes, 1)

    def build(self, fold, lanes, rows=0):
        return SumPool(shape_of(self.inputs[0]), *self.inputs[0].shape, kernel=sum_kernel(self.node, self.inputs[0]), lanes=lanes[0],
                       out_shape=shape_of(self.output))

    def model(self, component, fold, lanes):
        channels, height, width = self.inputs[0].shape
        order = np.arange(height * width * channels // lanes[0]).reshape(height, width, -1)
        kh, kw = component.kernel
        return timing.Select(order.size, order[kh - 1 :: kh, kw - 1 :: kw].reshape(-1), component.latency)


class Sum(Layer):
    """Residual add."""

    def pace(self, fold, incoming, period):
        for lanes in divisors(self.output.shape[0]):
            if beats_of(self.output, lanes) <= period and all(p.lanes <= lanes * p.interval for p in incoming):
                break
        return [lanes, lanes], Pace(lanes, 1)

    def build(self, fold, lanes, rows=0):
        return Adder(shape_of(self.inputs[0]), shape_of(self.inputs[1]), lanes=lanes[0], shape=shape_of(self.output))

    def model(self, component, fold, lanes):
        return timing.Join()


class Together(Layer):
    """Channel concatenation."""

    def pace(self, fold, incoming, period):
        common = divisors(gcd(*(t.shape[0] for t in self.inputs)))
        for lanes in common:
            if beats_of(self.output, lanes) <= period and all(p.lanes <= lanes * p.interval for p in incoming):
                break
        return [lanes] * len(incoming), Pace(lanes, 1)

    def build(self, fold, lanes, rows=0):
        return Concat([shape_of(t) for t in self.inputs], [t.shape[0] for t in self.inputs], lanes=lanes[0], shape=shape_of(self.output))

    def model(self, component, fold, lanes):
        return timing.Gather(tuple(t.shape[0] // lanes[0] for t in self.inputs))


class Best(Layer):
    """Arg max."""

    def pace(self, fold, incoming, period):
        lanes = self.narrowest(incoming[0], period, self.inputs[0])
        return [lanes], Pace(1, self.inputs[0].shape[0] // lanes)

    def build(self, fold, lanes, rows=0):
        return ArgMax(shape_of(self.inputs[0]), self.inputs[0].shape[0], lanes=lanes[0])

    def model(self, component, fold, lanes):
        return timing.Runs(component.cycles, component.latency)


def link(m, source, sink) -> None:
    """Connects two streams of as many lanes; each value is cut or extended to the sink's shape (its range is proven to fit)."""
    for k in range(sink.payload.shape().length):
        m.d.comb += sink.payload[k].eq(source.payload[k])
    m.d.comb += [sink.valid.eq(source.valid), source.ready.eq(sink.ready)]


def _weighed(component: Any) -> None:
    """Engines built to count their cycles and then left need no warning that they were not used."""
    component._MustUse__used = True
    for value in vars(component).values():
        for part in value if isinstance(value, list | tuple) else [value]:
            if isinstance(part, wiring.Component) and not part._MustUse__used:
                _weighed(part)


class Pipeline(wiring.Component):
    """Window and array one after the other, with two places between them: the array's stalls reach the window's reader, with all its
    counters, from a register. Latency: window's + 1 + array's."""

    def __init__(self, window: wiring.Component, array: wiring.Component):
        self.parts = (window, array)
        self.latency = window.latency + 1 + array.latency
        super().__init__({
            "i": wiring.In(stream.Signature(window.i.payload.shape())), "o": wiring.Out(stream.Signature(array.o.payload.shape())),
            **({"w": wiring.In(stream.Signature(array.width))} if isinstance(array, Streamed) else {}),
        })

    def elaborate(self, platform):
        m = Module()
        window, array = self.parts
        m.submodules.window, m.submodules.array = window, array
        m.submodules.between = between = Fifo(window.o.payload.shape(), 2, deep=False)
        wiring.connect(m, wiring.flipped(self.i), window.i)
        wiring.connect(m, window.o, between.i)
        link(m, between.o, array.i)
        wiring.connect(m, array.o, wiring.flipped(self.o))
        if isinstance(array, Streamed):
            wiring.connect(m, wiring.flipped(self.w), array.w)
        return m


_KINDS: dict[type[Node], type[Layer]] = {
    nodes.Threshold: Elementwise, nodes.Affine: Elementwise, nodes.Levels: Elementwise, nodes.Dense: Matrix,
    nodes.MaxPool: Largest, nodes.SumPool: Sums, nodes.Add: Sum, nodes.Concat: Together, nodes.ArgMax: Best,
}


def layer_of(net: Network, node: Node) -> Layer:
    """The compiler's view of a node; InputError for what it cannot generate."""
    chosen = conv_plan(net, node) if isinstance(node, nodes.Conv) else None
    if chosen is not None:
        return Transform(net, node, chosen)
    if isinstance(node, nodes.Conv | nodes.PiecewiseConv):
        weight = node.weight if isinstance(node, nodes.Conv) else node.codes
        depthwise = node.group > 1 and weight.shape[1] == 1 and weight.shape[0] == node.group
        return (Depthwise if depthwise else Matrix)(net, node)
    if type(node) not in _KINDS:
        raise InputError(f"layer {node.name!r}: a {type(node).__name__} cannot be generated")
    return _KINDS[type(node)](net, node)
