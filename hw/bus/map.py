"""The registers of a wrapped design: one table for the hardware, the drivers and the documents."""

from dataclasses import dataclass

__all__ = ["ADDRESS_BITS", "IDENTITY", "REGISTERS", "VERSION", "Register", "address"]

IDENTITY = 0x464E4E31
"""What `identity` reads: "FNN1"."""
VERSION = 1
ADDRESS_BITS = 8


@dataclass(frozen=True)
class Register:
    """A word: ``mode`` is r (read), rw (read and write), w (write), c (read; writing ones clears)."""

    name: str
    mode: str
    what: str


REGISTERS = (
    Register("identity", "r", "0x464E4E31"),
    Register("version", "r", "of this table"),
    Register(
        "capabilities", "r", "bit 0: weights can be loaded; bit 1: images of a wrong length are noticed"
    ),
    Register("control", "w", "bit 0: reset the network; bit 1: clear the counters"),
    Register(
        "status", "r", "bit 0: an image is inside; bit 1: the last load is in use; bit 2: it was refused"
    ),
    Register("errors", "c", "bit 0: an image had a wrong length; bit 1: a load was refused"),
    Register("interrupt_enable", "rw", "bit 0: a result has left; bit 1: a bit of errors is set"),
    Register("interrupt_status", "c", "the same bits, since they were cleared"),
    Register("images_in", "r", "images of which the last beat has entered"),
    Register("images_out", "r", "results of which the last beat has left"),
    Register("cycles_low", "r", "cycles in which an image was inside; reading it keeps the upper half"),
    Register("cycles_high", "r", "upper half of the cycles, as it was when the lower one was read"),
    Register("error_count", "r", "images of a wrong length since the network's reset"),
    Register("input_bytes", "r", "bytes of an image on s_axis"),
    Register("output_bytes", "r", "bytes of a result on m_axis"),
    Register("cycles_per_image", "r", "cycles between two images, without stalls"),
    Register("load_data", "w", "a word of a load"),
    Register("load_last", "w", "the last word of a load"),
    Register("design_low", "r", "lower half of a digest of the design"),
    Register("design_high", "r", "upper half"),
)
"""The registers in order, four bytes each."""


def address(name: str) -> int:
    """Byte address of a register."""
    return 4 * next(k for k, register in enumerate(REGISTERS) if register.name == name)
