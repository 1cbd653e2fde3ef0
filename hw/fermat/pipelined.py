"""Stream wrappers: fixed-latency datapaths behind valid/ready ports."""

from collections.abc import Callable
from typing import Any

from amaranth.hdl import EnableInserter, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.folded_transform import FoldedTransform
from fermatnet.hw.fermat.number import shifted
from fermatnet.hw.fermat.serial_transform import SerialTransform
from fermatnet.hw.fermat.serial_transform2d import SerialTransform2d
from fermatnet.model.errors import InputError

__all__ = ["FramedStream", "PipelinedStream"]


class PipelinedStream(wiring.Component):
    """A fixed-latency block with ``en`` as a stream: one beat a cycle, all stages stop together while the
    output waits.

    A beat's valid bit travels beside its data; bubbles stay bubbles. ``i.ready`` depends on ``o.ready`` and
    the last valid bit only. Latency: ``latency`` cycles, that of the block (at least 1: a combinational block
    gets an output register);
    throughput: one beat per cycle.

    Parameters
    ----------
    make : called at elaboration; returns the block.
    payload_i, payload_o : layouts of the stream payloads; each field of a struct is the block's port of that
    name, any other
        layout is its port ``i`` or ``o``.
    latency : that of the block.

    Members
    -------
    i : In(stream.Signature(payload_i)); o : Out(stream.Signature(payload_o)).
    """

    def __init__(
        self, make: Callable[[], wiring.Component], payload_i: Any, payload_o: Any, latency: int
    ) -> None:
        self._make, self.core_latency, self.latency, self.cycles = make, latency, max(latency, 1), 1
        # the step, and the valid bit at the end: for proofs
        self.moves, self.last = Signal(name="moves"), Signal(name="last")
        super().__init__({"i": In(stream.Signature(payload_i)), "o": Out(stream.Signature(payload_o))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = core = self._make()
        valid, en = Signal(self.latency), self.moves
        m.d.comb += [
            self.last.eq(valid[-1]),
            en.eq(self.o.ready | ~self.last),
            self.i.ready.eq(en),
            self.o.valid.eq(self.last),
        ]
        with m.If(en):
            m.d.sync += valid.eq((valid << 1) | self.i.valid)
        m.d.comb += core.en.eq(en)
        for target, source in self._pairs(core, self.i.payload, "i"):
            m.d.comb += target.eq(source)
        for source, target in self._pairs(core, self.o.payload, "o"):
            if self.core_latency:
                m.d.comb += target.eq(source)
            else:
                held = Signal.like(target)
                with m.If(en):
                    m.d.sync += held.eq(source)
                m.d.comb += target.eq(held)
        return m

    @staticmethod
    def _pairs(core: wiring.Component, payload: Any, port: str) -> list[tuple[Any, Any]]:
        if (
            isinstance(payload, data.View)
            and isinstance(payload.shape(), data.StructLayout)
            and not hasattr(core, port)
        ):
            return [(getattr(core, name).as_value(), payload[name].as_value()) for name, _ in payload.shape()]
        own = getattr(core, port)
        return [
            (
                own.as_value() if isinstance(own, data.View) else own,
                payload.as_value() if isinstance(payload, data.View) else payload,
            )
        ]


class FramedStream(wiring.Component):
    """A serial transform as a stream: frames of ``points`` beats in, frames out, one beat a cycle, any
    stalls.

    The transform wants whole frames without a gap, so it stops (its clock enable falls) while a frame's next
    beat is missing or the output waits; between frames it runs on, and the last frame comes out without a
    next one. ``i.ready`` depends on ``o.ready`` and state only. Latency: ``latency`` cycles, that of the
    transform; throughput: one beat per cycle.

    Parameters
    ----------
    make : called at elaboration; returns a `SerialTransform`, `FoldedTransform` or `SerialTransform2d`.
    points : beats of a frame. latency : of the transform. payload : layout of a point.
    shift : the output is multiplied by 2^shift, wiring: 1/N of an inverse transform.

    Members
    -------
    i : In(stream.Signature(Number(b))); o : Out(stream.Signature(Number(b))).
    """

    def __init__(
        self,
        make: Callable[[], SerialTransform | SerialTransform2d | FoldedTransform],
        points: int,
        latency: int,
        payload: Any,
        *,
        shift: int = 0,
    ) -> None:
        if points < 2:
            raise InputError(f"a frame has at least two points, not {points!r}")
        self._make, self.points, self.latency, self.cycles, self.shift = make, points, latency, points, shift
        # the step, and the valid bit at the end: for proofs
        self.moves, self.last = Signal(name="moves"), Signal(name="last")
        super().__init__({"i": In(stream.Signature(payload)), "o": Out(stream.Signature(payload))})

    def elaborate(self, platform):
        m = Module()
        core = self._make()
        en, place, inside = self.moves, Signal(range(self.points), name="place"), Signal(name="inside")
        m.submodules.core = EnableInserter(en)(core)
        runs = self.i.valid | ~inside
        m.d.comb += [
            inside.eq(place != 0),
            self.last.eq(core.o_valid),
            self.i.ready.eq(self.o.ready | ~self.last),
            en.eq(self.i.ready & runs),
            self.o.valid.eq(self.last & runs),
            core.valid.eq(self.i.valid),
            core.i.eq(self.i.payload),
            self.o.payload.eq(shifted(core.o, self.shift) if self.shift else core.o),
        ]
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += place.eq(place + 1)
            with m.If(place == self.points - 1):
                m.d.sync += place.eq(0)
        return m
