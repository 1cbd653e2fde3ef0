"""What comes over the line, judged: whole frames of this design's sizes go on, everything else is
answered."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from fermatnet.boards.link.protocol import CHUNK_WORDS, HEAD_BYTES, LOAD_HEAD, SLACK, Code, Kind, stored_bytes

__all__ = ["ANSWER", "Receiver"]

ANSWER = data.StructLayout({"kind": 8, "sequence": 16, "code": 8, "described": 1})
"""An answer that is no result: to which frame, its code, and whether the board's description follows."""

COUNT_BITS = 16


class Step(enum.Enum, shape=3):  # type: ignore[call-arg]
    """Which part of a frame the next byte belongs to."""

    HEAD = 0
    PAYLOAD = 1
    CHECK = 2
    WHOLE = 3
    LONG = 4


class Receiver(wiring.Component):
    """Bytes of frames into the store, which gets each frame as type, sequence number, length, CRC and
    payload: the CRC, which comes last, is put before the payload.

    Latency: 1 cycle from the end of a frame to its commit. Throughput: one byte in 2 cycles or more, which a
    UART keeps.

    Parameters
    ----------
    image_bytes : int
    reloadable : bool
        Whether loads are taken.
    depth : int
        Bytes of the store.

    Members
    -------
    data : In(8), strobe : In(1), end : In(1), spoiled : In(1)
        From `fermatnet.boards.link.unframe.Unframe`.
    offset, byte, write, length, commit : Out, free : In
        To and from `fermatnet.boards.link.store.Store`.
    answer : Out(stream of `ANSWER`)
        Refusals. One that comes while another waits is lost; the host's patience ends it.
    restart : Out(1)
        For one cycle: a right frame asked for a reset.
    bad_frames : Out(16)
        Frames that were not whole, to its end.
    """

    def __init__(self, *, image_bytes, reloadable, depth):
        self.image_bytes, self.reloadable, self.depth = image_bytes, reloadable, depth
        bits = depth.bit_length()
        super().__init__(
            {
                "data": In(8),
                "strobe": In(1),
                "end": In(1),
                "spoiled": In(1),
                "offset": Out(bits),
                "byte": Out(8),
                "write": Out(1),
                "length": Out(bits),
                "commit": Out(1),
                "free": In(bits),
                "answer": Out(stream.Signature(ANSWER)),
                "restart": Out(1),
                "bad_frames": Out(COUNT_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = crc = CRC32_ISO_HDLC(data_width=8).create()
        kind, sequence, size = Signal(8), Signal(16), Signal(16)
        fault, judge, left, begun = Signal(Code), Signal(), Signal(16), Signal()
        m.d.comb += [crc.data.eq(self.data), crc.valid.eq(self.strobe), crc.start.eq(self.end)]
        m.d.comb += [self.byte.eq(self.data), self.length.eq(size + stored_bytes(0))]
        m.d.sync += judge.eq(0)
        self._judge(m, kind, size, fault, judge)
        whole, step = Signal(), Signal(Step)
        with m.Switch(step):
            with m.Case(Step.HEAD):
                m.d.comb += self.write.eq(self.strobe)
                with m.If(self.strobe):
                    head = Cat(kind, sequence, size)
                    m.d.sync += [head.eq(Cat(head[8:], self.data)), begun.eq(1)]
                    m.d.sync += self.offset.eq(self.offset + 1)
                    with m.If(self.offset == HEAD_BYTES - 1):
                        length = Cat(size[8:], self.data)
                        empty = length == 0
                        m.d.sync += [judge.eq(1), left.eq(Mux(empty, 3, length - 1))]
                        m.d.sync += self.offset.eq(Mux(empty, HEAD_BYTES, HEAD_BYTES + 4))
                        m.d.sync += step.eq(Mux(empty, Step.CHECK, Step.PAYLOAD))
            with m.Case(Step.PAYLOAD):
                m.d.comb += self.write.eq(self.strobe & (fault == Code.OK))
                with m.If(self.strobe):
                    m.d.sync += [self.offset.eq(self.offset + 1), left.eq(left - 1)]
                    with m.If(left == 0):
                        m.d.sync += [self.offset.eq(HEAD_BYTES), left.eq(3), step.eq(Step.CHECK)]
            with m.Case(Step.CHECK):
                m.d.comb += self.write.eq(self.strobe)
                with m.If(self.strobe):
                    m.d.sync += [self.offset.eq(self.offset + 1), left.eq(left - 1)]
                    with m.If(left == 0):
                        m.d.sync += step.eq(Step.WHOLE)
            with m.Case(Step.WHOLE):
                m.d.comb += whole.eq(crc.match_detected & ~self.spoiled)
                with m.If(self.strobe):
                    m.d.sync += step.eq(Step.LONG)
        with m.If(self.end):
            m.d.sync += [step.eq(Step.HEAD), self.offset.eq(0), begun.eq(0), fault.eq(Code.OK)]
        self._finish(m, kind, sequence, fault, whole, begun)
        return m

    def _judge(self, m, kind, size, fault, judge):
        """Whether a frame with this head can be taken, in the cycle after the head."""
        longest = LOAD_HEAD + 4 * CHUNK_WORDS if self.reloadable else 0
        right = Signal()
        known = [Kind.HELLO, Kind.IMAGE, Kind.RESTART] + ([Kind.LOAD] if self.reloadable else [])
        with m.Switch(kind):
            with m.Case(Kind.IMAGE):
                m.d.comb += right.eq(size == self.image_bytes)
            with m.Case(Kind.LOAD):
                m.d.comb += right.eq((size <= longest) & (size > LOAD_HEAD) & (size[:2] == LOAD_HEAD % 4))
            with m.Default():
                m.d.comb += right.eq(size == 0)
        with m.If(judge):
            with m.If(~Cat(kind == one for one in known).any()):
                m.d.sync += fault.eq(Code.BAD_TYPE)
            with m.Elif(~right):
                m.d.sync += fault.eq(Code.BAD_LENGTH)
            with m.Elif(self.free < size + (stored_bytes(0) + SLACK)):
                m.d.sync += fault.eq(Code.BUSY)

    def _finish(self, m, kind, sequence, fault, whole, begun):
        """Commit, restart or refuse."""
        answer = self.answer
        taken = whole & (fault == Code.OK)
        m.d.comb += [
            self.commit.eq(self.end & taken & (kind != Kind.RESTART)),
            self.restart.eq(self.end & taken & (kind == Kind.RESTART)),
        ]
        with m.If(answer.ready):
            m.d.sync += answer.valid.eq(0)
        # two flags in a row, with nothing between them, are no frame
        with m.If(self.end & ~taken & (begun | self.spoiled)):
            with m.If(~whole & (self.bad_frames != (1 << COUNT_BITS) - 1)):
                m.d.sync += self.bad_frames.eq(self.bad_frames + 1)
            with m.If(~answer.valid):
                m.d.sync += [
                    answer.valid.eq(1),
                    answer.payload.kind.eq(Mux(whole, kind, Kind.UNKNOWN)),
                    answer.payload.sequence.eq(Mux(whole, sequence, 0)),
                    answer.payload.code.eq(Mux(whole, fault, Code.BAD_FRAME)),
                ]
