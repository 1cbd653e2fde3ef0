# amaranth: UnusedElaboratable=no
"""The top level: the network's stages between AXI4-Stream edges."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.arrays.streamed import WithPlatform
from fermatnet.hw.compiler.design import Design
from fermatnet.hw.rtl.reloadable import Loader, LoadPlatform
from fermatnet.hw.rtl.words import whole_bytes
from fermatnet.hw.stream.fork import Fork
from fermatnet.hw.stream.length_check import COUNT_BITS
from fermatnet.hw.stream.link import link
from fermatnet.hw.stream.verdicts import Verdicts

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


_STREAM = ("tdata", "tvalid", "tready", "tlast")


class Top(wiring.Component):
    """The network between AXI4-Stream ports: ``s_axis_*`` takes images, ``m_axis_*`` gives results; clk and
    rst are implied. Several inputs have a stream each, ``s_axis_NAME_*``, and are to be offered side by side;
    so have several outputs, ``m_axis_NAME_*``, and each is to be taken: a stream that stands still stops the
    others.

    Where ``tlast`` is checked (`fermatnet.hw.stream.options`), ``error`` and ``error_count`` tell of images
    of the wrong length, and ``m_axis_tuser`` marks what may still leave of them.

    Latency: ``design.latency`` cycles from the first beat of an image to the first beat of its result.
    Throughput: one image in ``design.cycles_per_image`` cycles.
    """

    def __init__(self, design: Design):
        self.design = design
        self.sources, self.sinks = design.sources(), design.sinks()
        self.source, self.sink = self.sources[0], self.sinks[0]
        self.source_shape, self.source_lanes = self.source.shape, self.source.lanes
        self.sink_shape, self.sink_lanes = self.sink.shape, self.sink.lanes
        self.latency, self.cycles = design.latency, design.cycles_per_image
        self.loader = Loader() if design.reloadable else None
        instances = design.instances()
        self.weight_ports = {name: f"w_{instances[name]}" for name in design.external}
        prefixes = design.streams()
        self.source_ports = [prefixes[one.name] for one in design.net.inputs]
        self.sink_ports = [prefixes[name] for name in design.net.outputs]
        super().__init__(
            {
                **self._weight_members(),
                **(_LOAD_MEMBERS if design.reloadable else {}),
                **self._stream_members(),
            }
        )

    def _stream_members(self) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for prefix, source in zip(self.source_ports, self.sources, strict=True):
            members |= {
                f"{prefix}_tdata": In(source.pins.tdata_bits),
                f"{prefix}_tvalid": In(1),
                f"{prefix}_tready": Out(1),
                f"{prefix}_tlast": In(1),
            }
        for prefix, sink in zip(self.sink_ports, self.sinks, strict=True):
            members |= {
                f"{prefix}_tdata": Out(sink.pins.tdata_bits),
                f"{prefix}_tvalid": Out(1),
                f"{prefix}_tready": In(1),
                f"{prefix}_tlast": Out(1),
            }
        if self.design.options.tkeep:
            for prefix, source in zip(self.source_ports, self.sources, strict=True):
                members[f"{prefix}_tkeep"] = In(source.pins.tdata_bits // 8)
            for prefix, sink in zip(self.sink_ports, self.sinks, strict=True):
                members[f"{prefix}_tkeep"] = Out(sink.pins.tdata_bits // 8)
        if self.source.checked:
            members |= {f"{prefix}_tuser": Out(1) for prefix in self.sink_ports}
            members |= {"error": Out(1), "error_count": Out(COUNT_BITS)}
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
        offers = {}
        for k, source in enumerate(self.sources):
            m.submodules[_numbered("source", k)] = source
        for k, sink in enumerate(self.sinks):
            m.submodules[_numbered("sink", k)] = sink
        self._ports(m)
        for k, (one, source) in enumerate(zip(net.inputs, self.sources, strict=True)):
            offers[one.name] = self._offers(m, _numbered("source", k), source, len(net.consumers(one.name)))
        instances = design.instances()
        for node in net.nodes:
            stage = design.stage(node)
            m.submodules[instances[node.name]] = WithPlatform(stage, inside) if self.loader else stage
            for k, name in enumerate(node.inputs):
                wiring.connect(m, offers[name].pop(0), getattr(stage, f"i{k}"))
            offers[node.name] = [getattr(stage, f"o{k}") for k in range(stage.readers)]
            if node.name in self.weight_ports:
                self._weights(m, self.weight_ports[node.name], stage.w)
        for name, sink in zip(net.outputs, self.sinks, strict=True):
            link(m, offers[name].pop(0), sink.i)
        if self.loader:
            self._load(m, self.loader, self.source, self.sink)
        return m

    def _ports(self, m):
        for prefix, source in zip(self.source_ports, self.sources, strict=True):
            data, valid, ready, last = (getattr(self, f"{prefix}_{part}") for part in _STREAM)
            m.d.comb += [source.tdata.eq(data), source.tlast.eq(last), source.tvalid.eq(valid)]
            m.d.comb += ready.eq(source.tready)
            if self.design.options.tkeep:
                m.d.comb += source.tkeep.eq(getattr(self, f"{prefix}_tkeep"))
        for prefix, sink in zip(self.sink_ports, self.sinks, strict=True):
            data, valid, ready, last = (getattr(self, f"{prefix}_{part}") for part in _STREAM)
            m.d.comb += [
                data.eq(sink.tdata),
                valid.eq(sink.tvalid),
                sink.tready.eq(ready),
                last.eq(sink.tlast),
            ]
            if self.design.options.tkeep:
                kept = sink.pins.field // 8 * sink.lanes
                m.d.comb += getattr(self, f"{prefix}_tkeep").eq((1 << kept) - 1)
            if self.source.checked:
                m.d.comb += getattr(self, f"{prefix}_tuser").eq(sink.tuser)
        if self.source.checked:
            self._errors(m)
        if self.source.judged:
            self._verdicts(m)

    def _errors(self, m):
        """All inputs' counts together, no further than one counter goes."""
        if len(self.sources) == 1:
            m.d.comb += [self.error.eq(self.source.error), self.error_count.eq(self.source.error_count)]
            return
        total = sum(source.error_count for source in self.sources)
        most = (1 << COUNT_BITS) - 1
        m.d.comb += [
            self.error.eq(Cat(source.error for source in self.sources).any()),
            self.error_count.eq(Mux(total > most, most, total)),
        ]

    def _verdicts(self, m):
        if len(self.sources) == len(self.sinks) == 1:
            wiring.connect(m, self.source.verdict, self.sink.verdict)
            return
        depth = self.design.verdicts()
        m.submodules.verdicts = verdicts = Verdicts(len(self.sources), len(self.sinks), depth)
        for k, source in enumerate(self.sources):
            wiring.connect(m, source.verdict, getattr(verdicts, f"i{k}"))
        for k, sink in enumerate(self.sinks):
            wiring.connect(m, getattr(verdicts, f"o{k}"), sink.verdict)

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
    def _offers(m, name, source, readers):
        if readers <= 1:
            return [source.o]
        m.submodules[f"{name}_fork"] = fork = Fork(source.o.payload.shape(), readers)
        wiring.connect(m, source.o, fork.i)
        return fork.outputs


def _numbered(name: str, k: int) -> str:
    """Instance name: the first one bare."""
    return f"{name}{k}" if k else name
