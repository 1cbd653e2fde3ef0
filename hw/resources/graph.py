"""Logic as a graph of small gates, and how many k-input tables cover it.

Signals are *literals*: twice the node's number, plus one when inverted; inversion is free inside a table.
Node 0 is the constant 0, so literal 0 is false and 1 is true. Gates simplify when they are made (constants,
equal inputs) and equal gates are one node.

The cover is the usual one of technology mapping: every node keeps its few best cuts (sets of at most k nodes
that determine it) by area flow, the area of everything below shared among its readers; walking back from the
roots then counts one table a node met (Cong and Ding, "FlowMap", 1994; Manohararajah et al., "Heuristics for
area minimization in LUT-based FPGA technology mapping", 2006).
"""

from collections.abc import Iterable

__all__ = ["Graph"]

CUTS = 5


class Graph:
    """Gates and leaves.

    ``leaf()``: a signal from elsewhere (register, memory, carry chain). Gates: `conj`, `disj`, `differ`,
    `choose`; `majority` and `parity` of three. ``cover(roots, k)``: number of tables.
    """

    def __init__(self) -> None:
        self.fanins: list[tuple[int, ...]] = [()]
        self.known: dict[tuple, int] = {}
        self.gates: dict[int, tuple] = {}  # kind and input literals of each gate
        # leaves: nodes and delays of what they depend on
        self.arcs: dict[int, list[tuple[int, int]]] = {}

    def leaf(self, arcs: Iterable[tuple[int, int]] = ()) -> int:
        """A signal from elsewhere; ``arcs``: the literals it depends on through a cell that is no table, each
        with the delay in picoseconds."""
        self.fanins.append(())
        if arcs:
            self.arcs[len(self.fanins) - 1] = [
                (literal >> 1, delay) for literal, delay in arcs if literal > 1
            ]
        return 2 * (len(self.fanins) - 1)

    def _gate(self, kind: str, *inputs: int) -> int:
        key = (kind, *inputs)
        if key not in self.known:
            self.fanins.append(tuple(sorted({literal >> 1 for literal in inputs})))
            self.gates[len(self.fanins) - 1] = key
            self.known[key] = 2 * (len(self.fanins) - 1)
        return self.known[key]

    def conj(self, a: int, b: int) -> int:
        """a and b"""
        a, b = min(a, b), max(a, b)
        if a <= 1 or a >> 1 == b >> 1:
            return 0 if a == 0 or a ^ 1 == b else b
        return self._gate("and", a, b)

    def disj(self, a: int, b: int) -> int:
        """a or b"""
        return self.conj(a ^ 1, b ^ 1) ^ 1

    def differ(self, a: int, b: int) -> int:
        """a xor b"""
        a, b = min(a, b), max(a, b)
        if a <= 1 or a >> 1 == b >> 1:
            return b ^ a if a <= 1 else a ^ b
        return self._gate("xor", a & ~1, b & ~1) ^ (a & 1) ^ (b & 1)

    def choose(self, select: int, yes: int, no: int) -> int:
        """select ? yes : no"""
        if select & 1:
            select, yes, no = select ^ 1, no, yes
        if select == 0 or yes == no:
            return no
        if yes <= 1:
            return self.disj(select, no) if yes else self.conj(select ^ 1, no)
        if no <= 1:
            return self.disj(select ^ 1, yes) if no else self.conj(select, yes)
        if yes ^ 1 == no:
            return self.differ(select, no)
        if select >> 1 in (yes >> 1, no >> 1):
            return self.disj(self.conj(select, yes), self.conj(select ^ 1, no))
        return self._gate("mux", select, yes, no)

    def where(self, given: int, value: int) -> int:
        """What ``value`` is where ``given`` is 1, as far as the gate that makes it tells."""
        while given > 1 and (gate := self.gates.get(value >> 1)) is not None:
            kind, *inputs = gate
            if kind == "mux" and inputs[0] >> 1 == given >> 1:
                taken = inputs[1 if inputs[0] == given else 2]
            elif kind == "and" and given in inputs:
                taken = inputs[1 - inputs.index(given)]
            elif kind == "and" and given ^ 1 in inputs:
                taken = 0
            else:
                break
            value = taken ^ (value & 1)
        return value

    def parity(self, a: int, b: int, c: int) -> int:
        """a xor b xor c"""
        return self.differ(self.differ(a, b), c)

    def majority(self, a: int, b: int, c: int) -> int:
        """At least two of three."""
        return self.disj(self.conj(a, b), self.conj(c, self.disj(a, b)))

    def all_of(self, literals: Iterable[int]) -> int:
        """Whether all are 1."""
        result = 1
        for literal in literals:
            result = self.conj(result, literal)
        return result

    def any_of(self, literals: Iterable[int]) -> int:
        """Whether at least one is 1."""
        return self.all_of(literal ^ 1 for literal in literals) ^ 1

    def odd_of(self, literals: Iterable[int]) -> int:
        """Whether an odd number of them is 1."""
        result = 0
        for literal in literals:
            result = self.differ(result, literal)
        return result

    def select(self, address: Iterable[int], entries: list[int]) -> int:
        """Entry of a list at an address, lowest bit first, with as many entries as there are addresses."""
        for literal in address:
            entries = [self.choose(literal, entries[k + 1], entries[k]) for k in range(0, len(entries), 2)]
        return entries[0]

    def cover(self, roots: Iterable[int], k: int) -> int:
        """Tables of at most ``k`` inputs that make all ``roots``. Inverters are not counted (nor are they by
        yosys)."""
        wanted = {literal >> 1 for literal in roots}
        live = self.live(wanted)
        readers = dict.fromkeys(live, 0)
        for node in live:
            for below in self.fanins[node]:
                readers[below] += 1
        for node in wanted:
            readers[node] += 1
        best = self._cuts(sorted(live), readers, k)
        met: set[int] = set()
        stack = [node for node in wanted if self.fanins[node]]
        while stack:
            node = stack.pop()
            if node not in met:
                met.add(node)
                stack += [leaf for leaf in best[node] if self.fanins[leaf]]
        return len(met)

    def live(self, wanted: set[int]) -> set[int]:
        """Nodes that the wanted ones are made of, and they themselves."""
        live, stack = set(), list(wanted)
        while stack:
            node = stack.pop()
            if node not in live:
                live.add(node)
                stack += self.fanins[node]
        return live

    def _cuts(self, order: list[int], readers: dict[int, int], k: int) -> dict[int, frozenset[int]]:
        """Best cut of each gate; nodes are numbered so that inputs come first."""
        flow: dict[int, float] = {}
        cuts: dict[int, list[frozenset[int]]] = {}
        best: dict[int, frozenset[int]] = {}
        for node in order:
            below = self.fanins[node]
            if not below:
                flow[node], cuts[node] = 0.0, [frozenset((node,))] if node else [frozenset()]
                continue
            found = set(cuts[below[0]])
            for other in below[1:]:
                joined = (a | b for a in found for b in cuts[other])
                found = {cut for cut in joined if len(cut) <= k}
            ranked = sorted(
                (1.0 + sum(flow[leaf] for leaf in cut), len(cut), sorted(cut), cut) for cut in found
            )[:CUTS]
            flow[node] = ranked[0][0] / max(1, readers[node])
            best[node] = ranked[0][3]
            cuts[node] = [frozenset((node,)), *(cut for *_, cut in ranked)]
        return best
