"""From an elaborated component to its gates, carry chains, registers, memories and multipliers.

The elaborated netlist is Amaranth's own (`amaranth.hdl._nir`, the last stop before RTLIL text; the version is pinned), so every register
bit, adder, comparator and multiplexer is the one that will be in the Verilog. What yosys does to words before it maps bits is done
here too: dead bits go, registers that hold by default get an enable, chained additions become carry-save adders.
"""

import re
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module, Value
from amaranth.hdl._ir import Fragment, PortDirection, build_netlist
from amaranth.hdl._nir import AssignmentList, AsyncReadPort, FlipFlop, Matches, Memory, Netlist, Operator, Part, PriorityMatch, SyncReadPort
from amaranth.hdl._nir import Instance as InstanceCell
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from fermatnet.hw.memory import KEPT_FROM, ROM_MODULE, Rom
from fermatnet.hw.piecewise.counters import family
from fermatnet.hw.resources_graph import Graph

__all__ = ["Contents", "Store", "elaborated"]

TABLES = {"xc7": 64 * 129, "ecp5": 128}     # bits of a read-only memory that yosys makes of tables rather than of a block
SHORTEST_CHAIN = {"xc7": 3, "ecp5": 5}      # sums below this many bits are gates
_GATES = re.compile(r"(?:_(?:nand|xor|xnor)\d+)*$")
COUNTERS = {counter.name: counter for target in ("lut6", "ecp5", "asic") for counter in family(target)}


@dataclass(frozen=True)
class Store:
    """A memory: ``words`` x ``width`` bits; ``contents`` of a read-only one; ``clocked``: read with a clock; ``reads``: read ports."""

    words: int
    width: int
    contents: tuple[int, ...] | None
    clocked: bool
    reads: int = 1


@dataclass
class Contents:
    """What a component holds. ``roots``: literals that a table, pin or wire must give; ``chain``: carry positions;
    ``registers``: bits; ``products``: (bits a, bits b, bits read) of each multiplier;
    ``counters``: LUTs in compressor counters; ``inside``: components that stand in modules of their own, with their numbers."""

    graph: Graph = field(default_factory=Graph)
    roots: list[int] = field(default_factory=list)
    chain: int = 0
    registers: int = 0
    stores: list[Store] = field(default_factory=list)
    products: list[tuple[int, int, int]] = field(default_factory=list)
    counters: float = 0.0
    inside: list[wiring.Component] = field(default_factory=list)


class _Inside:
    """Platform of what stands in a module of its own: counters are known by name."""

    def __init__(self) -> None:
        self.roms: list[Rom] = []
        self.shared: dict[str, wiring.Component] = {}

    def verilog_module(self, name: str, text: str) -> None:
        """Nothing to keep."""


class _Platform(_Inside):
    """Keeps memories and shared modules as instances to be looked up, and elaborates nothing inside them."""

    def memory_block(self, rom: Rom) -> Module:
        m = Module()
        self.roms.append(rom)
        m.submodules.rom = Instance(ROM_MODULE, p_INDEX=len(self.roms) - 1, i_clk=ClockSignal(), i_en=rom.en, i_addr=rom.addr, o_data=rom.data)
        return m

    def shared_module(self, kind: str, key: str, component: wiring.Component) -> str:
        name = f"{kind}_{key}"
        self.shared.setdefault(name, component)
        return name


def elaborated(component: wiring.Component, family: str, *, inside: bool = False) -> Contents:
    """Contents of a component for ``family`` "xc7" or "ecp5"; ``inside``: of one from another's list ``inside``."""
    platform = _Inside() if inside else _Platform()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fragment = Fragment.get(component, platform)
        ports = [
            ("__".join(map(str, path)), Value.cast(value), PortDirection.Input if member.flow is In else PortDirection.Output)
            for path, member, value in component.signature.flatten(component)
        ]
        netlist = build_netlist(fragment, ports=ports)
    return _Reader(netlist, family, platform).read()


