"""Comparisons of two words: groups of bits in a carry chain (xc7), a subtraction's carry (ecp5), or gates."""

import itertools

from fermatnet.hw.resources.chains import SHORTEST_CHAIN, Chains
from fermatnet.hw.resources.contents import Contents

__all__ = ["ORDER", "Comparisons"]

ORDER = ("u<", "s<", "u>", "s>", "u<=", "s<=", "u>=", "s>=")  # unsigned and signed
GROUP, FEWEST = 6, 12  # signals of a group's table, and more than which make groups worth it

Pairs = list[tuple[int, int]]  # literals of two words, bit by bit


class Comparisons:
    """Comparisons on ``family``, what they need counted in ``made``."""

    def __init__(self, made: Contents, chains: Chains, family: str):
        self._made, self._graph, self._chains, self._family = made, made.graph, chains, family
        self._known: dict[tuple[str, tuple[int, ...], tuple[int, ...]], int] = {}

    def of(self, kind: str, left: list[int], right: list[int]) -> int:
        """Literal of ``left`` compared with ``right``, one of `ORDER`; what is written twice is one."""
        key = (kind, tuple(left), tuple(right))
        if key not in self._known:
            make = self._by_flags if self._family == "ecp5" else self._by_groups
            self._known[key] = make(kind, list(left), list(right))
        return self._known[key]

    def _by_groups(self, kind: str, a: list[int], b: list[int]) -> int:
        if kind[0] == "s":
            a[-1], b[-1] = b[-1], a[-1]
        if kind[1] == "<":
            a, b = b, a  # a > b, or a >= b
        pairs = [(x, y) for x, y in zip(a, b, strict=True) if x != y]
        if len(_signals(pairs)) > FEWEST:
            return self._grouped(pairs)
        return self._above(pairs, int(kind.endswith("=")))

    def _by_flags(self, kind: str, a: list[int], b: list[int]) -> int:
        """On ecp5 every comparison is of a - b as it is written: carry or sign for < and >=, for > and <=
        also whether all bits are equal."""
        signed = kind[0] == "s"
        while signed and len(a) > 1 and a[-1] == a[-2] and b[-1] == b[-2]:
            a, b = a[:-1], b[:-1]
        if signed and (decided := _out_of_reach(kind, a, b)) is not None:
            return decided
        pairs = [(x, y) for x, y in zip(a, b, strict=True) if x != y or signed]
        result = self._less(pairs, signed=signed) ^ 1
        if kind in ("u>", "s>", "u<=", "s<="):
            equal = self._graph.all_of(self._graph.differ(x, y) ^ 1 for x, y in pairs)
            result = self._graph.conj(result, equal ^ 1)
        return result ^ (kind[1] == "<")

    def _less(self, pairs: Pairs, *, signed: bool) -> int:
        """a < b: low bits that a constant decides fall away, then a subtraction's chain (a few bits:
        gates)."""
        graph = self._graph
        while pairs and (pairs[0][0] == 1 or pairs[0][1] == 0) and len(pairs) > signed:
            pairs = pairs[1:]
        if len(pairs) < SHORTEST_CHAIN["ecp5"]:
            top = [(y, x) for x, y in pairs[-1:]] if signed else pairs[-1:]
            return self._above([*pairs[:-1], *top], 1) ^ 1
        a, b, carry = [x for x, _ in pairs], [y ^ 1 for _, y in pairs], 1
        if b[0] == 0:  # the same carry as a constant's negative gives
            b[0], carry = 1, 0
        if not signed:
            even = len(pairs) // 2 * 2
            carries = self._chains.carried(a[:even], b[:even], carry)[1]
            return self._above(pairs[even:], carries[-1]) ^ 1
        sign = self._chains.carried(a, b, carry)[0][-1]
        # of equal signs the difference's, else that of a
        return graph.choose(graph.differ(a[-1], b[-1]), sign, a[-1])

    def _above(self, pairs: Pairs, result: int) -> int:
        """a > b bit by bit, where all bits are equal the ``result`` of the bits below."""
        graph = self._graph
        for x, y in pairs:
            result = graph.disj(graph.conj(x, y ^ 1), graph.conj(graph.differ(x, y) ^ 1, result))
        return result

    def _grouped(self, pairs: Pairs) -> int:
        """A carry chain past groups of bits, two tables each: whether it is equal, whether it is above."""
        graph = self._graph
        for group in _groups(pairs):
            same = graph.all_of(graph.differ(x, y) ^ 1 for x, y in group)
            self._made.roots += [same, self._above(group[::-1], 0)]
            self._made.exact += 2
        return graph.leaf()


def _out_of_reach(kind: str, a: list[int], b: list[int]) -> int | None:
    """Literal of a signed comparison with a constant that the other word never reaches, or that is the
    largest one of its width, which a clamp asks for: yosys makes nothing of either."""
    above = kind[1] == ">"
    for small, large, swapped in ((a, b, False), (b, a, True)):
        if len(a) > 1 and small[-1] == small[-2] and sorted(large[-2:]) == [0, 1]:
            return large[-1] ^ swapped ^ above ^ 1
    if kind in ("s>", "s>=", "s<=") and b[-1] == 0 and all(bit == 1 for bit in b[:-1]):
        return int(not above)
    return None


def _groups(pairs: Pairs) -> list[Pairs]:
    """Pairs from the highest one down, as many together as a table has inputs for."""
    groups: list[Pairs] = [[]]
    for pair in reversed(pairs):
        if len(_signals([*groups[-1], pair])) > GROUP:
            groups.append([])
        groups[-1].append(pair)
    return groups


def _signals(pairs: Pairs) -> set[int]:
    """Nodes that pairs of literals name, constants left out."""
    return {literal >> 1 for literal in itertools.chain.from_iterable(pairs) if literal > 1}
