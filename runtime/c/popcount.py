"""Generated kernels that count ANDed bits of plane pairs: full adders first, then few popcounts
(Harley-Seal).

A full adder turns three words of weight w into one of weight w and one of weight 2w with five logical
operations (two outputs a lane, 32 lanes at once), so that a popcount is needed for a few words at the end
instead of for each. Words of negative pairs enter inverted: ``-popcount(x) = popcount(~x) - 32``, and the
constant is taken off once. Where the processor counts bits in an instruction (``FN_POPCOUNT``), a plain loop
is used instead."""

from dataclasses import dataclass, field

__all__ = ["DotKernels", "Pair", "Terms", "terms_of"]

BITE = 31  # words that one tree takes: eight bits of each in byte fields sum to at most 248
BLOCK = 16  # words that one turn of the loop takes; what remains is unrolled


@dataclass(frozen=True)
class Pair:
    """Weight plane ``i`` ANDed with activation plane ``j``; ``negative``: its count is subtracted."""

    i: int
    j: int
    negative: bool


@dataclass(frozen=True)
class Terms:
    """Pairs of one absolute coefficient."""

    coefficient: int
    pairs: tuple[Pair, ...]


def terms_of(weights: tuple[int, ...], activations: tuple[int, ...]) -> tuple[Terms, ...]:
    """Plane pairs by absolute coefficient ``|a_i b_j|``, ascending; pairs of coefficient 0 are left out."""
    by: dict[int, list[Pair]] = {}
    for i, a in enumerate(weights):
        for j, b in enumerate(activations):
            if a * b:
                by.setdefault(abs(a * b), []).append(Pair(i, j, a * b < 0))
    return tuple(Terms(c, tuple(pairs)) for c, pairs in sorted(by.items()))


@dataclass
class _Adder:
    """At most two ``words`` of each weight, by full and half adders; every variable is assigned once."""

    lines: list[str] = field(default_factory=list)
    count: int = 0
    words: dict[int, list[str]] = field(default_factory=dict)

    def name(self) -> str:
        self.count += 1
        return f"b{self.count}"

    def word(self, expression: str) -> str:
        name = self.name()
        self.lines.append(f"const uint32_t {name} = {expression};")
        return name

    def push(self, weight: int, word: str) -> None:
        """One more word of a weight; the third one of a weight is added at once, so that few words are alive
        at a time."""
        row = self.words.setdefault(weight, [])
        row.append(word)
        if len(row) == 3:
            a, b, c = row
            both = self.word(f"{a} ^ {b}")
            self.words[weight] = [self.word(f"{both} ^ {c}")]
            self.push(2 * weight, self.word(f"({a} & {b}) | ({both} & {c})"))

    def single(self) -> None:
        """Half adders leave one word of each weight."""
        weight = 1
        while weight <= max(self.words):
            row = self.words.get(weight, [])
            if len(row) == 2:
                a, b = row
                self.words[weight] = [self.word(f"{a} ^ {b}")]
                self.push(2 * weight, self.word(f"{a} & {b}"))
            weight *= 2


def _nibbles(adder: _Adder, word: str) -> str:
    """Sums of four bits each, 0..4 in eight fields."""
    twos = adder.word(f"{word} - (({word} >> 1) & 0x55555555u)")
    return adder.word(f"({twos} & 0x33333333u) + (({twos} >> 2) & 0x33333333u)")


def _total(adder: _Adder, words: dict[int, list[str]]) -> str:
    """An expression of the weighted sum of the popcounts: fields of four bits, then of eight, then one
    sum."""
    bytes_sum, top = "", 0
    for weight in sorted(words):
        fields = [_nibbles(adder, word) for word in words[weight]]
        while fields:
            some, fields = fields[:3], fields[3:]  # three sums of at most 4 fit four bits
            joined = some[0] if len(some) == 1 else adder.word(" + ".join(some))
            eight = adder.word(f"({joined} & 0x0f0f0f0fu) + (({joined} >> 4) & 0x0f0f0f0fu)")
            part = eight if weight == 1 else f"({eight} << {weight.bit_length() - 1})"
            bytes_sum = adder.word(f"{bytes_sum} + {part}") if bytes_sum else adder.word(part)
            top += 8 * weight * len(some)
    assert top <= 255, "byte fields would overflow"
    return f"{'fn_few_bytes' if 4 * top <= 255 else 'fn_bytes'}({bytes_sum})"


def _and(pair: Pair, n: int, k: str) -> str:
    a = f"a[{pair.j * n} + {k}]" if pair.j else f"a[{k}]"
    w = f"w[{pair.i * n} + {k}]" if pair.i else f"w[{k}]"
    return f"~({a} & {w})" if pair.negative else f"{a} & {w}"


