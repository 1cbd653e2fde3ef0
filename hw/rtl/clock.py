"""How much logic fits between two registers at a clock that is wanted: what everything that can be pipelined
is cut by."""

from dataclasses import dataclass

from fermatnet.model.errors import InputError

__all__ = ["DEFAULT_MHZ", "Clock", "Delays"]

DEFAULT_MHZ = 100.0


@dataclass(frozen=True)
class Delays:
    """Nanoseconds: of a table, of a carry chain from its inputs to its sums and for each bit it passes, of
    the wires before each of them, of a register (clock to output, and set-up), of a block memory (from the
    clock to its output, less a register's), of a multiplier (0: made of tables), and of a chain's last carry
    on its way to a table."""

    table: float
    chain: float
    carry: float
    wire: float
    register: float
    memory: float
    multiplier: float
    carry_out: float = 0.0


# ecp5: speed grade 6 as nextpnr has it (its cells' delays; wires as placed in arrays of some thousand
# tables; a carry leaves its chain through two further cells); lut6: 7 series of the slowest grade, data
# sheet; asic: a 130 nm library; generic: iCE40 HX, the slowest family that is not named.
TARGETS = {
    "ecp5": Delays(0.24, 0.95, 0.036, 1.25, 0.6, 5.2, 3.9, 1.3),
    "lut6": Delays(0.13, 0.60, 0.030, 0.9, 0.6, 2.0, 3.8),
    "asic": Delays(0.25, 0.50, 0.150, 0.1, 0.4, 2.0, 0.0),
    "generic": Delays(0.45, 0.70, 0.130, 1.2, 0.9, 1.6, 0.0),
}


@dataclass(frozen=True)
class Clock:
    """A clock of ``mhz`` on logic of a ``target`` ("generic", "lut6", "ecp5" or "asic"); InputError for
    others.

    It is a goal: what is cut by it holds an estimate of wires, not a placement.
    """

    mhz: float = DEFAULT_MHZ
    target: str = "generic"

    def __post_init__(self) -> None:
        if not self.mhz > 0:
            raise InputError(f"the clock must be above 0 MHz, not {self.mhz}")
        if self.target not in TARGETS:
            raise InputError(f"target must be one of {', '.join(TARGETS)}, not {self.target!r}")

    @property
    def delays(self) -> Delays:
        """Delays of the target that the clock is planned for."""
        return TARGETS[self.target]

    @property
    def budget(self) -> float:
        """Nanoseconds for logic and wires between two registers."""
        return 1000.0 / self.mhz - self.delays.register

    def table(self) -> float:
        """Nanoseconds of one table and the wires before it."""
        return self.delays.wire + self.delays.table

    def chain(self, bits: int) -> float:
        """Nanoseconds of a carry chain of ``bits`` positions and the wires before it."""
        return self.delays.wire + self.delays.chain + self.delays.carry * bits

    def comparison(self, bits: int) -> float:
        """Nanoseconds of a comparison of ``bits`` bits, the carry of a chain, and the wires before it."""
        return self.chain(bits) + self.delays.carry_out

    def multiplier(self, a: int, b: int) -> float:
        """Nanoseconds of a product of values of ``a`` and ``b`` bits, that fits a multiplier where there are
        any, with the wires before and behind it; a tree of sums elsewhere."""
        if self.delays.multiplier:
            return 2 * self.delays.wire + self.delays.multiplier
        return self.table() + (min(a, b) - 1).bit_length() * self.chain(a + b)

    def adders(self, bits: int) -> int:
        """Sums of ``bits`` bits that fit one after the other between two registers, at least one."""
        return max(1, int(self.budget // self.chain(bits)))
