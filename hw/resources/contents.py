"""What resource prediction finds in a component: gates, carry chains, registers, memories, multipliers."""

from dataclasses import dataclass, field

from amaranth.lib import wiring

from fermatnet.hw.resources.graph import Graph

__all__ = ["Contents", "Store"]


@dataclass(frozen=True)
class Store:
    """A memory: ``words`` x ``width`` bits; ``contents`` of a read-only one; ``clocked``: read with a clock;
    ``reads``: read ports;
    ``registered``: with the output registers of its blocks, whose columns are as deep as it is; ``loose``: a
    word that is read while it is written may be anything."""

    words: int
    width: int
    contents: tuple[int, ...] | None
    clocked: bool
    reads: int = 1
    registered: bool = False
    loose: bool = False


@dataclass
class Contents:
    """What a component holds. ``roots``: literals that a table, pin or wire must give; ``chain``: carry
    positions; ``exact``: tables beside carry chains, one a position, which logic before them may share;
    ``registers``: bits; ``plain``: enable and input of each register that is counted and has no reset, by its
    literal; ``operands``: inputs of registers that are a multiplier's own; ``products``: (bits a, bits b,
    bits read) of each multiplier;
    ``counters``: LUTs in compressor counters; ``inside``: components that stand in modules of their own, with
    their numbers."""

    graph: Graph = field(default_factory=Graph)
    roots: list[int] = field(default_factory=list)
    chain: int = 0
    exact: int = 0
    registers: int = 0
    plain: dict[int, tuple[int, int]] = field(default_factory=dict)
    operands: list[int] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)
    products: list[tuple[int, int, int]] = field(default_factory=list)
    counters: float = 0.0
    inside: list[wiring.Component] = field(default_factory=list)
