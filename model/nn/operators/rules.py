"""What an operator's argument may be: a test of its value, what the test says in words, and what to write
instead.

A rule judges a value at a *site*: one step of a traced model with its arguments and the shapes around it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import fx, nn

__all__ = [
    "Rule",
    "Shapes",
    "Site",
    "anything",
    "flag",
    "number",
    "one_of",
    "only",
    "pair",
    "sizes",
    "step",
    "steps",
    "where",
]

Shapes = dict[fx.Node, tuple[int, ...]]


@dataclass
class Site:
    """One step of a model: ``given`` holds its arguments by name, defaults included."""

    source: nn.Module
    graph: fx.Graph
    node: fx.Node
    shapes: Shapes
    given: dict[str, Any] = field(default_factory=dict)
    module: Any = None

    @property
    def before(self) -> tuple[int, ...]:
        """Shape of the step's first input, of a batch of more than one image; () where it is no tensor."""
        return self.shapes.get(self.read, ()) if isinstance(self.read, fx.Node) else ()

    @property
    def read(self) -> Any:
        """The step's first input, by whichever name it is given."""
        for name in ("input", "self"):
            if name in self.given:
                return self.given[name]
        return self.node.args[0] if self.node.args else next(iter(self.node.kwargs.values()), None)

    @property
    def after(self) -> tuple[int, ...]:
        """Shape of what the step returns; () where it is no tensor."""
        return self.shapes.get(self.node, ())

    def layer(self, node: fx.Node) -> Any:
        """The module that does another step, or None."""
        return self.source.get_submodule(str(node.target)) if node.op == "call_module" else None


@dataclass(frozen=True)
class Rule:
    """``says``: the accepted values in words; ``holds``: of a value at a site; ``instead``: what to write."""

    says: str
    holds: Callable[[Any, Site], bool]
    instead: str = ""


def _plain(value: Any) -> Any:
    """Lists as tuples, so that values compare however they were written."""
    return tuple(_plain(x) for x in value) if isinstance(value, list | tuple) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def pair(value: Any) -> tuple[int, int]:
    """(vertical, horizontal) of one number or of two."""
    values = _plain(value)
    return (values[0], values[-1]) if isinstance(values, tuple) else (values, values)


def where(says: str, holds: Callable[[Any, Site], bool], instead: str = "") -> Rule:
    """The rule that a function of (value, site) decides."""
    return Rule(says, holds, instead)


def only(value: Any, instead: str = "") -> Rule:
    """Exactly this value."""
    return one_of(value, instead=instead)


def one_of(*values: Any, instead: str = "") -> Rule:
    """One of these values."""
    return Rule(
        " or ".join(map(repr, values)), lambda v, site: _plain(v) in [_plain(x) for x in values], instead
    )


anything = Rule("any", lambda value, site: not isinstance(value, fx.Node))
flag = Rule("`True` or `False`", lambda value, site: isinstance(value, bool))
number = Rule("any number", lambda value, site: _is_number(value))
sizes = Rule(
    "one number or one for each direction",
    lambda value, site: all(
        isinstance(x, int) for x in (_plain(value) if isinstance(value, list | tuple) else (value,))
    ),
)
step = Rule(
    "a tensor that a step before made",
    lambda value, site: isinstance(value, fx.Node) and value in site.shapes,
    "constants have no place in the network file: put them into the weights or the bias of a layer",
)
steps = Rule(
    "a list of such tensors",
    lambda value, site: (
        isinstance(value, list | tuple) and len(value) > 0 and all(step.holds(x, site) for x in value)
    ),
    "join tensors that steps before made",
)
