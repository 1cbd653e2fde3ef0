"""The typed hardware form of a diminished-1 number modulo 2^b + 1, and its constant-shift wiring.

Functions here make wires, constants and registers only: no adder.
"""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value, ValueLike, unsigned
from amaranth.lib import data

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.number import check_width

__all__ = ["Number", "check_choice", "delayed", "number", "register", "shifted", "turned_bits", "zero_number"]


class Number(data.StructLayout):
    """Diminished-1 number modulo 2^b + 1: field ``value``, b bits, and field ``zero``, the flag, on top.

    The residue is 0 when ``zero`` is set and ``value + 1`` otherwise. Invariant of every block here, required
    of inputs and kept on outputs: ``zero`` set => ``value`` 0. ``fermatnet.model.fermat.number.Ring.pack``
    gives these bits as integers.

    Parameters
    ----------
    b : width of the modulus, 2..64; ``InputError`` otherwise.
    """

    def __init__(self, b: int) -> None:
        self.b = check_width(b)
        super().__init__({"value": unsigned(self.b), "zero": 1})


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """``InputError`` unless value is one of the choices."""
    if isinstance(value, bool) or value not in choices:
        raise InputError(f"{name} must be one of {', '.join(str(c) for c in choices)}, not {value!r}")


def number(b: int, value: ValueLike, zero: ValueLike) -> data.View:
    """A number from its two fields."""
    return data.View(Number(b), Cat(Value.cast(value)[:b], zero))


def zero_number(b: int) -> data.View:
    """The constant 0: flag set, code 0."""
    return number(b, Const(0, b), Const(1, 1))


def turned_bits(bits: Value, k: int) -> Value:
    """Code bits times 2^k for a nonzero number: rotate left by k mod b, complement what wrapped, all of it
    for k mod 2b >= b."""
    b = len(bits)
    k %= 2 * b
    turn, flip = k % b, k >= b
    low, high = bits[b - turn :], bits[: b - turn]
    return Cat(low if flip else ~low, ~high if flip else high)


def shifted(x: data.View, k: int) -> data.View:
    """x * 2^k for a constant k (any sign): wiring, and one AND gate per complemented bit that keeps a zero's
    code 0."""
    b = len(x.value)
    k %= 2 * b
    if k == 0:
        return x
    turn, flip = k % b, k >= b
    live = ~x.zero.replicate(b)
    low, high = x.value[b - turn :], x.value[: b - turn]
    low, high = (low, ~high & live[turn:]) if flip else (~low & live[:turn], high)
    return number(b, Cat(low, high), x.zero)


def register(m: Module, en: Value, value: ValueLike) -> Any:
    """The value one enabled cycle later: a data register without reset; a view stays a view."""
    if isinstance(value, data.View):
        return data.View(value.shape(), register(m, en, Value.cast(value)))
    r = Signal(Value.cast(value).shape(), name="r", reset_less=True)
    with m.If(en):
        m.d.sync += r.eq(value)
    return r


def delayed(m: Module, en: Value, value: ValueLike, cycles: int) -> Any:
    """The value `cycles` enabled cycles later, in registers."""
    for _ in range(cycles):
        value = register(m, en, value)
    return value
