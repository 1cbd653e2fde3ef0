"""All that one modulus of a convolution does: forward transform, products, accumulation, inverse
transforms."""

from math import prod
from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.adder import Adder
from fermatnet.hw.fermat.counters import Counters
from fermatnet.hw.fermat.multiplier import Multiplier, multiplier_latency
from fermatnet.hw.fermat.number import Number
from fermatnet.hw.fermat.residue import WideEncoder, encoder_latency
from fermatnet.hw.fermat.serial_transform import FlagDelay
from fermatnet.hw.fermat.serial_transform2d import SerialTransform2d, serial_latency2d
from fermatnet.hw.fermat.weight_source import ComputedWeights, ComputedWeightsPlan, StoredWeightsPlan

__all__ = ["ModulusPath", "ModulusPathPlan"]


class ModulusPathPlan:
    """Numbers of a `ModulusPath`; ``banks``: tiles of spectra and jobs of sums that may be held at once, at
    least 1 and 2."""

    def __init__(
        self,
        b: int,
        shape: Shape,
        lengths: tuple[int, int],
        channels: int,
        group: int,
        outputs: int,
        source: StoredWeightsPlan | ComputedWeightsPlan,
        inverses: int,
        *,
        adder_latency: int = 2,
        product_form: str = "schoolbook",
        form: str = "chain",
        banks: tuple[int, int] = (2, 2),
    ):
        self.b, self.lengths, self.channels, self.group, self.outputs = b, lengths, channels, group, outputs
        self.source, self.products, self.inverses, self.form = source, source.products, inverses, form
        self.points = prod(lengths)
        self.frame = channels * self.points
        self.job = self.frame // group
        self.kept = self.products // inverses  # frames of a job that one inverse transform works off
        self.shape, self.adder_latency, self.product_form = shape, adder_latency, product_form
        self.transform_latency = serial_latency2d(b, *lengths, adder_latency)
        self.encoder_latency = encoder_latency(b, shape)
        self.product_latency = multiplier_latency(b, product_form)
        self.sum_latency = adder_latency if channels > group else 0
        self.begun_after = self.encoder_latency + self.transform_latency
        self.sums_after = source.ahead + self.product_latency + 1 + self.sum_latency + self.job - 1
        self.out_after = 2 + self.transform_latency
        self.spectra_banks, self.sums_banks = banks


