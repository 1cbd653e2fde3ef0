"""The two nets behind every conversion.

:func:`compare_twin`: the twin with its quantizers taken out beside the user's model, in float64, relative
1e-4 of the largest output; where they differ, the first layer that does. :func:`compare_network`: the
network file beside the twin in evaluation, integer for integer.
"""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, run
from fermatnet.model.nn.door.entries import Entry, arrays, pixel_names, taken, twin_input
from fermatnet.model.nn.door.prepare import effective_weights
from fermatnet.model.nn.door.report import Report
from fermatnet.model.nn.door.traced import traced
from fermatnet.model.nn.door.wrappers import USER_ERRORS, copied
from fermatnet.model.nn.layers import PixelScale
from fermatnet.model.nn.samples import Batch, Samples, called, parts_of

__all__ = [
    "TOLERANCE",
    "compare_network",
    "compare_twin",
    "full_precision",
    "named_outputs",
    "output_scales",
    "reference_of",
    "user_outputs",
]

TOLERANCE = 1e-4
_SMALLEST = 1e-12  # outputs below this are zero


def full_precision(made: nn.Module, activations: dict[str, nn.Module]) -> nn.Module:
    """A copy in float64 whose layers round nothing; ``activations``: the real
    functions of its activations, by name."""
    # what is left out or replaced is not copied first
    memo: dict[int, Any] = {id(made.get_submodule(name)): deepcopy(one) for name, one in activations.items()}
    for module in made.modules():
        if isinstance(getattr(module, "quantizer", None), nn.Module):
            memo[id(module.quantizer)] = None
    twin = deepcopy(made, memo).eval()
    for module in twin.modules():
        if hasattr(module, "quantizer"):
            module.quantizer = None  # type: ignore[assignment]
        if hasattr(module, "full_precision"):
            module.full_precision = True  # type: ignore[assignment]
    return twin.double()


def _kind(model: nn.Module) -> torch.dtype:
    """The type that a model computes in."""
    return next((value.dtype for value in model.parameters() if value.is_floating_point()), torch.float64)


def reference_of(model: nn.Module, images: Batch) -> tuple[nn.Module, dict[str, Tensor]]:
    """A copy that computes in float64, or in float32 where the model itself asks for that, and what its first
    call gives; it takes such ``images``, or InputError."""
    reference = copied(model).double()
    try:
        return reference, user_outputs(reference, images)
    except InputError:
        reference = copied(model).float()
        return reference, user_outputs(reference, images)


def _typed(model: nn.Module, images: Batch) -> Batch:
    """The images, new ones of the model's type: a model may work in place."""
    kind = _kind(model)
    return images.clone().to(kind) if isinstance(images, Tensor) else images.map(lambda x: x.clone().to(kind))


@torch.no_grad()
def user_outputs(model: nn.Module, images: Batch) -> dict[str, Tensor]:
    """What a model in evaluation gives for float64 images: tensors with a row for each image by name (""
    where it is one), or InputError."""
    try:
        found = called(model, _typed(model, images))
    except Exception as error:  # the model's own code may end in anything: the cause is named
        what = (str(error).splitlines() or [type(error).__name__])[0]
        shown = " and ".join("x".join(map(str, one.shape[1:])) for one in parts_of(images))
        raise InputError(f"the model does not take images of {shown}: {what}") from error
    tensors = named_outputs(found)
    if not tensors:
        count = f" of {len(found)}" if isinstance(found, list | tuple | dict) else ""
        raise InputError(
            f"the model returns a {type(found).__name__}{count}: return a tensor, or a tuple, list or dict "
            "of tensors"
        )
    for one in tensors.values():
        if one.dim() == 0 or len(one) != len(images):
            raise InputError(
                f"the model makes {tuple(one.shape)} of {len(images)} images: the first dimension of its "
                "output must be the images"
            )
    return {name: one.double() for name, one in tensors.items()}


def named_outputs(found: Any) -> dict[str, Tensor]:
    """The tensors that a model returns, by name: "" for a single one, the keys of a dict, else numbers; empty
    where it returns anything else."""
    if isinstance(found, Tensor):
        return {"": found}
    if isinstance(found, dict):
        parts = {str(key): one for key, one in found.items()}
    elif isinstance(found, list | tuple):
        parts = {str(number): one for number, one in enumerate(found)}
    else:
        return {}
    return parts if all(isinstance(one, Tensor) for one in parts.values()) else {}


def _far(want: Tensor, got: Tensor) -> float:
    """Largest difference in units of the largest value, 0 where both are nothing."""
    largest, apart = float(want.abs().max()), float((want - got).abs().max())
    return 0.0 if apart <= _SMALLEST else apart / max(largest, _SMALLEST)


def _listed(shapes: Iterable[tuple[int, ...]]) -> str:
    return " and ".join(map(str, shapes))


