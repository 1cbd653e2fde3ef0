"""Data-free compression as GDFQ does it: a generator learns from the teacher alone, the student from the
generator.

Generator loss (8.1): cross-entropy of the teacher's answer to an image with the label it was made for, plus
0.1 times the mean over batch norms of the squared distances of batch means and (biased) variances to the
stored ones.
Student loss: cross-entropy with the label plus Kullback-Leibler divergence to the teacher at T = 20, times
T^2; the divergence is the mean over images and classes, as GDFQ's code takes it (`torch.nn.KLDivLoss`).
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.model.errors import InputError
from fermatnet.model.nn.fixed_point import BatchNorm, FixedNorm, exact_affine
from fermatnet.model.nn.layers import Conv2d
from fermatnet.model.nn.uniform import UniformWeight
from fermatnet.model.zoo.generator import NOISE

__all__ = [
    "Matcher",
    "compress",
    "freeze_norms",
    "noise",
    "per_channel",
    "reconstruction_loss",
    "student_loss",
]


def noise(batch: int, classes: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """z (batch, 100) from the unit Gaussian and labels (batch,) uniform over the classes."""
    return torch.randn(batch, NOISE, generator=generator), torch.randint(
        classes, (batch,), generator=generator
    )


class Matcher:
    """Watches the inputs of all batch norms of a teacher; ``distance()`` after a forward pass. A context
    manager."""

    def __init__(self, teacher: nn.Module) -> None:
        self.norms = [
            m
            for m in teacher.modules()
            if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.running_mean is not None
        ]
        if not self.norms:
            raise InputError(
                "the teacher has no batch norm with running statistics: GDFQ has nothing to match the "
                "images to"
            )
        self.inputs: dict[int, Tensor] = {}
        self.handles: list[Any] = []

    def __enter__(self) -> "Matcher":
        for number, norm in enumerate(self.norms):
            self.handles.append(
                norm.register_forward_pre_hook(
                    lambda _m, inputs, n=number: self.inputs.__setitem__(n, inputs[0])
                )
            )
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles.clear()
        self.inputs.clear()

    def distance(self) -> Tensor:
        """Mean over norms of MSE(means) + MSE(variances), differentiable."""
        if not self.inputs:
            raise InputError("no forward pass of the teacher has been seen")
        terms = []
        for number, x in self.inputs.items():
            norm = self.norms[number]
            axes = [axis for axis in range(x.dim()) if axis != 1]
            variance, mean = torch.var_mean(x, axes, correction=0)
            assert norm.running_mean is not None and norm.running_var is not None
            terms.append(
                functional.mse_loss(mean, norm.running_mean.to(mean.dtype))
                + functional.mse_loss(variance, norm.running_var.to(mean.dtype))
            )
        return torch.stack([term.float() for term in terms]).mean()


def reconstruction_loss(
    teacher: nn.Module, matcher: Matcher, images: Tensor, labels: Tensor, bns_weight: float = 0.1
) -> tuple[Tensor, Tensor]:
    """L_r of (8.1) and the teacher's logits."""
    matcher.inputs.clear()
    logits = teacher(images).float()
    return functional.cross_entropy(logits, labels) + bns_weight * matcher.distance(), logits


def student_loss(student: Tensor, teacher: Tensor, labels: Tensor, heat: float = 20.0) -> Tensor:
    """CE + T^2 KL(teacher || student) at temperature T, of logits (n, classes); KL's mean over all elements,
    so that it is smaller than the divergence of a distribution by the number of classes."""
    divergence = functional.kl_div(
        functional.log_softmax(student / heat, 1),
        functional.log_softmax(teacher / heat, 1),
        reduction="none",
        log_target=True,
    ).mean()  # not reduction="mean", whose meaning torch has announced to change
    return functional.cross_entropy(student, labels) + heat * heat * divergence


class _FrozenNorm(BatchNorm):
    """Batch norm that trains its gain and offset but normalises by the stored statistics."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        return _stored(self, input)


class _FrozenFixedNorm(FixedNorm):
    """`FixedNorm` that does the same."""

    def forward(self, input: Tensor) -> Tensor:
        return self._train(_stored(self, input)) if self.training else self._evaluate(input)


def _stored(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    mean, gain, offset = exact_affine(norm)
    shape = (1, -1) + (1,) * (x.dim() - 2)
    return ((x.double() - mean.view(shape)) * gain.view(shape) + offset.view(shape)).float()


def freeze_norms(network: nn.Module) -> nn.Module:
    """The network with its batch norms normalising by their stored statistics even in training, in place."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            replacement: nn.Module
            if isinstance(child, FixedNorm):
                replacement = _FrozenFixedNorm(
                    child.num_features,
                    bits=child.bits,
                    fraction=None if child.learned else child.fraction,
                    full_precision=child.full_precision,
                )
                replacement.lo, replacement.hi = child.lo, child.hi
            elif isinstance(child, BatchNorm):
                replacement = _FrozenNorm(child.num_features)
            else:
                continue
            replacement.load_state_dict(child.state_dict())
            replacement.train(child.training)
            setattr(module, name, replacement)
    return network