class ModulusPath(ModulusPathPlan, wiring.Component):
    """One modulus: tiles in, transformed once; each job multiplies them with ``products`` kernels at once.

    ::

        point -> encoder -> forward 2-D -> [spectra of tiles] --+
                                                                x--> + --> [sums of jobs] -> inverse 2-D -> o
        step  -> weights (memory, or forward 2-D) --------------+    ^--------+

    A job is one tile times ``products`` outputs: channels * points steps. Nothing here waits: whoever drives
    ``valid``, ``step`` and ``drain`` (the `Convolver`) starts a run only when its memories are free. A job
    may read a tile one word behind its writing, and a tile may be written one word behind the last job that
    reads the one it replaces: both runs go word by word, in one order, without a gap.

    Python attributes, in cycles: ``begun_after`` from the first point of a tile to ``spectra_begun``;
    ``sums_after`` from the first step of a job to ``sums_full``; ``out_after`` from ``drain`` to ``o_valid``.

    Members
    -------
    valid, point : In(1), In(shape)
        Tiles, each in one run.
    step : In(1)
        One step of a job.
    weights : In(ArrayLayout(signed, products)), only where spectra are computed
        Plain weights of the step before.
    drain : In(1)
        One point of finished sums to the inverse transforms: ``inverses`` kernels side by side.
    spectra_begun, sums_full : Out(1)
        The first word of a tile's spectra is being written; a job's sums are complete.
    o_valid, o : Out(1), Out(ArrayLayout(Number(b), inverses))
    """

    def __init__(self, *args, **options):
        ModulusPathPlan.__init__(self, *args, **options)
        source: Any = self.source
        raw = (
            {"weights": In(source.signature.members["weights"].shape)}
            if isinstance(source, ComputedWeights)
            else {}
        )
        wiring.Component.__init__(
            self,
            {
                "valid": In(1),
                "point": In(self.shape),
                "step": In(1),
                "drain": In(1),
                **raw,
                "spectra_begun": Out(1),
                "sums_full": Out(1),
                "o_valid": Out(1),
                "o": Out(data.ArrayLayout(Number(self.b), self.inverses)),
            },
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.source = source = self.source
        m.d.comb += source.step.eq(self.step)
        if isinstance(source, ComputedWeights):
            m.d.comb += source.weights.eq(self.weights)
        spectrum = self._spectra(m, source.next)
        product = self._multiply(m, spectrum, source.o)
        self._drain(m, self._accumulate(m, source.next, product))
        return m

    def _spectra(self, m, read_step):
        """Encodes and transforms tiles into the banks of a memory; reads each group's part once a job."""
        m.submodules.encoder = encoder = WideEncoder(self.b, self.shape)
        m.submodules.forward = forward = SerialTransform2d(
            self.b, *self.lengths, adder_latency=self.adder_latency, form=self.form
        )
        m.submodules.encoder_valid = valid = FlagDelay(encoder.latency)
        depth = self.spectra_banks * self.frame
        m.submodules.spectra = spectra = memory.Memory(shape=Number(self.b), depth=depth, init=[])
        write, read = spectra.write_port(), spectra.read_port()
        put, get = (
            Counters(m, [self.spectra_banks, self.frame]),
            Counters(m, [self.group, self.outputs // self.group // self.products, self.job]),
        )
        put_at, get_at = Signal(range(depth)), Signal(range(depth))
        self.keeping = {
            "put": put,
            "get": get,
            "put_at": put_at,
            "get_at": get_at,
            "written": forward.o_valid,
            "read": read_step,
            "memory": spectra,
            "word": forward.o,
            "data": read.data,
            "entering": forward.valid,
        }
        put.step(forward.o_valid)
        get.step(read_step)
        with m.If(forward.o_valid):
            m.d.sync += put_at.eq(Mux(put.wrapped(), 0, put_at + 1))
        with m.If(read_step):
            with m.If(get.wrapped(2) & ~get.wrapped(1)):
                m.d.sync += get_at.eq(get_at - (self.job - 1))
            with m.Else():
                m.d.sync += get_at.eq(Mux(get_at == depth - 1, 0, get_at + 1))
        m.d.comb += [
            encoder.i.eq(self.point),
            valid.i.eq(self.valid),
            forward.valid.eq(valid.o),
            forward.i.eq(encoder.o),
            write.en.eq(forward.o_valid),
            write.addr.eq(put_at),
            write.data.eq(forward.o),
            read.en.eq(read_step),
            read.addr.eq(get_at),
            self.spectra_begun.eq(forward.o_valid & (put.values[1] == 0)),
        ]
        return read.data

    def _multiply(self, m, spectrum, weights):
        blocks = [Multiplier(self.b, form=self.product_form) for _ in range(self.products)]
        for lane, block in enumerate(blocks):
            m.submodules[f"multiplier{lane}"] = block
            m.d.comb += [block.x.eq(spectrum), block.y.eq(weights[lane]), block.en.eq(1)]
        return [block.o for block in blocks]

    def _accumulate(self, m, started, product):
        """Adds each product to the sum at its point, in one memory a job; returns their read ports."""
        channels = self.channels // self.group
        m.submodules.to_read, m.submodules.to_write = to_read, to_write = (
            FlagDelay(self.product_latency),
            FlagDelay(1 + self.sum_latency),
        )
        m.d.comb += [to_read.i.eq(started), to_write.i.eq(to_read.o)]
        banks = self.sums_banks
        reading, writing = (Counters(m, [banks, channels, self.points]) for _ in range(2))
        self.summing = {
            "reading": reading,
            "writing": writing,
            "read": to_read.o,
            "written": to_write.o,
            "memories": [],
        }
        reading.step(to_read.o)
        writing.step(to_write.o)
        m.d.comb += self.sums_full.eq(to_write.o & writing.wrapped(1))
        ports, writes = [], []
        for k in range(banks):
            m.submodules[f"sums{k}"] = sums = memory.Memory(
                shape=(self.b + 1) * self.products, depth=self.points, init=[]
            )
            write, read = sums.write_port(), sums.read_port()
            self.summing["memories"].append(sums)
            ports.append(read)
            writes.append(write)
            m.d.comb += [
                write.en.eq(to_write.o & (writing.values[0] == k)),
                write.addr.eq(writing.values[2]),
                read.addr.eq(reading.values[2]),
                read.en.eq(1),
            ]
        fresh, bank = Signal(), Signal.like(reading.values[0])
        m.d.sync += [fresh.eq(reading.values[1] == 0), bank.eq(reading.values[0])]
        old = Array(port.data for port in ports)[bank]
        self.summing |= {"started": started, "fresh": fresh, "old": old, "writes": writes}
        results = []
        for lane, value in enumerate(product):
            if self.sum_latency:
                m.submodules[f"adder{lane}"] = adder = Adder(
                    self.b, latency=self.adder_latency, form=self.form
                )
                word = old[lane * (self.b + 1) : (lane + 1) * (self.b + 1)]
                zero = 1 << self.b
                m.d.comb += [adder.x.eq(value), adder.y.as_value().eq(Mux(fresh, zero, word)), adder.en.eq(1)]
                value = adder.o
            results.append(Value.cast(value))
        for write in writes:
            m.d.comb += write.data.eq(Cat(*results))
        return ports

    def _drain(self, m, ports):
        counters = Counters(m, [self.sums_banks, self.kept, self.points])
        counters.step(self.drain)
        self.draining = {"counters": counters}
        bank, slot, point = counters.values
        for k, port in enumerate(ports):
            with m.If(self.drain & (bank == k)):
                m.d.comb += port.addr.eq(point)
        bank1, slot1, live1, live2 = Signal.like(bank), Signal.like(slot), Signal(), Signal()
        m.d.sync += [bank1.eq(bank), slot1.eq(slot), live1.eq(self.drain), live2.eq(live1)]
        word = Array(port.data for port in ports)[bank1]
        size = (self.b + 1) * self.inverses
        self.draining |= {"word": word, "entering": live2}
        chosen, taken = Signal(size), Signal(data.ArrayLayout(Number(self.b), self.inverses))
        m.d.comb += chosen.eq(word.word_select(slot1, size) if self.kept > 1 else word)
        m.d.sync += taken.as_value().eq(chosen)
        m.submodules.inverse = block = SerialTransform2d(
            self.b,
            *self.lengths,
            inverse=True,
            adder_latency=self.adder_latency,
            form=self.form,
            lanes=self.inverses,
        )
        m.d.comb += [
            block.valid.eq(live2),
            block.i.eq(taken),
            self.o.eq(block.o),
            self.o_valid.eq(block.o_valid),
        ]