def _unrolled(pairs: tuple[Pair, ...], n: int, start: int, sum_name: str) -> list[str]:
    """Counts words start..n-1 of all pairs by one tree, in bites that byte fields can hold."""
    lines: list[str] = []
    places = [(pair, k) for k in range(start, n) for pair in pairs]
    bites = -(-len(places) // BITE)
    size = -(-len(places) // bites)
    for first in range(0, len(places), size):
        adder = _Adder()
        for pair, k in places[first : first + size]:
            adder.push(1, adder.word(_and(pair, n, str(k))))
        if size > 7:
            adder.single()
        total = _total(adder, adder.words)
        lines += ["{", *adder.lines, f"{sum_name} += {total};", "}"]
    return lines


def _looped(pairs: tuple[Pair, ...], n: int, sum_name: str) -> tuple[list[str], int]:
    """A loop over whole blocks, its carries kept in words between turns; returns the number of words done as
    well."""
    step = max(1, BLOCK // len(pairs))
    turns = n // step
    if turns < 2 or step * len(pairs) > BLOCK:
        return [], 0
    weights = [1, 2, 4, 8]
    adder = _Adder()
    adder.words = {weight: [f"s{weight}"] for weight in weights}
    for q in range(step):
        for pair in pairs:
            adder.push(1, adder.word(_and(pair, n, f"k + {q}" if q else "k")))
    adder.single()
    words = adder.words
    lines = [
        "{",
        f"uint32_t {', '.join(f's{w} = 0' for w in weights)}, many = 0;",
        "uint32_t k;",
        f"for (k = 0; k < {turns * step}u; k += {step}u) {{",
        *adder.lines,
    ]
    lines += [f"s{w} = {words[w][0]};" for w in weights]
    lines += [f"many += fn_popcount({words[16][0]});" if words.get(16) else "", "}"]
    last = _Adder()
    last.count = adder.count
    total = _total(last, {w: [f"s{w}"] for w in weights})
    lines += [*last.lines, f"{sum_name} += ({total}) + (many << 4);", "}"]
    return [line for line in lines if line], turns * step


def _counted(terms: Terms, n: int, sum_name: str) -> list[str]:
    looped, done = _looped(terms.pairs, n, sum_name) if n * len(terms.pairs) > 2 * BITE else ([], 0)
    return looped + (_unrolled(terms.pairs, n, done, sum_name) if done < n else [])


class DotKernels:
    """One function for each distinct shape of dot product; layers of one shape share it."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, tuple[Terms, ...]], str] = {}
        self.lines: list[str] = []

    def get(self, n: int, terms: tuple[Terms, ...]) -> str:
        """Name of ``int32_t f(const uint32_t *a, const uint32_t *w)``: activation planes of n words, weight
        planes of n words."""
        key = (n, terms)
        if key not in self._known:
            self._known[key] = f"dot{len(self._known)}"
            self.lines += self._function(self._known[key], n, terms)
        return self._known[key]

    @staticmethod
    def _function(name: str, n: int, terms: tuple[Terms, ...]) -> list[str]:
        sums = [f"t{index}" for index in range(len(terms))]
        constant = sum(32 * n * t.coefficient * sum(pair.negative for pair in t.pairs) for t in terms) % (
            1 << 32
        )
        plain = [f"for (k = 0; k < {n}u; ++k) {{"]
        for total, t in zip(sums, terms, strict=True):
            plain += [f"{total} += fn_popcount({_and(pair, n, 'k')});" for pair in t.pairs]
        vector = [
            f"{total} += "
            + (f"{32 * n}u - " if pair.negative else "")
            + f"fn_and_count(a + {pair.j * n}, w + {pair.i * n}, {n});"
            for total, t in zip(sums, terms, strict=True)
            for pair in t.pairs
        ]
        trees = [line for total, t in zip(sums, terms, strict=True) for line in _counted(t, n, total)]
        weighted = " + ".join(
            f"{t.coefficient}u * {total}" if t.coefficient > 1 else total
            for total, t in zip(sums, terms, strict=True)
        )
        return [
            f"static int32_t {name}(const uint32_t *a, const uint32_t *w)",
            "{",
            f"uint32_t {', '.join(f'{total} = 0' for total in sums)};",
            "#if FN_VECTOR",
            *vector,
            "#elif FN_POPCOUNT",
            "uint32_t k;",
            *plain,
            "}",
            "#else",
            *trees,
            "#endif",
            f"return fn_signed({weighted} - {constant}u);",
            "}",
            "",
        ]
