# amaranth: UnusedElaboratable=no
"""What is measured in gates: each circuit with what it needs to be driven, and its rival beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from amaranth.lib import wiring

from fermatnet.bench.fermat.direct import direct_engine, whole_direct
from fermatnet.bench.fermat.engines import built_engine
from fermatnet.bench.gates.modular import ModularPair, Registered, RotatedButterfly, TwiddleButterfly
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.compiler.top import Top
from fermatnet.hw.fermat.butterfly import Butterfly
from fermatnet.hw.piecewise.compressor.popcount import Popcount
from fermatnet.hw.piecewise.dot import Dot
from fermatnet.hw.piecewise.forms import Form, Group, forms_of
from fermatnet.hw.stream.options import StreamOptions

__all__ = ["CIRCUITS", "Circuit", "with_gate"]

PRIMES = {16: 114689, 32: 4293918721}
"""Primes of about as many bits as 2^b + 1 whose roots of unity serve transforms of up to 2^14 and 2^20
points: 7 * 2^14 + 1 and 2^32 - 2^20 + 1."""
CHANNELS, BITS = 4, 8  # of the compared convolution engines
TFC_CYCLES = 800


@dataclass(frozen=True)
class Circuit:
    """A circuit of a ``group``, to compare within; ``stimuli`` and how long to simulate as in
    `fermatnet.synth.power.measure.measure`."""

    group: str
    name: str
    make: Callable[[], wiring.Component]
    stimuli: Mapping[str, Sequence[int]] = field(default_factory=dict)
    skip: int = 16
    cycles: int = 256


def with_gate(form: Form, gate: str) -> Form:
    """A form whose pairs all go through ``gate``."""
    groups = tuple(
        Group(g.factor, tuple(tuple((i, j, gate) for i, j, _ in column) for column in g.pairs))
        for g in form.groups
    )
    return replace(form, groups=groups)


def _popcounts() -> list[Circuit]:
    def make(width: int, gate: str) -> wiring.Component:
        return Registered(Popcount(width, target="asic", gate=gate))

    return [
        Circuit("popcount", f"popcount of {width}, {gate.upper()}", lambda w=width, g=gate: make(w, g))  # type: ignore[misc]
        for width in (72, 256)
        for gate in ("and", "xnor")
    ]


def _arrays() -> list[Circuit]:
    form = forms_of([-5, -2, 0, 2, 5], [0, 1, 2, 3, 4, 5])["one-hot"]

    def make(gate: str) -> wiring.Component:
        return Registered(Dot(with_gate(form, gate), 16, 12, target="asic"))

    name = "20 planes (M = 4, N = 5) by 16 inputs"
    return [Circuit("array", f"{name}, {gate.upper()}", lambda g=gate: make(g)) for gate in ("and", "xnor")]  # type: ignore[misc]


def _below(limit: int, *names: str) -> dict[str, list[int]]:
    """Random words below a limit for each port: diminished-1 numbers but 0, or residues of a prime."""
    rng = np.random.default_rng(0)
    return {name: [int(word) for word in rng.integers(0, limit, 512)] for name in names}


def _butterflies() -> list[Circuit]:
    made = []
    for b, prime in PRIMES.items():
        group, fermat, any_prime = f"butterfly {b}", _below(1 << b, "x", "y"), _below(prime, "x", "y", "w")
        made += [
            Circuit(group, f"2^{b} + 1", lambda b=b: Butterfly(b, latency=1), fermat),  # type: ignore[misc]
            Circuit(
                group,
                f"{prime}, no twiddle",
                lambda p=prime: Registered(ModularPair(p), inputs=False),  # type: ignore[misc]
                {name: any_prime[name] for name in ("x", "y")},
            ),
            Circuit(group, f"2^{b} + 1, any twiddle 2^k", lambda b=b: RotatedButterfly(b), fermat),  # type: ignore[misc]
            Circuit(group, f"{prime}, any twiddle", lambda p=prime: TwiddleButterfly(p), any_prime),  # type: ignore[misc]
        ]
    return made


def _convolutions() -> list[Circuit]:
    return [
        Circuit(f"convolution {k}", f"{k}x{k}, {name}", lambda k=k, make=make: make(k), skip=3000, cycles=400)  # type: ignore[misc]
        for k in (5, 7, 11)
        for name, make in (("Fermat", _fermat), ("direct", _direct))
    ]


def _fermat(k: int) -> wiring.Component:
    return built_engine(BITS, k, CHANNELS, 0, "stored")


def _direct(k: int) -> wiring.Component:
    """The smallest direct engine that keeps the Fermat engine's pace."""
    engine: Any = _fermat(k)
    size = engine.geometry.height
    d = direct_engine(CHANNELS, CHANNELS, k, size, engine.cycles)
    return whole_direct(engine.weight, BITS, size, d)


def _tfc() -> wiring.Component:
    from fermatnet.bench.compiler.same_hardware import trained

    design = plan(trained("tfc"), cycles=TFC_CYCLES, device="asic", external="none")
    return Top(replace(design, options=StreamOptions(tlast="ignore")))


CIRCUITS = (
    *_popcounts(),
    *_arrays(),
    *_butterflies(),
    *_convolutions(),
    Circuit("network", f"TFC, {TFC_CYCLES} cycles an image", _tfc, skip=3 * TFC_CYCLES, cycles=TFC_CYCLES),
)
