"""What the Fermat arithmetic is measured against, and the registers around a block that is placed alone."""

from amaranth.hdl import Cat, Const, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.number import Number, register

__all__ = ["Boxed", "PlainPair", "Straightforward"]


class PlainPair(wiring.Component):
    """Registered adder and subtractor of plain integers: the shortest cycle that a carry chain of this width
    allows."""

    def __init__(self, width: int) -> None:
        self.width, self.latency = width, 1
        super().__init__({"x": In(width), "y": In(width), "en": In(1), "s": Out(width), "d": Out(width)})

    def elaborate(self, platform):
        m = Module()
        w = self.width
        m.d.comb += [
            self.s.eq(register(m, self.en, (self.x + self.y)[:w])),
            self.d.eq(register(m, self.en, (self.x - self.y)[:w])),
        ]
        return m


class Straightforward(wiring.Component):
    """The diminished-1 butterfly as the definition reads: operand multiplexers for zeros, sum, end-around
    increment; one cycle."""

    def __init__(self, b: int) -> None:
        self.b, self.latency = b, 1
        super().__init__(
            {"x": In(Number(b)), "y": In(Number(b)), "en": In(1), "s": Out(Number(b)), "d": Out(Number(b))}
        )

    def elaborate(self, platform):
        m = Module()
        negative = Cat(~self.y.value & ~self.y.zero.replicate(self.b), self.y.zero)
        for y, out in ((self.y.as_value(), self.s), (negative, self.d)):
            total = self.x.value + y[: self.b]
            final = total[: self.b] + ~total[self.b]
            value = Mux(self.x.zero, y, Mux(y[self.b], self.x.as_value(), final[: self.b + 1]))
            m.d.comb += out.eq(register(m, self.en, value))
        return m


class Boxed(wiring.Component):
    """A block between registers, always enabled: what Fmax is measured on."""

    def __init__(self, block: wiring.Component) -> None:
        self.block = block
        super().__init__({name: member for name, member in block.signature.members.items() if name != "en"})

    def elaborate(self, platform):
        m = Module()
        m.submodules.block = self.block
        always = Const(1)
        for name, member in self.signature.members.items():
            inner, outer = getattr(self.block, name), getattr(self, name)
            if member.flow == In:
                m.d.comb += inner.eq(register(m, always, outer))
            else:
                m.d.comb += outer.eq(register(m, always, inner) if self.block.latency == 0 else inner)  # type: ignore[attr-defined]
        m.d.comb += self.block.en.eq(1)  # type: ignore[attr-defined]
        return m
