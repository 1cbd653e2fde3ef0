"""What random models are made of: steps in a row, branches, changed convolutions; and a model with what it
is converted with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.model.nn.scheme import Scheme

__all__ = ["Branch", "Drawn", "Named", "Scaled", "Steps", "Two"]


class Steps(nn.Module):
    """Layers and functions in a row; ``turn`` may change what comes out, ``scale`` is never given."""

    def __init__(self, steps: list[Any], turn: str):
        super().__init__()
        self.layers = nn.ModuleList([step for step in steps if isinstance(step, nn.Module)])
        self.steps, self.turn = [None if isinstance(step, nn.Module) else step for step in steps], turn

    def forward(self, x: Tensor, scale: float | None = None) -> Any:
        layers = iter(self.layers)
        for step in self.steps:
            x = next(layers)(x) if step is None else step(x)
        if scale is not None:
            x = x * scale
        turned: dict[str, Callable[[Tensor], Any]] = {
            "tuple": lambda x: (x, x[:, :2]),
            "twice": lambda x: (x, x),
            "dict": lambda x: {"logits": x, "gate": x.sigmoid()},
            "places": lambda x: x.argmax(1),
            "top": lambda x: x.topk(2, dim=-1)[1],
        }
        return turned[self.turn](x) if self.turn else x


class Branch(nn.Module):
    """A sum or a concatenation around layers, with drawn arguments."""

    def __init__(self, body: nn.Module, how: str, kwargs: dict[str, Any], alias: bool):
        super().__init__()
        self.body, self.how, self.kwargs, self.alias = body, how, kwargs, alias

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu_(self.body(x)) if self.alias else self.body(x)
        if self.alias:
            x.add_(1.0)  # changes what is read again below
        if self.how == "cat":
            return torch.cat([x, y], **self.kwargs)
        if self.how == "add":
            return torch.add(x, y, **self.kwargs)
        if self.how == "method":
            return x.add(y, **self.kwargs)
        if self.how == "+=":
            y += x
            return y
        if self.how == "-":
            return x - y
        if self.how == "*":
            return x * y
        if self.how == "gate":
            return x * y.sigmoid()
        return x + y


class Two(nn.Module):
    """Two inputs that become one, by channels, maybe after a layer of the second one's own."""

    def __init__(self, body: nn.Module, own: nn.Module | None):
        super().__init__()
        self.body, self.own = body, own

    def forward(self, x: Tensor, y: Tensor) -> Any:
        if self.own is None:
            return self.body(torch.cat([x, y], 1))
        return self.body(torch.cat([x, self.own(y)], 1))


class Scaled(nn.Conv2d):
    """A convolution that does something else besides."""

    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


class Named(nn.Conv2d):
    """A convolution under another name."""

    def extra_repr(self) -> str:
        return "named"


@dataclass
class Drawn:
    """A model with what it is converted with; ``extras``: what was done to it, in words. ``first``: channels
    of the first of two inputs, "x" and "y"; 0: there is one input."""

    seed: int
    model: nn.Module
    shape: tuple[int, ...]
    how: Scheme
    bits: int = 8
    signed: bool = False
    normal: dict[str, Any] = field(default_factory=dict)
    extras: list[str] = field(default_factory=list)
    first: int = 0

    @property
    def dims(self) -> Any:
        """The shape as ``convert`` takes it."""
        if not self.first:
            return self.shape
        return {"x": (self.first, *self.shape[1:]), "y": (self.shape[0] - self.first, *self.shape[1:])}

    @property
    def means(self) -> dict[str, Any]:
        """The normalisation as ``convert`` takes it."""
        if not self.first:
            return self.normal
        return {key: {"x": one[: self.first], "y": one[self.first :]} for key, one in self.normal.items()}

    def given(self, images: Any) -> Any:
        """The images (n, *shape), a tensor or an array, as the inputs of the model."""
        return {"x": images[:, : self.first], "y": images[:, self.first :]} if self.first else images

    def called(self, model: nn.Module, images: Any) -> Any:
        """What a model, or a twin, makes of them."""
        given = self.given(images)
        return model(**given) if self.first else model(given)
