"""The board's side of the link: a UART on one side, the network's streams on the other."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.boards.link.dispatcher import TAG, Dispatcher
from fermatnet.boards.link.protocol import (
    CHUNK_WORDS,
    INFO_BYTES,
    LOAD_HEAD,
    RESULT_EXTRA,
    SLACK,
    VERSION,
    stored_bytes,
)
from fermatnet.boards.link.receiver import Receiver
from fermatnet.boards.link.sender import Sender
from fermatnet.boards.link.store import Store
from fermatnet.boards.link.uart import UartReceiver, UartTransmitter
from fermatnet.boards.link.unframe import Unframe
from fermatnet.hw.stream.fifo import Fifo
from fermatnet.model.errors import InputError

__all__ = ["LONGEST", "TAGS", "Link", "LinkPlan"]

LONGEST = 0xFFFF
"""Bytes of a frame's payload, at most."""
TAGS = 4
"""Images inside the network at one time, at most."""


@dataclass(frozen=True)
class LinkPlan:
    """The sizes of a link.

    ``divisor``: clock cycles a bit of the line. ``image_beats`` of ``image_beat_bytes`` each, and the same
    for the result. ``design``: 64 bits that tell this design from others. ``weights``: mark of the weights
    that it is configured with. ``images``: whole images that the store has room for. ``error_bits``: width of
    the network's error count, 0 where it has none.
    """

    divisor: int
    image_beat_bytes: int
    image_beats: int
    result_beat_bytes: int
    result_beats: int
    design: int = 0
    weights: int = 0
    reloadable: bool = False
    images: int = 2
    error_bits: int = 0

    def __post_init__(self) -> None:
        for what, size in (("image", self.image_bytes), ("result", self.result_bytes + RESULT_EXTRA)):
            if size > LONGEST:
                raise InputError(
                    f"one {what} takes {size} bytes, a frame of the link holds {LONGEST}: take a network of "
                    f"a smaller {what}"
                )

    @property
    def image_bytes(self) -> int:
        """Bytes of an image on the link."""
        return self.image_beat_bytes * self.image_beats

    @property
    def result_bytes(self) -> int:
        """Bytes of a result on the link."""
        return self.result_beat_bytes * self.result_beats

    @property
    def depth(self) -> int:
        """Bytes of the store: ``images`` frames (of a load, where those are longer), to a power of two."""
        longest = max(self.image_bytes, LOAD_HEAD + 4 * CHUNK_WORDS if self.reloadable else 0)
        least = self.images * stored_bytes(longest) + SLACK
        return 1 << (least - 1).bit_length()

    @property
    def window(self) -> int:
        """Images that a host may have under way."""
        return min(TAGS + self.images, (self.depth - SLACK) // stored_bytes(self.image_bytes))


class Link(wiring.Component):
    """UART to AXI4-Stream and back, by the protocol of `fermatnet.boards.link.protocol`.

    Throughput: what the line gives, one image in (image + result bytes of the slower way) times 10 bits.

    Parameters
    ----------
    plan : LinkPlan

    Members
    -------
    rx : In(1), tx : Out(1)
    image : Out(stream), image_last : Out(1)
        To ``s_axis``.
    result : In(stream), user : In(1), errors : In(16)
        From ``m_axis``; its tuser; the network's count of errors.
    load : Out(stream of 32 bits), load_last : Out(1), load_ok : In(1), load_error : In(1)
        To and from ``s_load``.
    restart : Out(1)
        For one cycle: reset the network and this link.
    busy : Out(1), lost : Out(1), failed : Out(1)
        For lights: an image is inside; the weights are uncertain; a bad frame came since the last reset.
    """

    def __init__(self, plan):
        self.plan = plan
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "image": Out(stream.Signature(8 * plan.image_beat_bytes)),
                "image_last": Out(1),
                "result": In(stream.Signature(8 * plan.result_beat_bytes)),
                "user": In(1),
                "errors": In(16),
                "load": Out(stream.Signature(32)),
                "load_last": Out(1),
                "load_ok": In(1),
                "load_error": In(1),
                "restart": Out(1),
                "busy": Out(1),
                "lost": Out(1),
                "failed": Out(1),
            }
        )

    def elaborate(self, platform):
        m, plan = Module(), self.plan
        m.submodules.receive = receive = UartReceiver(plan.divisor)
        m.submodules.unframe = unframe = Unframe()
        m.submodules.receiver = receiver = Receiver(
            image_bytes=plan.image_bytes, reloadable=plan.reloadable, depth=plan.depth
        )
        m.submodules.store = store = Store(plan.depth)
        m.submodules.dispatcher = dispatcher = Dispatcher(
            beat_bytes=plan.image_beat_bytes,
            beats=plan.image_beats,
            weights=plan.weights,
            reloadable=plan.reloadable,
        )
        m.submodules.tags = tags = Fifo(TAG, TAGS)
        m.submodules.sender = sender = Sender(beat_bytes=plan.result_beat_bytes, beats=plan.result_beats)
        m.submodules.transmit = transmit = UartTransmitter(plan.divisor)
        m.d.comb += [receive.rx.eq(self.rx), self.tx.eq(transmit.tx)]
        m.d.comb += [
            unframe.line.eq(receive.data),
            unframe.arrived.eq(receive.strobe),
            unframe.broken.eq(receive.broken),
        ]
        m.d.comb += [
            getattr(receiver, name).eq(getattr(unframe, name))
            for name in ("data", "strobe", "end", "spoiled")
        ]
        m.d.comb += [
            store.offset.eq(receiver.offset),
            store.data.eq(receiver.byte),
            store.write.eq(receiver.write),
            store.length.eq(receiver.length),
            store.commit.eq(receiver.commit),
            receiver.free.eq(store.free),
        ]
        wiring.connect(m, store.o, dispatcher.i)
        wiring.connect(m, dispatcher.tag, tags.i)
        wiring.connect(m, tags.o, sender.tag)
        wiring.connect(m, sender.o, transmit.i)
        self._network(m, dispatcher, sender)
        self._answers(m, receiver, dispatcher, sender)
        self._state(m, receiver, dispatcher, tags, sender)
        return m

    def _network(self, m, dispatcher, sender):
        for mine, its in ((self.image, dispatcher.image), (self.load, dispatcher.load)):
            m.d.comb += [mine.payload.eq(its.payload), mine.valid.eq(its.valid), its.ready.eq(mine.ready)]
        m.d.comb += [
            self.image_last.eq(dispatcher.image_last),
            self.load_last.eq(dispatcher.load_last),
            dispatcher.load_ok.eq(self.load_ok),
            dispatcher.load_error.eq(self.load_error),
            sender.result.payload.eq(self.result.payload),
            sender.result.valid.eq(self.result.valid),
            self.result.ready.eq(sender.result.ready),
            sender.user.eq(self.user),
        ]

    def _answers(self, m, receiver, dispatcher, sender):
        """Refusals of the receiver first: they are one a frame at most."""
        first = receiver.answer.valid
        m.d.comb += [
            sender.answer.valid.eq(first | dispatcher.answer.valid),
            sender.answer.payload.eq(Mux(first, receiver.answer.payload, dispatcher.answer.payload)),
            receiver.answer.ready.eq(sender.answer.ready & first),
            dispatcher.answer.ready.eq(sender.answer.ready & ~first),
        ]

    def _state(self, m, receiver, dispatcher, tags, sender):
        """Counters, lights, and what the board says of itself: the fields of `protocol.Info` in order."""
        plan, images, inside = self.plan, Signal(32), Signal(range(TAGS + 2))
        entered = dispatcher.tag.valid & dispatcher.tag.ready
        m.d.sync += [images.eq(images + sender.done), inside.eq(inside + entered - sender.done)]
        m.d.comb += [
            dispatcher.empty.eq(inside == 0),
            self.restart.eq(receiver.restart),
            self.busy.eq(inside != 0),
            self.lost.eq(dispatcher.lost),
            self.failed.eq(receiver.bad_frames != 0),
            sender.weights.eq(dispatcher.weights),
        ]
        fixed = Cat(
            Const(plan.design, 64),
            Const(plan.image_bytes, 16),
            Const(plan.result_bytes, 16),
            Const(plan.window, 8),
        )
        counts = Cat(images, receiver.bad_frames, self.errors)
        flags = Cat(Const(plan.reloadable, 1), dispatcher.lost, Const(0, 6))
        info = Cat(Const(VERSION, 8), flags, fixed, dispatcher.weights, counts)
        assert len(info) == 8 * INFO_BYTES
        m.d.comb += sender.info.eq(info)
