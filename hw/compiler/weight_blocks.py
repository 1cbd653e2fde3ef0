"""Whether weight memories are cells of their family, with their own registers, or left to synthesis."""

from collections.abc import Iterable
from typing import Any

from fermatnet.hw.devices import Device
from fermatnet.hw.layers.windowed import array_of
from fermatnet.hw.rtl.block_rom import blocks, fits
from fermatnet.hw.rtl.registered_rom import in_blocks

__all__ = ["within_device"]

SHARE = 2
"""Weights as cells take one in so many of the device's blocks at most; queues and windows want some."""


def within_device(components: Iterable[Any], device: Device) -> None:
    """Leaves the weight memories of all arrays to synthesis where as cells they would take too many blocks.

    As cells each column is as deep as the memory and nothing is kept as codes, which takes more blocks than
    what synthesis makes of it; and it can move none of them into logic (`fermatnet.synth.spill`).
    """
    arrays = [array for array in map(array_of, components) if getattr(array, "memory_target", "") == "ecp5"]
    taken = sum(
        blocks(array.cycles, array.weight_width)
        for array in arrays
        if in_blocks(array.weight_width, array.cycles) and fits(array.cycles)
    )
    if taken * SHARE > device.brams:
        for array in arrays:
            array.memory_target = "generic"