class _Reader:
    """Walks from the outputs of the netlist back to what feeds them."""

    def __init__(self, netlist: Netlist, family: str, platform: _Inside):
        self.cells, self.family, self.platform = netlist.cells, family, platform
        self.made = Contents()
        self.graph = self.made.graph
        self.literals: dict[int, int] = {0: 0, 1: 1}    # net: literal
        self.outputs: dict[int, list[int]] = {}         # cell: literals of its outputs, for cells made as a whole
        self.seen: set[int] = set()                     # register bits and cells met
        self.todo: list[int] = []                       # nets whose value is wanted at a pin
        self.readers: dict[int, int] = {}               # cell: how many cells read one of its nets
        self.words: dict[tuple, list[int]] = {}         # sums and comparisons by what they are of
        self.users: dict[int, list[Any]] = {}           # net: cells that read it
        self.pending: set[int] = set()                  # register bits being made that nothing has read yet
        self.known: dict[tuple[int, int, int], int] = {}    # register bits by enable, input and initial value
        self.multiplied: set[int] = set()               # outputs of multipliers that have registers (xc7)
        self.adding: set[int] = set()                   # registers that only sums read: a multiplier that adds has room for them
        self.absorbing: set[int] = set()                # outputs of a multiplier's register: one sum each is its too
        self.reset = {net for name, (start, width) in netlist.cells[0].ports_i.items() if name == "rst" for net in [start]}

    def read(self) -> Contents:
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 100_000))
        for cell in self.cells:
            nets = [net for net in cell.input_nets() if net > 1]
            for below in {net.cell for net in nets}:
                self.readers[below] = self.readers.get(below, 0) + 1
            for net in nets:
                self.users.setdefault(net, []).append(cell)
        self.wanted = self._used_bits()
        for value in self.cells[0].ports_o.values():
            self._want(value)
        while self.todo:
            literal = self.literal(self.todo.pop())
            self.made.roots.append(literal)
        return self.made

    def _used_bits(self) -> dict[int, int]:
        """Highest bit that anything reads, by cell: what lies above is never built."""
        top: dict[int, int] = {}
        for cell in self.cells:
            for net in cell.input_nets():
                if net > 1:
                    top[net.cell] = max(top.get(net.cell, 0), net.bit)
        return top

    def _want(self, nets: Iterable[Any]) -> None:
        self.todo += [net for net in nets if net > 1]

    # --- one net ---

    def literal(self, net: Any) -> int:
        self.pending.discard(net)
        if net not in self.literals:
            self.literals[net] = self._make(net)
        return self.literals[net]

    def _make(self, net: Any) -> int:
        cell, bit = self.cells[net.cell], net.bit
        if net.cell == 0:
            return self.graph.leaf()
        if isinstance(cell, FlipFlop):
            return self._register(net, cell, bit)
        if isinstance(cell, Operator):
            return self._operator(net.cell, cell, bit)
        if isinstance(cell, Matches):
            value = [self.literal(n) for n in cell.value]
            return self.graph.any_of([
                self.graph.all_of([literal ^ (mark == "0") for literal, mark in zip(reversed(value), pattern, strict=True) if mark != "-"])
                for pattern in cell.patterns])
        if isinstance(cell, PriorityMatch):
            taken = [self.literal(n) ^ 1 for n in cell.inputs[:bit]]
            return self.graph.all_of([self.literal(cell.en), self.literal(cell.inputs[bit]), *taken])
        if isinstance(cell, AssignmentList):
            result = self.literal(cell.default[bit])
            for one in cell.assignments:
                if one.start <= bit < one.start + len(one.value):
                    result = self.graph.choose(self.literal(one.cond), self.literal(one.value[bit - one.start]), result)
            return result
        if isinstance(cell, Part):
            return self._part(cell, bit)
        if isinstance(cell, InstanceCell):
            self._instance(net.cell, cell)
        elif isinstance(cell, SyncReadPort | AsyncReadPort):
            self._read_port(net.cell, cell)
        return self.graph.leaf()

    def _part(self, cell: Part, bit: int) -> int:
        offset = [self.literal(n) for n in cell.offset]
        fill = self.literal(cell.value[-1]) if cell.value_signed else 0
        entries = []
        for index in range(1 << len(offset)):
            at = bit + index * cell.stride
            entries.append(self.literal(cell.value[at]) if at < len(cell.value) else fill)
            if at >= len(cell.value) and index & (index - 1) == 0 and index:
                entries += [fill] * ((1 << len(offset)) - len(entries))
                break
        return self._select(offset, entries)

    def _select(self, address: list[int], entries: list[int]) -> int:
        for literal in address:
            entries = [self.graph.choose(literal, entries[k + 1], entries[k]) for k in range(0, len(entries), 2)]
        return entries[0]

    # --- registers, memories, instances ---

    def _register(self, net: Any, cell: FlipFlop, bit: int) -> int:
        """Holding by default becomes an enable, a constant under the reset pin costs nothing; equal registers are one."""
        result = self.graph.leaf()
        self.literals[net] = result
        self.pending.add(net)
        below = cell.data[bit]
        source = self.cells[below.cell] if below > 1 else None
        enable, value = self._enable(net, below, source)
        unread, key = net in self.pending, (enable, value, cell.init >> bit & 1)
        self.pending.discard(net)
        if unread and key in self.known:
            self.literals[net] = self.known[key]
            return self.known[key]
        if unread and value <= 1 and value == (cell.init >> bit & 1):
            self.literals[net] = value
            return value
        self.known[key] = result
        self.made.roots += [enable, value]
        if value in self.multiplied:        # the multiplier's own register
            self.absorbing.add(result)
        else:
            self.made.registers += not self._only(net, "*")
            if self._only(net, "+"):
                self.adding.add(result)
        return result

    def _enable(self, net: Any, below: Any, source: Any) -> tuple[int, int]:
        """Enable (1: always) and input of a register bit."""
        if not isinstance(source, AssignmentList):
            return 1, self.literal(below)
        assignments = [one for one in source.assignments if one.start <= below.bit < one.start + len(one.value)]
        steps = [(one.cond, one.value[below.bit - one.start]) for one in assignments]
        if steps and steps[-1][1] <= 1 and self._is_reset(steps[-1][0]):
            steps.pop()
        enable = 1
        if source.default[below.bit] == net and steps:
            enable = self.graph.any_of([self.literal(cond) for cond, _ in steps])
            value, steps = self.literal(steps[0][1]), steps[1:]
        else:
            value = self.literal(source.default[below.bit])
        for cond, one in steps:
            value = self.graph.choose(self.literal(cond), self.literal(one), value)
        return enable, value

    def _only(self, net: Any, operator: str) -> bool:
        """Whether a register feeds multipliers (sums) only: on xc7 it is then theirs."""
        users = self.users.get(net, ())
        return self.family == "xc7" and bool(users) and all(
            (isinstance(user, Operator) and user.operator == operator) or (isinstance(user, AssignmentList) and net in user.default)
            for user in users)

    def _is_reset(self, cond: Any) -> bool:
        """Whether a condition is the reset port, matched against 1."""
        if cond <= 1:
            return False
        if cond.cell == 0:
            return cond.bit in self.reset
        cell = self.cells[cond.cell]
        if isinstance(cell, PriorityMatch):
            return cell.en == 1 and len(cell.inputs) == 1 and self._is_reset(cell.inputs[0])
        return isinstance(cell, Matches) and len(cell.value) == 1 and self._is_reset(cell.value[0])

    def _instance(self, index: int, cell: InstanceCell) -> None:
        if index in self.seen:
            return
        self.seen.add(index)
        name = _GATES.sub("", cell.type)
        if cell.type == ROM_MODULE:
            rom = self.platform.roms[int(cell.parameters["INDEX"])]
            self.made.stores.append(Store(rom.depth, rom.width, tuple(rom.words), True))
            self._equal_columns(index, rom)
        elif name in COUNTERS:
            self.made.counters += COUNTERS[name].cost
        else:
            self.made.inside.append(self.platform.shared[cell.type])
        for port, value in cell.ports_i.items():
            if port not in ("clk", "rst"):
                self._want(value)

    def _equal_columns(self, index: int, rom: Rom) -> None:
        """Equal and constant bits of a small read-only memory, one that becomes tables, are one signal."""
        if rom.depth > KEPT_FROM or rom.depth * rom.width > TABLES[self.family]:
            return
        columns: dict[int, int] = {0: 0, (1 << rom.depth) - 1: 1}
        for bit in range(rom.width):
            column = sum((word >> bit & 1) << place for place, word in enumerate(rom.words))
            if column not in columns:
                columns[column] = self.graph.leaf()
            self.literals[(index << 16) | bit] = columns[column]

    def _read_port(self, index: int, cell: Any) -> None:
        if index in self.seen:
            return
        self.seen.add(index)
        memory = self.cells[cell.memory]
        assert isinstance(memory, Memory)
        writes = [port for port in self.cells if getattr(port, "memory", None) == cell.memory and port is not cell and hasattr(port, "data")]
        clocked = isinstance(cell, SyncReadPort)
        self.made.stores.append(Store(memory.depth, memory.width, None if writes else tuple(memory.init), clocked))
        self._want(cell.addr)
        if clocked:
            self._want([cell.en])
        for port in writes:
            for value in (port.data, port.addr, port.en):
                self._want(value)

    # --- words ---

    def _operator(self, index: int, cell: Operator, bit: int) -> int:
        graph, kind = self.graph, cell.operator
        if kind in ("+", "-", "*") or kind[-2:] in ("u<", "s<", "u>", "s>", "<=", ">="):
            if index not in self.outputs:
                self.outputs[index] = self._arithmetic(index, cell)
            return self.outputs[index][bit]
        bits = [[self.literal(n) for n in value] for value in cell.inputs] if kind in ("b", "r|", "r&", "r^", "==", "!=") else []
        if kind == "~":
            return self.literal(cell.inputs[0][bit]) ^ 1
        if kind in ("&", "|", "^"):
            a, b = (self.literal(value[bit]) for value in cell.inputs)
            return {"&": graph.conj, "|": graph.disj, "^": graph.differ}[kind](a, b)
        if kind == "m":
            return graph.choose(self.literal(cell.inputs[0][0]), self.literal(cell.inputs[1][bit]), self.literal(cell.inputs[2][bit]))
        if kind in ("b", "r|"):
            return graph.any_of(bits[0])
        if kind == "r&":
            return graph.all_of(bits[0])
        if kind == "r^":
            result = 0
            for literal in bits[0]:
                result = graph.differ(result, literal)
            return result
        if kind in ("==", "!="):
            same = graph.all_of(graph.differ(a, b) ^ 1 for a, b in zip(*bits, strict=True))
            return same ^ (kind == "!=")
        if kind in ("u>>", "s>>", "<<"):
            return self._shift(kind, cell, bit)
        raise AssertionError(f"operator {kind!r} is in no generator")

    def _shift(self, kind: str, cell: Operator, bit: int) -> int:
        value, amount = cell.inputs
        width = len(value)
        fill = self.literal(value[-1]) if kind == "s>>" else 0
        entries = []
        for distance in range(1 << len(amount)):
            at = bit - distance if kind == "<<" else bit + distance
            entries.append(self.literal(value[at]) if 0 <= at < width else fill)
        return self._select([self.literal(n) for n in amount], entries)

    def _arithmetic(self, index: int, cell: Operator) -> list[int]:
        if cell.operator == "*":
            return self._product(index, cell)
        if cell.operator in ("+", "-"):
            width = self.wanted.get(index, 0) + 1
            terms = self._terms(index, cell, width)
            key: tuple = (width, *((tuple(word), sign) for word, sign in terms))
            if key not in self.words:       # the same sum written twice is one
                self.words[key] = self._sum(terms, width)
            return self.words[key] + [0] * (len(cell.inputs[0]) - width)
        key = (cell.operator, *(tuple(self.literal(net) for net in value) for value in cell.inputs))
        if key not in self.words:
            self.words[key] = [self._compare(cell)]
        return self.words[key]

    def _terms(self, index: int, cell: Operator, width: int) -> list[tuple[list[int], bool]]:
        """Operands of a sum with their signs; sums that only this one reads are dissolved into it."""
        if len(cell.inputs) == 1:
            return [(self._word(cell.inputs[0], width), True)]
        terms = []
        for place, value in enumerate(cell.inputs):
            inner = self._only_reader(value[:width], width)
            negative = place == 1 and cell.operator == "-"
            if inner is None:
                terms.append((self._word(value, width), negative))
            else:
                terms += [(word, sign ^ negative) for word, sign in self._terms(inner, self.cells[inner], width)]
        return terms

    def _only_reader(self, value: Any, width: int) -> int | None:
        """The cell of a sum that this value is, whole, where nothing else reads it and it cannot overflow before it is extended."""
        if not value or value[0] <= 1:
            return None
        index = value[0].cell
        cell = self.cells[index]
        if not isinstance(cell, Operator) or cell.operator not in ("+", "-") or self.readers.get(index) != 1:
            return None
        size = len(cell.inputs[0])
        low = value[: min(size, width)]
        if any(net <= 1 or net.cell != index or net.bit != k for k, net in enumerate(low)):
            return None
        return index

    def _word(self, value: Any, width: int) -> list[int]:
        literals = [self.literal(net) for net in value[:width]]
        return literals + [literals[-1]] * (width - len(literals))

    def _sum(self, terms: list[tuple[list[int], bool]], width: int) -> list[int]:
        """Carry-save adders down to two operands, then a carry chain (a few bits: gates)."""
        graph = self.graph
        constant = sum(1 for _, negative in terms if negative)
        words = [[literal ^ negative for literal in literals] for literals, negative in terms]
        fixed = [word for word in words if all(literal <= 1 for literal in word)]
        constant += sum(sum(literal << k for k, literal in enumerate(word)) for word in fixed)
        words = [word for word in words if word not in fixed]
        carry = 0
        if constant and any(negative for _, negative in terms) and len(words) >= 2 and not fixed:
            constant, carry = constant - 1, 1
        constant %= 1 << width
        words = self._absorbed(words, width)
        if constant:
            words.append([constant >> k & 1 for k in range(width)])
        while len(words) > 2:
            a, b, c = words[:3]
            sums = [graph.parity(*column) for column in zip(a, b, c, strict=True)]
            carries = [0, *(graph.majority(*column) for column in zip(a[:-1], b[:-1], c[:-1], strict=True))]
            words = [*words[3:], sums, carries]
        if not words:
            return [0] * width
        return words[0] if len(words) == 1 and not carry else self._chain(words[0], words[1] if len(words) > 1 else [0] * width, carry, width)

    def _absorbed(self, words: list[list[int]], width: int) -> list[list[int]]:
        """What is left to add where multipliers add (xc7): in a balanced tree each first sum of two products is one multiplier's, an odd
        product takes one sum more; a single product takes what is added to it, with its register."""
        own = [word for word in words if word[0] in self.absorbing]
        if not own or len(words) == 1:
            return words
        others = [word for word in words if word[0] not in self.absorbing]
        if len(own) == 1:
            own.append(others.pop(0))
            self.made.registers -= sum(literal & ~1 in self.adding for literal in set(own[1]))
        self.made.roots += [literal for word in own for literal in word]
        return [[self.graph.leaf() for _ in range(width)] for _ in range(len(own) // 2)] + others

    def _chain(self, a: list[int], b: list[int], carry: int, width: int) -> list[int]:
        graph = self.graph
        low = 0
        while low < width and not carry and (a[low] == 0 or b[low] == 0):     # nothing to add below here
            low += 1
        result = [graph.disj(a[k], b[k]) for k in range(low)]
        if width - low < SHORTEST_CHAIN[self.family]:
            for k in range(low, width):
                result.append(graph.parity(a[k], b[k], carry))
                carry = graph.majority(a[k], b[k], carry)
            return result
        if all(literal <= 1 for literal in a):
            a, b = b, a
        for k in range(low, width):
            self._position(a[k], b[k])
            result.append(graph.leaf())
        self.made.chain += 2 * (-(-(width - low) // 2)) if self.family == "ecp5" else 0
        return result

    def _position(self, a: int, b: int) -> None:
        """A carry position: on xc7 the table of a xor b and a wire to a; on ecp5 both inputs as they are."""
        self.made.roots += [self.graph.differ(a, b), a] if self.family == "xc7" else [a, b]

    def _compare(self, cell: Operator) -> int:
        """a >= b and its kin: groups of bits that fit a table into a carry chain (xc7), a subtraction's carry (ecp5), or gates."""
        graph, (left, right) = self.graph, cell.inputs
        a, b = [self.literal(net) for net in left], [self.literal(net) for net in right]
        if cell.operator[0] == "s":
            a[-1], b[-1] = b[-1], a[-1]
        if cell.operator[1] == "<":
            a, b = b, a     # a > b, or a >= b
        equal = int(cell.operator.endswith("="))
        pairs = [(x, y) for x, y in zip(a, b, strict=True) if x != y]
        inputs = len({literal >> 1 for pair in pairs for literal in pair if literal > 1})
        size = 6 if self.family == "xc7" else 4
        groups = -(-inputs // size)
        if inputs > size and (groups > 2 if self.family == "xc7" else len(pairs) >= SHORTEST_CHAIN["ecp5"]):
            if self.family == "ecp5":
                for x, y in pairs:
                    self._position(x, y ^ 1)
                self.made.chain += 2 * (-(-len(pairs) // 2))
                return graph.leaf()
            return self._grouped(pairs, size)
        result = equal
        for x, y in pairs:
            result = graph.disj(graph.conj(x, y ^ 1), graph.conj(graph.differ(x, y) ^ 1, result))
        return result

    def _grouped(self, pairs: list[tuple[int, int]], size: int) -> int:
        graph = self.graph
        group: list[tuple[int, int]] = []
        groups: list[list[tuple[int, int]]] = []
        for pair in reversed(pairs):
            if len({literal >> 1 for x, y in [*group, pair] for literal in (x, y) if literal > 1}) > size:
                groups.append(group)
                group = []
            group.append(pair)
        groups.append(group)
        for group in groups:
            same = graph.all_of(graph.differ(x, y) ^ 1 for x, y in group)
            above = 0
            for x, y in reversed(group):
                above = graph.disj(graph.conj(x, y ^ 1), graph.conj(graph.differ(x, y) ^ 1, above))
            self.made.roots += [same, above]
        return graph.leaf()

    def _product(self, index: int, cell: Operator) -> list[int]:
        a, b = (self._significant(value) for value in cell.inputs)
        used = min(self.wanted.get(index, 0) + 1, len(cell.inputs[0]))
        fixed = [value for value in cell.inputs if all(net <= 1 for net in value)]
        self.made.products.append((len(a), len(b), used))
        self._want([*a, *b])
        result = [self.graph.leaf() for _ in range(len(cell.inputs[0]))]
        if self.family == "xc7" and not fixed:
            self.multiplied.update(result)
        return result

    @staticmethod
    def _significant(value: Any) -> list[Any]:
        """Bits of a word without its repeated sign or leading zeros."""
        nets = list(value)
        while len(nets) > 1 and (nets[-1] == nets[-2] or nets[-1] == 0):
            nets.pop()
        return nets
