"""A traced model beside the table: every step, every argument; all that is not understood, at once."""

import inspect
from dataclasses import dataclass
from typing import Any

from torch import fx, nn

from fermatnet.model.nn.operators import interpolated
from fermatnet.model.nn.operators.calls import CallRow, row_of
from fermatnet.model.nn.operators.layouts import interpolates, moves_values
from fermatnet.model.nn.operators.modules import MODULES, ModuleRow
from fermatnet.model.nn.operators.remedies import remedy
from fermatnet.model.nn.operators.rewrites import constant_of, taken_positions
from fermatnet.model.nn.operators.rules import Rule, Shapes, Site
from fermatnet.model.nn.operators.signatures import MISSING, bind, module_arguments

__all__ = ["Refusal", "known_kind", "refusals", "site_of"]


@dataclass(frozen=True)
class Refusal:
    """One thing that is not understood: the step or layer, what it is, what is wrong and what to write
    instead."""

    name: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.name}: {self.what}: {self.why}"


# of a subclass: these change nothing of what a layer computes
_HARMLESS = {
    "__init__",
    "__module__",
    "__doc__",
    "__qualname__",
    "__annotations__",
    "__parameters__",
    "__constants__",
    "__orig_bases__",
    "__repr__",
    "__firstlineno__",
    "__static_attributes__",
    "__dict__",
    "__weakref__",
    "extra_repr",
    "reset_parameters",
}


def known_kind(module: nn.Module) -> type[nn.Module] | None:
    """The layer of the table that a module computes: its class, or the one it inherits everything from that
    matters."""
    mro = type(module).__mro__
    known = next((kind for kind in mro if kind in MODULES), None)
    if known is None:
        return None
    own = {key for kind in mro[: mro.index(known)] for key in vars(kind)} - _HARMLESS
    if not own:
        return known
    inherited = {*dir(known), *vars(module), *module._parameters, *module._buffers, *module_arguments(known)}
    return None if own & inherited or "__getattr__" in own or "__getattribute__" in own else known


def site_of(source: nn.Module, graph: fx.Graph, node: fx.Node, shapes: Shapes) -> Site:
    """The site of a step, its arguments bound to their names where the step is in the table."""
    site = Site(source, graph, node, shapes)
    if node.op == "call_module":
        site.module = source.get_submodule(str(node.target))
    elif (row := row_of(node)) is not None and (
        bound := bind(node.target, row.schemas, node.args, node.kwargs)
    ) is not None:  # type: ignore
        site.given = bound[0]
    return site


def _shown(value: Any) -> str:
    if isinstance(value, fx.Node):
        return value.name
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _judge(site: Site, argument: str, value: Any, default: Any, rule: Rule | None) -> str:
    """ "" where an argument is understood."""
    if rule is None:
        same = value is default or (type(value) is type(default) and value == default)
        return (
            ""
            if same
            else f"{argument}={_shown(value)} is not understood; leave it at its default"
            + ("" if default is MISSING else f" {_shown(default)}")
        )
    if rule.holds(value, site):
        return ""
    return f"{argument}={_shown(value)} is not understood, only {rule.says}" + (
        f"; {rule.instead}" if rule.instead else ""
    )


def _module_reasons(site: Site, kind: type[nn.Module]) -> list[str]:
    row: ModuleRow = MODULES[kind]
    found = []
    for argument, default in module_arguments(kind).items():
        rule = row.arguments.get(argument)
        value = getattr(site.module, argument, MISSING)
        if value is MISSING and rule is None:
            found.append(
                f"its argument {argument!r} is new in this torch and not understood; use the torch that the "
                "project names"
            )
        elif value is not MISSING:
            found.append(_judge(site, argument, value, default, rule))
    found = [reason for reason in found if reason]
    if not found and (wrong := row.fits(site)):
        found.append(wrong)
    moves = row.moves and not interpolates(site.source, site.node)
    return found or (_move_reasons(site) if moves else [])


