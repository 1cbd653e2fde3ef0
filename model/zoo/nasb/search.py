"""NASB's searching stage (algorithm 3): a step for the architecture on held-out data, then one for the
weights, and so on."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from fermatnet.model.errors import InputError
from fermatnet.model.zoo.nasb.space import OPERATIONS, Genotype
from fermatnet.model.zoo.nasb.supernet import Cost, SearchNet

__all__ = ["SearchResult", "search", "table_cost"]

Batch = tuple[Tensor, Tensor]  # images, labels


def table_cost(index: int, channels: int, height: int, width: int) -> float:
    """Units of table 4.1 weighted by the size of the layer: bit operations, in 2^20."""
    return float(OPERATIONS[index].units) * 9 * channels * channels * height * width / 2**20


@dataclass
class SearchResult:
    """The genotype found and how the search went: one row an epoch with both losses, accuracy and expected
    cost."""

    genotype: Genotype
    history: list[dict[str, float]] = field(default_factory=list)
    probabilities: list[dict[str, list[float]]] = field(default_factory=list)


def _endless(loader: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    while True:
        empty = True
        for images, labels in loader:
            empty = False
            yield images.to(device), labels.to(device)
        if empty:
            raise InputError("the search needs training data and validation data; one of them is empty")


class _Steps:
    """The two steps and their optimizers: weights by SGD with momentum 0.9 (cosine to 0), alpha by Adam with
    betas (0, 0.999)."""

    def __init__(self, network: SearchNet, steps: int, rates: tuple[float, float], seed: int) -> None:
        self.network, self.generator = network, torch.Generator().manual_seed(seed)
        self.weights = torch.optim.SGD(network.weights(), lr=rates[0], momentum=0.9, weight_decay=3e-4)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.weights, steps)
        self.gates = torch.optim.Adam(network.architecture_parameters(), lr=rates[1], betas=(0.0, 0.999))

    def state(self, epoch: int) -> dict[str, Any]:
        return {
            "epoch": epoch,
            "network": self.network.state_dict(),
            "weights": self.weights.state_dict(),
            "schedule": self.schedule.state_dict(),
            "gates": self.gates.state_dict(),
            "random": self.generator.get_state(),
        }

    def restore(self, state: dict[str, Any]) -> int:
        """The epochs that are done."""
        self.network.load_state_dict(state["network"])
        self.weights.load_state_dict(state["weights"])
        self.schedule.load_state_dict(state["schedule"])
        self.gates.load_state_dict(state["gates"])
        self.generator.set_state(state["random"])
        return int(state["epoch"])

    def architecture(
        self, batch: Batch, price: Callable[[], Tensor] | None, weight: float
    ) -> tuple[float, float]:
        """Loss, and cost where there is a ``price``, which counts ``weight`` times."""
        images, labels = batch
        self.network.draw(self.generator)
        self.network.architecture_step(True)
        loss = functional.cross_entropy(self.network(images), labels)
        shown, cost = float(loss.detach()), 0.0
        if price is not None:
            expected = price()
            cost = float(expected.detach())
            loss = loss + weight * expected
        self.gates.zero_grad()
        loss.backward()
        self.gates.step()
        self.network.architecture_step(False)
        return shown, cost

    def weight(self, batch: Batch) -> tuple[float, float]:
        """Loss and accuracy."""
        images, labels = batch
        self.network.draw(self.generator)
        output = self.network(images)
        loss = functional.cross_entropy(output, labels)
        self.weights.zero_grad()
        loss.backward()
        self.weights.step()
        self.schedule.step()
        return float(loss.detach()), float((output.argmax(1) == labels).float().mean())


def search(
    network: SearchNet,
    training: Iterable[tuple[Tensor, Tensor]],
    validation: Iterable[tuple[Tensor, Tensor]] | None,
    *,
    epochs: int,
    steps: int,
    seed: int = 0,
    learning_rate: float = 0.025,
    architecture_rate: float = 1e-3,
    cost: Cost | None = None,
    cost_weight: float = 0.0,
    warmup: int = 0,
    progress: Callable[[int, dict[str, float]], None] | None = None,
    resume: dict[str, Any] | None = None,
    keep: Callable[[dict[str, Any]], None] | None = None,
) -> SearchResult:
    """The searching stage: for every step a batch of validation data for alpha, then one of training data for
    the weights.

    training, validation: re-iterable loaders of (images, labels), two halves of the training data in the
    thesis.
    Weights by SGD with momentum 0.9 (cosine to 0), alpha by Adam with betas (0, 0.999). ``cost_weight`` times
    the expected ``cost`` (divided by the cost of all edges at their most expensive) is added to the loss of
    the alpha steps; ``warmup`` epochs train weights only. `InputError` without validation data. Runs
    where the network is, any device. ``keep`` gets the state after each epoch, plain tensors and numbers,
    with which ``resume`` goes on to the same end; the loaders then have to give the same batches as before.
    """
    if validation is None:
        raise InputError(
            "a search needs validation data: the architecture is not learned on what the weights are "
            "trained on"
        )
    if epochs < 1 or steps < 1:
        raise InputError(f"epochs and steps must be positive, not {epochs} and {steps}")
    device = next(network.parameters()).device
    train, held_out = _endless(training, device), _endless(validation, device)
    stepper = _Steps(network, epochs * steps, (learning_rate, architecture_rate), seed)
    result = SearchResult(())
    first = next(held_out)[0]
    price = None if cost is None else _share(network, cost, (first.shape[2], first.shape[3]))
    network.train()
    start = 0 if resume is None else stepper.restore(resume)
    if resume is not None:
        result.history = list(resume["history"])
        for _ in range(start * steps):  # batches that were used before
            next(train)
        for _ in range(max(0, start - warmup) * steps):
            next(held_out)
    for epoch in range(start, epochs):
        sums = {"validation_loss": 0.0, "training_loss": 0.0, "accuracy": 0.0, "cost": 0.0}
        for _ in range(steps):
            figures: dict[str, float] = {}
            if epoch >= warmup:
                figures["validation_loss"], figures["cost"] = stepper.architecture(
                    next(held_out), price, cost_weight
                )
            figures["training_loss"], figures["accuracy"] = stepper.weight(next(train))
            for name, value in figures.items():
                sums[name] += value / steps
        result.history.append({"epoch": epoch} | sums)
        if keep is not None:
            keep(stepper.state(epoch + 1) | {"history": result.history})
        if progress is not None:
            progress(epoch, sums)
    result.genotype = network.genotype()
    result.probabilities = network.probabilities()
    return result


def _share(network: SearchNet, cost: Cost, size: tuple[int, int]) -> Callable[[], Tensor]:
    """The expected cost as a share of the greatest, for images (height, width) of that size."""
    sizes = network.map_sizes(*size)
    worst = network.largest_cost(cost, sizes)
    return lambda: network.expected_cost(cost, sizes) / worst
