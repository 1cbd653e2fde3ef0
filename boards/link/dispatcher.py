"""Whole frames to where they belong: images to the network, loads to its weights, questions to the sender."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.boards.link.protocol import HEAD_BYTES, LOAD_HEAD, Code, Kind
from fermatnet.boards.link.receiver import ANSWER

__all__ = ["TAG", "Dispatcher"]

TAG = data.StructLayout({"sequence": 16, "check": 32})
"""Which request a result belongs to."""


class Dispatcher(wiring.Component):
    """Takes the frames of the store one after another.

    An image goes to the network beat by beat, its tag ahead of it. The words of a load go on when no image is
    inside, so that every result's mark is that of the weights it was computed with; after the last word the
    answer waits for the network's own verdict.

    Throughput: one byte a cycle, and a cycle more for each beat or word.

    Parameters
    ----------
    beat_bytes, beats : int
        Of one image.
    weights : int
        Mark of the weights that the design is configured with.
    reloadable : bool

    Members
    -------
    i : In(stream of 8 bits)
        From `fermatnet.boards.link.store.Store`.
    image : Out(stream), image_last : Out(1)
        Beats for ``s_axis``.
    load : Out(stream of 32 bits), load_last : Out(1), load_ok : In(1), load_error : In(1)
        Words for ``s_load``.
    tag : Out(stream of `TAG`)
    answer : Out(stream of `ANSWER`)
    empty : In(1)
        No image is inside the network.
    weights : Out(32), lost : Out(1)
        Mark of the weights; whether a reset has made them uncertain.
    """

    def __init__(self, *, beat_bytes, beats, weights, reloadable):
        self.beat_bytes, self.beats = beat_bytes, beats
        self.built_in, self.reloadable = weights, reloadable
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "image": Out(stream.Signature(8 * beat_bytes)),
                "image_last": Out(1),
                "load": Out(stream.Signature(32)),
                "load_last": Out(1),
                "load_ok": In(1),
                "load_error": In(1),
                "tag": Out(stream.Signature(TAG)),
                "answer": Out(stream.Signature(ANSWER)),
                "empty": In(1),
                "weights": Out(32, init=weights),
                "lost": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        head, at = Signal(8 * (HEAD_BYTES + 4)), Signal(range(HEAD_BYTES + 4))
        kind, sequence, size, check = head[:8], head[8:24], head[24:40], head[40:]
        left, code, take = Signal(16), Signal(Code), Signal()
        m.d.comb += [
            take.eq(self.i.valid & self.i.ready),
            self.tag.payload.sequence.eq(sequence),
            self.tag.payload.check.eq(check),
            self.answer.payload.kind.eq(kind),
            self.answer.payload.sequence.eq(sequence),
            self.answer.payload.code.eq(code),
            self.answer.payload.described.eq(kind == Kind.HELLO),
        ]
        with m.If(take):
            m.d.sync += left.eq(left - 1)
        with m.FSM():
            with m.State("HEAD"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(take):
                    m.d.sync += [head.eq(Cat(head[8:], self.i.payload)), at.eq(at + 1)]
                    with m.If(at == HEAD_BYTES + 3):
                        m.next = "ROUTE"
            with m.State("ROUTE"):
                m.d.sync += [at.eq(0), left.eq(size), code.eq(Code.OK)]
                with m.Switch(kind):
                    with m.Case(Kind.IMAGE):
                        m.next = "TAG"
                        with m.If(self.lost):
                            m.d.sync += code.eq(Code.WEIGHTS_LOST)
                            m.next = "SKIP"
                    if self.reloadable:
                        with m.Case(Kind.LOAD):
                            m.next = "CHUNK"
                    with m.Default():
                        m.next = "ANSWER"
            self._image(m, take, left)
            if self.reloadable:
                self._loads(m, take, left, code)
            with m.State("SKIP"):
                m.d.comb += self.i.ready.eq(left != 0)
                with m.If(left == 0):
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += self.answer.valid.eq(1)
                with m.If(self.answer.ready):
                    m.next = "HEAD"
        return m

    def _image(self, m, take, left):
        beat, k = Signal(8 * self.beat_bytes), Signal(range(self.beat_bytes + 1))
        m.d.comb += [self.image.payload.eq(beat), self.image_last.eq(left == 0)]
        with m.State("TAG"):
            m.d.comb += self.tag.valid.eq(1)
            with m.If(self.tag.ready):
                m.next = "IMAGE"
        with m.State("IMAGE"):
            m.d.comb += self.i.ready.eq(1)
            with m.If(take):
                m.d.sync += [beat.eq(Cat(beat[8:], self.i.payload)), k.eq(k + 1)]
                with m.If(k == self.beat_bytes - 1):
                    m.d.sync += k.eq(0)
                    m.next = "BEAT"
        with m.State("BEAT"):
            m.d.comb += self.image.valid.eq(1)
            with m.If(self.image.ready):
                m.next = "IMAGE"
                with m.If(left == 0):
                    m.next = "HEAD"

    def _loads(self, m, take, left, code):
        chunk, last, k = Signal(16), Signal(8), Signal(2)
        due, inside, word = Signal(16), Signal(), Signal(32)
        # set by the first load after configuration and by no reset: a reset swaps the memories' banks back
        touched, certain = Signal(reset_less=True), Signal()
        m.d.comb += [
            self.load.payload.eq(word),
            self.load_last.eq((left == 0) & last[0]),
            self.lost.eq(touched & ~certain),
        ]
        with m.State("CHUNK"):
            m.d.comb += self.i.ready.eq(1)
            with m.If(take):
                m.d.sync += [Cat(chunk, last).eq(Cat(chunk[8:], last, self.i.payload)), k.eq(k + 1)]
                with m.If(k == LOAD_HEAD - 1):
                    m.d.sync += k.eq(0)
                    m.next = "ORDER"
        with m.State("ORDER"):
            m.next = "EMPTY"
            with m.If(chunk == 0):
                m.d.sync += due.eq(0)
                with m.If(inside):
                    m.next = "FORGET"
            with m.Elif(chunk + 1 == due):  # sent twice, because the answer was lost
                m.d.sync += code.eq(Mux(last[0] & self.load_error, Code.LOAD_REFUSED, Code.OK))
                m.next = "SKIP"
            with m.Elif(chunk != due):
                m.d.sync += code.eq(Code.BAD_ORDER)
                m.next = "SKIP"
        with m.State("FORGET"):  # a word with tlast is no end of a load: the network refuses what it has
            m.d.comb += [self.load.valid.eq(1), self.load_last.eq(1)]
            with m.If(self.load.ready):
                m.d.sync += inside.eq(0)
                m.next = "EMPTY"
        with m.State("EMPTY"), m.If(self.empty):
            m.d.sync += [due.eq(due + 1), touched.eq(1), certain.eq(certain | ~touched)]
            m.next = "BYTES"
        with m.State("BYTES"):
            m.d.comb += self.i.ready.eq(1)
            with m.If(take):
                m.d.sync += [word.eq(Cat(word[8:], self.i.payload)), k.eq(k + 1)]
                with m.If(k == 3):
                    m.next = "WORD"
        with m.State("WORD"):
            m.d.comb += self.load.valid.eq(1)
            with m.If(self.load.ready):
                m.d.sync += inside.eq(~self.load_last)
                m.next = "BYTES"
                with m.If(left == 0):
                    m.next = "ANSWER"
                    with m.If(last[0]):
                        m.next = "VERDICT"
        with m.State("VERDICT"):
            with m.If(self.load_ok):
                m.d.sync += [self.weights.eq(word), certain.eq(1)]
                m.next = "ANSWER"
            with m.Elif(self.load_error):
                m.d.sync += code.eq(Code.LOAD_REFUSED)
                m.next = "ANSWER"
