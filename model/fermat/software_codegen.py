"""Straight-line C++ for the 1-D Fermat number transforms, with every reduction placed by a proof.

The transforms work on balanced residues in machine lanes that are wider than the modulus. A reduction costs as much as a butterfly, so it is worth
putting off; here each value carries the exact interval it lies in, operations are emitted one by one, and a reduction is emitted only where the next
operation could leave the lane. So the generated code cannot overflow, by construction: the intervals are the proof, and `Line.fits` checks each one.

Functions come out as `static void NAME(V *p, long stride, long kept)`: N vectors at p, p + stride, ..., transformed in place, of which an inverse need
only deliver the first `kept`. Five kinds a length: small and first (rows of the image; short and balanced inputs), last (columns), back (columns of the
spectrum), end (rows, balanced results). Forward is decimation in frequency
(natural order in, bit-reversed out), inverse is decimation in time (bit-reversed in, natural out), so nothing is ever permuted. The factor 1/N is left
to the caller. Twiddles are powers of alpha, a power of two or of sqrt(2) = 2**(b/4) * (2**(b/2) - 1): shifts, never multiplications.

Source: (2.4)-(2.9) of the thesis; the sqrt(2) root and its doubled length from FERMAT arithmetic practice (Agarwal and Burrus 1975).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["BITS", "LANE_BITS", "LAST", "Interval", "Line", "header", "lengths", "transform"]

ROOM = 0  # further bits that a plain shift must leave free in its lane; counted over all transforms, none is best
BITS = {3: 8, 4: 16, 5: 32, 48: 48}  # F_t = 2**BITS[t] + 1; 48 stands for 2^48+1
LANE_BITS = {3: 32, 4: 32, 5: 64, 48: 64}  # bits of a lane, by modulus
LAST = {3: 0, 4: 0, 5: 1 << 51, 48: 2 << 48}  # bound of a spectrum: balanced; F_5's limbs are cut in float64, 2^48+1 takes 51 bits
SMALL = 1 << 15  # inputs of the "small" forward functions: every int8, uint8 and int16


@dataclass(frozen=True)
class Interval:
    """Closed interval that a vector's lanes are known to lie in, and the C++ name that holds it."""

    name: str
    lo: int
    hi: int

    @property
    def size(self) -> int:
        return max(-self.lo, self.hi)


