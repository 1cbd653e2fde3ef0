"""The training loop of one phase: epochs over batches, loss, schedule, averaging, and a stop that says where
when numbers go bad."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.train.batches import Batches
from fermatnet.model.train.diverged import Diverged, culprit
from fermatnet.model.train.images.loader import StreamBatches
from fermatnet.model.train.optimizer import learning_rate, make_optimizer
from fermatnet.model.train.options import Options
from fermatnet.model.train.scores import accuracy, logits
from fermatnet.model.train.targets import Targets

__all__ = ["Diverged", "Phase", "accuracy", "logits"]

_SUMS = {"seen": 0.0, "loss": 0.0, "right": 0.0, "seconds": 0.0, "waited": 0.0}


class Phase:
    """One network on its way through its epochs. ``state()`` after any step and ``restore`` make the rest of
    the run exactly the same.

    teacher: network to distil from, or None. wrap: what makes the module data-parallel (identity in one
    process). device: where it runs, by default the options' (a process of several has its own GPU).
    targets: what the labels are; None: classes.
    """

    def __init__(
        self,
        name: str,
        model: nn.Module,
        batches: Batches | StreamBatches,
        options: Options,
        *,
        epochs: int,
        rate: float,
        teacher: nn.Module | None = None,
        wrap: Callable[[nn.Module], nn.Module] | None = None,
        device: str | None = None,
        targets: Targets | None = None,
    ):
        self.targets = targets or Targets(0)
        self.name, self.model, self.batches, self.options, self.epochs, self.rate, self.teacher = (
            name,
            model,
            batches,
            options,
            epochs,
            rate,
            teacher,
        )
        self.epoch = self.step = 0
        self.sums = dict(_SUMS)
        self.device = torch.device(device or options.device)
        self.layout = torch.channels_last if options.channels_last else torch.contiguous_format
        if options.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._prepare()
        self.optimizer = make_optimizer(model, options, rate)
        self.average = deepcopy(model).requires_grad_(False) if options.ema else None
        self.parallel = wrap(model) if wrap else model
        if options.compile:
            self.parallel = torch.compile(self.parallel)  # type: ignore[assignment]

    def _placed(self, images: Tensor) -> Tensor:
        return images.to(self.device, non_blocking=True).contiguous(memory_format=self.layout)

    @torch.no_grad()
    def _prepare(self) -> None:
        """Let quantizers that measure their first batch do it, on the same batch in every process."""
        sample = self._placed(self.batches.sample(self.batches.size // self.options.accumulate))
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
            "step": self.step,
            "sums": dict(self.sums),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average is not None else {},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continues from a saved state; InputError where it belongs to another run."""
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.average is not None:
                self.average.load_state_dict(state["average"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise InputError(
                f"the checkpoint is of another network: {str(error).splitlines()[-1].strip()}"
            ) from error
        self.epoch, self.step = int(state["epoch"]), int(state.get("step", 0))
        self.sums = _SUMS | state.get("sums", {})

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

    def _gradients(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """(loss, hits) of a batch, its gradients summed up over ``accumulate`` parts of it."""
        parts = min(self.options.accumulate, len(labels))
        total, hits = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        self.optimizer.zero_grad(set_to_none=True)
        for number, (x, y) in enumerate(zip(images.chunk(parts), labels.chunk(parts), strict=True)):
            last = number == len(images.chunk(parts)) - 1
            # processes average their gradients once a step
            alone = last or not hasattr(self.parallel, "no_sync")
            quiet: Any = nullcontext() if alone else self.parallel.no_sync()  # type: ignore[operator]
            with quiet:
                loss, outputs = self._loss(x, y)
                share = len(y) / len(labels)
                (loss if parts == 1 else loss * share).backward()
            total += loss.detach() * share
            hits += self.targets.right(outputs.detach(), y)
        return total, hits

    def _step(self, images: Tensor, labels: Tensor, factor: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = group["base"] * factor
        # whatever a layer draws depends on the step alone
        seed = (self.options.seed * 1000003 + self.epoch) * 1000003 + self.step
        torch.manual_seed(seed & 0x7FFFFFFFFFFF)
        images, labels = self._placed(images), labels.to(self.device, non_blocking=True)
        loss, hits = self._gradients(images, labels)
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        value, size, right = torch.stack(
            [loss, norm.to(loss), hits.to(loss)]
        ).tolist()  # one wait for the GPU
        if not (value < float("inf") and size < float("inf")):
            where = f"{self.name}, epoch {self.epoch + 1}, batch {self.step + 1}"
            raise Diverged(f"{where}: {culprit(self.model, images)}")
        self.optimizer.step()
        if self.average is not None:
            self._average()
        self.step += 1
        self.sums["seen"] += len(labels)
        self.sums["loss"] += value * len(labels)
        self.sums["right"] += right

    def _timed(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The epoch's batches that are left; what the loop waits for them is added up."""
        source = iter(self.batches.epoch(self.epoch, self.step))
        while True:
            started = time.perf_counter()
            batch = next(source, None)
            self.sums["waited"] += time.perf_counter() - started
            if batch is None:
                return
            yield batch

    def run_epoch(
        self, tick: Callable[[int], None] | None = None, save: Callable[[], None] | None = None
    ) -> dict[str, float]:
        """Train one epoch, or what is left of it after `restore`; ``save`` is called every
        ``checkpoint_steps`` steps.

        Returns loss, accuracy (on the augmented batches), rate, seconds, images a second of this process, and
        the share of the time in which the step waited for its batch.
        """
        self.parallel.train()
        steps = self.epochs * len(self.batches)
        factor = 0.0
        started = time.perf_counter() - self.sums["seconds"]
        for images, labels in self._timed():
            at = self.epoch * len(self.batches) + self.step
            factor = learning_rate(self.options, at, steps, self.epochs)
            self._step(images, labels, factor)
            self.sums["seconds"] = time.perf_counter() - started
            if tick:
                tick(self.step)
            every = self.options.checkpoint_steps
            if save and every and self.step % every == 0 and self.step < len(self.batches):
                save()
                self.parallel.train()
        return self._close_epoch(factor, time.perf_counter() - started)

    def _close_epoch(self, factor: float, seconds: float) -> dict[str, float]:
        sums, self.sums = self.sums, dict(_SUMS)
        self.epoch, self.step = self.epoch + 1, 0
        seen = max(1.0, sums["seen"])
        return {
            "loss": sums["loss"] / seen,
            "accuracy": sums["right"] / seen,
            "lr": self.rate * factor,
            "seconds": seconds,
            "images_per_second": seen / seconds,
            "waiting": sums["waited"] / seconds,
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
