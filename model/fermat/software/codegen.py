"""Straight-line C++ for the 1-D Fermat number transforms, with every reduction placed by a proof.

The transforms work on balanced residues in machine lanes that are wider than the modulus. A reduction costs
as much as a butterfly, so it is worth putting off; here each value carries the exact interval it lies in,
operations are emitted one by one (`software_lanes`), and a reduction is emitted only where the next operation
could leave the lane. So the generated code cannot overflow, by construction: the intervals are the proof.

Functions come out as `static void NAME(V *p, long stride, long kept)`: N vectors at p, p + stride, ...,
transformed in place, of which an inverse need only deliver the first `kept`. Five kinds a length: small and
first (rows of the image; short and balanced inputs), last (columns), back (columns of the spectrum), end
(rows, balanced results). Forward is decimation in frequency (natural order in, bit-reversed out), inverse is
decimation in time (bit-reversed in, natural out), so nothing is ever permuted. The factor 1/N is left to the
caller. Twiddles are powers of alpha, a power of two or of sqrt(2) = 2**(b/4) * (2**(b/2) - 1): shifts, never
multiplications.

Source: (2.4)-(2.9) of the thesis; the sqrt(2) root and its doubled length from FERMAT arithmetic practice
(Agarwal and Burrus 1975).
"""

from collections.abc import Callable

from fermatnet.model.fermat.software.lanes import Interval, Line

__all__ = ["BITS", "LANE_BITS", "LAST", "header", "lengths", "transform"]

BITS = {3: 8, 4: 16, 5: 32, 48: 48}  # F_t = 2**BITS[t] + 1; 48 stands for 2^48+1
LANE_BITS = {3: 32, 4: 32, 5: 64, 48: 64}  # bits of a lane, by modulus
# bound of a spectrum: balanced; F_5's limbs are cut in float64, 2^48+1 takes 51 bits
LAST = {3: 0, 4: 0, 5: 1 << 51, 48: 2 << 48}
SMALL = 1 << 15  # inputs of the "small" forward functions: every int8, uint8 and int16


def lengths(b: int) -> tuple[int, ...]:
    """Transform lengths generated for modulus 2**b + 1: powers of two up to 4b (sqrt(2)), at most 64; 1 is
    the identity."""
    return tuple(n for n in (1, 4, 8, 16, 32, 64) if n <= 4 * b)


class _Butterflies:
    """The values of one transform while its operations are emitted: `v` holds what is in place i, None before
    it is loaded."""

    def __init__(self, line: Line, length: int, direction: str, bound: int, out: int) -> None:
        self.line, self.length, self.direction, self.bound, self.out = line, length, direction, bound, out
        self.unit = 4 * line.b // length  # alpha = sqrt(2)**unit has order N
        self.v: list[Interval | None] = [None] * length

    def value(self, i: int) -> Interval:
        """Loaded when first used."""
        interval = self.v[i]
        if interval is None:
            self.line.body.append(f"    const V i{i} = p[{i} * stride];")
            interval = self.v[i] = Interval(f"i{i}", -self.bound, self.bound)
        return interval

    def store(self, i: int) -> None:
        a = self.value(i)
        while self.out and a.size > self.out:
            a = self.line.reduce(a)
        self.line.body.append(f"    p[{i} * stride] = {(a if self.out else self.line.balance(a)).name};")

    def forward(self, start: int, size: int) -> None:
        line, half = self.line, size // 2
        for j in range(half):
            a, c = self.value(start + j), self.value(start + j + half)
            self.v[start + j] = line.add(a, c)
            d, sign = line.times_root(line.subtract(a, c), self.unit * j * (self.length // size))
            self.v[start + j + half] = d if sign > 0 else line.subtract(Interval("V{}", 0, 0), d)
        self._halves(start, half, self.forward)

    def inverse(self, start: int, size: int) -> None:
        line, half = self.line, size // 2
        self._halves(start, half, self.inverse)
        for j in range(half):
            a = self.value(start + j)
            d, sign = line.times_root(self.value(start + j + half), -self.unit * j * (self.length // size))
            self.v[start + j] = line.add(a, d) if sign > 0 else line.subtract(a, d)
            if size == self.length:  # of the last half only what the caller keeps
                self.store(start + j)
                line.body.append(f"    if ({start + j + half} < kept) {{")
            self.v[start + j + half] = line.subtract(a, d) if sign > 0 else line.add(a, d)
            if size == self.length:
                self.store(start + j + half)
                line.body.append("    }")

    def _halves(self, start: int, half: int, run: Callable[[int, int], None]) -> None:
        # depth first, so that a half of 16 values stays in registers while the other half waits
        for first in (start, start + half):
            if half > 1:
                run(first, half)
            elif self.direction == "forward":
                self.store(first)


def transform(
    name: str, b: int, lane: int, length: int, direction: str, bound: int, out: int = 0
) -> tuple[str, dict[str, int]]:
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
    values = _Butterflies(line, length, direction, bound, out)
    if length == 1:
        values.store(0)
    elif direction == "forward":
        values.forward(0, length)
    else:
        values.inverse(0, length)
    text = (
        f"static void {name}(V *p, long stride, long kept) {{\n    (void)stride, (void)kept;\n"
        + "\n".join(line.body)
        + "\n}\n"
    )
    return text, line.operations


def header() -> str:
    """The generated part of the extension: all transforms of F_3, F_4 (32-bit lanes), F_5 and 2^48+1 (64-bit
    lanes), and the tables that find them."""
    parts = ["// Generated by codegen.py: transforms with proven lazy reduction."]
    for t, b in BITS.items():
        lane = LANE_BITS[t]
        parts.append(
            f"namespace f{t} {{\ntypedef int{lane}_t S;\ntypedef S V __attribute__((vector_size(64)));"
        )
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
            parts.append(
                f"static Pass find_{kind}(int n) {{ switch (n) {{ {cases} default: return nullptr; }} }}"
            )
        parts.append("}  // namespace")
    return "\n".join(parts) + "\n"
