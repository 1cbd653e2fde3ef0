"""What the engine does with a network, and why: a line for every operation."""

from collections.abc import Sequence

from fermatnet.runtime.packed.emit import Emitter
from fermatnet.runtime.packed.fusion import Operation
from fermatnet.runtime.packed.plan import Plan
from fermatnet.runtime.packed.program import Kind
from fermatnet.runtime.packed.storage import Stored

__all__ = ["explain"]

_SOURCES = {
    "MaxPool": "maximum of windows",
    "SumPool": "sum of windows",
    "ArgMax": "index of the first largest",
}


def _stored(stored: Stored) -> str:
    storage = stored.storage
    if storage.kind == Kind.RESULT:
        return "the results"
    form = {Kind.BYTES: "bytes", Kind.HALVES: "16-bit", Kind.WORDS: "32-bit", Kind.LONGS: "64-bit"}.get(
        storage.kind
    )
    if form is None:
        return f"{stored.planes} bit plane{'s' * (stored.planes > 1)} of {stored.name}"
    how = " as levels" if storage.table else f" + {storage.zero}" if storage.zero else ""
    return f"{form} {stored.name}{how}"


def _operation(plan: Plan, operation: Operation) -> str:
    if operation.source is not None and operation.name in plan.choices:
        source = plan.choices[operation.name].reason
    elif operation.source is None:
        source = f"loads {operation.reads}"
    else:
        source = _SOURCES[type(operation.source).__name__]
    if operation.generic:
        source += "; everything in 64 bits"
    parts = [source]
    if operation.nodes:
        parts.append("then " + ", ".join(f"{type(node).__name__} {node.name}" for node in operation.nodes))
    names = [] if operation.external else operation.values
    names = [name for name in names if operation.fresh or name != operation.name]
    written = [_stored(stored) for name in names for stored, _ in plan.writes.get(name, ())]
    if written:
        parts.append("writes " + ", ".join(written))
    return "; ".join(parts)


def explain(plan: Plan, emitter: Emitter, threads: int, seconds: Sequence[float] | None = None) -> str:
    """One line for the whole, one for each operation; ``seconds``: of an image, the image's own loading
    first.
    """
    lines = [
        f"form {plan.form.name}, {threads} thread{'s' * (threads > 1)}, {emitter.chunk} images at once, "
        f"{emitter.memory} bytes of tensors a thread"
    ]
    width = max(len(operation.name) for operation in plan.operations)
    for number, operation in enumerate(plan.operations):
        time = f"{seconds[number + 1] * 1e6:8.2f} us  " if seconds else ""
        lines.append(f"{operation.name:{width}}  {time}{_operation(plan, operation)}")
    return "\n".join(lines)
