# amaranth: UnusedElaboratable=no
"""Convolutions on the Fermat engine."""

from dataclasses import replace
from typing import Any

from amaranth.lib import wiring

from fermatnet.hw import timing
from fermatnet.hw.fermat.convolver import Convolver
from fermatnet.hw.fermat.convolver_plan import ConvolverPlan, inverse_count
from fermatnet.hw.layers.layer import Block, Fold, Layer, Placement, StreamRate, beats_of, divisors
from fermatnet.model.errors import InputError
from fermatnet.model.fermat.cost import cheaper_spectra, transform_area
from fermatnet.model.fermat.plan import Geometry, Plan
from fermatnet.model.network import Network
from fermatnet.model.network.engine import layer_sizes

__all__ = ["FermatConvLayer"]


class FermatConvLayer(Layer):
    """Convolutions on the Fermat engine; the fold's ``pe`` is the number of parallel products."""

    foldable = True

    def __init__(self, net: Network, node: Any, chosen: Plan, target: str = "generic"):
        super().__init__(net, node, target)
        vars(self).update(plan=chosen, _plans={})

    @property
    def geometry(self) -> Geometry:
        """Map, kernel, stride, padding and dilation, as the planner of transforms takes them."""
        node, (_, height, width) = self.node, self.inputs[0].shape
        return Geometry(height, width, node.weight.shape[2:], node.stride, node.pad, node.dilation)

    plan: Plan
    _plans: dict[Fold, ConvolverPlan]  # known ones: each takes a simulation of its jobs

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

    def _plan_at(self, fold: Fold) -> Plan:
        """The plan with spectra stored or computed, as is cheaper for the fold's products."""
        sizes = layer_sizes(self.net, self.node, self.plan)
        return replace(self.plan, spectra=cheaper_spectra(sizes, fold.pe))

    def engine(self, fold: Fold) -> dict[str, Any]:
        """Arguments of the engine's plan, and of the engine."""
        node = self.node
        lanes_in, lanes_out = self._lanes(fold)
        return {
            "weight": node.weight,
            "lo": self.inputs[0].lo,
            "hi": self.inputs[0].hi,
            "geometry": self.geometry,
            "group": node.group,
            "plan": self._plan_at(fold),
            "lanes_in": lanes_in,
            "lanes_out": lanes_out,
            "products": fold.pe,
            "name": "spectra",
            "even": True,
        }

    def engine_plan(self, fold: Fold) -> ConvolverPlan:
        """The engine's numbers at a fold, worked out once."""
        if fold not in self._plans:
            try:
                self._plans[fold] = ConvolverPlan(**self.engine(fold))
            except InputError as error:
                raise InputError(f"layer {self.name!r}: {error}") from error
        return self._plans[fold]

    def cycles(self, fold):
        return self.engine_plan(fold).cycles

    def cost(self, fold):
        sizes = layer_sizes(self.net, self.node, self.plan)
        area = transform_area(sizes, fold.pe, cheaper_spectra(sizes, fold.pe))
        return area.luts + 264.0 * area.dsps

    def pace(self, fold, incoming, period):
        lanes_in, lanes_out = self._lanes(fold)
        return [lanes_in], StreamRate(lanes_out, 1)

    def windowed(self, fold):
        return True

    def block(self, at: Placement) -> Block:
        return _EngineBlock(self, at.fold)


class _EngineBlock(Block):
    """One engine; its rows are its own affair."""

    def __init__(self, layer: FermatConvLayer, fold: Fold):
        self.arguments = layer.engine(fold)
        self.model = timing.Tiles(layer.engine_plan(fold).timing)

    def build(self, rows: int = 0, streamed: bool = False) -> wiring.Component:
        return Convolver(**self.arguments)