def _move_reasons(site: Site) -> list[str]:
    """Empty where a step moves values in an order that there is, or steps after it make one of it."""
    node = site.node
    goes_on = bool(node.users) and all(moves_values(site.source, user) for user in node.users)
    if taken_positions(node) or "moves" in node.meta or goes_on:
        return []
    what = f"it turns {site.before or 'what is no tensor'} into {site.after or 'what is no tensor'}"
    return [f"{what}: {_ORDER}"]


_ORDER = (
    "only an order of channels, rows or columns, zeros around them, whole-number nearest upsampling, pixel "
    "shuffle and flattening have hardware; keep (n, C, H, W), and upsample with mode='nearest' or 'bilinear'"
)


def _call_reasons(site: Site, row: CallRow) -> list[str]:
    node = site.node
    if interpolates(site.source, node):
        return [wrong] if (wrong := interpolated.fits(site)) else []
    if row.moves:
        return _move_reasons(site)
    bound = bind(node.target, row.schemas, node.args, node.kwargs)  # type: ignore[arg-type]
    if bound is None:
        written = ", ".join(
            [_shown(x) for x in node.args] + [f"{key}={_shown(x)}" for key, x in node.kwargs.items()]
        )
        return [f"its arguments ({written}) are not those of {row.name}: {remedy(row.name)}"]
    site.given, signature = bound
    found = []
    for argument, value in site.given.items():
        default = signature.parameters[argument].default
        if signature.parameters[argument].kind is inspect.Parameter.VAR_KEYWORD and not value:
            continue
        found.append(_judge(site, argument, value, default, row.arguments.get(argument)))
    found = [reason for reason in found if reason]
    if not found and (wrong := row.fits(site)):
        found.append(wrong)
    if not found and row.layer is not None:
        try:
            site.module = row.layer(site)
        except (TypeError, ValueError, RuntimeError, AssertionError) as error:
            return [f"torch does not take its arguments: {str(error).splitlines()[0]}"]
        found = _module_reasons(site, type(site.module))
    return found


def _hands_on(site: Site) -> bool:
    """Whether a step of the table gives several tensors."""
    return row_of(site.node) is not None and isinstance(site.read, fx.Node) and site.read in site.shapes


def _is_operand(source: nn.Module, graph: fx.Graph, node: fx.Node, shapes: Shapes) -> bool:
    """Whether a tensor outside of layers is a constant that all who read it can take."""
    for user in node.users:
        site, row = site_of(source, graph, user, shapes), row_of(user)
        takes = row is not None and any(
            key in row.arguments and value is node and constant_of(value, site) is not None
            for key, value in site.given.items()
        )
        if not takes:
            return False
    return True


def _call_name(node: fx.Node) -> str:
    return str(getattr(node.target, "__name__", node.target))


def refusals(source: nn.Module, graph: fx.Graph, shapes: Shapes) -> list[Refusal]:
    """What in a traced model is not understood; ``shapes``: of every step that is a tensor. Sizes and their
    arithmetic pass."""
    found: list[Refusal] = []
    for node in graph.nodes:
        site = site_of(source, graph, node, shapes)
        if node.op == "call_module":
            name, kind = f"layer {str(node.target)!r}", known_kind(site.module)
            what = type(site.module).__name__
            if kind is None:
                reasons = [f"the hardware has none; {remedy(what)}"]
            elif len(node.args) != 1 or node.kwargs:
                reasons = ["it is called with more than one argument: write a call for one tensor"]
            else:
                reasons = _module_reasons(site, kind)
        elif node.op in ("call_function", "call_method") and (node in shapes or _hands_on(site)):
            name, what, row = f"step {node.name!r}", _call_name(node), row_of(node)
            reasons = [f"the hardware has none; {remedy(what)}"] if row is None else _call_reasons(site, row)
        elif node.op == "get_attr" and not _is_operand(source, graph, node, shapes):
            name, what = f"step {node.name!r}", f"the tensor {str(node.target)!r}"
            reasons = [
                f"a constant or a parameter outside a layer has no place in the network file; {remedy('mul')}"
            ]
        else:
            continue
        found += [Refusal(name, what, reason) for reason in reasons]
    return found