def per_channel(network: nn.Module, bits: int) -> nn.Module:
    """Weight steps of the inner convolutions one a channel, in place: those whose quantizer is uniform of
    ``bits`` bits."""
    for module in network.modules():
        if (
            isinstance(module, Conv2d)
            and isinstance(module.quantizer, UniformWeight)
            and module.quantizer.bits == bits
        ):
            module.quantizer = UniformWeight(bits, channels=module.out_channels)
    return network


def compress(
    teacher: nn.Module,
    student: nn.Module,
    generator: nn.Module,
    *,
    classes: int,
    epochs: int,
    steps: int,
    batch: int = 200,
    warmup: int = 4,
    milestones: tuple[int, ...] = (100, 200, 300),
    generator_rate: float = 1e-3,
    student_rate: float = 1e-4,
    bns_weight: float = 0.1,
    heat: float = 20.0,
    seed: int = 0,
    pixels: tuple[float, float] = (0.0, 1.0),
    progress: Callable[[int, dict[str, float]], None] | None = None,
) -> list[dict[str, float]]:
    """Stage 2 of algorithm 4 (GDFQ): the generator alone for ``warmup`` epochs, then generator and student in
    turn.

    Both rates fall to a tenth at each of ``milestones`` (epochs); batch and milestones are GDFQ's on CIFAR,
    on ImageNet it has batch 16, ``warmup`` 50 and ``student_rate`` 1e-6.
    Generator: Adam, betas (0.5, 0.999). Student: SGD with Nesterov momentum 0.9, weight decay 1e-4.
    Quantizers that measure ranges do so on the first images after the warm-up. ``pixels`` = (offset, gain)
    from standard images to the teacher's and the student's input. Returns one row an epoch;
    ``generator_accuracy``: share of images the teacher gives their label.
    The student may be a quantized form of the teacher or any smaller network (data-free distillation).
    """
    if epochs <= warmup:
        raise InputError(f"{epochs} epochs leave nothing for the student after {warmup} of warm-up")
    if steps < 1 or batch < 2:
        raise InputError(f"steps must be positive and batches of at least 2, not {steps} and {batch}")
    random = torch.Generator().manual_seed(seed)
    device = next(generator.parameters(), torch.empty(0)).device
    teacher = copy.deepcopy(teacher).eval().requires_grad_(False)
    makes = torch.optim.Adam(generator.parameters(), lr=generator_rate, betas=(0.5, 0.999))
    learns: torch.optim.SGD | None = None
    history = []
    generator.train()
    with Matcher(teacher) as matcher:
        for epoch in range(epochs):
            row = {
                "epoch": float(epoch),
                "reconstruction": 0.0,
                "student": 0.0,
                "generator_accuracy": 0.0,
                "student_accuracy": 0.0,
            }
            fall = 0.1 ** sum(epoch >= mark for mark in milestones)
            for optimizer, rate in ((makes, generator_rate), (learns, student_rate)):
                for group in optimizer.param_groups if optimizer else ():
                    group["lr"] = rate * fall
            for _ in range(steps):
                z, labels = (tensor.to(device) for tensor in noise(batch, classes, random))
                images = generator(z, labels) * pixels[1] + pixels[0]
                loss, logits = reconstruction_loss(teacher, matcher, images, labels, bns_weight)
                makes.zero_grad()
                loss.backward()
                makes.step()
                row["reconstruction"] += float(loss.detach()) / steps
                row["generator_accuracy"] += float((logits.argmax(1) == labels).float().mean()) / steps
                if epoch < warmup:
                    continue
                images, wanted = images.detach(), logits.detach()
                if learns is None:
                    student.train()
                    with torch.no_grad():
                        student(images)
                    learns = torch.optim.SGD(
                        student.parameters(),
                        lr=student_rate * fall,
                        momentum=0.9,
                        nesterov=True,
                        weight_decay=1e-4,
                    )
                student.train()
                answer = student(images).float()
                loss = student_loss(answer, wanted, labels, heat)
                learns.zero_grad()
                loss.backward()
                learns.step()
                row["student"] += float(loss.detach()) / steps
                row["student_accuracy"] += (
                    float((answer.argmax(1) == wanted.argmax(1)).float().mean()) / steps
                )
            history.append(row)
            if progress is not None:
                progress(epoch, row)
    return history
