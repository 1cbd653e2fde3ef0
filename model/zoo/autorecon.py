"""AutoReCon (chapter 8): search of a generator's architecture by Gumbel-softmax, stage 1 of algorithm 4.

Each edge holds all operations of its kind and mixes their outputs with m = softmax((log p + g) / tau), g from
the Gumbel distribution and p = softmax(alpha) (8.4), (8.7), (8.8). (8.7) is printed with p where FBNet, whose
method it is, has log p; only with log p is a draw at low temperature distributed by p. tau is not published:
FBNet's 5 exp(-0.045 epoch).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.model.errors import InputError
from fermatnet.model.zoo.datafree import Matcher, noise, reconstruction_loss
from fermatnet.model.zoo.generator import EDGES, OPERATIONS, Macro, generator_operation

__all__ = ["GeneratorResult", "SuperGenerator", "gumbel_softmax", "search_generator", "temperature"]


def temperature(epoch: int, start: float = 5.0, rate: float = 0.045) -> float:
    """tau of an epoch: ``start * exp(-rate * epoch)``."""
    return start * math.exp(-rate * epoch)


def gumbel_softmax(alpha: Tensor, tau: float, generator: torch.Generator | None = None) -> Tensor:
    """m of (8.7) with log p: softmax((log softmax(alpha) + g) / tau), g = -log(-log u)."""
    # drawn on the CPU: the same draws on every device
    uniform = torch.rand(alpha.shape, generator=generator).clamp(1e-20, 1 - 1e-7).to(alpha.device)
    return functional.softmax((functional.log_softmax(alpha, 0) - torch.log(-torch.log(uniform))) / tau, 0)


class _Mixture(nn.Module):
    """An edge of the super net; ``mixed`` holds this step's m."""

    def __init__(self, kind: str, width: int, classes: int) -> None:
        super().__init__()
        count = len(OPERATIONS[kind])
        self.operations = nn.ModuleList(
            generator_operation(kind, index, width, classes) for index in range(count)
        )
        self.alpha = nn.Parameter(1e-3 * torch.randn(count))
        self.mixed = torch.full((count,), 1 / count)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        outputs = [operation(x, labels) for operation in self.operations]
        total = outputs[0] * self.mixed[0]
        for weight, output in zip(self.mixed[1:], outputs[1:], strict=True):
            total = total + weight * output
        return total


class SuperGenerator(Macro):
    """The stochastic super net M_s. Call `sample` before each step."""

    def __init__(
        self, *, classes: int = 10, image: tuple[int, int, int] = (3, 32, 32), width: int = 64
    ) -> None:
        super().__init__([_Mixture(edge.kind, width, classes) for edge in EDGES], classes, image, width)

    def mixtures(self) -> list[_Mixture]:
        """Edges on which operations compete."""
        return [edge for edge in self.edges if isinstance(edge, _Mixture)]

    def sample(self, tau: float, generator: torch.Generator | None = None) -> None:
        """New m for every edge at temperature tau, differentiable with respect to alpha."""
        if tau <= 0:
            raise InputError(f"the temperature must be positive, not {tau}")
        for edge in self.mixtures():
            edge.mixed = gumbel_softmax(edge.alpha, tau, generator)

    def architecture_parameters(self) -> list[nn.Parameter]:
        """Parameters that weigh the operations."""
        return [edge.alpha for edge in self.mixtures()]

    def weights(self) -> list[nn.Parameter]:
        """All other parameters."""
        own = {id(alpha) for alpha in self.architecture_parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in own]

    def choice(self) -> tuple[int, ...]:
        """The most probable operation of every edge. An up-edge that lies on the only way in is never lost:
        "up" has no none."""
        return tuple(int(edge.alpha.detach().argmax()) for edge in self.mixtures())

    def probability(self) -> float:
        """log P of the chosen architecture (8.5)."""
        return sum(float(functional.log_softmax(edge.alpha.detach(), 0).max()) for edge in self.mixtures())


@dataclass
class GeneratorResult:
    """Operation of each edge, and one row an epoch: reconstruction losses of weight and architecture steps,
    tau."""

    choice: tuple[int, ...]
    history: list[dict[str, float]] = field(default_factory=list)


def search_generator(
    teacher: nn.Module,
    network: SuperGenerator,
    *,
    classes: int,
    epochs: int,
    training_steps: int,
    validation_steps: int,
    batch: int = 64,
    rate: float = 1e-3,
    architecture_rate: float = 1e-2,
    bns_weight: float = 0.1,
    seed: int = 0,
    pixels: tuple[float, float] = (0.0, 1.0),
    progress: Callable[[int, dict[str, float]], None] | None = None,
    resume: dict[str, Any] | None = None,
    keep: Callable[[dict[str, Any]], None] | None = None,
) -> GeneratorResult:
    """Stage 1 of algorithm 4: T_1 steps for the weights, then V_1 steps for alpha, each on fresh noise and
    labels.

    The loss is that of (8.1): cross-entropy of the teacher's answer, plus ``bns_weight`` times the distance
    of batch statistics. ``pixels`` = (offset, gain) from the generator's standard images to what the teacher
    takes. A teacher without batch norm is an `InputError`. Runs where the network is, any device.
    ``keep`` gets the state after each epoch, plain tensors and numbers, with which ``resume`` goes on to the
    same end.
    """
    if epochs < 1 or training_steps < 1 or validation_steps < 1:
        raise InputError(
            f"epochs and steps must be positive, not {epochs}, {training_steps}, {validation_steps}"
        )
    random = torch.Generator().manual_seed(seed)
    weights = torch.optim.Adam(network.weights(), lr=rate, betas=(0.5, 0.999))
    gates = torch.optim.Adam(network.architecture_parameters(), lr=architecture_rate, betas=(0.5, 0.999))
    result = GeneratorResult(())
    device = next(network.parameters()).device
    start = 0
    if resume is not None:
        network.load_state_dict(resume["network"])
        weights.load_state_dict(resume["weights"])
        gates.load_state_dict(resume["gates"])
        random.set_state(resume["random"])
        start, result.history = int(resume["epoch"]), list(resume["history"])
    teacher.eval()
    network.train()
    with Matcher(teacher) as matcher:
        for epoch in range(start, epochs):
            tau = temperature(epoch)
            row = {"epoch": float(epoch), "tau": tau, "weights": 0.0, "architecture": 0.0}
            for name, optimizer, steps in (
                ("weights", weights, training_steps),
                ("architecture", gates, validation_steps),
            ):
                for _ in range(steps):
                    z, labels = (tensor.to(device) for tensor in noise(batch, classes, random))
                    network.sample(tau, random)
                    loss, _ = reconstruction_loss(
                        teacher, matcher, network(z, labels) * pixels[1] + pixels[0], labels, bns_weight
                    )
                    network.zero_grad()
                    loss.backward()
                    optimizer.step()
                    row[name] += float(loss.detach()) / steps
            result.history.append(row)
            if keep is not None:
                keep(
                    {
                        "epoch": epoch + 1,
                        "network": network.state_dict(),
                        "weights": weights.state_dict(),
                        "gates": gates.state_dict(),
                        "random": random.get_state(),
                        "history": result.history,
                    }
                )
            if progress is not None:
                progress(epoch, row)
    result.choice = network.choice()
    return result
