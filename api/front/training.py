"""From a torch model to a network: quantize, train on, export. Needs torch
(``pip install 'fermatnet[train]'``)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from fermatnet.front.network import Network
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export as _export
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.door.images import check_shape
from fermatnet.model.nn.scheme import Scheme, scheme

__all__ = ["export", "quantize", "scheme"]


def quantize(
    model: nn.Module,
    how: Scheme,
    input_shape: Sequence[int] | Mapping[str, Sequence[int]],
    *,
    calibration: Tensor | Mapping[str, Tensor] | None = None,
    mean: Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    std: Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    bits: int | Mapping[str, int] | None = None,
    **more: Any,
) -> nn.Module:
    """The quantized twin of a model, with its weights: train it on, or export it as it is.

    Parameters
    ----------
    model : any ``nn.Module`` that ``torch.fx`` traces; it is not changed
    how : of `scheme`
    input_shape : of one image (C, H, W), rows (c, n) or a vector (n,), without the batch; of a model with
        several inputs a dict, a shape a name of ``forward``, and then calibration, mean, std and bits too
    calibration : images (n, *input_shape), raw integers, to set steps by; a few hundred are enough
    mean, std : a number a channel, of pixels scaled to 0..1, if the model was trained on normalised images
    bits : of a pixel, 1 to 16; None: of the type that calibration has, 8 without it
    more : further arguments of `fermatnet.model.nn.convert.convert`

    The twin carries ``changes``, the report: one line a layer, what it was, what it is now, and why. Raises
    InputError, before anything is trained, for everything that the hardware would compute differently or not
    at all.
    """
    whole = tuple(input_shape) if isinstance(input_shape, Iterable) else input_shape
    shape: Any = dict(input_shape) if isinstance(input_shape, Mapping) else check_shape(whole)
    twin, changes = convert(model, how, shape, images=calibration, mean=mean, std=std, bits=bits, **more)
    twin.changes, twin.input_shape = changes, shape  # type: ignore[assignment]
    return twin


def export(model: nn.Module, *, name: str = "network", **more: Any) -> Network:
    """The network of a quantized twin, integers only, equal to the twin in evaluation mode.

    Parameters
    ----------
    model : of `quantize`
    name : stands in the file
    more : further arguments of `fermatnet.model.exchange.export.export`

    Raises InputError that names the layer where it has no hardware.
    """
    shape = getattr(model, "input_shape", None)
    if shape is None:
        raise InputError(
            f"a {type(model).__name__} was not made by fermatnet.quantize: quantize it first, then export "
            "the result"
        )
    training = model.training
    try:
        return Network.of(_export(model.eval(), shape, name=name, **more))
    finally:
        model.train(training)
