"""What the table says of one operator that is written as a call."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from fermatnet.model.nn.operators.rules import Rule, Site, step

__all__ = ["CallRow", "Target", "tensor"]

Target = Callable[..., Any] | str


@dataclass(frozen=True)
class CallRow:
    """One operator written as a call. ``schemas``: overloads of torch's library that say which arguments
    exist."""

    name: str
    targets: tuple[Target, ...]
    schemas: tuple[str, ...]
    arguments: dict[str, Rule] = field(default_factory=dict)
    layer: Callable[[Site], nn.Module] | None = None
    rewrite: Callable[[Site], None] = lambda site: None
    fits: Callable[[Site], str] = lambda site: ""
    note: str = ""
    moves: bool = False


tensor = {"input": step, "self": step}  # torch's two names of the tensor that a call begins with
