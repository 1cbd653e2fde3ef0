# amaranth: UnusedElaboratable=no
"""Convolutions on the Fermat engine."""

from typing import Any

from amaranth.lib import wiring

from fermatnet.hw import timing
from fermatnet.hw.fermat.convolver import Convolver, inverse_count
from fermatnet.hw.layers.layer import Fold, Layer, StreamRate, beats_of, divisors
from fermatnet.model.errors import InputError

__all__ = ["FermatConvLayer"]


class FermatConvLayer(Layer):
    """Convolutions on the Fermat engine; the fold's ``pe`` is the number of parallel products."""

    foldable = True

    def __init__(self, net, node, chosen):
        super().__init__(net, node)
        self.plan = chosen
        self.built: dict[Fold, Convolver] = {}

    def folds(self):
        outputs = self.node.weight.shape[0] // self.node.group
        planes = self.node.weight.shape[1] * self.plan.phases
        return [
            Fold(p)
            for p in divisors(outputs)
            if any(inverse_count(p, planes, lanes) for lanes in divisors(self.output.shape[0]))
        ]

    def _lanes(self, fold: Fold) -> tuple[int, int]:
        """Fewest lanes in and out that keep up with the products."""
        node, plan = self.node, self.plan
        channels, outputs, planes = (
            self.inputs[0].shape[0],
            self.output.shape[0],
            node.weight.shape[1] * plan.phases,
        )
        work = (
            plan.tiles[0]
            * plan.tiles[1]
            * (outputs // node.group // fold.pe)
            * channels
            * plan.phases
            * plan.lengths[0]
            * plan.lengths[1]
        )
        lanes_in = next((k for k in divisors(channels) if 2 * beats_of(self.inputs[0], k) <= work), channels)
        fitting = [k for k in divisors(outputs) if inverse_count(fold.pe, planes, k)]
        return lanes_in, next((k for k in fitting if 2 * beats_of(self.output, k) <= work), fitting[-1])

    def engine(self, fold: Fold) -> Convolver:
        if fold not in self.built:
            node, (_, height, width) = self.node, self.inputs[0].shape
            lanes_in, lanes_out = self._lanes(fold)
            try:
                self.built[fold] = Convolver(
                    node.weight,
                    self.inputs[0].lo,
                    self.inputs[0].hi,
                    height,
                    width,
                    stride=node.stride,
                    pad=node.pad,
                    dilation=node.dilation,
                    group=node.group,
                    plan=self.plan,
                    lanes_in=lanes_in,
                    lanes_out=lanes_out,
                    products=fold.pe,
                    name="spectra",
                )
            except InputError as error:
                raise InputError(f"layer {self.name!r}: {error}") from error
            _weighed(self.built[fold])
        return self.built[fold]

    def cycles(self, fold):
        return self.engine(fold).cycles

    def pace(self, fold, incoming, period):
        lanes_in, lanes_out = self._lanes(fold)
        return [lanes_in], StreamRate(lanes_out, 1)

    def build(self, fold, lanes, rows=0):
        return self.engine(fold)

    def windowed(self, fold):
        return True

    def model(self, component, fold, lanes):
        return timing.Tiles(component.timing)


def _weighed(component: Any) -> None:
    """Engines built to count their cycles and then left need no warning that they were not used."""
    component._MustUse__used = True
    for value in vars(component).values():
        for part in value if isinstance(value, list | tuple) else [value]:
            if isinstance(part, wiring.Component) and not part._MustUse__used:
                _weighed(part)
