"""Gates with their trees balanced: what arrives late comes last, as logic optimisation leaves them before
they are mapped."""

from heapq import heapify, heappop, heappush

from fermatnet.hw.resources.graph import Graph

__all__ = ["Balanced"]

STEP = 300  # picoseconds that a gate of two inputs is taken for

Input = tuple[int, int]  # node, and whether inverted


class Balanced:
    """The gates of a graph that make ``wanted`` nodes; trees of ands and of xors whose inner nodes nothing
    else reads are built anew.

    ``fanins``: nodes below each gate, () of a leaf, lower numbers first; ``arcs``: nodes and delays that a
    leaf depends on through a carry chain; ``roots``: the wanted nodes. Numbers are not the graph's.
    """

    def __init__(self, graph: Graph, wanted: set[int]):
        self.fanins: list[tuple[int, ...]] = []
        self.arcs: dict[int, list[tuple[int, int]]] = {}
        self.gates: dict[int, tuple[str, tuple[Input, ...]]] = {}
        self._level: list[int] = []
        self._known: dict[tuple[str, tuple[Input, ...]], int] = {}
        live = graph.live(wanted)
        inner = self._inner(graph, wanted, live)
        made: dict[int, int] = {}
        for node in sorted(live | graph.arcs.keys()):
            if node not in graph.gates:
                made[node] = self._leaf(
                    [(made[source], delay) for source, delay in graph.arcs.get(node, ()) if source in made]
                )
            elif node not in inner:
                made[node] = self._tree(graph, node, inner, made)
        self.roots = sorted({made[node] for node in wanted if node})

    @staticmethod
    def _inner(graph: Graph, wanted: set[int], live: set[int]) -> set[int]:
        """Gates that only one gate of the same kind reads, not inverted."""
        readers = dict.fromkeys(live, 0)
        for node in live:
            for below in graph.fanins[node]:
                readers[below] += 1
        inner = set()
        for node in live & graph.gates.keys():
            kind, *inputs = graph.gates[node]
            alone = [literal >> 1 for literal in inputs if not literal & 1 and readers[literal >> 1] == 1]
            inner |= {
                below
                for below in alone
                if below not in wanted and kind != "mux" and graph.gates.get(below, ("",))[0] == kind
            }
        return inner

    def _leaf(self, arcs: list[tuple[int, int]]) -> int:
        self.fanins.append(())
        self._level.append(max((self._level[source] + delay for source, delay in arcs), default=0))
        if arcs:
            self.arcs[len(self.fanins) - 1] = arcs
        return len(self.fanins) - 1

    def _tree(self, graph: Graph, node: int, inner: set[int], made: dict[int, int]) -> int:
        kind, *stack = graph.gates[node]
        if kind == "mux":
            return self._gate(kind, tuple((made[literal >> 1], literal & 1) for literal in stack))
        terms = []
        while stack:
            literal = stack.pop()
            if literal >> 1 in inner and not literal & 1:
                stack += graph.gates[literal >> 1][1:]
            else:
                terms.append((self._level[made[literal >> 1]], made[literal >> 1], literal & 1))
        heapify(terms)
        while len(terms) > 1:
            a, b = heappop(terms), heappop(terms)
            new = self._gate(kind, (a[1:], b[1:]))
            heappush(terms, (self._level[new], new, 0))
        return terms[0][1]

    def _gate(self, kind: str, inputs: tuple[Input, ...]) -> int:
        key = (kind, inputs)
        if key not in self._known:
            self.fanins.append(tuple(sorted({below for below, _ in inputs})))
            self._level.append(max(self._level[below] for below in self.fanins[-1]) + STEP)
            self._known[key] = len(self.fanins) - 1
            self.gates[len(self.fanins) - 1] = key
        return self._known[key]

    def function(self, node: int, leaves: list[int]) -> int:
        """Truth table of a gate over ``leaves`` that determine it, the first of them the highest bit of the
        place."""
        size = 1 << len(leaves)
        full = (1 << size) - 1
        known = {}
        for place, leaf in enumerate(leaves):
            block = size >> place + 1
            known[leaf] = full // ((1 << 2 * block) - 1) * ((1 << block) - 1) << block

        def value(below: int, inverted: int) -> int:
            if below not in known:
                kind, inputs = self.gates[below]
                bits = [value(*one) for one in inputs]
                if kind == "mux":
                    known[below] = bits[0] & bits[1] | ~bits[0] & full & bits[2]
                else:
                    known[below] = bits[0] & bits[1] if kind == "and" else bits[0] ^ bits[1]
            return known[below] ^ full if inverted else known[below]

        return value(node, 0)
