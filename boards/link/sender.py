"""Answers and results as frames: composed, checked, escaped."""

from amaranth.hdl import C, Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from fermatnet.boards.link.dispatcher import TAG
from fermatnet.boards.link.protocol import (
    ESCAPE,
    FLAG,
    HEAD_BYTES,
    INFO_BYTES,
    REPLY,
    RESULT_EXTRA,
    XOR,
    Kind,
)
from fermatnet.boards.link.receiver import ANSWER

__all__ = ["Sender"]


class Sender(wiring.Component):
    """Makes frames of answers, and of results from the moment that their first beat is there.

    Throughput: one byte in 2 cycles, as far as ``o`` takes them; an answer goes before a result.

    Parameters
    ----------
    beat_bytes, beats : int
        Of one result.

    Members
    -------
    answer : In(stream of `ANSWER`), info : In
        What to answer; what a board says of itself, `fermatnet.boards.link.protocol.INFO_BYTES` bytes.
    tag : In(stream of `TAG`), weights : In(32)
        Of the next result.
    result : In(stream), user : In(1)
        Beats of ``m_axis``.
    done : Out(1)
        For one cycle: a result's last beat has been taken.
    o : Out(stream of 8 bits)
        To the line.
    """

    def __init__(self, *, beat_bytes, beats):
        self.beat_bytes, self.beats = beat_bytes, beats
        super().__init__(
            {
                "answer": In(stream.Signature(ANSWER)),
                "info": In(8 * INFO_BYTES),
                "tag": In(stream.Signature(TAG)),
                "weights": In(32),
                "result": In(stream.Signature(8 * beat_bytes)),
                "user": In(1),
                "done": Out(1),
                "o": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = crc = CRC32_ISO_HDLC(data_width=8).create()
        # a byte is chosen in one cycle and offered from the next on: the choice is the longest path
        byte, chosen, there = Signal(8), Signal(8), Signal()
        offered, taken, marked = Signal(), Signal(), Signal()
        self._escape(m, byte, offered, taken, marked)
        with m.If(taken):
            m.d.sync += offered.eq(0)
        with m.Elif(~offered & there):
            m.d.sync += [byte.eq(chosen), offered.eq(1)]
        m.d.comb += [crc.data.eq(byte), crc.valid.eq(taken)]
        now, results, at = Signal(ANSWER), Signal(), Signal(range(64))
        head, last = self._head(now, results)
        crc_at, wrong = Signal(32), Signal()
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += crc.start.eq(1)
                m.d.sync += [at.eq(0), wrong.eq(0), results.eq(~self.answer.valid)]
                with m.If(self.answer.valid):
                    m.d.comb += self.answer.ready.eq(1)
                    m.d.sync += now.eq(self.answer.payload)
                    m.next = "BEGIN"
                with m.Elif(self.tag.valid & self.result.valid):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                self._flag(m, "HEAD")
            with m.State("HEAD"):
                m.d.comb += [there.eq(1), chosen.eq(head.word_select(at, 8))]
                with m.If(taken):
                    m.d.sync += at.eq(at + 1)
                    with m.If(at == last):
                        m.next = "SETTLE"
                        with m.If(results):
                            m.next = "BEATS"
            self._beats(m, chosen, there, taken, wrong)
            with m.State("SETTLE"):  # the CRC of the last byte is there in the next cycle
                m.d.sync += [crc_at.eq(crc.crc), at.eq(0)]
                m.next = "CHECK"
            with m.State("CHECK"):
                m.d.comb += [there.eq(1), chosen.eq(crc_at[:8])]
                with m.If(taken):
                    m.d.sync += [at.eq(at + 1), crc_at.eq(crc_at >> 8)]
                    with m.If(at == 3):
                        m.next = "END"
            with m.State("END"):
                self._flag(m, "IDLE")
        return m

    def _escape(self, m, byte, offered, taken, marked):
        """What is offered leaves as one byte or as two; ``taken`` when it has left."""
        special = (byte == FLAG) | (byte == ESCAPE)
        m.d.comb += taken.eq(offered & self.o.ready & (~special | marked))
        with m.If(offered):
            m.d.comb += self.o.valid.eq(1)
            m.d.comb += self.o.payload.eq(Mux(special, Mux(marked, byte ^ XOR, ESCAPE), byte))
            with m.If(self.o.ready):
                m.d.sync += marked.eq(special & ~marked)

    def _flag(self, m, following):
        m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(FLAG)]
        with m.If(self.o.ready):
            m.next = following

    def _head(self, now, results):
        """The bytes of a frame that do not come from the network, and the index of the last one."""
        length = Mux(now.described, 1 + INFO_BYTES, 1)
        answer = Cat(now.kind | REPLY, now.sequence, C(0, 16) | length, now.code, self.info)
        size = RESULT_EXTRA + self.beat_bytes * self.beats
        tag = self.tag.payload
        result = Cat(Const(Kind.IMAGE | REPLY, 8), tag.sequence, Const(size, 16), tag.check, self.weights)
        return Mux(results, result, answer), Mux(
            results, HEAD_BYTES + RESULT_EXTRA - 2, Mux(now.described, HEAD_BYTES + INFO_BYTES, HEAD_BYTES)
        )

    def _beats(self, m, chosen, there, taken, wrong):
        k, beat = Signal(range(max(2, self.beat_bytes))), Signal(range(max(2, self.beats)))
        with m.State("BEATS"):
            m.d.comb += [there.eq(self.result.valid), chosen.eq(self.result.payload.word_select(k, 8))]
            with m.If(taken):
                m.d.sync += k.eq(k + 1)
                with m.If(k == self.beat_bytes - 1):
                    m.d.comb += self.result.ready.eq(1)
                    m.d.sync += [k.eq(0), beat.eq(beat + 1), wrong.eq(wrong | self.user)]
                    with m.If(beat == self.beats - 1):
                        m.d.sync += beat.eq(0)
                        m.next = "USER"
        with m.State("USER"):
            m.d.comb += [there.eq(1), chosen.eq(wrong)]
            with m.If(taken):
                m.d.comb += [self.tag.ready.eq(1), self.done.eq(1)]
                m.next = "SETTLE"
