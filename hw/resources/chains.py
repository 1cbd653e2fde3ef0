"""Additions of two words: carry chains as each family has them, gates where they are short."""

from fermatnet.hw.resources.carry import Chain
from fermatnet.hw.resources.contents import Contents

__all__ = ["SHORTEST_CHAIN", "Chains"]

SHORTEST_CHAIN = {"xc7": 3, "ecp5": 5}  # sums below this many bits are gates


class Chains:
    """Carry chains of ``family``, counted in ``made``."""

    def __init__(self, made: Contents, family: str):
        self._made, self._graph, self._family = made, made.graph, family
        self._known: dict[tuple, list[Chain]] = {}  # chains of ecp5 by their first position

    def add(self, a: list[int], b: list[int], carry: int) -> list[int]:
        """Literals of a + b + carry, as wide as both."""
        low, result, carry = self._decided(a, b, carry)
        if len(a) - low < SHORTEST_CHAIN[self._family]:
            return result + self._rippled(a[low:], b[low:], carry)
        if all(literal <= 1 for literal in a):
            a, b = b, a
        if self._family == "ecp5":
            return result + self.carried(a[low:], b[low:], carry)[0]
        for one, other in zip(a[low:], b[low:], strict=True):
            differing = self._graph.differ(one, other)
            self._made.roots += [differing, one]  # a table and, beside it, a wire
            self._made.exact += differing >> 1 in self._graph.gates
            result.append(self._graph.leaf())
        return result

    def _decided(self, a: list[int], b: list[int], carry: int) -> tuple[int, list[int], int]:
        """The lowest bits, where there is nothing to add: how many, their literals, and the carry above."""
        low, result = 0, list[int]()
        for one, other in zip(a, b, strict=True):
            constant = one <= 1 and other <= 1 and carry <= 1
            if not constant and (carry > 1 or carry not in (one, other)):
                break
            result.append(self._graph.parity(one, other, carry))
            carry = self._graph.majority(one, other, carry)
            low += 1
        return low, result, carry

    def _rippled(self, a: list[int], b: list[int], carry: int) -> list[int]:
        result = []
        for one, other in zip(a, b, strict=True):
            result.append(self._graph.parity(one, other, carry))
            carry = self._graph.majority(one, other, carry)
        return result

    def carried(self, a: list[int], b: list[int], carry: int) -> tuple[list[int], list[int]]:
        """Sums, and carries of every second position, of a chain of ecp5, both inputs of each position as
        they are.

        A chain that begins like another one, but for its last position, is the same: yosys compares and
        subtracts at once.
        """
        made, pairs = self._made, list(zip(a, b, strict=True))
        chain = self._begun(pairs, carry)
        made.chain -= 2 * len(chain.carries)
        made.roots += [literal for pair in pairs[len(chain) :] for literal in pair]
        chain.extend_to(self._graph, pairs)
        made.chain += 2 * len(chain.carries)
        return chain.sums[: len(pairs)], chain.carries[: (len(pairs) + 1) // 2]

    def _begun(self, pairs: list[tuple[int, int]], carry: int) -> Chain:
        """A chain that begins like these pairs, a new one if there is none."""
        known = self._known.setdefault((pairs[0], carry), [])
        for chain in known:
            shared = min(len(pairs), len(chain)) - 1
            if chain[:shared] == pairs[:shared]:
                return chain
        known.append(Chain())
        return known[-1]
