"""One counter of a tree as a component."""

from amaranth.hdl import Const, Instance, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.piecewise.compressor.counter import Counter
from fermatnet.hw.piecewise.compressor.counters import verilog
from fermatnet.hw.rtl.platform import platform_of

__all__ = ["GATES", "CounterCell"]

GATES = {
    "and": lambda a, b: a & b,
    "nand": lambda a, b: ~(a & b),
    "xor": lambda a, b: a ^ b,
    "xnor": lambda a, b: ~(a ^ b),
}


class CounterCell(wiring.Component):
    """One counter, combinational: a Verilog module of its own when Verilog is made, the plain weighted sum in
    Amaranth's simulator.

    Parameters
    ----------
    counter : Counter
    gates : tuple of str
        Function of each pair.

    Members
    -------
    p : In(2 * pairs)
        Inputs of the pairs, two bits each (absent without pairs).
    x0, x1, ... : In(bits[j])
        Bits of each column (absent where there are none).
    o : Out(outputs)
    """

    def __init__(self, counter: Counter, gates: tuple[str, ...] = ()):
        self.counter, self.gates = counter, gates
        ports = {"p": In(2 * counter.pairs)} if counter.pairs else {}
        ports |= {f"x{j}": In(count) for j, count in enumerate(counter.bits) if count}
        super().__init__({**ports, "o": Out(counter.outputs)})

    def elaborate(self, platform) -> Module:
        m = Module()
        columns = {f"x{j}": getattr(self, f"x{j}") for j, count in enumerate(self.counter.bits) if count}
        kept = platform_of(platform)
        if kept.named_modules:
            text = verilog(self.counter, self.gates)
            name = kept.verilog_module(self.counter.module(self.gates), text)
            ports = {f"i_{port}": value for port, value in columns.items()}
            if self.counter.pairs:
                ports["i_p"] = self.p
            m.submodules.cell = Instance(name, o_o=self.o, **ports)
        else:
            terms: list[Value] = [
                GATES[gate](self.p[2 * k], self.p[2 * k + 1])[0] for k, gate in enumerate(self.gates)
            ]
            terms += [bit << int(port[1:]) for port, value in columns.items() for bit in value]
            m.d.comb += self.o.eq(sum(terms, Const(0)))
        return m
