# amaranth: UnusedElaboratable=no
"""The top level: the network's stages between AXI4-Stream edges."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.arrays.streamed import WithPlatform
from fermatnet.hw.compiler.design import Design
from fermatnet.hw.layers import beats_of, shape_of
from fermatnet.hw.rtl.reloadable import Loader, LoadPlatform
from fermatnet.hw.stream.axi import AxiStreamIn, AxiStreamOut, field_bits
from fermatnet.hw.stream.fork import Fork
from fermatnet.hw.stream.link import link

__all__ = ["TOP", "Top"]

TOP = "fermatnet"  # name of the generated module

_LOAD_MEMBERS = {
    "s_load_tdata": In(32),
    "s_load_tvalid": In(1),
    "s_load_tready": Out(1),
    "s_load_tlast": In(1),
    "load_ok": Out(1),
    "load_error": Out(1),
}


class Top(wiring.Component):
    """The network between AXI4-Stream ports: ``s_axis_*`` takes images, ``m_axis_*`` gives results; clk and
    rst are implied.

    Latency: ``design.latency`` cycles from the first beat of an image to the first beat of its result.
    Throughput: one image in ``design.cycles_per_image`` cycles.
    """

    def __init__(self, design: Design):
        self.design = design
        net = design.net
        self.source_shape, self.source_lanes = (
            shape_of(net.types[net.input_name]),
            design.paces[net.input_name].lanes,
        )
        self.sink_shape, self.sink_lanes = shape_of(net.types[net.output]), design.paces[net.output].lanes
        self.latency, self.cycles = design.latency, design.cycles_per_image
        self.loader = Loader() if design.reloadable else None
        instances = design.instances()
        self.weight_ports = {name: f"w_{instances[name]}" for name in design.external}
        super().__init__(
            {
                **self._weight_members(),
                **(_LOAD_MEMBERS if design.reloadable else {}),
                "s_axis_tdata": In(field_bits(self.source_shape) * self.source_lanes),
                "s_axis_tvalid": In(1),
                "s_axis_tready": Out(1),
                "s_axis_tlast": In(1),
                "m_axis_tdata": Out(field_bits(self.sink_shape) * self.sink_lanes),
                "m_axis_tvalid": Out(1),
                "m_axis_tready": In(1),
                "m_axis_tlast": Out(1),
            }
        )

    def _weight_members(self) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for name, prefix in self.weight_ports.items():
            width = -(-self.design.components[name].w.payload.shape().width // 8) * 8
            members |= {f"{prefix}_tdata": In(width), f"{prefix}_tvalid": In(1), f"{prefix}_tready": Out(1)}
        return members

    def elaborate(self, platform):
        m = Module()
        net, design = self.design.net, self.design
        inside = LoadPlatform(platform, self.loader) if self.loader else platform
        m.submodules.source = source = AxiStreamIn(self.source_shape, lanes=self.source_lanes)
        beats = beats_of(net.types[net.output], self.sink_lanes)
        m.submodules.sink = sink = AxiStreamOut(self.sink_shape, lanes=self.sink_lanes, beats=beats)
        m.d.comb += [
            source.tdata.eq(self.s_axis_tdata),
            source.tlast.eq(self.s_axis_tlast),
            self.m_axis_tdata.eq(sink.tdata),
            self.m_axis_tvalid.eq(sink.tvalid),
            sink.tready.eq(self.m_axis_tready),
            self.m_axis_tlast.eq(sink.tlast),
        ]
        offers = {net.input_name: self._offers(m, source, len(net.consumers(net.input_name)))}
        instances = design.instances()
        for node in net.nodes:
            stage = design.stage(node)
            m.submodules[instances[node.name]] = WithPlatform(stage, inside) if self.loader else stage
            for k, name in enumerate(node.inputs):
                wiring.connect(m, offers[name].pop(0), getattr(stage, f"i{k}"))
            offers[node.name] = [getattr(stage, f"o{k}") for k in range(stage.readers)]
            if node.name in self.weight_ports:
                self._weights(m, self.weight_ports[node.name], stage.w)
        link(m, offers[net.output].pop(0), sink.i)
        self._gate(m, source, sink, beats_of(net.types[net.input_name], self.source_lanes))
        return m

    def _weights(self, m, prefix, port):
        data, valid, ready = (getattr(self, f"{prefix}_{part}") for part in ("tdata", "tvalid", "tready"))
        m.d.comb += [port.payload.eq(data), port.valid.eq(valid), ready.eq(port.ready)]

    def _gate(self, m, source, sink, beats):
        """Lets images in; a loader that waits to swap holds the next one back until those inside have
        left."""
        loader, closed = self.loader, Signal()
        m.d.comb += [
            source.tvalid.eq(self.s_axis_tvalid & ~closed),
            self.s_axis_tready.eq(source.tready & ~closed),
        ]
        if loader is None:
            return
        beat, inside, enters, leaves = Signal(range(max(2, beats))), Signal(16), Signal(), Signal()
        accept = self.s_axis_tvalid & self.s_axis_tready
        m.d.comb += [
            closed.eq(loader.hold & (beat == 0)),
            enters.eq(accept & (beat == 0)),
            loader.empty.eq(inside == 0),
            leaves.eq(sink.tvalid & sink.tready & sink.tlast),
            loader.tdata.eq(self.s_load_tdata),
            loader.tvalid.eq(self.s_load_tvalid),
            loader.tlast.eq(self.s_load_tlast),
            self.s_load_tready.eq(loader.tready),
            self.load_ok.eq(loader.ok),
            self.load_error.eq(loader.error),
        ]
        with m.If(accept):
            m.d.sync += beat.eq(Mux(beat == beats - 1, 0, beat + 1))
        m.d.sync += inside.eq(inside + enters - leaves)
        m.submodules.loader = loader

    @staticmethod
    def _offers(m, source, readers):
        if readers <= 1:
            return [source.o]
        m.submodules.source_fork = fork = Fork(source.o.payload.shape(), readers)
        wiring.connect(m, source.o, fork.i)
        return fork.outputs
