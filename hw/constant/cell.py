"""A counter of a heap whose inputs may be inverted or constant: its own tables take both in."""

import re
from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value

from fermatnet.hw.piecewise.compressor.counter import Counter
from fermatnet.hw.piecewise.compressor.counters import verilog
from fermatnet.hw.rtl.platform import platform_of

__all__ = ["WIRE", "place", "slots", "variant"]

WIRE, TABLE = "wire", "table"
_INPUT = re.compile(r"\bx(\d+)\[(\d+)\]")


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
    name = f"{counter.name}_i{inverted:x}_k{ones:x}"
    places = [(column, k) for column, count in enumerate(counter.bits) for k in range(count)]

    def replaced(match: re.Match[str]) -> str:
        at = places.index((int(match[1]), int(match[2])))
        if ones >> at & 1:
            return "1'b1"
        return f"{{~{match[0]}}}" if inverted >> at & 1 else match[0]  # in braces: one bit wide

    head, *body = verilog(counter, ()).replace(counter.name, name).splitlines(keepends=True)
    start = [head] if head.startswith("(*") else []
    lines = body if start else [head, *body]
    ports, *rest = lines
    return name, "".join([*start, ports, *(_INPUT.sub(replaced, line) for line in rest)])


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
