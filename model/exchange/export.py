"""torch -> network file: layers become integer nodes, norms and scales become thresholds and multipliers.

Batch norm, weight scale and the next activation's end-points fold into integer thresholds *by bisection of
the float64 function that evaluation computes*: the threshold of piece j is the smallest accumulator at which
the model itself says j.
So the integer forward pass and the model's agree index for index, rounding included. A negative gamma flips
the sign; gamma = 0 gives a constant index.
"""

import json
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.exporter import Exporter, Value
from fermatnet.model.exchange.moved import folded_pads
from fermatnet.model.network import Network
from fermatnet.model.network.inputs import Input
from fermatnet.model.nn.door.compare import compare_network
from fermatnet.model.nn.door.entries import Entry, checked_samples, probed, shaped
from fermatnet.model.nn.door.images import check_range
from fermatnet.model.nn.door.report import Report
from fermatnet.model.nn.door.steps import without_step
from fermatnet.model.nn.door.wrappers import unwrapped
from fermatnet.model.nn.layers import PixelScale
from fermatnet.model.nn.samples import Batch, Samples
from fermatnet.model.nn.walk import input_names, trace, walk

__all__ = ["export", "versions"]


def versions() -> dict[str, str]:
    """What made the file: for its metadata and for reports."""
    return {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}


@torch.no_grad()
def export(
    model: nn.Module,
    shape: tuple[int, ...] | Mapping[str, tuple[int, ...]],
    value_range: tuple[int, int] | Mapping[str, tuple[int, int]] | None = None,
    *,
    name: str = "network",
    engine: str = "auto",
    meta: dict[str, Any] | None = None,
    images: Tensor | Mapping[str, Tensor] | None = None,
    check: bool = True,
) -> Network:
    """The network file of a trained model, compared with the model in evaluation, integer for integer.

    Parameters
    ----------
    model : the quantized twin, of `fermatnet.model.nn.convert.convert` or of the zoo
    name : stands in the file
    shape, value_range : the raw image (C, H, W), (c, n) or (n,), and the inclusive range of its integers;
    None: all that the model was converted for. With several inputs a dict each, by the names of ``forward``,
    which the network's inputs then have; one input is called ``image``.
    engine : of the integer convolutions, "auto", "fermat" or "direct".
    meta : provenance; everything becomes text.
    images : raw integers (n, *shape) to compare on; None: the first of the calibration images, or random
    ones, and
    a black and a white one.
    check : False leaves the comparison out; the metadata key ``compared`` says what was compared.

    Raises InputError naming the layer that the hardware has no node for, and why; or that no data has set a
    layer's step.
    """
    if engine not in ("auto", "fermat", "direct"):
        raise InputError(f"engine must be auto, fermat or direct, not {engine!r}")
    model = unwrapped(model, Report())
    inputs, given = _inputs(model, shape, value_range)
    if unset := without_step(model):
        raise InputError(
            f"layer {unset!r} has no step yet: give convert some images=, or train the model, before the "
            "export"
        )
    exporter = Exporter(list(given.values()), engine)
    values = {key: Value(one.name, np.zeros(one.shape[0], np.int64)) for key, one in given.items()}
    found = walk(model.eval(), exporter, values)
    outputs = _outputs(exporter, found)
    facts: dict[str, Any] = {
        "name": name,
        **_scales(outputs),
        **{f"version_{key}": value for key, value in versions().items()},
        **(meta or {}),
    }
    names = tuple(out.name for out in outputs.values())
    first, *more = given.values()
    net = Network(
        folded_pads(exporter.nodes, names),
        first.dims,
        (first.lo, first.hi),
        first.name,
        more_inputs=tuple(more),
        output=names[0],
        outputs=names,
        meta={key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()},
    )
    if check:
        kept = images if images is not None else getattr(model, "meta", {}).get("images")
        ranges = {key: (one.lo, one.hi) for key, one in given.items()}
        kept = _clamped(checked_samples(kept, inputs), ranges)
        net.meta["compared"] = compare_network(model, net, probed(inputs, kept, ranges))
    return net


def _clamped(images: Batch | None, ranges: Mapping[str, tuple[int, int]]) -> Batch | None:
    if images is None:
        return None
    if isinstance(images, Tensor):
        return images.clamp(*next(iter(ranges.values())))
    return Samples({name: x.clamp(*ranges[name]) for name, x in images.parts.items()})


def _inputs(model: nn.Module, shape: Any, value_range: Any) -> tuple[tuple[Entry, ...], dict[str, Input]]:
    """What comes in, as the comparison and as the file see it, by the names of ``forward``."""
    names = input_names(model) or ["image"]
    shapes = shaped(shape, names)
    if missing := [name for name in names if name not in shapes]:
        raise InputError(f"the model takes {', '.join(names)}, and no shape of {missing[0]!r} is given")
    scales = _scales_of(model, names)
    inputs, given = [], {}
    for name, dims in shapes.items():
        pixels = scales.get(name)
        limits = value_range.get(name) if isinstance(value_range, Mapping) else value_range
        low, high = check_range(limits, pixels)
        own = pixels or PixelScale(8)
        inputs.append(Entry(name, PixelScale(own.bits, signed=own.signed, dims=dims)))
        given[name] = Input("image" if len(names) == 1 else name, dims, low, high)
    return tuple(inputs), given


def _scales_of(model: nn.Module, names: list[str]) -> dict[str, PixelScale]:
    """The layers that take the raw integers, by input."""
    if len(names) == 1:
        found = next((module for module in model.modules() if isinstance(module, PixelScale)), None)
        return {} if found is None else {names[0]: found}
    scales = {}
    for node in trace(model).nodes:
        layer = model.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(layer, PixelScale):
            scales[str(node.args[0].target)] = layer
    return scales


def _outputs(exporter: Exporter, found: Any) -> dict[str, Value]:
    """Every tensor that leaves, in one unit, by the key that the model returns it under."""
    if isinstance(found, dict):
        parts = {str(key): value for key, value in found.items()}
    elif isinstance(found, list | tuple):
        parts = {str(number): value for number, value in enumerate(found)}
    else:
        parts = {"": found}
    if not all(isinstance(value, Value) for value in parts.values()):
        raise InputError("the model returns something besides tensors: a tuple, a list or a dict of tensors")
    return {key: exporter.one_unit("output", value) for key, value in parts.items()}


def _scales(outputs: dict[str, Value]) -> dict[str, Any]:
    """Metadata: the unit of every output, and which of the model's results is which tensor."""
    first, *others = outputs.values()
    exponents = {out.name: int(out.exponent[0]) for out in outputs.values()}
    facts: dict[str, Any] = {
        "output_scale": repr(2.0 ** -exponents[first.name]),
        "output_exponent": exponents[first.name],
        **{f"output_scale {out.name}": repr(2.0 ** -exponents[out.name]) for out in others},
    }
    return facts if not others else {**facts, "outputs": {key: out.name for key, out in outputs.items()}}
