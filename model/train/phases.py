"""The phases of a run: the full-precision twin first, then the quantized network from its weights."""

from dataclasses import replace

from fermatnet.model.nn.scheme import Scheme, scheme
from fermatnet.model.train.options import Options

__all__ = ["PlannedPhase", "phases", "settled"]

PlannedPhase = tuple[str, Scheme, int, float]
"""Name, scheme, epochs and learning rate."""


def settled(given: Options, twin: str | None) -> tuple[Options, Scheme]:
    """The options as this run takes them, and its scheme; ``twin``: the run folder that it starts from."""
    quantized = scheme(
        given.scheme, weights=given.weights, activations=given.activations, edge_bits=given.edge_bits
    )
    if twin:
        return replace(given, float_epochs=0), quantized
    if quantized.full_precision and not given.float_epochs:
        return replace(given, float_epochs=given.epochs), quantized
    return given, quantized


def phases(given: Options, quantized: Scheme, twin: str | None) -> list[PlannedPhase]:
    """What is trained, in order; options and scheme as `settled` gives them."""
    planned = [("float", scheme("float"), given.float_epochs, given.float_lr)] if given.float_epochs else []
    if given.epochs and (twin or not quantized.full_precision):
        planned.append(("quantized", quantized, given.epochs, given.lr))
    return planned