@dataclass
class Line:
    """Emits operations modulo 2**b + 1 on signed lanes of `lane` bits."""

    b: int
    lane: int
    body: list[str] = field(default_factory=list)
    operations: dict[str, int] = field(default_factory=lambda: {"add": 0, "shift": 0, "reduce": 0})
    _next: int = 0

    @property
    def limit(self) -> int:
        return (1 << (self.lane - 1)) - 1

    def fits(self, lo: int, hi: int) -> bool:
        return -self.limit <= lo and hi <= self.limit

    def emit(self, expression: str, lo: int, hi: int) -> Interval:
        if not self.fits(lo, hi):
            raise AssertionError(f"{expression}: [{lo}, {hi}] leaves a {self.lane}-bit lane")
        name = f"t{self._next}"
        self._next += 1
        self.body.append(f"    const V {name} = {expression};")
        return Interval(name, lo, hi)

    def reduce(self, a: Interval) -> Interval:
        """(low b bits) - (the rest): congruent because 2**b = -1; three operations, lies in about [0, 2**b)."""
        self.operations["reduce"] += 1
        mask = (1 << self.b) - 1
        return self.emit(f"({a.name} & S({mask})) - ({a.name} >> {self.b})", -(a.hi >> self.b), mask - (a.lo >> self.b))

    def balance(self, a: Interval) -> Interval:
        """The representative in [-2**(b-1), 2**(b-1)], up to one: the carry of a is rounded to nearest."""
        while a.size > (1 << (self.lane - 2)):
            a = self.reduce(a)
        half = 1 << (self.b - 1)
        while a.size > half + 1:
            self.operations["reduce"] += 1
            h_lo, h_hi = (a.lo + half) >> self.b, (a.hi + half) >> self.b
            h = self.emit(f"({a.name} + S({half})) >> {self.b}", h_lo, h_hi)
            # r = a - (h << b) is in [-half, half - 1], or a itself when a never leaves that range
            a = self.emit(f"{a.name} - ({h.name} << {self.b}) - {h.name}", -half - h_hi, half - 1 - h_lo)
        return a

    def add(self, a: Interval, b: Interval) -> Interval:
        a, b = self._room(a, b)
        self.operations["add"] += 1
        return self.emit(f"{a.name} + {b.name}", a.lo + b.lo, a.hi + b.hi)

    def subtract(self, a: Interval, b: Interval) -> Interval:
        a, b = self._room(a, b)
        self.operations["add"] += 1
        return self.emit(f"{a.name} - {b.name}", a.lo - b.hi, a.hi - b.lo)

    def _room(self, a: Interval, b: Interval) -> tuple[Interval, Interval]:
        while a.size + b.size > self.limit:
            if a.size >= b.size:
                a = self.reduce(a)
            else:
                b = self.reduce(b)
        return a, b

    def shift(self, a: Interval, s: int) -> Interval:
        """a * 2**s for 0 <= s < b: one shift where much room is left in the lane after it, else a rotation, which reduces too."""
        if s == 0:
            return a
        self.operations["shift"] += 1
        if a.size << s <= self.limit >> ROOM:
            return self.emit(f"{a.name} << {s}", a.lo << s, a.hi << s)
        # a = high * 2**(b - s) + low, with low >= 0, whatever the sign of a; 2**b = -1
        self.operations["reduce"] += 1
        mask = (1 << (self.b - s)) - 1
        low = f"(({a.name} & S({mask})) << {s})"
        return self.emit(f"{low} - ({a.name} >> {self.b - s})", -(a.hi >> (self.b - s)), (mask << s) - (a.lo >> (self.b - s)))

    def times_root(self, a: Interval, e: int) -> tuple[Interval, int]:
        """(c, sign) with sign * c = a * sqrt(2)**e; the sign is left to the addition that follows."""
        e %= 4 * self.b
        if e % 2 == 0:
            s = e // 2
            return (self.shift(a, s), 1) if s < self.b else (self.shift(a, s - self.b), -1)
        s = (e - 1) // 2  # sqrt(2) = 2**(3b/4) - 2**(b/4)
        high, high_sign = self.times_root(a, 2 * (s + 3 * self.b // 4))
        low, low_sign = self.times_root(a, 2 * (s + self.b // 4))
        if high_sign == low_sign:
            return self.subtract(high, low), high_sign
        return self.add(high, low), high_sign


def lengths(b: int) -> tuple[int, ...]:
    """Transform lengths generated for modulus 2**b + 1: powers of two up to 4b (sqrt(2)), at most 64; 1 is the identity."""
    return tuple(n for n in (1, 4, 8, 16, 32, 64) if n <= 4 * b)


def transform(name: str, b: int, lane: int, length: int, direction: str, bound: int, out: int = 0) -> tuple[str, dict[str, int]]:
    """C++ text of one transform and the counts of its operations.

    Parameters
    ----------
    name: C++ function name.
    b, lane: modulus 2**b + 1, lanes of `lane` bits.
    length: N, a power of two, at most 4b.
    direction: "forward" (decimation in frequency) or "inverse" (decimation in time, without 1/N).
    bound: the inputs lie in [-bound, bound].
    out: the outputs shall lie in [-out, out]; 0 means balanced residues, within 2**(b-1) + 1.
    """
    line = Line(b, lane)
    unit = 4 * b // length  # alpha = sqrt(2)**unit has order N
    v: list[Interval | None] = [None] * length

    def value(i: int) -> Interval:  # loaded when first used
        if v[i] is None:
            line.body.append(f"    const V i{i} = p[{i} * stride];")
            v[i] = Interval(f"i{i}", -bound, bound)
        return v[i]  # type: ignore[return-value]

    def forward(start: int, size: int) -> None:
        half = size // 2
        for j in range(half):
            a, c = value(start + j), value(start + j + half)
            v[start + j] = line.add(a, c)
            d, sign = line.times_root(line.subtract(a, c), unit * j * (length // size))
            v[start + j + half] = d if sign > 0 else line.subtract(Interval("V{}", 0, 0), d)
        finish(start, half, forward)

    def inverse(start: int, size: int) -> None:
        half = size // 2
        finish(start, half, inverse)
        for j in range(half):
            a = value(start + j)
            d, sign = line.times_root(value(start + j + half), -unit * j * (length // size))
            v[start + j] = line.add(a, d) if sign > 0 else line.subtract(a, d)
            if size == length:  # of the last half only what the caller keeps
                store(start + j)
                line.body.append(f"    if ({start + j + half} < kept) {{")
            v[start + j + half] = line.subtract(a, d) if sign > 0 else line.add(a, d)
            if size == length:
                store(start + j + half)
                line.body.append("    }")

    def store(i: int) -> None:
        a = value(i)
        while out and a.size > out:
            a = line.reduce(a)
        line.body.append(f"    p[{i} * stride] = {(a if out else line.balance(a)).name};")

    def finish(start: int, half: int, run: Callable[[int, int], None]) -> None:
        # depth first, so that a half of 16 values stays in registers while the other half waits
        for first in (start, start + half):
            if half > 1:
                run(first, half)
            elif direction == "forward":
                store(first)

    if length == 1:
        store(0)
    elif direction == "forward":
        forward(0, length)
    else:
        inverse(0, length)
    text = f"static void {name}(V *p, long stride, long kept) {{\n    (void)stride, (void)kept;\n" + "\n".join(line.body) + "\n}\n"
    return text, line.operations


def header() -> str:
    """The generated part of the extension: all transforms of F_3, F_4 (32-bit lanes), F_5 and 2^48+1 (64-bit lanes), and the tables that find them."""
    parts = ["// Generated by software_codegen.py: transforms with proven lazy reduction."]
    for t, b in BITS.items():
        lane = LANE_BITS[t]
        parts.append(f"namespace f{t} {{\ntypedef int{lane}_t S;\ntypedef S V __attribute__((vector_size(64)));")
        balanced, loose = (1 << (b - 1)) + 1, 2 << b
        last = LAST[t]
        kinds = {
            "small": ("forward", SMALL, loose),
            "first": ("forward", balanced, loose),
            "last": ("forward", loose, last),
            "back": ("inverse", loose, loose),
            "end": ("inverse", loose, 0),
        }
        parts.append("typedef void (*Pass)(V *, long, long);")
        for kind, (direction, bound, out) in kinds.items():
            for length in lengths(b):
                parts.append(transform(f"{kind}{length}", b, lane, length, direction, bound, out)[0])
            cases = " ".join(f"case {length}: return {kind}{length};" for length in lengths(b))
            parts.append(f"static Pass find_{kind}(int n) {{ switch (n) {{ {cases} default: return nullptr; }} }}")
        parts.append("}  // namespace")
    return "\n".join(parts) + "\n"
