"""A board, as far as the link needs it."""

from dataclasses import dataclass, field

from fermatnet.hw.devices import Device
from fermatnet.hw.devices import device as find_device
from fermatnet.model.errors import InputError

__all__ = ["BITSTREAMS", "Board", "Pin"]

BITSTREAMS = {"ecp5": "bitstream.bit", "ice40": "bitstream.bin", "gowin": "bitstream.fs", "xc7": ""}
"""Name of the bitstream by family; "" where no open tool makes one."""


@dataclass(frozen=True)
class Pin:
    """A place of the package, whether 0 there means on, and the attributes that the family's tools know."""

    place: str
    inverted: bool = False
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Board:
    """A board.

    ``device``: of `fermatnet.hw.devices`; ``package``, ``speed``: in nextpnr's words, None where
    they are those of the device. ``clock_mhz``: of the oscillator at ``clock``. ``rx``, ``tx``: of the UART
    as the chip sees it, ``rx`` comes in. ``leds``: alive, busy, bad frame, weights lost, as many as there
    are. ``reset``: a button. ``programmer``: openFPGALoader's name of the board. ``baud``: what its serial
    adapter is known to take. ``note``: what a user has to know or do. ``source``: where the pins are from.
    """

    name: str
    title: str
    device: str
    clock: Pin
    clock_mhz: float
    rx: Pin
    tx: Pin
    leds: tuple[Pin, ...] = ()
    reset: Pin | None = None
    package: str | None = None
    speed: str | None = None
    programmer: str = ""
    baud: int = 1_000_000
    note: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        find_device(self.device)
        if self.family not in BITSTREAMS:
            known = ", ".join(BITSTREAMS)
            raise InputError(
                f"board {self.name}: the families are {known}, not {self.family} ({self.device})"
            )
        if not 1 <= self.clock_mhz <= 400:
            raise InputError(
                f"board {self.name}: an oscillator has 1 to 400 MHz, not {self.clock_mhz:g}: "
                "say clock_mhz in MHz"
            )

    @property
    def family(self) -> str:
        """Family of the device, as `fermatnet.hw.devices` calls it."""
        return find_device(self.device).family

    @property
    def chip(self) -> Device:
        """The device in this board's package."""
        return find_device(self.device).packaged(self.package, self.speed)

    @property
    def bitstream(self) -> str:
        """Name of the bitstream's file, "" where none can be made."""
        return BITSTREAMS[self.family]

    def ports(self) -> list[tuple[str, Pin]]:
        """Ports of the board's top level with their pins, in order."""
        found = [("osc", self.clock), ("rx", self.rx), ("tx", self.tx)]
        if self.reset is not None:
            found.append(("reset", self.reset))
        return found + [(f"led_{k}", pin) for k, pin in enumerate(self.leds)]
