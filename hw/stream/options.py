"""What the owner of a design chooses at its AXI4-Stream edge."""

from dataclasses import dataclass

from fermatnet.model.errors import InputError

__all__ = ["TLAST", "StreamOptions"]

TLAST = ("check", "ignore")
WIDEST = 1024  # bits of tdata, as many as AXI4-Stream masters commonly have


@dataclass(frozen=True)
class StreamOptions:
    """Options of the two streams.

    Attributes
    ----------
    tlast : "check" or "ignore"
        "check": an image whose ``s_axis_tlast`` comes too early or too late is dropped or marked, and
        counted. "ignore": every ``beats_per_image`` beats are an image, for masters without ``tlast``.
    frame_buffer : bool
        Store each image whole before it enters, so that a bad one never does.
    tdata_width : "auto", "padded" or int
        Bits of ``tdata``: as many as the lanes take; the next 8, 16, 32, ...; or so many on both sides.
    tkeep : bool
        Ports ``s_axis_tkeep`` and ``m_axis_tkeep``: one bit a byte, 0 for the bytes that only fill up the
        beat.
    """

    tlast: str = "check"
    frame_buffer: bool = False
    tdata_width: str | int = "auto"
    tkeep: bool = False

    def __post_init__(self) -> None:
        if self.tlast not in TLAST:
            raise InputError(f"tlast must be one of {', '.join(TLAST)}, not {self.tlast!r}")
        if self.frame_buffer and self.tlast == "ignore":
            raise InputError(
                "a frame buffer keeps images of the wrong length out: it needs tlast 'check', not 'ignore'"
            )
        width = self.tdata_width
        if isinstance(width, str) and width.isdecimal():
            width = int(width)
            object.__setattr__(self, "tdata_width", width)
        powers = [8 << k for k in range((WIDEST // 8).bit_length())]
        if width not in ("auto", "padded", *powers):
            raise InputError(
                f"tdata_width must be auto, padded or one of {', '.join(map(str, powers))}, not {width}"
            )

    def tdata_bits(self, port: str, natural: int) -> int:
        """Bits of ``<port>_tdata``, whose lanes take ``natural`` bits; InputError where they do not fit."""
        padded = max(8, 1 << (natural - 1).bit_length())
        if self.tdata_width == "auto":
            return natural
        if self.tdata_width == "padded":
            return padded
        assert isinstance(self.tdata_width, int)
        if self.tdata_width < natural:
            raise InputError(
                f"{port}_tdata carries {natural} bits a beat: tdata_width must be at least {padded}, "
                f"not {self.tdata_width}"
            )
        return self.tdata_width
