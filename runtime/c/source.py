"""The generated NAME.h and NAME.c as text."""

import re
from dataclasses import dataclass

from fermatnet.model.network import Network
from fermatnet.runtime.buffers import Buffer, Plan, plan
from fermatnet.runtime.c.expressions import Expressions
from fermatnet.runtime.c.popcount import DotKernels
from fermatnet.runtime.c.program import Program, lower
from fermatnet.runtime.c.steps import StepCode, layout, needs, write
from fermatnet.runtime.c.storage import value_type, width_of
from fermatnet.runtime.c.tables import Tables

__all__ = ["Source", "make_source"]

_MEMBERS = ("uint8_t", "int8_t", "uint16_t", "int16_t", "uint32_t", "int32_t", "int64_t")


@dataclass(frozen=True)
class Source:
    """``header``, ``code``: texts of NAME.h and NAME.c; ``plan`` and ``buffers`` of RAM; ``tables``:
    constants by layer; ``out_type``: int32_t, or int64_t where outputs pass 32 bits."""

    name: str
    header: str
    code: str
    program: Program
    steps: list[StepCode]
    plan: Plan
    buffers: list[Buffer]
    tables: Tables
    out_type: str

    @property
    def ram(self) -> int:
        """Bytes of NAME_ram."""
        return _ram_bytes(self.plan, self.buffers)


def comment(text: str) -> str:
    """Text that is safe within a C comment."""
    return (
        re.sub(r"[^\x20-\x3e\x40-\x7e]", "_", text)
        .replace("*/", "* /")
        .replace("/*", "/ *")
        .replace("\\", "/")
    )


def _member(element: str) -> str:
    return element.replace("uint", "u").replace("int", "i").removesuffix("_t")


