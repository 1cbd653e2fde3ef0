"""Loop counters and address arithmetic without multipliers."""

from amaranth.hdl import Array, C, Module, Mux, Signal

__all__ = ["Counters", "split", "times", "wrap"]


def times(value, factor: int):
    """``value * factor`` as shifts and additions, so that synthesis spends no DSP on an address."""
    terms = [value << place for place in range(factor.bit_length()) if factor >> place & 1]
    return sum(terms[1:], terms[0]) if terms else C(0, 1)


def wrap(value, size: int):
    """``value`` in 0..2*size-1 modulo ``size``."""
    return Mux(value >= size, value - size, value)


def split(domain, value, size: int, word, element, count: int):
    """Registers ``value = word * size + element`` (value < count): wires when ``size`` is a power of two,
    else a table."""
    if size & (size - 1) == 0:
        bits = (size - 1).bit_length()
        domain += [word.eq(value >> bits), element.eq(value[:bits])]
    else:
        domain += [
            word.eq(Array(v // size for v in range(count))[value]),
            element.eq(Array(v % size for v in range(count))[value]),
        ]


class Counters:
    """Nested loop counters in ``m.d.sync``, the last one fastest; ``values`` are the signals."""

    def __init__(self, m: Module, sizes: list[int]):
        self.m, self.sizes = m, sizes
        self.values = [Signal(range(max(2, size))) for size in sizes]

    def wrapped(self, level: int = 0):
        """High while every counter from ``level`` on stands at its last value."""
        done = C(1, 1)
        for value, size in zip(self.values[level:], self.sizes[level:], strict=True):
            done = done & (value == size - 1)
        return done

    def step(self, enable):
        """Counts by one in each cycle with ``enable``."""
        carry = enable
        for value, size in reversed(list(zip(self.values, self.sizes, strict=True))):
            last = value == size - 1
            with self.m.If(carry):
                self.m.d.sync += value.eq(Mux(last, 0, value + 1))
            carry = carry & last
