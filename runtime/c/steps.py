"""One C function a step: loops over pixels and channels, pooling inside them, and the writing of the
result."""

from dataclasses import dataclass

import numpy as np

from fermatnet.model.network.nodes import Add, AddConstant, Concat, MaxPool, TensorType
from fermatnet.runtime.buffers import Buffer, Step
from fermatnet.runtime.c.expressions import Expressions
from fermatnet.runtime.c.place import Place
from fermatnet.runtime.c.program import SINGLE, Program, ProgramStep, disjoint_window
from fermatnet.runtime.c.storage import Image, Integers, PlaneStore, ctype, value_type, width_of

__all__ = ["StepCode", "layout", "needs", "write"]


@dataclass(frozen=True)
class StepCode:
    """Body of a step's function, the tensors and scratch arrays it points at (C name and element type by
    buffer name), and what the buffer plan has to know of it."""

    step: ProgramStep
    body: list[str]
    pointers: dict[str, tuple[str, str]]
    plan: Step
    scratch: list[Buffer]


def layout(lines: list[str]) -> str:
    """Lines of C indented by their braces; an ``if`` without braces indents the next line."""
    depth, once, out = 0, 0, []
    for line in lines:
        if not line or line.startswith("#"):
            out.append(line)
            continue
        depth -= line.startswith("}")
        out.append("    " * (depth + once) + line)
        depth += line.count("{") - line.count("}") + line.startswith("}")
        once = int(line.startswith(("if ", "for ", "else")) and not line.endswith(("{", ";", "}")))
    return "\n".join(out)


def _writer(
    ex: Expressions, root: str, kind: TensorType
) -> tuple[list[str], list[str], list[str], list[str], str]:
    """Statements before all, before a pixel, for one ``value``, after a pixel; and the element type."""
    store = ex.program.stores.get(root)
    _, height, width = kind.shape
    if store is None:
        element = value_type(kind.lo, kind.hi)
        place = "CHANNEL" if height == width == 1 else f"(CHANNEL * {height}u + y) * {width}u + x"
        return [], [], [f"out[{place}] = VALUE;"], [], element
    to = ex.pointers.setdefault(root, f"p{len(ex.pointers)}")
    if isinstance(store, Integers):
        return [f"{store.element} *to = {to};"], [], [f"*to++ = ({store.element})VALUE;"], [], store.element
    assert isinstance(store, PlaneStore)
    return (*_plane_writer(ex, root, store, to), store.element)


def _plane_writer(
    ex: Expressions, root: str, store: PlaneStore, to: str
) -> tuple[list[str], list[str], list[str], list[str]]:
    code, element, unit = store.code, store.element, store.unit
    words = [f"plane{j}" for j in range(code.planes)]
    start = [f"{element} *to = {to};", f"uint32_t {', '.join(f'{w} = 0' for w in words)}, fill = 0;"]
    if code.plain:
        put = ["const uint32_t code = (uint32_t)VALUE;"]
    else:
        put = [f"const uint32_t code = {ex.tables.add(root, 'encode', np.array(code.encode()))}[VALUE];"]
    if code.planes == 1:
        put += ["plane0 |= code << fill;"]
    else:
        put += [f"{w} |= ((code >> {j}) & 1u) << fill;" for j, w in enumerate(words)]
    flush = [
        f"to[{j * store.units}] = ({element}){w};" if j else f"to[0] = ({element}){w};"
        for j, w in enumerate(words)
    ]
    flush += ["++to;", f"{' = '.join(words)} = fill = 0;"]
    put += [f"if (++fill == {unit}u) {{", *flush, "}"]
    skip = (code.planes - 1) * store.units
    last = (
        ["if (fill) {" if store.flat else "{", *flush, "}"]
        if store.flat or store.kind.shape[0] % unit
        else []
    )
    advance = [f"to += {skip};"] if skip and not store.flat else []
    return start, [], put, last + advance


def _segments(ex: Expressions, root: str, place: Place) -> list[tuple[list[str], str, int, int]]:
    """For each run of channels: its statements, the variable of its value, its first channel and its number
    of channels."""
    node = ex.program.nodes[root]
    if not isinstance(node, Concat) or node.axis != 1:
        value = ex.compute(root, place)
        return [(ex.channel, value, 0, ex.type(root).shape[0])]
    segments, first = [], 0
    for name in node.inputs:
        ex.channel = []
        value = ex.value(name, place)
        count = ex.type(name).shape[0]
        ex.add_to_checksum(root, value, Place(place.y, place.x, f"(c + {first}u)"))
        segments.append((ex.channel, value, first, count))
        first += count
    return segments


