"""Devices the compiler plans for: what they hold. The flows that synthesise for them are in
`fermatnet.synth`."""

from dataclasses import dataclass

from fermatnet.model.errors import InputError

__all__ = ["DEVICES", "Device", "device"]


@dataclass(frozen=True)
class Device:
    """Capacity: look-up tables (of ``lut_inputs`` inputs), flip-flops, block memories of ``bram_bits``,
    multipliers."""

    name: str
    luts: int
    ffs: int
    brams: int
    bram_bits: int
    dsps: int
    lut_inputs: int


DEVICES = {
    d.name: d
    for d in (
        Device("ecp5-85k", 83640, 83640, 208, 18432, 156, 4),
        Device("ice40-hx8k", 7680, 7680, 32, 4096, 0, 4),
        Device("ice40-up5k", 5280, 5280, 30, 4096, 8, 4),
        Device("xc7", 63400, 126800, 135, 36864, 240, 6),  # the size of an XC7A100T
        Device("asic", 10**9, 10**9, 10**6, 1 << 20, 10**6, 6),
    )
}


def device(name: str) -> Device:
    if name not in DEVICES:
        raise InputError(f"unknown device {name!r}: choose from {', '.join(DEVICES)}")
    return DEVICES[name]
