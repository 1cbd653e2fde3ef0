"""Signals in a pipeline without stalls: each is born in a stage, and read in it or in a later one."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Signal, Value

__all__ = ["Net", "Pipeline"]

BANK = 128  # bits of registers in one bank


@dataclass(eq=False)
class Net:
    """A signal: its ``value``, the ``level`` of the adder or counter that makes it (0: an input), and the
    ``stage`` it is born in."""

    value: Value
    level: int = 0
    stage: int = 0


class Pipeline:
    """``stages`` register stages over ``depth`` levels of adders and counters; stage k's registers load while
    ``enables[k]``."""

    def __init__(self, m: Module, stages: int, depth: int, enables: list[Value]):
        self.m, self.stages, self.depth, self.enables = m, stages, depth, enables
        self.held: dict[tuple[int, int], tuple[Net, Signal]] = {}
        self.banks: list[list[tuple[Signal, Value]]] = [[] for _ in range(stages)]

    def stage_of(self, level: int) -> int:
        """The stage in which something of this level stands; registers part the levels evenly."""
        if not level or not self.stages:
            return 0
        return min(self.stages - 1, -(-level * self.stages // self.depth) - 1)

    def at(self, net: Net, stage: int) -> Value:
        """The net's value in a stage; each is delayed once for all its readers."""
        value = net.value
        for later in range(net.stage, stage):
            if (id(net), later) not in self.held:
                register = Signal(value.shape(), name=f"held{later}")
                self.banks[later].append((register, value))
                self.held[id(net), later] = net, register
            value = self.held[id(net), later][1]
        return value

    def close(self) -> None:
        """Registers in banks of a few machine words: tools are slow with thousands of small ones, and with
        one of thousands of bits."""
        for k, held in enumerate(self.banks):
            rows: list[list[tuple[Signal, Value]]] = []
            size = BANK
            for own, value in held:
                if size + len(own) > BANK:
                    rows.append([])
                    size = 0
                rows[-1].append((own, value))
                size += len(own)
            for number, row in enumerate(rows):
                bits = sum(len(own) for own, _ in row)
                register = Signal(bits, name=f"stage{k}_{number}", reset_less=True)
                with self.m.If(self.enables[k]):
                    self.m.d.sync += register.eq(Cat(value for _, value in row))
                self.m.d.comb += Cat(own for own, _ in row).eq(register)