def _pooled(ex: Expressions, step: ProgramStep) -> tuple[list[str], Place]:
    """Statements that leave one pixel's pooled channels in an array, which ``ex`` reads from then on as the
    pool's value."""
    node = ex.program.nodes[step.pool]
    source, kind = node.inputs[0], ex.type(step.pool)
    rows, columns = disjoint_window(node, ex.type(source)) or (1, 1)
    element = (
        ctype(min(kind.lo, 0), max(kind.hi, 0)) if not isinstance(node, MaxPool) else ctype(kind.lo, kind.hi)
    )
    array = ex.scratch_array(f"\0pool {step.pool}", element, kind.shape[0])
    value = ex.value(source, Place(f"(y * {rows}u + dy)", f"(x * {columns}u + dx)", "c"))
    if isinstance(node, MaxPool):
        join = [f"if (first || {value} > {array}[c])", f"{array}[c] = ({element}){value};"]
    else:
        wide = value_type(kind.lo, kind.hi)
        join = [f"{array}[c] = ({element})((first ? 0 : ({wide}){array}[c]) + {value});"]
    body = [
        "uint32_t dy, dx;",
        f"for (dy = 0; dy < {rows}u; ++dy) {{",
        f"for (dx = 0; dx < {columns}u; ++dx) {{",
        "const uint32_t first = (dy | dx) == 0;",
        *ex.pixel,
        f"for (c = 0; c < {kind.shape[0]}u; ++c) {{",
        *ex.channel,
        *join,
        "}",
        "}",
        "}",
    ]
    ex.pixel, ex.channel = [], []
    ex.pooled[step.pool] = (array, value_type(kind.lo, kind.hi))
    return body, Place("y", "x", "c")


def write(ex: Expressions, step: ProgramStep) -> StepCode:
    """The function body of a step. Offsets are filled in when the buffers are planned."""
    kind = ex.type(step.root)
    _, height, width = kind.shape
    place = Place("y", "x", "c")
    before: list[str] = []
    if step.pool:
        before, place = _pooled(ex, step)
    segments = _segments(ex, step.root, place)
    start, begin, put, end, _ = _writer(ex, step.root, kind)
    body = ["uint32_t y, x, c;", *start]
    store = ex.program.stores.get(step.root)
    flat = isinstance(store, PlaneStore) and store.flat
    body += [
        f"for (y = 0; y < {height}u; ++y) {{",
        f"for (x = 0; x < {width}u; ++x) {{",
        *before,
        *begin,
        *ex.pixel,
    ]
    for channel, value, first, count in segments:
        here = [
            line.replace("VALUE", value).replace("CHANNEL", f"(c + {first}u)" if first else "c")
            for line in put
        ]
        body += [f"for (c = 0; c < {count}u; ++c) {{", *channel, *here, "}"]
    body += ([] if flat else end) + ["}", "}"] + (end if flat else [])
    return _finish(ex, step, body)


def _finish(ex: Expressions, step: ProgramStep, body: list[str]) -> StepCode:
    program = ex.program
    elements = {name: store.element for name, store in program.stores.items() if not isinstance(store, Image)}
    elements |= {name: element for name, (element, _) in ex.scratch.items()}
    pointers = {name: (c_name, elements[name]) for name, c_name in ex.pointers.items()}
    scratch = [
        Buffer(f"{step.root}/{name}", count * width_of(element), max(4, width_of(element)))
        for name, (element, count) in ex.scratch.items()
    ]
    reads = tuple(name for name in step.leaves if not isinstance(program.stores[name], Image))
    writes = (step.root,) if step.root in program.stores else ()
    plan = Step(step.root, reads, writes, tuple(buffer.name for buffer in scratch), _inplace(program, step))
    return StepCode(step, body, pointers, plan, scratch)


def _inplace(program: Program, step: ProgramStep) -> tuple[str, ...]:
    """Tensors whose bytes the result may take over: read only at the pixel and channel that is being written,
    or before it."""
    target = program.stores.get(step.root)
    if step.pool or not isinstance(target, Integers) or isinstance(program.nodes[step.root], Concat):
        return ()
    return tuple(name for name in step.leaves if _same_place(program, step.root, name, target))


def _same_place(program: Program, root: str, leaf: str, target: Integers) -> bool:
    source = program.stores[leaf]
    if (
        not isinstance(source, Integers)
        or source.kind.shape != target.kind.shape
        or source.unit_bytes < target.unit_bytes
    ):
        return False

    def only_here(name: str) -> bool:  # every reading of ``leaf`` below ``name`` is element by element
        node = program.nodes[name]
        for source_name in node.inputs:
            if source_name == leaf and not isinstance(node, (Add, AddConstant, *SINGLE)):
                return False
            if program.fused(source_name) and not only_here(source_name):
                return False
        return True

    return only_here(root)


def needs(program: Program, codes: list[StepCode]) -> list[Buffer]:
    """All buffers of a program: tensors in memory and the scratch of the steps."""
    tensors = [
        Buffer(name, store.bytes, max(4, store.unit_bytes))
        for name, store in program.stores.items()
        if not isinstance(store, Image)
    ]
    return tensors + [buffer for code in codes for buffer in code.scratch]
