"""Sums: chained additions become carry-save adders and one carry chain; multipliers that add take their share
(xc7)."""

from typing import Any

from amaranth.hdl._nir import Operator

from fermatnet.hw.resources.carry import Chain
from fermatnet.hw.resources.walk import Walk

__all__ = ["SHORTEST_CHAIN", "Sums"]

SHORTEST_CHAIN = {"xc7": 3, "ecp5": 5}  # sums below this many bits are gates


class Sums(Walk):
    """Additions and subtractions, as words of literals."""

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
                terms += [
                    (word, sign ^ negative) for word, sign in self._terms(inner, self.cells[inner], width)
                ]
        return terms

    def _only_reader(self, value: Any, width: int) -> int | None:
        """The cell of a sum that this value is, whole, where nothing else reads it and it cannot overflow
        before it is extended."""
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
        return (
            words[0]
            if len(words) == 1 and not carry
            else self._chain(words[0], words[1] if len(words) > 1 else [0] * width, carry, width)
        )

    def _absorbed(self, words: list[list[int]], width: int) -> list[list[int]]:
        """What is left to add where multipliers add (xc7): in a balanced tree each first sum of two products
        is one multiplier's, an odd product takes one sum more; a single product takes what is added to it,
        with its register."""
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
        low, result = 0, []  # nothing to add below `low`
        while low < width and (
            (a[low] <= 1 and b[low] <= 1 and carry <= 1) or (not carry and 0 in (a[low], b[low]))
        ):
            result.append(graph.parity(a[low], b[low], carry))
            carry = graph.majority(a[low], b[low], carry)
            low += 1
        if width - low < SHORTEST_CHAIN[self.family]:
            for k in range(low, width):
                result.append(graph.parity(a[k], b[k], carry))
                carry = graph.majority(a[k], b[k], carry)
            return result
        if all(literal <= 1 for literal in a):
            a, b = b, a
        if self.family == "ecp5":
            return result + self._carry(a[low:], b[low:], carry)[0]
        for k in range(low, width):
            self.made.roots += [graph.differ(a[k], b[k]), a[k]]  # a table and, beside it, a wire
            result.append(graph.leaf())
        return result

    def _carry(self, a: list[int], b: list[int], carry: int) -> tuple[list[int], list[int]]:
        """Sums, and carries of every second position, of a chain of ecp5, both inputs of each position as
        they are.

        A chain that begins like another one, but for its last position, is the same: yosys compares and
        subtracts at once.
        """
        pairs = list(zip(a, b, strict=True))
        same = self.chains.setdefault((pairs[0], carry), [])
        for chain in same:
            shared = min(len(pairs), len(chain)) - 1
            if chain[:shared] == pairs[:shared]:
                break
        else:
            same.append(chain := Chain())
        self.made.chain -= 2 * len(chain.carries)
        self.made.roots += [literal for pair in pairs[len(chain) :] for literal in pair]
        chain.extend_to(self.graph, pairs)
        self.made.chain += 2 * len(chain.carries)
        return chain.sums[: len(pairs)], chain.carries[: (len(pairs) + 1) // 2]
