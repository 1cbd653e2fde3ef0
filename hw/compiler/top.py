# amaranth: UnusedElaboratable=no
"""The top level: the network's stages between AXI4-Stream edges."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.arrays.streamed import WithPlatform
from fermatnet.hw.compiler.design import Design
from fermatnet.hw.layers import shape_of
from fermatnet.hw.rtl.reloadable import Loader, LoadPlatform
from fermatnet.hw.rtl.words import whole_bytes
from fermatnet.hw.stream.fork import Fork
from fermatnet.hw.stream.length_check import COUNT_BITS
from fermatnet.hw.stream.link import link

__all__ = ["TOP", "Top"]

TOP = "fermatnet"  # name of the generated module, where no other is given

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

    Where ``tlast`` is checked (`fermatnet.hw.stream.options`), ``error`` and ``error_count`` tell of images
    of the wrong length, and ``m_axis_tuser`` marks what may still leave of them.

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
        self.source, self.sink = design.source_edge(), design.sink_edge()
        self.latency, self.cycles = design.latency, design.cycles_per_image
        self.loader = Loader() if design.reloadable else None
        instances = design.instances()
        self.weight_ports = {name: f"w_{instances[name]}" for name in design.external}
        super().__init__(
            {
                **self._weight_members(),
                **(_LOAD_MEMBERS if design.reloadable else {}),
                **self._stream_members(),
            }
        )

    def _stream_members(self) -> dict[str, Any]:
        source, sink = self.source, self.sink
        members: dict[str, Any] = {
            "s_axis_tdata": In(source.pins.tdata_bits),
            "s_axis_tvalid": In(1),
            "s_axis_tready": Out(1),
            "s_axis_tlast": In(1),
            "m_axis_tdata": Out(sink.pins.tdata_bits),
            "m_axis_tvalid": Out(1),
            "m_axis_tready": In(1),
            "m_axis_tlast": Out(1),
        }
        if self.design.options.tkeep:
            members |= {
                "s_axis_tkeep": In(source.pins.tdata_bits // 8),
                "m_axis_tkeep": Out(sink.pins.tdata_bits // 8),
            }
        if source.checked:
            members |= {"m_axis_tuser": Out(1), "error": Out(1), "error_count": Out(COUNT_BITS)}
        return members

    def _weight_members(self) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for name, prefix in self.weight_ports.items():
            width = whole_bytes(self.design.components[name].w.payload.shape().width)
            members |= {f"{prefix}_tdata": In(width), f"{prefix}_tvalid": In(1), f"{prefix}_tready": Out(1)}
        return members

    def elaborate(self, platform):
        m = Module()
        net, design = self.design.net, self.design
        inside = LoadPlatform(platform, self.loader) if self.loader else platform
        m.submodules.source, m.submodules.sink = source, sink = self.source, self.sink
        self._ports(m, source, sink)
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
        if self.loader:
            self._load(m, self.loader, source, sink)
        return m

    def _ports(self, m, source, sink):
        m.d.comb += [
            source.tdata.eq(self.s_axis_tdata),
            source.tlast.eq(self.s_axis_tlast),
            source.tvalid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(source.tready),
            self.m_axis_tdata.eq(sink.tdata),
            self.m_axis_tvalid.eq(sink.tvalid),
            sink.tready.eq(self.m_axis_tready),
            self.m_axis_tlast.eq(sink.tlast),
        ]
        if self.design.options.tkeep:
            kept = sink.pins.field // 8 * self.sink_lanes
            m.d.comb += [source.tkeep.eq(self.s_axis_tkeep), self.m_axis_tkeep.eq((1 << kept) - 1)]
        if source.checked:
            m.d.comb += [
                self.m_axis_tuser.eq(sink.tuser),
                self.error.eq(source.error),
                self.error_count.eq(source.error_count),
            ]
        if source.judged:
            wiring.connect(m, source.verdict, sink.verdict)

    def _weights(self, m, prefix, port):
        data, valid, ready = (getattr(self, f"{prefix}_{part}") for part in ("tdata", "tvalid", "tready"))
        m.d.comb += [port.payload.eq(data), port.valid.eq(valid), ready.eq(port.ready)]

    def _load(self, m, loader, source, sink):
        """A loader that waits to swap holds the next image back until those inside have left."""
        inside = Signal(16)
        m.d.comb += [
            source.hold.eq(loader.hold),
            loader.empty.eq(inside == 0),
            loader.tdata.eq(self.s_load_tdata),
            loader.tvalid.eq(self.s_load_tvalid),
            loader.tlast.eq(self.s_load_tlast),
            self.s_load_tready.eq(loader.tready),
            self.load_ok.eq(loader.ok),
            self.load_error.eq(loader.error),
        ]
        m.d.sync += inside.eq(inside + source.enters - sink.leaves)
        m.submodules.loader = loader

    @staticmethod
    def _offers(m, source, readers):
        if readers <= 1:
            return [source.o]
        m.submodules.source_fork = fork = Fork(source.o.payload.shape(), readers)
        wiring.connect(m, source.o, fork.i)
        return fork.outputs
