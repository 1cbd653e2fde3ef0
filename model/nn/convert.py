"""``convert(model, scheme)``: any traceable CNN into its quantized twin, pre-trained weights kept, with a
report of what was done and why.

What becomes what: the first convolution and the last dense layer 8-bit integer, depthwise convolutions 8-bit
integer (they are few operations; thesis 3.4.3), every other convolution and dense layer by the scheme, 1x1
shortcuts included; a rectifier the scheme's activation; a batch norm that feeds a rectifier a norm evaluated
in float64, any other one fixed point; the average over the map a sum and a fixed-point factor. The raw uint8
image goes in: the normalisation (x/255 - mean)/std moves into the first convolution.

A model that is accepted computes the function that its owner meant: every operator and argument is in the
table of :mod:`fermatnet.model.nn.operators` or refused, and two comparisons stand behind it
(:mod:`fermatnet.model.nn.door.compare`).
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.nn.converter import Converter
from fermatnet.model.nn.door.compare import compare_twin, reference_of
from fermatnet.model.nn.door.images import (
    check_bits,
    check_images,
    check_normalisation,
    check_shape,
    normalised,
    probes,
)
from fermatnet.model.nn.door.normalisation import fold_normalisation
from fermatnet.model.nn.door.prepare import as_float32, effective_weights, look
from fermatnet.model.nn.door.report import Change, Report
from fermatnet.model.nn.door.ties import look_at_ties
from fermatnet.model.nn.door.traced import shapes_of, traced
from fermatnet.model.nn.door.wrappers import copied, unwrap_children, unwrapped
from fermatnet.model.nn.measure import calibrate, learn_from_images
from fermatnet.model.nn.operators import refusals
from fermatnet.model.nn.scheme import Scheme

__all__ = ["Change", "Report", "convert"]


def convert(
    model: nn.Module,
    how: Scheme,
    shape: tuple[int, int, int],
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    bits: int = 8,
    images: Tensor | np.ndarray | None = None,
    strict: bool = True,
    check: bool = True,
) -> tuple[nn.Module, Report]:
    """(quantized twin, report). The model itself is not changed.

    Parameters
    ----------
    model : any ``nn.Module`` that ``torch.fx`` traces
    how : of `fermatnet.model.nn.scheme.scheme`
    shape : of one image (C, H, W);  bits : of its pixels, 1 to 8
    mean, std : the normalisation the model was trained with, a channel, of pixels in 0..1; None: it took
    pixels / 2^bits
        (zero padding of the first layer is then of raw pixels: black, not the mean; the report says so)
    images : uint8 batch (n, C, H, W) to calibrate on (int8 and int16: some 256 give post-training
        quantization; others: from 32 on the norms are measured anew, which few levels need); without it the
        first training batch sets the steps
    strict : False returns what is refused in the report (``report.refusals``) instead of raising; the twin
        is then None where it cannot be made
    check : False leaves out the comparison with the model and the trial export (for architectures that are
        known to pass)

    Raises InputError with everything that is refused, in one line, each with what to write instead.
    """
    report = Report()
    made = _converted(model, how, shape, (mean, std), bits, images, check, report)
    if strict:
        report.raise_refusals(f"{type(model).__name__}")
    return made, report  # type: ignore[return-value]


def _tried(report: Report, check: Callable[..., Any], *args: Any) -> Any:
    """What a check returns, or None with its refusal in the report."""
    try:
        return check(*args)
    except InputError as error:
        report.refuse("", "", str(error))
        return None


def _arguments(
    how: Any, shape: Any, normalisation: tuple[Any, Any], bits: Any, images: Any, report: Report
) -> Any:
    """(shape, bits, normalisation, images) as they are used, or None where one is refused."""
    if not isinstance(how, Scheme):
        report.refuse(
            "", "", f"the scheme must be made by scheme(NAME), scheme('int8') for instance, not {how!r}"
        )
    shape, bits = _tried(report, check_shape, shape), _tried(report, check_bits, bits)
    if shape is None or bits is None:
        return None
    normal = _tried(report, check_normalisation, *normalisation, shape[0])
    images = _tried(report, check_images, images, shape, bits)
    return None if report.refusals else (shape, bits, normal, images)


def _converted(
    model: Any,
    how: Scheme,
    shape: Any,
    normalisation: Any,
    bits: Any,
    images: Any,
    check: bool,
    report: Report,
) -> nn.Module | None:
    arguments = _arguments(how, shape, normalisation, bits, images, report)
    inside = _tried(report, unwrapped, model, report)
    if inside is not None:
        look(inside, report)
    if arguments is None or report.refusals:
        return None
    shape, bits, normal, images = arguments
    try:
        return _twin(inside, how, shape, bits, normal, images, check, report)
    except InputError as error:
        report.refuse("", "", str(error))
        return None


def _twin(
    model: nn.Module,
    how: Scheme,
    shape: tuple[int, int, int],
    bits: int,
    normal: Any,
    images: Tensor | None,
    check: bool,
    report: Report,
) -> nn.Module | None:
    source = copied(model)
    unwrap_children(source, report)
    effective_weights(source, report)
    as_float32(source, report)
    shown = probes(shape, (0, (1 << bits) - 1), images)
    graph = traced(source, report)
    reference = reference_of(model, normalised(shown[:3], bits, normal)) if check else None
    shapes = shapes_of(source, graph, shape)
    for refusal in refusals(source, graph, shapes):
        report.refuse(refusal.name, refusal.what, refusal.why)
    look_at_ties(source, graph, report)
    if report.refusals:
        return None
    converter = Converter(source, graph, shapes, how, bits, normal is not None, report)
    made = converter.run()
    if reference is not None:
        compare_twin(reference, made, converter.ceilings, shown, bits, normal, report)
        if report.refusals:
            return None
    if normal is not None:
        fold_normalisation(made, normal[0], normal[1], bits, report)
    if images is not None:
        report.extend(Change(*line) for line in learn_from_images(made, images))
    made.meta["images"] = shown[:-2]  # a few, for the comparison on export
    _look_at_export(made, how, shape, images, shown, check, report)
    return made


def _look_at_export(
    made: nn.Module,
    how: Scheme,
    shape: tuple[int, int, int],
    images: Tensor | None,
    shown: Tensor,
    check: bool,
    report: Report,
) -> None:
    """Refuses now, before any training, what ``export`` would refuse later: by a trial."""
    if not how.method.exportable:
        report.note(
            "the network",
            how.describe(),
            "trainable",
            f"not exportable: the hardware has nothing for the scheme {how.name!r}; "
            "use pa, int8 or int16 for that",
        )
    elif check:
        trial = made if images is not None else deepcopy(made)
        if images is None:
            calibrate(trial, shown)
        try:
            export(trial, shape, check=False)
        except InputError as error:
            report.refuse("export", "", str(error))
        made.eval()
