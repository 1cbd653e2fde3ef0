"""The chips and families that designs are made for: what they hold, where those figures come from, and what
the tools call them.

One table for all: `fermatnet.hw.compiler.planner` folds for a device, `fermatnet.hw.resources` predicts for
its family, `fermatnet.synth` maps, places and routes for it.
"""

from dataclasses import dataclass, replace
from typing import Any

from fermatnet.model.errors import InputError

__all__ = ["DEVICES", "Device", "device"]

ECP5 = "Lattice FPGA-DS-02012 (ECP5 family data sheet), table 1.1; EBR of 18 kbit, 18x18 multipliers"
ICE40_HX = "Lattice FPGA-DS-02029 (iCE40 LP/HX family data sheet), table 1.1; EBR of 4 kbit"
ICE40_UP = (
    "Lattice FPGA-DS-02008 (iCE40 UltraPlus family data sheet), table 2.1; EBR of 4 kbit, 16x16 multipliers"
)
GOWIN = "Gowin DS117 (GW1NR) and DS226 (GW2AR), tables 1-1; block RAM of 18 kbit, 18x18 multipliers"
GATEMATE = "Cologne Chip DS1001 (GateMate FPGA CCGM1A1 data sheet), table 1.1; block RAM of 20 kbit halves"
NEXUS = "Lattice FPGA-DS-02049 (CrossLink-NX family data sheet), table 1.1; EBR of 18 kbit, 18x18 multipliers"
CYCLONE = "Intel CV-51001 (Cyclone V device overview), 5CSEBA6; M10K blocks of 10 kbit, 18x18 multipliers"
ARTIX = "AMD DS180 (7 series overview); block RAM of 36 kbit, DSP48E1"
ZYNQ = "AMD DS190 (Zynq-7000 overview); block RAM of 36 kbit, DSP48E1"


@dataclass(frozen=True)
class Device:
    """A device: its yosys ``family`` (ecp5, ice40, gowin, gatemate, nexus, xc7, intel
    or asic) and what it holds.

    ``luts`` (of ``lut_inputs`` inputs), ``ffs``, ``brams`` (of ``bram_bits``), ``dsps``: capacity, more than
    any design takes where there is no limit; ``pins``: inputs and outputs of ``package``; ``map``: yosys' own
    options; ``place``: nextpnr's, () where there is no open place and route; ``speed``: the speed grade that
    Fmax means; ``source``: the document with these figures.
    """

    name: str
    family: str
    luts: int
    ffs: int
    brams: int
    dsps: int
    bram_bits: int
    lut_inputs: int
    pins: int = 0
    package: str = ""
    speed: str = ""
    map: tuple[str, ...] = ()
    place: tuple[str, ...] = ()
    source: str = ""

    def packaged(self, package: str | None, speed: str | None = None) -> "Device":
        """The same chip in another package, or of another speed grade, in nextpnr's words; None: as it is."""
        place = list(self.place)
        for option, value in (("--package", package), ("--speed", speed)):
            if value is not None and option in place:
                place[place.index(option) + 1] = value
        grade = self.speed if speed is None or self.family != "ecp5" else f"{speed} (6 is the slowest)"
        return replace(self, package=package or self.package, speed=grade, place=tuple(place))


def _ecp5(name: str, luts: int, brams: int, dsps: int, package: str, pins: int) -> Device:
    place = (f"--{name.removeprefix('ecp5-')}", "--package", package, "--speed", "6")
    return Device(
        name, "ecp5", luts, luts, brams, dsps, 18432, 4, pins, package, "6 (slowest)", (), place, ECP5
    )


def _ice40(name: str, luts: int, brams: int, dsps: int, package: str, pins: int, source: str) -> Device:
    kind = name.removeprefix("ice40-")
    options = ("-device", "u", "-dsp") if kind.startswith("up") else ("-device", "hx")
    place = (f"--{kind}", "--package", package)
    return Device(name, "ice40", luts, luts, brams, dsps, 4096, 4, pins, package, "", options, place, source)


