"""The training loop of one phase: epochs over batches, loss, schedule, averaging, and a stop that says where
when numbers go bad."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.train.diverged import Diverged, culprit
from fermatnet.model.train.optimizer import learning_rate, make_optimizer
from fermatnet.model.train.options import Options
from fermatnet.model.train.parts import BatchPart, Parted, in_turn
from fermatnet.model.train.processes import table
from fermatnet.model.train.scores import accuracy, logits
from fermatnet.model.train.targets import Targets

__all__ = ["Diverged", "Phase", "accuracy", "logits"]

_COUNTS = ("seen", "loss", "right")
_SUMS = dict.fromkeys((*_COUNTS, "seconds", "waited"), 0.0)
_DRAWS = 0x5DEECE66D  # between the seeds of a batch's parts; those of its steps are neighbours


class Phase:
    """One network on its way through its epochs. ``state()`` after any step and ``restore`` make the rest of
    the run exactly the same.

    batches: in the parts that their cut says. teacher: network to distil from, or None. wrap: what makes the
    module data-parallel (identity in one process). device: where it runs, by default the options' (a process
    of several has its own GPU). targets: what the labels are; None: classes.
    """

    def __init__(
        self,
        name: str,
        model: nn.Module,
        batches: Parted,
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
        self.cut = batches.cut
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
        sample = self._placed(self.batches.sample(self.batches.size // self.cut.accumulate))
        self.model.train()
        kept = {
            key: value.clone()
            for key, value in self.model.state_dict().items()
            if "running_" in key or "num_batches" in key
        }
        self.model(sample)
        self.model.load_state_dict(kept, strict=False)

    def state(self) -> dict[str, Any]:
        """Plain tensors and numbers only. Every process of a run has to call it: ``counts`` has the sums of
        each, in the order of `_COUNTS`."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "sums": dict(self.sums),
            "counts": self._counts(),
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
        rows = state.get("counts")
        if rows is not None:  # of other processes, the first one answers for all
            alone = [sum(column) if self.cut.rank == 0 else 0.0 for column in zip(*rows, strict=True)]
            mine = rows[self.cut.rank] if len(rows) == self.cut.world else alone
            self.sums |= dict(zip(_COUNTS, mine, strict=True))

    def _counts(self) -> list[list[float]]:
        """`_COUNTS` of every process in this epoch so far."""
        row = [self.sums[key] for key in _COUNTS]
        return table(row, self.cut.rank, self.cut.world, self.device)

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

    def _draw(self, part: BatchPart) -> None:
        """Whatever a layer draws depends on the step and the part alone, not on who computes it."""
        seed = (self.options.seed * 1000003 + self.epoch) * 1000003 + self.step
        torch.manual_seed((seed + part.number * _DRAWS) & 0x7FFFFFFFFFFF)

    def _gradients(self, images: Sequence[Tensor], labels: Tensor) -> tuple[Tensor, Tensor]:
        """(loss, hits) of the images of this process, the gradients summed up over its parts."""
        total, hits = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        self.optimizer.zero_grad(set_to_none=True)
        given = zip(self.batches.parts, images, labels.split([len(part) for part in images]), strict=True)
        there = [(part, x, y) for part, x, y in given if len(y)]  # of a part no file may be readable
        for part, x, y in in_turn(self.model, there, self.cut):
            # processes average their gradients once a step
            alone = part is there[-1][0] or not hasattr(self.parallel, "no_sync")
            quiet: Any = nullcontext() if alone else self.parallel.no_sync()  # type: ignore[operator]
            self._draw(part)
            with quiet:
                loss, outputs = self._loss(self._placed(x), y)
                (loss if part.weight == 1 else loss * part.weight).backward()
            total += loss.detach() * (len(y) / len(labels))
            hits += self.targets.right(outputs.detach(), y)
        return total, hits

    def _step(self, images: Sequence[Tensor], labels: Tensor, factor: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = group["base"] * factor
        labels = labels.to(self.device, non_blocking=True)
        loss, hits = self._gradients(images, labels)
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        if self.cut.scale != 1:
            torch._foreach_mul_(gradients, self.cut.scale)
        norm = torch.nn.utils.get_total_norm(gradients)
        value, size, right = torch.stack(
            [loss, norm.to(loss), hits.to(loss)]
        ).tolist()  # one wait for the GPU
        if not (value < float("inf") and size < float("inf")):
            where = f"{self.name}, epoch {self.epoch + 1}, batch {self.step + 1}"
            whole = self._placed(torch.cat(list(images)))
            raise Diverged(f"{where}: {culprit(self.model, whole)}")
        self.optimizer.step()
        if self.average is not None:
            self._average()
        self.step += 1
        self.sums["seen"] += len(labels)
        self.sums["loss"] += value * len(labels)
        self.sums["right"] += right

    def _timed(self) -> Iterator[tuple[Sequence[Tensor], Tensor]]:
        """The epoch's batches that are left; what the loop waits for them is added up."""
        source = iter(self.batches.parts_of(self.epoch, self.step))
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

        Returns loss and accuracy (on the augmented batches of all processes), rate, seconds, images a second
        of this process, and the share of the time in which the step waited for its batch.
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
        seen, loss, right = map(sum, zip(*self._counts(), strict=True))
        sums, self.sums = self.sums, dict(_SUMS)
        self.epoch, self.step = self.epoch + 1, 0
        return {
            "loss": loss / max(1.0, seen),
            "accuracy": right / max(1.0, seen),
            "lr": self.rate * factor,
            "seconds": seconds,
            "images_per_second": max(1.0, sums["seen"]) / seconds,
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
