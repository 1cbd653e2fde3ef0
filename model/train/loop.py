"""The training loop of one phase: epochs over batches, loss, schedule, averaging, and a stop that says where
when numbers go bad."""

import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.train.batches import Batches
from fermatnet.model.train.data import Part
from fermatnet.model.train.optimizer import learning_rate, make_optimizer
from fermatnet.model.train.options import Options
from fermatnet.model.train.targets import Targets

__all__ = ["Diverged", "Phase", "accuracy", "logits"]


class Diverged(InputError):
    """Training has left the finite numbers; the message names epoch, batch and layer."""


@torch.no_grad()
def logits(model: nn.Module, part: Part, batch: int = 500) -> Tensor:
    """Outputs (n, classes) in evaluation mode."""
    model.eval()
    device = next(model.parameters()).device
    return torch.cat(
        [
            model(torch.from_numpy(part.images[i : i + batch].copy()).to(device)).float().cpu()
            for i in range(0, len(part), batch)
        ]
    )


def accuracy(model: nn.Module, part: Part, targets: Targets | None = None) -> float:
    """Share of images whose largest output is at the label; the score of other ``targets``."""
    targets = targets or Targets.of(part.labels, 1)
    return targets.score(logits(model, part), torch.from_numpy(part.labels))


def _culprit(model: nn.Module, images: Tensor) -> str:
    """The first layer whose output is not finite, or the first parameter that is not."""
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            return f"parameter {name} is not finite"
    found: list[str] = []
    hooks = []
    for name, module in model.named_modules():
        if not list(module.children()):

            def hook(_: nn.Module, __: Any, output: Any, name: str = name) -> None:
                if isinstance(output, Tensor) and not found and not bool(torch.isfinite(output).all()):
                    found.append(name)

            hooks.append(module.register_forward_hook(hook))
    try:
        with torch.no_grad():
            model(images)
    finally:
        for handle in hooks:
            handle.remove()
    if found:
        return f"the output of layer {found[0]} is not finite"
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
            return f"the gradient of {name} is not finite"
    return "the loss is not finite though every layer's output is"


class Phase:
    """One network on its way through its epochs. ``state()`` after an epoch and ``restore`` make the rest of
    the run exactly the same.

    teacher: network to distil from, or None. wrap: what makes the module data-parallel (identity in one
    process). targets: what the labels are; None: classes.
    """

    def __init__(
        self,
        name: str,
        model: nn.Module,
        batches: Batches,
        options: Options,
        *,
        epochs: int,
        rate: float,
        teacher: nn.Module | None = None,
        wrap: Callable[[nn.Module], nn.Module] | None = None,
        targets: Targets | None = None,
    ):
        self.targets = targets or Targets.of(batches.labels, int(batches.labels.max()) + 1)
        self.name, self.model, self.batches, self.options, self.epochs, self.rate, self.teacher = (
            name,
            model,
            batches,
            options,
            epochs,
            rate,
            teacher,
        )
        self.epoch = 0
        self.device = torch.device(options.device)
        self._prepare()
        self.optimizer = make_optimizer(model, options, rate)
        self.average = deepcopy(model).requires_grad_(False) if options.ema else None
        self.parallel = wrap(model) if wrap else model

    @torch.no_grad()
    def _prepare(self) -> None:
        """Let quantizers that measure their first batch do it, on the same batch in every process."""
        sample = torch.from_numpy(self.batches.images[: self.batches.size].copy()).to(self.device)
        self.model.train()
        kept = {
            key: value.clone()
            for key, value in self.model.state_dict().items()
            if "running_" in key or "num_batches" in key
        }
        self.model(sample)
        self.model.load_state_dict(kept, strict=False)

    def state(self) -> dict[str, Any]:
        """Plain tensors and numbers only."""
        return {
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average is not None else {},
        }

    def restore(self, state: dict[str, Any]) -> None:
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.average is not None:
                self.average.load_state_dict(state["average"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise InputError(
                f"the checkpoint is of another network: {str(error).splitlines()[-1].strip()}"
            ) from error
        self.epoch = int(state["epoch"])

    def result(self) -> nn.Module:
        """The network this phase has made: averaged weights where averaging is on."""
        return self.average if self.average is not None else self.model

    def _loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.precision == "bfloat16"):
            outputs = self.parallel(images)
        outputs = outputs.float()
        loss = self.targets.loss(outputs, labels, self.options.smoothing)
        if self.teacher is not None and self.options.distill:
            with torch.no_grad():
                wanted = self.teacher(images).float()
            follow = self.targets.follow(outputs, wanted, self.options.temperature)
            loss = (1 - self.options.distill) * loss + self.options.distill * follow
        return loss, outputs

    def run_epoch(self, tick: Callable[[int], None] | None = None) -> dict[str, float]:
        """Train one epoch; returns loss, accuracy (on the augmented batches), rate, seconds, images a
        second."""
        started, seen, right, total = time.perf_counter(), 0, 0.0, 0.0
        # whatever a layer draws depends on the epoch alone
        torch.manual_seed((self.options.seed * 1000003 + self.epoch) & 0x7FFFFFFF)
        self.parallel.train()
        steps = self.epochs * len(self.batches)
        factor = 0.0
        for number, (images, labels) in enumerate(self.batches.epoch(self.epoch)):
            factor = learning_rate(self.options, self.epoch * len(self.batches) + number, steps)
            for group in self.optimizer.param_groups:
                group["lr"] = group["base"] * factor
            images, labels = images.to(self.device), labels.to(self.device)
            loss, outputs = self._loss(images, labels)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            value = float(loss.detach())
            norm = float(
                torch.nn.utils.get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None])
            )
            if not (value < float("inf") and norm < float("inf")):
                raise Diverged(
                    f"{self.name}, epoch {self.epoch + 1}, batch {number + 1}: {_culprit(self.model, images)}"
                )
            self.optimizer.step()
            if self.average is not None:
                self._average()
            seen += len(labels)
            total += value * len(labels)
            right += self.targets.right(outputs.detach(), labels)
            if tick:
                tick(number + 1)
        self.epoch += 1
        seconds = time.perf_counter() - started
        return {
            "loss": total / seen,
            "accuracy": right / seen,
            "lr": self.rate * factor,
            "seconds": seconds,
            "images_per_second": seen / seconds,
        }

    @torch.no_grad()
    def _average(self) -> None:
        assert self.average is not None
        for mine, new in zip(
            self.average.state_dict().values(), self.model.state_dict().values(), strict=True
        ):
            if mine.is_floating_point():
                mine.lerp_(new, 1 - self.options.ema)
            else:
                mine.copy_(new)
