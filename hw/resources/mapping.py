"""Tables of four to seven inputs, as yosys maps logic to ecp5: as fast as possible first, then as small as
the longest path allows.

An ecp5 slice joins LUT4 by multiplexers to tables of five, six and seven inputs: two, four and eight LUT4.
Yosys lets abc9 choose among them by delay, with 300 ps for a wire, so everything on the longest path of a
block comes in wide tables and the rest in LUT4s. The same is done here: every node keeps a few cuts (the
fastest and the smallest ones), the latest signal takes a table's fastest pin, carry chains pass time on, and
the slowest root sets the time that all have. Within it each node takes the cut that costs least by area flow,
from the roots down with the fastest signals below, then from the leaves up with those that were chosen
(Mishchenko, Cho, Chatterjee, Brayton, "Combinational and sequential mapping with priority cuts", 2007); a
wide table that is left is taken
apart where there is time.
"""

from collections.abc import Iterable
from operator import add, itemgetter

from fermatnet.hw.resources.apart import COST, PINS, WIDEST, apart
from fermatnet.hw.resources.balance import Balanced
from fermatnet.hw.resources.graph import Graph

__all__ = ["Mapping", "wide_tables"]

FASTEST, SMALLEST = 3, 3  # cuts a node keeps
ROUNDS = 2  # of area recovery

Cut = frozenset[int]
WHEN_FIRST, FLOW_FIRST = itemgetter(0, 1), itemgetter(1, 0)


def wide_tables(graph: Graph, roots: Iterable[int]) -> int:
    """LUT4 that make all ``roots``, within tables of up to seven inputs."""
    mapping = Mapping(Balanced(graph, {literal >> 1 for literal in roots}))
    mapping.plan()
    for _ in range(ROUNDS):
        mapping.recover()
    return mapping.area()


class Mapping:
    """A cover of gates: ``best`` cut and ``arrival`` of each node in picoseconds, the fastest ones at first;
    ``time``: when all roots are there."""

    def __init__(self, gates: Balanced):
        self.gates, self.fanins, self.arcs, self.roots = gates, gates.fanins, gates.arcs, gates.roots
        self.readers = [0] * len(self.fanins)
        for node in [below for fanins in self.fanins for below in fanins] + self.roots:
            self.readers[node] += 1
        self.flow = [0.0] * len(self.fanins)
        self.cuts: list[list[Cut]] = []
        self.best: list[Cut] = []
        self.arrival: list[int] = []
        for node, below in enumerate(self.fanins):
            if below:
                self._cut(node, below)
            else:
                self.cuts.append([frozenset((node,))])
                self.best.append(frozenset())
                self.arrival.append(self._passed(node))
        self.time = max((self.arrival[node] for node in self.roots), default=0)

    def _cut(self, node: int, below: tuple[int, ...]) -> None:
        found = set(self.cuts[below[0]])
        for other in below[1:]:
            joined = [a | b for a in found for b in self.cuts[other]]
            found = {cut for cut in joined if len(cut) <= WIDEST}
        rated = self._rated(found)
        fast = sorted(rated, key=WHEN_FIRST)[:FASTEST]
        small = sorted(rated, key=FLOW_FIRST)[:SMALLEST]
        self.arrival.append(fast[0][0])
        self.flow[node] = small[0][1] / max(1, self.readers[node])
        self.best.append(fast[0][2])
        self.cuts.append([frozenset((node,)), *dict.fromkeys(cut for *_, cut in fast + small)])

    def _passed(self, leaf: int) -> int:
        return max((self.arrival[source] + delay for source, delay in self.arcs.get(leaf, ())), default=0)

    def _rated(self, cuts: Iterable[Cut]) -> list[tuple[int, float, Cut]]:
        """When each of some cuts has its output, and its area flow; written for speed, most of a prediction
        is spent here."""
        arrival, flow = self.arrival.__getitem__, self.flow.__getitem__
        return [
            (
                max(map(add, sorted(map(arrival, cut), reverse=True), PINS[len(cut)])),
                COST[len(cut)] + sum(map(flow, cut)),
                cut,
            )
            for cut in cuts
        ]

    def plan(self) -> None:
        """From the roots down, each node the smallest cut that the fastest signals below it allow."""
        required, used = self._start()
        for node in range(len(self.fanins) - 1, -1, -1):
            if used[node] and self.fanins[node]:
                self.best[node] = self._smallest(node, required[node])
            self._ask(node, required, used)

    def recover(self) -> None:
        """From the leaves up, each node the smallest cut that is there when the mapping so far needs it."""
        required, _ = self._required()
        for node, below in enumerate(self.fanins):
            if below:
                best = self._smallest(node, required[node])
                ((self.arrival[node], flow, self.best[node]),) = self._rated((best,))
                self.flow[node] = flow / max(1, self.readers[node])
            else:
                self.arrival[node] = self._passed(node)

    def area(self) -> int:
        """LUT4."""
        required, used = self._required()
        return sum(
            self._price(node, required[node])
            for node, count in enumerate(used)
            if count and self.fanins[node]
        )

    def _smallest(self, node: int, required: float) -> Cut:
        options = [one for one in self._rated(self.cuts[node][1:]) if one[0] <= required]
        return min(options, key=FLOW_FIRST)[2] if options else self.best[node]

    def _start(self) -> tuple[list[float], list[int]]:
        required, used = [float("inf")] * len(self.fanins), [0] * len(self.fanins)
        for node in self.roots:
            required[node], used[node] = self.time, 1
        return required, used

    def _required(self) -> tuple[list[float], list[int]]:
        """When each node must be there, and how often it is read, in the mapping so far."""
        required, used = self._start()
        for node in range(len(self.fanins) - 1, -1, -1):
            self._ask(node, required, used)
        return required, used

    def _ask(self, node: int, required: list[float], used: list[int]) -> None:
        if not self.fanins[node]:
            for source, delay in self.arcs.get(node, ()):
                required[source] = min(required[source], required[node] - delay)
        elif used[node]:
            leaves = self._latest_first(node)
            for leaf, pin in zip(leaves, PINS[len(leaves)], strict=True):
                required[leaf] = min(required[leaf], required[node] - pin)
                used[leaf] += 1

    def _latest_first(self, node: int) -> list[int]:
        return sorted(self.best[node], key=lambda leaf: (-self.arrival[leaf], leaf))

    def _price(self, node: int, required: float) -> int:
        leaves = self._latest_first(node)
        if len(leaves) <= 4:
            return COST[len(leaves)]
        return apart(self.gates.function(node, leaves), [self.arrival[leaf] for leaf in leaves], required)
