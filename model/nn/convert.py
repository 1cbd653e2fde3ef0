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

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.nn.converter import Converter
from fermatnet.model.nn.door.compare import compare_twin, reference_of
from fermatnet.model.nn.door.entries import (
    Entry,
    checked_samples,
    entries,
    pixel_names,
    probed,
    shaped,
    taken,
)
from fermatnet.model.nn.door.normalisation import fold_normalisation
from fermatnet.model.nn.door.prepare import as_float32, effective_weights, look
from fermatnet.model.nn.door.report import Change, Report
from fermatnet.model.nn.door.state import check_steady
from fermatnet.model.nn.door.ties import look_at_ties
from fermatnet.model.nn.door.traced import shapes_of, traced
from fermatnet.model.nn.door.wrappers import copied, unwrap_children, unwrapped
from fermatnet.model.nn.measure import calibrate, learn_from_images
from fermatnet.model.nn.operators import refusals
from fermatnet.model.nn.samples import Batch
from fermatnet.model.nn.scheme import Scheme
from fermatnet.model.nn.walk import forward_names

__all__ = ["Change", "Report", "convert"]


def convert(
    model: nn.Module,
    scheme: Scheme,
    shape: tuple[int, ...] | Mapping[str, tuple[int, ...]],
    *,
    mean: Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    std: Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    bits: int | Mapping[str, int] | None = None,
    signed: bool | Mapping[str, bool] | None = None,
    images: Tensor | np.ndarray | Mapping[str, Tensor | np.ndarray] | None = None,
    strict: bool = True,
    check: bool = True,
) -> tuple[nn.Module, Report]:
    """(quantized twin, report). The model itself is not changed.

    Parameters
    ----------
    model : any ``nn.Module`` that ``torch.fx`` traces
    scheme : of `fermatnet.model.nn.scheme.scheme`
    shape : of one image (C, H, W), of c rows of n values (c, n), or of a vector (n,); of a model with several
        inputs a dict, a shape a name of ``forward``: bits, signed, mean, std and images are dicts then too
        (bits and signed may be one value for all)
    bits, signed : of the raw integers, 1 to 16 bits; None: as the type of ``images`` says, 8 bits and
        unsigned without them. The model takes them times 2^-bits
    mean, std : the normalisation the model was trained with, a channel, of pixels in 0..1; None: it took
    pixels / 2^bits
        (zero padding of the first layer is then of raw pixels: black, not the mean; the report says so)
    images : batch (n, *shape) of raw integers to calibrate on (int8 and int16: some 256 give post-training
        quantization; others: from 32 on the norms are measured anew, which few levels need); without it the
        first training batch sets the steps
    strict : False returns what is refused in the report (``report.refusals``) instead of raising; the twin
        is then None where it cannot be made
    check : False leaves out the comparison with the model and the trial export (for architectures that are
        known to pass)

    Raises InputError with everything that is refused, in one line, each with what to write instead.
    """
    report = Report()
    told = _Told(scheme, shape, mean, std, bits, signed, images, check)
    made = _converted(model, told, report)
    if strict:
        report.raise_refusals(f"{type(model).__name__}")
    return made, report  # type: ignore[return-value]


@dataclass
class _Told:
    """The arguments of a conversion besides the model."""

    scheme: Any
    shape: Any
    mean: Any
    std: Any
    bits: Any
    signed: Any
    images: Any
    check: bool


@dataclass
class _Checked:
    """The same once they are checked."""

    scheme: Scheme
    inputs: tuple[Entry, ...]
    images: Batch | None
    check: bool

    @property
    def shape(self) -> Any:
        """As ``export`` takes it."""
        if len(self.inputs) == 1:
            return self.inputs[0].dims
        return {one.name: one.dims for one in self.inputs}


def _tried(report: Report, check: Callable[..., Any], *args: Any) -> Any:
    """What a check returns, or None with its refusal in the report."""
    try:
        return check(*args)
    except InputError as error:
        report.refuse("", "", str(error))
        return None


def _arguments(model: nn.Module | None, told: _Told, report: Report) -> _Checked | None:
    """The arguments as they are used, or None where one is refused."""
    if not isinstance(told.scheme, Scheme):
        report.refuse(
            "",
            "",
            f"the scheme must be made by scheme(NAME), scheme('int8') for instance, not {told.scheme!r}",
        )
    names = ["image"] if model is None else forward_names(model) or ["image"]
    shapes = _tried(report, shaped, told.shape, names)
    inputs = None if shapes is None else _tried(report, entries, shapes, told)
    images = None if inputs is None else _tried(report, checked_samples, told.images, inputs)
    if report.refusals or inputs is None:
        return None
    return _Checked(told.scheme, inputs, images, told.check)


def _converted(model: Any, told: _Told, report: Report) -> nn.Module | None:
    inside = _tried(report, unwrapped, model, report)
    checked = _arguments(inside, told, report)
    if inside is not None:
        look(inside, report)
    if checked is None or report.refusals:
        return None
    try:
        return _twin(inside, checked, report)
    except InputError as error:
        report.refuse("", "", str(error))
        return None


def _twin(model: nn.Module, told: _Checked, report: Report) -> nn.Module | None:
    inputs, images = told.inputs, told.images
    source = copied(model)
    unwrap_children(source, report)
    effective_weights(source, report)
    as_float32(source, report)
    shown = probed(inputs, images)
    graph = traced(source, report, [one.name for one in inputs] if forward_names(model) else None)
    reference = reference_of(model, taken(inputs, shown[:3]))[0] if told.check else None
    shapes = shapes_of(source, graph, [one.dims for one in inputs])
    for refusal in refusals(source, graph, shapes):
        report.refuse(refusal.name, refusal.what, refusal.why)
    look_at_ties(source, graph, report)
    if report.refusals:
        return None
    if told.check:
        check_steady(model, taken(inputs, shown[:3]))
    converter = Converter(source, graph, shapes, told.scheme, inputs, report)
    made = converter.run()
    if reference is not None:
        compare_twin(reference, made, converter.activations, shown, inputs, report)
        if report.refusals:
            return None
    for name, one in zip(pixel_names(inputs), inputs, strict=True):
        if one.normal is not None:
            fold_normalisation(made, *one.normal, one.pixels.bits, report, name)
    if images is not None:
        report.extend(Change(*line) for line in learn_from_images(made, images))
    made.meta["images"] = shown[:-2]  # a few, for the comparison on export
    _look_at_export(made, told, shown, report)
    return made


def _look_at_export(made: nn.Module, told: _Checked, shown: Batch, report: Report) -> None:
    """Refuses now, before any training, what ``export`` would refuse later: by a trial."""
    if not told.scheme.method.exportable:
        report.note(
            "the network",
            told.scheme.describe(),
            "trainable",
            f"not exportable: the hardware has nothing for the scheme {told.scheme.name!r}; "
            "use pa, int8 or int16 for that",
        )
    elif told.check:
        trial = made if told.images is not None else deepcopy(made)
        if told.images is None:
            calibrate(trial, shown)
        try:
            export(trial, told.shape, check=False)
        except InputError as error:
            report.refuse("export", "", str(error))
        made.eval()
