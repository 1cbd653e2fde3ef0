"""Class selectivity index of section 6.4.5: how much a channel is for one class alone.

    selectivity = (u_max - u_-max) / (u_max + u_-max)

u_max is the largest class-conditional mean activity of a channel and u_-max the mean of the other classes'
means:
0 for a channel that treats all classes alike, 1 for one that answers to one class only.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError

__all__ = ["SelectivityMeter", "class_selectivity", "draw_histogram", "network_selectivity"]


class SelectivityMeter:
    """Sums activities by class, batch by batch; `index` gives the selectivity of each channel."""

    def __init__(self, classes: int) -> None:
        if classes < 2:
            raise InputError(f"selectivity needs at least two classes, not {classes}")
        self.classes = classes
        self._sums: Tensor | None = None
        self._counts = torch.zeros(classes, dtype=torch.float64)

    def add(self, activations: Tensor, labels: Tensor) -> None:
        """activations (n, C) or (n, C, H, W), averaged over the map; labels (n,) int64."""
        if activations.dim() not in (2, 4):
            raise InputError(
                f"activations must be (n, C) or (n, C, H, W), not of {activations.dim()} dimensions"
            )
        means = activations.detach().double()
        means = means.mean(dim=(2, 3)) if means.dim() == 4 else means
        if self._sums is None:
            self._sums = torch.zeros(self.classes, means.shape[1], dtype=torch.float64)
        self._sums.index_add_(0, labels, means)
        self._counts.index_add_(0, labels, torch.ones(len(labels), dtype=torch.float64))

    def index(self) -> Tensor:
        """Selectivity (C,) float64; 0 where a channel is silent. Activities must not be negative."""
        if self._sums is None or bool((self._counts == 0).any()):
            raise InputError("selectivity needs at least one sample of every class")
        means = self._sums / self._counts[:, None]
        if bool((means < 0).any()):
            raise InputError(
                "selectivity is defined for activities that are not negative (take them after the ReLU)"
            )
        largest = means.amax(dim=0)
        others = (means.sum(dim=0) - largest) / (self.classes - 1)
        total = largest + others
        return torch.where(total > 0, (largest - others) / total.clamp_min(1e-300), torch.zeros_like(total))


def class_selectivity(activations: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Selectivity (C,) of activities (n, C[, H, W]) given all at once."""
    meter = SelectivityMeter(classes)
    meter.add(activations, labels)
    return meter.index()


def network_selectivity(
    network: nn.Module, layers: Sequence[str], batches: Iterable[tuple[Tensor, Tensor]], classes: int
) -> dict[str, Tensor]:
    """Selectivity of the outputs of the named modules over all batches (images, labels), in evaluation
    mode."""
    modules = dict(network.named_modules())
    for layer in layers:
        if layer not in modules:
            raise InputError(
                f"the network has no module {layer!r}; it has "
                f"{', '.join(name for name in modules if name.count('.') == 0)}"
            )
    meters = {layer: SelectivityMeter(classes) for layer in layers}
    labels_now = [torch.zeros(0)]
    handles = [
        modules[layer].register_forward_hook(
            lambda _m, _i, output, meter=meters[layer]: meter.add(output, labels_now[0])
        )
        for layer in layers
    ]
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            for images, labels in batches:
                labels_now[0] = labels
                network(images)
    finally:
        network.train(training)
        for handle in handles:
            handle.remove()
    return {layer: meter.index() for layer, meter in meters.items()}


def draw_histogram(selectivity: dict[str, Tensor], file: Path, title: str = "") -> None:
    """One density per label (figures 6.2 to 6.4) into an SVG or PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    for label, values in selectivity.items():
        axes.hist(values.numpy(), bins=30, range=(0, 1), density=True, histtype="step", label=label)
    axes.set(xlabel="class selectivity index", ylabel="density of channels", title=title)
    axes.legend()
    figure.savefig(file)
