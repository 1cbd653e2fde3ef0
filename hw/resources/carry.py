"""A carry chain of ecp5, two positions in each CCU2C, with its delays as in yosys' model of the cell."""

from fermatnet.hw.resources.graph import Graph

__all__ = ["Chain"]

# Picoseconds (techlibs/lattice/ccu2c_sim.vh): input to carry, carry to carry; input to its own sum and to the
# other one above; carry to the sums
TO_CARRY, ALONG = 516, 43
TO_OWN, TO_NEXT = 379, 630
FROM_CARRY = (257, 273)


class Chain(list[tuple[int, int]]):
    """Pairs of literals that are added; ``sums``: a literal a position; ``carries``: one a cell, the carry
    out of it."""

    def __init__(self) -> None:
        self.sums: list[int] = []
        self.carries: list[int] = []

    def extend_to(self, graph: Graph, pairs: list[tuple[int, int]]) -> None:
        """Makes the chain as long as ``pairs``; what it has already stays."""
        for start in range(len(self.carries) * 2, len(pairs), 2):
            own, before = pairs[start : start + 2], self.carries[-1:]
            for place, pair in enumerate(own):
                if start + place == len(self.sums):
                    arcs = [(literal, TO_OWN) for literal in pair] + [
                        (carry, FROM_CARRY[place]) for carry in before
                    ]
                    self.sums.append(graph.leaf(arcs + [(literal, TO_NEXT) for literal in own[0] if place]))
            self.carries.append(
                graph.leaf(
                    [(literal, TO_CARRY) for pair in own for literal in pair]
                    + [(carry, ALONG) for carry in before]
                )
            )
        for place in range(len(self.sums), len(pairs)):  # the free position of the last cell
            arcs = [(literal, TO_OWN) for literal in pairs[place]] + [
                (literal, TO_NEXT) for literal in pairs[place - 1]
            ]
            self.sums.append(graph.leaf(arcs + [(carry, FROM_CARRY[1]) for carry in self.carries[-2:-1]]))
        super().extend(pairs[len(self) :])
