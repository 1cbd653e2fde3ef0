"""Operators on words: gates bit by bit, shifts, comparisons, products."""

import itertools
from typing import Any

from amaranth.hdl._nir import Operator

from fermatnet.hw.resources.sums import SHORTEST_CHAIN, Sums

__all__ = ["Words"]


class Words(Sums):
    """Operators of a netlist. ``wanted``: the highest bit used of each operator's output, set by the
    reader."""

    wanted: dict[int, int]

    def _operator(self, index: int, cell: Operator, bit: int) -> int:
        graph, kind = self.graph, cell.operator
        if kind in ("+", "-", "*") or kind[-2:] in ("u<", "s<", "u>", "s>", "<=", ">="):
            if index not in self.outputs:
                self.outputs[index] = self._arithmetic(index, cell)
            return self.outputs[index][bit]
        bits = (
            [[self.literal(n) for n in value] for value in cell.inputs]
            if kind in ("b", "r|", "r&", "r^", "==", "!=")
            else []
        )
        if kind == "~":
            return self.literal(cell.inputs[0][bit]) ^ 1
        if kind in ("&", "|", "^"):
            a, b = (self.literal(value[bit]) for value in cell.inputs)
            return {"&": graph.conj, "|": graph.disj, "^": graph.differ}[kind](a, b)
        if kind == "m":
            return graph.choose(
                self._condition(cell), self.literal(cell.inputs[1][bit]), self.literal(cell.inputs[2][bit])
            )
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

    def _condition(self, cell: Operator) -> int:
        """Select of a multiplexer. Where x above a limit becomes the limit, x at the limit may too: yosys
        then compares with >= on ecp5."""
        net = cell.inputs[0][0]
        test = self.cells[net.cell] if net > 1 else None
        if (
            self.family == "ecp5"
            and isinstance(test, Operator)
            and test.operator in ("s>", "u>")
            and test.inputs[1] == cell.inputs[1]
            and [self.literal(n) for n in test.inputs[0]] == [self.literal(n) for n in cell.inputs[2]]
        ):
            reached = Operator(
                test.module_idx, operator=test.operator + "=", inputs=test.inputs, src_loc=test.src_loc
            )
            return self._arithmetic(net.cell, reached)[0]
        return self.literal(net)

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
            if key not in self.words:  # the same sum written twice is one
                self.words[key] = self._sum(terms, width)
            return self.words[key] + [0] * (len(cell.inputs[0]) - width)
        key = (cell.operator, *(tuple(self.literal(net) for net in value) for value in cell.inputs))
        if key not in self.words:
            self.words[key] = [self._compare(cell)]
        return self.words[key]

    def _compare(self, cell: Operator) -> int:
        """a >= b and its kin: groups of bits that fit a table into a carry chain (xc7), a subtraction's carry
        (ecp5), or gates."""
        left, right = cell.inputs
        a, b = [self.literal(net) for net in left], [self.literal(net) for net in right]
        if self.family == "ecp5":
            return self._flags(cell.operator, a, b)
        if cell.operator[0] == "s":
            a[-1], b[-1] = b[-1], a[-1]
        if cell.operator[1] == "<":
            a, b = b, a  # a > b, or a >= b
        equal = int(cell.operator.endswith("="))
        pairs = [(x, y) for x, y in zip(a, b, strict=True) if x != y]
        if len(_signals(pairs)) > 12:
            return self._grouped(pairs, 6)
        return self._gates(pairs, equal)

    def _flags(self, operator: str, a: list[int], b: list[int]) -> int:
        """On ecp5 every comparison is of a - b as it is written: carry or sign for < and >=, for > and <=
        also whether all bits are equal."""
        signed = operator[0] == "s"
        while signed and len(a) > 1 and a[-1] == a[-2] and b[-1] == b[-2]:
            a, b = a[:-1], b[:-1]
        pairs = [(x, y) for x, y in zip(a, b, strict=True) if x != y or signed]
        result = self._less(pairs, signed=signed) ^ 1
        if operator in ("u>", "s>", "u<=", "s<="):
            result = self.graph.conj(
                result, self.graph.all_of(self.graph.differ(x, y) ^ 1 for x, y in pairs) ^ 1
            )
        return result ^ (operator[1] == "<")

    def _less(self, pairs: list[tuple[int, int]], *, signed: bool) -> int:
        """a < b: low bits that a constant decides fall away, then a subtraction's chain (a few bits:
        gates)."""
        graph = self.graph
        while pairs and (pairs[0][0] == 1 or pairs[0][1] == 0) and len(pairs) > signed:
            pairs = pairs[1:]
        if len(pairs) < SHORTEST_CHAIN["ecp5"]:
            swapped = [(y, x) for x, y in pairs[-1:]] if signed else pairs[-1:]
            return self._gates([*pairs[:-1], *swapped], 1) ^ 1
        a, b, carry = [x for x, _ in pairs], [y ^ 1 for _, y in pairs], 1
        if b[0] == 0:  # the same carry as a constant's negative gives
            b[0], carry = 1, 0
        if not signed:
            even = len(pairs) // 2 * 2
            return self._gates(pairs[even:], self._carry(a[:even], b[:even], carry)[1][-1]) ^ 1
        sign = self._carry(a, b, carry)[0][-1]
        # of equal signs the difference's, else that of a
        return graph.choose(graph.differ(a[-1], b[-1]), sign, a[-1])

    def _gates(self, pairs: list[tuple[int, int]], result: int) -> int:
        """Comparison bit by bit above the result of the bits below."""
        graph = self.graph
        for x, y in pairs:
            result = graph.disj(graph.conj(x, y ^ 1), graph.conj(graph.differ(x, y) ^ 1, result))
        return result

    def _grouped(self, pairs: list[tuple[int, int]], size: int) -> int:
        graph = self.graph
        group: list[tuple[int, int]] = []
        groups: list[list[tuple[int, int]]] = []
        for pair in reversed(pairs):
            if len(_signals([*group, pair])) > size:
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


def _signals(pairs: list[tuple[int, int]]) -> set[int]:
    """Nodes that pairs of literals name, constants left out."""
    return {literal >> 1 for literal in itertools.chain.from_iterable(pairs) if literal > 1}
