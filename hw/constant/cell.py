"""A counter of a heap whose inputs may be inverted or constant: its own tables take both in."""

import re
from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value

from fermatnet.hw.piecewise.compressor.counter import Counter
from fermatnet.hw.piecewise.compressor.counters import verilog
from fermatnet.hw.rtl.platform import platform_of

__all__ = ["WIRE", "place", "slots", "variant"]

WIRE, TABLE = "wire", "table"
_INPUT = re.compile(r"\bx(\d+)\b")


def slots(counter: Counter) -> list[list[str]]:
    """By column, what each input meets: a ``table``, where an inversion costs nothing, or the bare ``wire``
    of a carry chain."""
    found = [[TABLE] * count for count in counter.bits]
    if counter.kind == "lut6":
        for column, (pairs, raw, wire) in enumerate(counter.positions):
            if column < len(found):
                found[column] = [TABLE] * (pairs + raw) + [WIRE] * wire
        if counter.cin:
            found[0].append(WIRE)
    return found


def variant(counter: Counter, inverted: int, ones: int) -> tuple[str, str]:
    """Name and Verilog of a counter some of whose inputs are inverted or the constant 1: sets of inputs by
    bits, column after column."""
    if not inverted and not ones:
        return counter.name, verilog(counter, ())
    name = f"{counter.name}_i{inverted:x}_k{ones:x}"
    lines = verilog(counter, ()).replace(counter.name, name).splitlines(keepends=True)
    head = next(at for at, line in enumerate(lines) if line.startswith("module "))
    met, at = [], 0
    for column, count in enumerate(counter.bits):
        bits: list[str] = []
        for k in range(count):
            own = f"~x{column}[{k}]" if inverted >> at & 1 else f"x{column}[{k}]"
            bits.insert(0, "1'b1" if ones >> at & 1 else own)
            at += 1
        if count:
            met.append(f"    wire [{count - 1}:0] y{column} = {{{', '.join(bits)}}};\n")
    body = [_INPUT.sub(r"y\1", line) for line in lines[head + 1 :]]
    return name, "".join([*lines[: head + 1], *met, *body])


def place(
    m: Module, platform: object, name: str, counter: Counter, groups: Sequence[Sequence[tuple[Value, str]]]
) -> Signal:
    """Puts a counter into ``m``; ``groups``: by column the inputs, each with "", "inverted" or "one". Returns
    its outputs."""
    o = Signal(counter.outputs, name=name)
    kept = platform_of(platform)
    if not kept.named_modules:
        terms = [
            (Const(1, 1) if kind == "one" else value ^ int(kind == "inverted")) << column
            for column, group in enumerate(groups)
            for value, kind in group
        ]
        m.d.comb += o.eq(sum(terms, Const(0)))
        return o
    kinds = [kind for group in groups for _, kind in group]
    inverted, ones = (
        sum(1 << at for at, kind in enumerate(kinds) if kind == wanted) for wanted in ("inverted", "one")
    )
    module, text = variant(counter, inverted, ones)
    ports = {
        f"i_x{column}": Cat(Const(0, 1) if kind == "one" else value for value, kind in group)
        for column, group in enumerate(groups)
        if group
    }
    m.submodules[name] = Instance(kept.verilog_module(module, text), o_o=o, **ports)
    return o