def _ram_bytes(plan: Plan, buffers: list[Buffer]) -> int:
    align = max([buffer.align for buffer in buffers], default=4)
    return max(align, -(-plan.size // align) * align)


def make_source(net: Network, name: str, checksums: bool = False, fast: bool = False) -> Source:
    """Lower a network, write every step, plan the buffers."""
    program, tables, kernels = lower(net, fast), Tables(), DotKernels()
    summed: set[str] | None = set() if checksums else None
    steps = [write(Expressions(program, tables, kernels, summed), step) for step in program.steps]
    buffers = needs(program, steps)
    buffer_plan = plan([step.plan for step in steps], buffers)
    kind = net.types[net.output]
    out = value_type(kind.lo, kind.hi)
    draft = Source(name, "", "", program, steps, buffer_plan, buffers, tables, out)
    return Source(
        name,
        _header(draft, checksums),
        _code(draft, kernels, checksums),
        program,
        steps,
        buffer_plan,
        buffers,
        tables,
        out,
    )


def _function(source: Source, number: int, step: StepCode) -> tuple[list[str], str]:
    """A step's function and the call of it; parameters are those that the body uses."""
    net, pointers = source.program.net, []
    for key, (c_name, element) in step.pointers.items():
        buffer = f"{step.step.root}/{key}" if key.startswith("\0") else key
        at = source.plan.offsets[buffer] // width_of(element)
        written = key.startswith("\0") or key == step.step.root
        pointers.append(
            f"{'' if written else 'const '}{element} *const {c_name} = ram->{_member(element)} + {at};"
        )
    body = [*pointers, *step.body]
    text = "\n".join(body)
    parameters = {
        "image": f"const {net.input_dtype}_t *image",
        "out": f"{source.out_type} *out",
        "ram": f"{source.name}_ram *ram",
        "sums": "uint32_t *sums",
    }
    used = [word for word in parameters if re.search(rf"\b{word}\b", text)]
    kind = net.types[step.step.root]
    title = f"/* {comment(step.step.root)}: {'x'.join(map(str, kind.shape))}, {kind.lo}..{kind.hi} */"
    head = f"static void step{number}({', '.join(parameters[word] for word in used)})"
    return [title, head, "{", *body, "}", ""], f"step{number}({', '.join(used)});"


def _code(source: Source, kernels: DotKernels, checksums: bool) -> str:
    functions, calls = [], []
    for index in source.plan.order:
        lines, call = _function(source, index, source.steps[index])
        functions += lines
        calls.append(call)
    name = source.name
    parameters = f"const {name}_in *image, {name}_out *out, {name}_ram *ram"
    body = [
        f"void {name}_run_layers({parameters}, uint32_t *sums)"
        if checksums
        else f"void {name}_run({parameters})",
        "{",
    ]
    if checksums:
        body += ["uint32_t k;", f"for (k = 0; k < {name.upper()}_LAYERS; ++k)", "sums[k] = 0;"]
    everything = " ".join(calls)
    body += [f"(void){word};" for word in ("image", "ram") if not re.search(rf"\b{word}\b", everything)]
    plain = (
        [
            f"void {name}_run({parameters})",
            "{",
            f"uint32_t sums[{name.upper()}_LAYERS];",
            f"{name}_run_layers(image, out, ram, sums);",
            "}",
        ]
        if checksums
        else []
    )
    parts = [
        f"/* {name}: made by fermatnet c. Integers only; the same results on every machine. */",
        f'#include "{name}.h"',
        '#include "fermatnet_bits.h"',
        '#include "fermatnet_integers.h"',
        "",
        source.tables.text(),
        layout(kernels.lines),
        layout(functions),
        layout([*body, *calls, "}", "", *plain]).rstrip(),
    ]
    return "\n".join(parts) + "\n"


def _header(source: Source, checksums: bool) -> str:
    net, name, upper = source.program.net, source.name, source.name.upper()
    channels, height, width = net.input_shape
    kind = net.types[net.output]
    union = "\n".join(
        f"    {element} {_member(element)}[{source.ram // width_of(element)}];"
        for element in _MEMBERS
        if source.ram % width_of(element) == 0
        and (element != "int64_t" or any(b.align == 8 for b in source.buffers))
    )
    layers = (
        [
            "/* The same; also every layer's checksum, the sum of value x (2 place + 1) modulo 2^32,",
            f"   to sums[{upper}_LAYERS]. */",
            f"void {name}_run_layers(const {name}_in *image, {name}_out *out, {name}_ram *ram,",
            "                uint32_t *sums);",
            "",
        ]
        if checksums
        else []
    )
    sums = (
        [
            f"#define {upper}_LAYERS {len(net.nodes)} /* checksums written to sums, in this order: */",
            *(f"/* {number}: {comment(node.name)} */" for number, node in enumerate(net.nodes)),
        ]
        if checksums
        else []
    )
    order = " ".join(comment(source.steps[index].step.root) for index in source.plan.order)
    lines = [
        f"/* {name}: made by fermatnet c.",
        "",
        f"   input   {channels} x {height} x {width} (channel, row, column), {net.input_dtype},"
        f" {net.input_range[0]}..{net.input_range[1]}",
        f"   output  {' x '.join(map(str, kind.shape))}, {source.out_type}, {kind.lo}..{kind.hi}",
        f"   flash   {source.tables.total} bytes of constant tables; code comes on top",
        f"   RAM     {source.ram} bytes, all in {name}_ram (this order of the steps needs {source.plan.bound}"
        " with these tensors)"
        if source.plan.size == source.plan.bound
        else f"   RAM     {source.ram} bytes, all in {name}_ram; {source.plan.bound} are alive at one time",
        f"   order   {order}",
        "*/",
        f"#ifndef {upper}_H",
        f"#define {upper}_H",
        "",
        "#include <stdint.h>",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        f"#define {upper}_CHANNELS {channels}",
        f"#define {upper}_HEIGHT {height}",
        f"#define {upper}_WIDTH {width}",
        f"#define {upper}_INPUTS {channels * height * width}",
        f"#define {upper}_OUTPUTS {kind.shape[0] * kind.shape[1] * kind.shape[2]}",
        f"#define {upper}_INPUT_MIN {net.input_range[0]}",
        f"#define {upper}_INPUT_MAX {net.input_range[1]}",
        f"#define {upper}_FLASH_BYTES {source.tables.total}",
        f"#define {upper}_RAM_BYTES {source.ram}",
        *sums,
        "",
        f"typedef {net.input_dtype}_t {name}_in;",
        f"typedef {source.out_type} {name}_out;",
        "",
        "/* Working memory of one inference. Its contents mean nothing between calls;",
        "   each thread needs its own. */",
        "typedef union {",
        union,
        f"}} {name}_ram;",
        "",
        f"/* image: {upper}_INPUTS numbers within {upper}_INPUT_MIN..{upper}_INPUT_MAX;",
        f"   out: room for {upper}_OUTPUTS. */",
        f"void {name}_run(const {name}_in *image, {name}_out *out, {name}_ram *ram);",
        "",
        *layers,
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"
