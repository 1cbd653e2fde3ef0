"""Operations on lanes, emitted one by one, each with the exact interval that its result lies in.

A reduction is emitted only where the next operation could leave the lane; `Line.fits` checks each result, so
that what is emitted cannot overflow.
"""

from dataclasses import dataclass, field

__all__ = ["Interval", "Line"]

# further bits that a plain shift must leave free in its lane; counted over all transforms, none is best
ROOM = 0


@dataclass(frozen=True)
class Interval:
    """Closed interval that a vector's lanes are known to lie in, and the C++ name that holds it."""

    name: str
    lo: int
    hi: int

    @property
    def size(self) -> int:
        """Largest magnitude it can take."""
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
        """Largest value of a signed lane."""
        return (1 << (self.lane - 1)) - 1

    def fits(self, lo: int, hi: int) -> bool:
        """Whether all of lo..hi fits a lane, with its negative."""
        return -self.limit <= lo and hi <= self.limit

    def emit(self, expression: str, lo: int, hi: int) -> Interval:
        """Writes a line of C that keeps ``expression`` under a new name, its values in lo..hi."""
        if not self.fits(lo, hi):
            raise AssertionError(f"{expression}: [{lo}, {hi}] leaves a {self.lane}-bit lane")
        name = f"t{self._next}"
        self._next += 1
        self.body.append(f"    const V {name} = {expression};")
        return Interval(name, lo, hi)

    def reduce(self, a: Interval) -> Interval:
        """(low b bits) - (the rest): congruent because 2**b = -1; three operations, lies in about [0,
        2**b)."""
        self.operations["reduce"] += 1
        mask = (1 << self.b) - 1
        return self.emit(
            f"({a.name} & S({mask})) - ({a.name} >> {self.b})", -(a.hi >> self.b), mask - (a.lo >> self.b)
        )

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
        """a + b, reduced first where the sum might leave a lane."""
        a, b = self._room(a, b)
        self.operations["add"] += 1
        return self.emit(f"{a.name} + {b.name}", a.lo + b.lo, a.hi + b.hi)

    def subtract(self, a: Interval, b: Interval) -> Interval:
        """a - b, reduced first where the difference might leave a lane."""
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
        """a * 2**s for 0 <= s < b: one shift where much room is left in the lane after it, else a rotation,
        which reduces too."""
        if s == 0:
            return a
        self.operations["shift"] += 1
        if a.size << s <= self.limit >> ROOM:
            return self.emit(f"{a.name} << {s}", a.lo << s, a.hi << s)
        # a = high * 2**(b - s) + low, with low >= 0, whatever the sign of a; 2**b = -1
        self.operations["reduce"] += 1
        mask = (1 << (self.b - s)) - 1
        low = f"(({a.name} & S({mask})) << {s})"
        return self.emit(
            f"{low} - ({a.name} >> {self.b - s})",
            -(a.hi >> (self.b - s)),
            (mask << s) - (a.lo >> (self.b - s)),
        )

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
