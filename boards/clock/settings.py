"""Settings of the families' PLLs, found by trying all that their data sheets allow."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from fermatnet.model.errors import InputError

__all__ = ["FAMILIES", "FASTEST_BAUD_ERROR", "Setting", "best", "settings"]

FASTEST_BAUD_ERROR = 0.015
"""Of one side's bit rate: both together must stay below half a bit in ten."""


@dataclass(frozen=True)
class Setting:
    """A PLL's setting: output in MHz (exact), oscillator of the PLL in MHz, and the family's own numbers; no
    numbers: the board's oscillator itself."""

    output: Fraction
    oscillator: Fraction
    numbers: tuple[tuple[str, int], ...] = ()

    @property
    def mhz(self) -> float:
        """Output frequency in MHz."""
        return float(self.output)

    def __getitem__(self, name: str) -> int:
        return dict(self.numbers)[name]


def _ecp5(source: Fraction) -> Iterator[Setting]:
    """EHXPLLL with feedback from CLKOP: Lattice FPGA-TN-02200 and FPGA-DS-02012, table 3.21 (speed 6): phase
    detector 10 to 400 MHz, oscillator 400 to 800 MHz, output 3.125 to 400 MHz."""
    for refer in range(1, 129):
        detector = source / refer
        if not 10 <= detector <= 400:
            continue
        for feedback in range(1, 81):
            output = detector * feedback
            if not Fraction(25, 8) <= output <= 400:
                continue
            divider = min(128, int(Fraction(800) / output))
            vco = output * divider
            if 400 <= vco <= 800:
                yield Setting(output, vco, (("refer", refer), ("feedback", feedback), ("divider", divider)))


def _ice40(source: Fraction) -> Iterator[Setting]:
    """SB_PLL40 with simple feedback: Lattice FPGA-TN-02052 and FPGA-DS-02008, table 4.15: phase detector 10
    to 133 MHz, oscillator 533 to 1066 MHz, output 16 to 275 MHz."""
    for refer in range(16):
        detector = source / (refer + 1)
        if not 10 <= detector <= 133:
            continue
        filters = (17, 26, 44, 66, 101)
        within = next((k + 1 for k, limit in enumerate(filters) if detector < limit), 6)
        for feedback in range(128):
            vco = detector * (feedback + 1)
            if not 533 <= vco <= 1066:
                continue
            for power in range(1, 7):
                output = vco / (1 << power)
                if 16 <= output <= 275:
                    numbers = (("divr", refer), ("divf", feedback), ("divq", power), ("filter", within))
                    yield Setting(output, vco, numbers)


_GOWIN_DIVIDERS = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)


def _gowin(limits: tuple[Fraction, Fraction, Fraction, Fraction]) -> Callable[[Fraction], Iterator[Setting]]:
    def found(source: Fraction) -> Iterator[Setting]:
        """rPLL: Gowin UG286; the limits are those of apycula's gowin_pll: phase detector 3 MHz on,
        oscillator, output."""
        low, high, least, most = limits
        for refer in range(64):
            detector = source / (refer + 1)
            if detector < 3:
                continue
            for feedback in range(64):
                output = detector * (feedback + 1)
                if not least < output < most:
                    continue
                fitting = [number for number in _GOWIN_DIVIDERS if low < output * number < high]
                if fitting:
                    numbers = (("idiv", refer), ("fbdiv", feedback), ("odiv", fitting[-1]))
                    yield Setting(output, output * fitting[-1], numbers)

    return found


def _xc7(source: Fraction) -> Iterator[Setting]:
    """PLLE2_BASE: AMD DS181, speed 1: phase detector 19 to 450 MHz, oscillator 800 to 1600 MHz, output 6.25
    to 464 MHz."""
    for refer in range(1, 57):
        detector = source / refer
        if not 19 <= detector <= 450:
            continue
        for feedback in range(2, 65):
            vco = detector * feedback
            if not 800 <= vco <= 1600:
                continue
            for divider in range(1, 129):
                output = vco / divider
                if Fraction(25, 4) <= output <= 464:
                    yield Setting(
                        output, vco, (("refer", refer), ("feedback", feedback), ("divider", divider))
                    )


FAMILIES: dict[str, Callable[[Fraction], Iterator[Setting]]] = {
    "ecp5": _ecp5,
    "ice40": _ice40,
    "gw1nr-9": _gowin((Fraction(400), Fraction(1200), Fraction(25, 8), Fraction(600))),
    "gw2ar-18": _gowin((Fraction(500), Fraction(1250), Fraction(125, 32), Fraction(625))),
    "xc7": _xc7,
}
"""All settings for an oscillator of so many MHz, by family (or device, where a family's differ)."""


def settings(kind: str, source_mhz: float) -> list[Setting]:
    """All that a PLL of ``kind`` makes of an oscillator, and the oscillator itself; one a frequency,
    rising."""
    source = Fraction(source_mhz).limit_denominator(1_000_000)
    found = {source: Setting(source, source)}
    for setting in FAMILIES[kind](source):
        found.setdefault(setting.output, setting)
    return [found[output] for output in sorted(found)]


def divisor_of(mhz: Fraction | float, baud: int) -> int:
    """Clock cycles a bit, at least 1."""
    return max(1, round(Fraction(mhz) * 1_000_000 / baud))


def baud_error(mhz: Fraction | float, baud: int) -> float:
    """How far the bit rate that ``mhz`` makes is off, as a share."""
    return abs(float(Fraction(mhz) * 1_000_000 / divisor_of(mhz, baud) / baud) - 1)


def best(kind: str, source_mhz: float, most_mhz: float, baud: int, least_divisor: int = 4) -> Setting:
    """The fastest setting of at most ``most_mhz`` from which ``baud`` can be made; InputError that says what
    there is."""
    every = settings(kind, source_mhz)
    slow = [one for one in every if one.output <= Fraction(most_mhz)]
    if not slow:
        raise InputError(
            f"the slowest clock from an oscillator of {source_mhz:g} MHz is {every[0].mhz:.4g} MHz, and "
            f"{most_mhz:.4g} MHz at most can be met"
        )
    for one in reversed(slow):
        enough = divisor_of(one.output, baud) >= least_divisor
        if enough and baud_error(one.output, baud) <= FASTEST_BAUD_ERROR:
            return one
    raise InputError(
        f"no clock of at most {most_mhz:.4g} MHz makes {baud} baud: take a lower baud rate, 115200 say"
    )