def compare_twin(
    reference: nn.Module,
    made: nn.Module,
    activations: dict[str, nn.Module],
    images: Batch,
    inputs: Sequence[Entry],
    report: Report,
) -> None:
    """Compares before the normalisation is folded: both get what the user's model takes. ``reference``: its
    copy in float64."""
    twin = full_precision(made, activations)
    for name, entry in zip(pixel_names(inputs), inputs, strict=True):
        if entry.normal is not None:
            twin.set_submodule(name, nn.Identity())
    given, real = twin_input(inputs, images), taken(inputs, images)
    got, want = user_outputs(twin, given), user_outputs(reference, real)
    shapes = {name: tuple(one.shape) for name, one in want.items()}
    if shapes != {name: tuple(one.shape) for name, one in got.items()}:
        report.refuse(
            "the model",
            f"output {_listed(shapes.values())}",
            f"the twin's is {_listed(tuple(one.shape) for one in got.values())}: end with a map (n, C, H, "
            "W), rows (n, C, L) or a vector",
        )
        return
    far = max(_far(want[name], got[name]) for name in want)
    if not far <= TOLERANCE:
        where = _first_difference(reference, twin, given, real)
        report.refuse(
            where,
            "twin",
            f"the twin would compute another function (outputs apart by {far:.3g} of the largest); write "
            "this "
            "step as a layer or a function of docs/supported-operators.md, without changing tensors in "
            "place that are read again",
        )
        return
    report.compared.append(
        f"the twin in full precision with the model on {len(images)} images: within {far:.1g} of the "
        "largest output"
    )


class _Recorder(fx.Interpreter):
    """Keeps what every step returns, by name."""

    def __init__(self, module: fx.GraphModule):
        super().__init__(module)
        self.values: dict[str, Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self.values[n.name] = value.detach().clone().double()
        return value


@torch.no_grad()
def _first_difference(reference: nn.Module, twin: nn.Module, twin_images: Batch, images: Batch) -> str:
    """The first step after the last one on which both agree. (A bias that moved into a norm makes a step
    differ before they agree again.)"""
    plain = copied(reference)
    effective_weights(plain, Report())
    try:
        names = list(images.parts) if isinstance(images, Samples) else None
        mine = _Recorder(fx.GraphModule(plain, traced(plain, Report(), names)))
        theirs = _Recorder(twin)  # type: ignore[arg-type]
        mine.run(*parts_of(_typed(plain, images)))
        theirs.run(*parts_of(twin_images))
    except USER_ERRORS:
        return "the model"
    found = ""
    for node in mine.graph.nodes:
        want, got = mine.values.get(node.name), theirs.values.get(node.name)
        if node.op in ("placeholder", "output") or want is None or got is None or want.shape != got.shape:
            continue
        name = f"layer {str(node.target)!r}" if node.op == "call_module" else f"step {node.name!r}"
        found = "" if _far(want, got) <= TOLERANCE else found or name
    return found or "the model"


@torch.no_grad()
def compare_network(model: nn.Module, net: Network, images: Batch) -> str:
    """What was compared, in a sentence; InputError where the file and the model in evaluation differ in one
    integer."""
    scaled = any(isinstance(module, PixelScale) for module in model.modules())
    try:
        found = named_outputs(
            called(model, images if scaled or isinstance(images, Samples) else images.float())
        )
        evaluated = [one.double().reshape(len(images), -1).numpy() for one in found.values()]
    except USER_ERRORS as error:
        raise InputError(
            f"the model cannot be evaluated on its own images: {str(error).splitlines()[0]}"
        ) from error
    result = run(net, arrays(images, {one.name: one.dtype for one in net.inputs}))
    integers = list(result.values()) if isinstance(result, dict) else [result]
    scales = output_scales(net)
    wanted = [one / scale for one, scale in zip(evaluated, scales, strict=True)]
    shapes = [one.shape for one in wanted] == [one.reshape(len(images), -1).shape for one in integers]
    equal = shapes and all(map(np.array_equal, wanted, integers))
    if not equal:
        wrong = [(a != b).any(1) for a, b in zip(wanted, integers, strict=True)] if shapes else []
        apart = int(np.logical_or.reduce(wrong).sum()) if wrong else len(images)
        raise InputError(
            f"the exported network differs from the model in evaluation on {apart} of {len(images)} images: "
            "this model must "
            "not be used; please report it with the model"
        )
    return f"the network with the model in evaluation on {len(images)} images: equal, integer for integer"


def output_scales(net: Network) -> list[float]:
    """The unit of every output's integers, in the network's order: metadata ``output_scale``, and
    ``output_scale NAME`` for each output after the first."""
    others = [float(net.meta[f"output_scale {name}"]) for name in net.outputs[1:]]
    return [float(net.meta["output_scale"]), *others]