def _xc7(name: str, luts: int, ffs: int, brams: int, dsps: int, source: str) -> Device:
    options = ("-family", "xc7", "-noiopad", "-noclkbuf")
    return Device(name, "xc7", luts, ffs, brams, dsps, 36864, 6, map=options, source=source)


def _gowin(name: str, luts: int, ffs: int, brams: int, dsps: int, pins: int, part: str, kind: str) -> Device:
    options = ("-family", "gw2a" if kind.startswith("GW2A") else "gw1n", "-noiopads")
    place = ("--device", part, "--vopt", f"family={kind}")
    speed = part[-5:]
    return Device(name, "gowin", luts, ffs, brams, dsps, 18432, 4, pins, "QN88", speed, options, place, GOWIN)


def _mapped(
    name: str, family: str, sizes: tuple[int, int, int, int, int], inputs: int, **more: Any
) -> Device:
    luts, ffs, brams, dsps, bits = sizes
    return Device(name, family, luts, ffs, brams, dsps, bits, inputs, **more)


DEVICES = {
    entry.name: entry
    for entry in (
        _ecp5("ecp5-12k", 12288, 32, 28, "CABGA381", 197),
        _ecp5("ecp5-25k", 24288, 56, 28, "CABGA381", 197),
        _ecp5("ecp5-45k", 43848, 108, 72, "CABGA554", 245),
        _ecp5("ecp5-85k", 83640, 208, 156, "CABGA756", 365),
        _ice40("ice40-hx1k", 1280, 16, 0, "tq144", 95, ICE40_HX),
        _ice40("ice40-hx8k", 7680, 32, 0, "ct256", 206, ICE40_HX),
        _ice40("ice40-up5k", 5280, 30, 8, "sg48", 39, ICE40_UP),
        _gowin("gw1nr-9", 8640, 6480, 26, 20, 71, "GW1NR-LV9QN88PC6/I5", "GW1N-9C"),
        _gowin("gw2ar-18", 20736, 15552, 46, 48, 66, "GW2AR-LV18QN88C8/I7", "GW2A-18C"),
        # a processing element: a tree of four two-input tables, two flip-flops; products are made of them
        _mapped(
            "ccgm1a1",
            "gatemate",
            (40960, 40960, 64, 10**6, 20480),
            4,
            pins=162,
            package="FBGA320",
            # trees of tables as its elements hold them, which is what nextpnr packs
            map=("-noiopad", "-luttree", "-nomx8"),
            place=("--device", "CCGM1A1"),
            source=GATEMATE,
        ),
        _mapped(
            "lifcl-40",
            "nexus",
            (32256, 32256, 84, 56, 18432),
            4,
            pins=192,
            package="CABGA400",
            speed="9",
            map=("-family", "lifcl"),
            place=("--device", "LIFCL-40-9BG400CES"),
            source=NEXUS,
        ),
        _mapped(
            "5cseba6",
            "intel",
            (83820, 167640, 553, 224, 10240),
            6,
            map=("-family", "cyclonev", "-noiopad", "-noclkbuf"),
            source=CYCLONE,
        ),
        _xc7("xc7", 63400, 126800, 135, 240, ARTIX),  # the size of an XC7A100T
        _xc7("xc7a35t", 20800, 41600, 50, 90, ARTIX),
        _xc7("xc7a100t", 63400, 126800, 135, 240, ARTIX),
        _xc7("xc7z020", 53200, 106400, 140, 220, ZYNQ),
        Device("asic", "asic", 10**9, 10**9, 10**6, 10**6, 1 << 20, 6),
    )
}


def device(name: str) -> Device:
    """The device called ``name``; `InputError` that lists the known ones."""
    if name not in DEVICES:
        raise InputError(f"device must be one of {', '.join(DEVICES)}, not {name!r}")
    return DEVICES[name]
