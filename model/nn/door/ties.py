"""Weights that several layers share, and layers that are used several times: kept as one, or refused by
name."""

from typing import Any

from torch import fx, nn

from fermatnet.model.nn.door.report import Report

__all__ = ["SharedParameters", "look_at_ties"]

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def look_at_ties(source: nn.Module, graph: fx.Graph, report: Report) -> None:
    """Refuses norms that are used twice: their statistics are of one place. Layers with weights stay shared,
    and the report says so."""
    places: dict[int, list[str]] = {}
    kinds: dict[int, Any] = {}
    for node in graph.nodes:
        if node.op != "call_module":
            continue
        module = source.get_submodule(str(node.target))
        tensors = [*module._parameters.values(), *module._buffers.values()]
        for tensor in tensors:
            if tensor is not None and tensor.numel():
                places.setdefault(id(tensor), []).append(str(node.target))
                kinds[id(tensor)] = module
    told: set[tuple[str, ...]] = set()
    for tensor_id, names in places.items():
        key = tuple(names)
        if len(names) == 1 or key in told:
            continue
        told.add(key)
        module, what = kinds[tensor_id], type(kinds[tensor_id]).__name__
        text = " and ".join(map(repr, names))
        if isinstance(module, _NORMS):
            report.refuse(
                f"layer {names[0]!r}",
                what,
                f"it is used {len(names)} times ({text}): its statistics are of one place; "
                "give each place a norm of its own",
            )
        else:
            report.note(
                names[0],
                what,
                what,
                f"used {len(names)} times ({text}): the weights stay shared; the hardware has each place",
            )


class SharedParameters:
    """One parameter of the twin for each of the source: layers that share one go on to share it; what was
    frozen stays frozen."""

    def __init__(self) -> None:
        self._made: dict[int, nn.Parameter] = {}
        self._quantizers: dict[tuple[int, str], nn.Module] = {}

    def take(self, made: nn.Module, source: nn.Module) -> None:
        """``made`` has the values of ``source``: tie what is tied there, freeze what is frozen there (steps
        of weights included)."""
        for name, value in source._parameters.items():
            own = made._parameters.get(name)
            if value is None:
                if own is not None:
                    own.requires_grad_(False)  # a norm without factors is trained without them
                continue
            if own is None:
                continue
            own.requires_grad_(value.requires_grad)
            made._parameters[name] = self._made.setdefault(id(value), own)
        quantizer = getattr(made, "quantizer", None)
        weight = source._parameters.get("weight")
        if not isinstance(quantizer, nn.Module) or weight is None:
            return
        made.quantizer = self._quantizers.setdefault(
            (id(weight), repr(quantizer)), quantizer
        )  # one step for one weight
        if not weight.requires_grad:
            quantizer.requires_grad_(False)
