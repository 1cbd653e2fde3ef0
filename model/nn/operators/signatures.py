"""Which arguments an operator has, from torch itself: a constructor's signature with the constants of its
class, a function's signature, or the schema in torch's operator library. So an argument that a newer torch
adds is seen, and refused if it is set.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import fx

__all__ = ["MISSING", "bind", "module_arguments", "signatures"]

MISSING = inspect.Parameter.empty
_PLACES = (
    "device",
    "dtype",
)  # of a constructor: where its weights lie, which the conversion looks at in the weights
# torch's Python binding knows some arguments by numpy's name too
_ALIASES = {"input": "self", "axis": "dim", "keepdims": "keepdim"}
_VARIADIC = {
    "view": "size",
    "reshape": "shape",
    "squeeze": "dim",
    "mean": "dim",
}  # methods that take their sizes one by one


def module_arguments(kind: type) -> dict[str, Any]:
    """Name -> default (MISSING: it has none) of all arguments of a layer, and of the constants that its
    class declares."""
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(kind.__init__).parameters.items():  # type: ignore[misc]
        if (
            name != "self"
            and name not in _PLACES
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ):
            found[name] = parameter.default
    for name in getattr(kind, "__constants__", ()):
        found.setdefault(name, MISSING)
    return found


@lru_cache(maxsize=1024)
def _schema_signature(name: str) -> inspect.Signature:
    """A signature with the arguments of an operator of torch's library, ``add.Tensor`` for instance."""
    packet, _, overload = name.partition(".")
    schema = getattr(getattr(torch.ops.aten, packet), overload or "default")._schema
    parameters = []
    for argument in schema.arguments:
        kind = (
            inspect.Parameter.KEYWORD_ONLY if argument.kwarg_only else inspect.Parameter.POSITIONAL_OR_KEYWORD
        )
        default = argument.default_value if argument.has_default_value() else MISSING
        parameters.append(inspect.Parameter(argument.name, kind, default=default))
    return inspect.Signature(parameters)


def signatures(target: Callable[..., Any] | str, schemas: tuple[str, ...]) -> list[inspect.Signature]:
    """The signatures a call of ``target`` can have: its own where Python knows it, else those of the named
    schemas."""
    if not isinstance(target, str):
        dispatched = torch._jit_internal.boolean_dispatched.get(target)
        try:
            own = inspect.signature(dispatched["if_false"] if dispatched else target)
        except (ValueError, TypeError):
            own = None
        if own is not None and not schemas_only(target):
            return [own]
    return [_schema_signature(name) for name in schemas]


def schemas_only(target: Callable[..., Any]) -> bool:
    """Whether Python's signature of a function says less than its schema: operators such as ``+``, and
    torch's own bindings."""
    return getattr(target, "__module__", None) == "_operator"


def bind(
    target: Callable[..., Any] | str,
    schemas: tuple[str, ...],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> tuple[dict[str, Any], inspect.Signature] | None:
    """(arguments by name with their defaults, signature) of a call, or None where it fits no signature of
    its operator."""
    for signature in signatures(target, schemas):
        names = signature.parameters
        renamed = {key if key in names else _ALIASES.get(key, key): value for key, value in kwargs.items()}
        variadic = _VARIADIC.get(target if isinstance(target, str) else "")
        if (
            variadic in names
            and len(args) > 2
            and all(isinstance(x, int | fx.Node) and not isinstance(x, bool) for x in args[1:])
        ):
            args = (args[0], tuple(args[1:]))
        try:
            bound = signature.bind(*args, **renamed)
        except TypeError:
            continue
        bound.apply_defaults()
        return dict(bound.arguments), signature
    return None
