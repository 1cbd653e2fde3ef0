"""The phases of a run: the full-precision twin first, then the quantized network from its weights."""

from dataclasses import replace

from fermatnet.model.nn.patterns import split
from fermatnet.model.nn.scheme import Scheme, scheme
from fermatnet.model.train.mapped import check_takes_map
from fermatnet.model.train.options import Options
from fermatnet.model.train.ranges import OWN_FORM
from fermatnet.model.zoo.catalogue import form

__all__ = ["OwnScheme", "PlannedPhase", "own_form", "phases", "settled"]

PlannedPhase = tuple[str, Scheme, int, float]
"""Name, scheme, epochs and learning rate."""


class OwnScheme(Scheme):
    """In the place of a scheme: one bit as the network's chapter has it, norms and shortcuts real-valued."""

    def describe(self) -> str:
        """The scheme in words."""
        return "one bit, as in the thesis"


def own_form(net: str, given: Options) -> bool:
    """Whether the network is built as its chapter has it, not from the layers of a scheme."""
    return given.scheme == OWN_FORM or form(net) != "scheme"


def settled(given: Options, twin: str | None, net: str = "") -> tuple[Options, Scheme]:
    """The options as this run takes them, and its scheme; ``twin``: the run folder that it starts from."""
    quantized: Scheme
    check_takes_map(net, given.scheme, given.map)
    if given.scheme == OWN_FORM and net.startswith("reaf-"):
        quantized = scheme("float")  # chapter 6 quantizes nothing
    elif given.scheme == OWN_FORM:
        quantized = OwnScheme(OWN_FORM, 1, 1)
    else:
        quantized = scheme(
            given.scheme, weights=given.weights, activations=given.activations, edge_bits=given.edge_bits
        )
        for pattern, word in map(split, given.map):
            quantized = quantized.map({pattern: word})
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
