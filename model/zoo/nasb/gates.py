"""NASB's mixed edges: all ten operations between two nodes, and the gate that one of them is drawn by.

Every edge (i, j) of a cell has all ten operations and parameters alpha. p = softmax(alpha) (4.3); one
operation is drawn by p and is the only one that runs while weights are trained. (4.4) reads like independent
coin flips; a one-hot draw is what "only one operation is sampled and active" says. In the architecture step
the gradient is (4.6),

    dL/dalpha_i = sum_j dL/dg_j p_j (delta_ij - p_i),    dL/dg_j = <dL/dy, o_j(x)>.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.model.zoo.nasb.space import OPERATIONS, ZERO, make_operation

__all__ = ["Gate", "MixedEdge"]


class Gate(torch.autograd.Function):
    """Forward: the drawn operation's output.  Backward: its own gradient, and (4.6) for alpha.

    Arguments: alpha (F,), chosen, the chosen output (with gradient), then all F outputs (without).
    """

    @staticmethod
    def forward(context, alpha: Tensor, chosen: int, active: Tensor, *outputs: Tensor) -> Tensor:
        context.save_for_backward(alpha, *outputs)
        return active.clone()

    @staticmethod
    def backward(context, gradient: Tensor) -> tuple[Any, ...]:
        alpha, *outputs = context.saved_tensors
        p = functional.softmax(alpha, dim=0)
        by_gate = torch.stack([(gradient * output).sum() for output in outputs]).to(p.dtype)
        return (p * (by_gate - (p * by_gate).sum()), None, gradient, *([None] * len(outputs)))


class MixedEdge(nn.Module):
    """All ten operations between two nodes, one of them drawn. ``architecture`` True: the others run too, for
    (4.6)."""

    def __init__(self, channels: int, padding_value: int = 0) -> None:
        super().__init__()
        self.operations = nn.ModuleList(
            make_operation(index, channels, padding_value=padding_value) for index in range(len(OPERATIONS))
        )
        self.alpha = nn.Parameter(1e-3 * torch.randn(len(OPERATIONS)))
        self.chosen = ZERO
        self.architecture = False

    def draw(self, generator: torch.Generator) -> None:
        """Draws the operation that is active, by the probabilities of the gates."""
        self.chosen = int(
            torch.multinomial(functional.softmax(self.alpha.detach().cpu(), 0), 1, generator=generator)
        )

    def forward(self, x: Tensor) -> Tensor:
        active = self.operations[self.chosen](x)
        if not (self.architecture and torch.is_grad_enabled()):
            return active
        with torch.no_grad():
            outputs = [
                active.detach() if index == self.chosen else op(x) for index, op in enumerate(self.operations)
            ]
        return Gate.apply(self.alpha, self.chosen, active, *outputs)
