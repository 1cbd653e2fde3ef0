# amaranth: UnusedElaboratable=no
"""The network compiler: from a network to a top level with AXI4-Stream edges, and the folder of files around it."""

import hashlib
import itertools
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw import folding, resources_layers, schedule, verilog
from fermatnet.hw.devices import device as find_device
from fermatnet.hw.envelope import Bounds, bounds_of, envelope, fill
from fermatnet.hw.external import Scoped, weight_bits
from fermatnet.hw.layers import Fold, Layer, Matrix, Pace, beats_of, layer_of, shape_of
from fermatnet.hw.layers.pipeline import Pipeline
from fermatnet.hw.package import core_file, waivers
from fermatnet.hw.reload import BANK_VERILOG, Loader, LoadPlatform, load_words
from fermatnet.hw.resources import lut_cost
from fermatnet.hw.schedule import Edge, Schedule
from fermatnet.hw.stream.axi import AxiStreamIn, AxiStreamOut, field_bits
from fermatnet.hw.stream.fifo import Fifo
from fermatnet.hw.stream.fork import Fork
from fermatnet.hw.stream.link import link
from fermatnet.hw.stream.width import WidthConverter
from fermatnet.model.atomic import atomic_directory
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network.nodes import Node
from fermatnet.model.network.onnx_file import sha256

__all__ = ["Design", "Top", "add_resources", "build", "generate", "load_burst", "plan", "weight_words"]

TOP = "fermatnet"


class Stage(wiring.Component):
    """One layer in place: for each input a queue and a width conversion where the schedule wants them, the block, and a fork.

    Members: i0, i1, ... : In(stream) with the lanes of the producer; o0, o1, ... : Out(stream), one for each reader;
    w : In(stream) where the layer's weights come from outside.
    """

    def __init__(self, core: wiring.Component, edges: list[Edge], shapes: list[Shape], channels: list[int], readers: int):
        self.core, self.edges, self.shapes, self.channels, self.readers = core, edges, shapes, channels, readers
        self.layout = core.o.payload.shape()
        super().__init__({
            **{f"i{k}": In(stream.Signature(data.ArrayLayout(shape, edge.lanes_from))) for k, (shape, edge) in enumerate(zip(shapes, edges, strict=True))},
            **{f"o{k}": Out(stream.Signature(self.layout)) for k in range(readers)},
            **({"w": In(stream.Signature(core.w.payload.shape()))} if hasattr(core, "w") else {}),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = self.core
        if hasattr(self.core, "w"):
            wiring.connect(m, wiring.flipped(self.w), self.core.w)
        for k, edge in enumerate(self.edges):
            source, shape = getattr(self, f"i{k}"), self.shapes[k]
            if edge.before:
                source = self._queue(m, f"queue{k}", source, shape, edge.lanes_from, edge.before)
            way = schedule.conversions(edge.lanes_from, edge.lanes_to)
            for step, (a, b) in enumerate(itertools.pairwise(way)):
                converter = WidthConverter(shape, a, b, max(a, b))
                m.submodules[f"width{k}_{step}"] = converter
                link(m, source, converter.i)
                source = converter.o
            if edge.after:
                source = self._queue(m, f"wait{k}", source, shape, edge.lanes_to, edge.after)
            link(m, source, self.core.i if len(self.edges) == 1 else getattr(self.core, f"i{k}"))
        if self.readers == 1:
            link(m, self.core.o, self.o0)
        else:
            m.submodules.fork = fork = Fork(self.layout, self.readers)
            wiring.connect(m, self.core.o, fork.i)
            for k, o in enumerate(fork.outputs):
                wiring.connect(m, o, wiring.flipped(getattr(self, f"o{k}")))
        return m

    @staticmethod
    def _queue(m, name, source, shape, lanes, depth):
        m.submodules[name] = queue = Fifo(data.ArrayLayout(shape, lanes), depth)
        link(m, source, queue.i)
        return queue.o


@dataclass
class Design:
    """A network with every choice made: folds, lanes, schedule, components."""

    net: Network
    layers: dict[str, Layer]
    folds: dict[str, Fold]
    paces: dict[str, Pace]
    schedule: Schedule
    components: dict[str, wiring.Component]
    source: Network | None = None       # the real weights, where ``net`` is the envelope of a reloadable design
    bounds: Bounds | None = None

    @property
    def cycles_per_image(self) -> int:
        return self.schedule.period

    @property
    def latency(self) -> int:
        return self.schedule.latency

    @property
    def latency_bound(self) -> int:
        return self.schedule.latency_bound

    @property
    def reloadable(self) -> bool:
        return self.source is not None

    @property
    def external(self) -> list[str]:
        """Layers whose weights come from outside, in order."""
        return [name for name, layer in self.layers.items() if layer.external]

    def stage(self, node: Node) -> Stage:
        """One layer in place, new at each call (its block is the same)."""
        net = self.net
        edges = [self.schedule.edges[node.name, k] for k in range(len(node.inputs))]
        shapes = [shape_of(net.types[name]) if name == net.input_name else self.components[name].o.payload.shape().elem_shape for name in node.inputs]
        readers = max(1, len(net.consumers(node.name)) + (node.name == net.output))
        return Stage(self.components[node.name], edges, shapes, [net.types[name].shape[0] for name in node.inputs], readers)

    def instances(self) -> dict[str, str]:
        """Instance name of each layer: the node's name with what Verilog allows in it, kept unique."""
        names: dict[str, str] = {}
        for name in self.layers:
            base = re.sub(r"\W", "_", name)
            if not base or base[0].isdigit() or base in ("source", "sink"):
                base = f"layer_{base}"
            instance, copy = base, 1
            while instance in names.values():
                copy += 1
                instance = f"{base}_{copy}"
            names[name] = instance
        return names


_LOAD_MEMBERS = {
    "s_load_tdata": In(32), "s_load_tvalid": In(1), "s_load_tready": Out(1), "s_load_tlast": In(1), "load_ok": Out(1), "load_error": Out(1),
}


class Top(wiring.Component):
    """The network between AXI4-Stream ports: ``s_axis_*`` takes images, ``m_axis_*`` gives results; clk and rst are implied.

    Latency: ``design.latency`` cycles from the first beat of an image to the first beat of its result.
    Throughput: one image in ``design.cycles_per_image`` cycles.
    """

    def __init__(self, design: Design):
        self.design = design
        net = design.net
        self.source_shape, self.source_lanes = shape_of(net.types[net.input_name]), design.paces[net.input_name].lanes
        self.sink_shape, self.sink_lanes = shape_of(net.types[net.output]), design.paces[net.output].lanes
        self.latency, self.cycles = design.latency, design.cycles_per_image
        self.loader = Loader() if design.reloadable else None
        instances = design.instances()
        self.weight_ports = {name: f"w_{instances[name]}" for name in design.external}
        super().__init__({
            **self._weight_members(), **(_LOAD_MEMBERS if design.reloadable else {}),
            "s_axis_tdata": In(field_bits(self.source_shape) * self.source_lanes), "s_axis_tvalid": In(1), "s_axis_tready": Out(1),
            "s_axis_tlast": In(1),
            "m_axis_tdata": Out(field_bits(self.sink_shape) * self.sink_lanes), "m_axis_tvalid": Out(1), "m_axis_tready": In(1),
            "m_axis_tlast": Out(1),
        })

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
            source.tdata.eq(self.s_axis_tdata), source.tlast.eq(self.s_axis_tlast),
            self.m_axis_tdata.eq(sink.tdata), self.m_axis_tvalid.eq(sink.tvalid), sink.tready.eq(self.m_axis_tready),
            self.m_axis_tlast.eq(sink.tlast),
        ]
        offers = {net.input_name: self._offers(m, source, len(net.consumers(net.input_name)))}
        instances = design.instances()
        for node in net.nodes:
            stage = design.stage(node)
            m.submodules[instances[node.name]] = Scoped(stage, inside) if self.loader else stage
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
        """Lets images in; a loader that waits to swap holds the next one back until those inside have left."""
        loader, closed = self.loader, Signal()
        m.d.comb += [source.tvalid.eq(self.s_axis_tvalid & ~closed), self.s_axis_tready.eq(source.tready & ~closed)]
        if loader is None:
            return
        beat, inside, enters, leaves = Signal(range(max(2, beats))), Signal(16), Signal(), Signal()
        accept = self.s_axis_tvalid & self.s_axis_tready
        m.d.comb += [
            closed.eq(loader.hold & (beat == 0)), enters.eq(accept & (beat == 0)), loader.empty.eq(inside == 0),
            leaves.eq(sink.tvalid & sink.tready & sink.tlast),
            loader.tdata.eq(self.s_load_tdata), loader.tvalid.eq(self.s_load_tvalid), loader.tlast.eq(self.s_load_tlast),
            self.s_load_tready.eq(loader.tready), self.load_ok.eq(loader.ok), self.load_error.eq(loader.error),
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


def _folds(net: Network, layers: dict[str, Layer], cycles: int | None, luts: float | None, folds: Mapping[str, Fold] | None,
           budget: float) -> tuple[dict[str, Fold], int]:
    """Folds and the period they were chosen for."""
    floor = max(beats_of(t, t.shape[0]) for t in net.types.values())
    if folds is not None:
        chosen = folding.check_folds(layers, folds)
    elif cycles is not None:
        chosen = folding.fold_for_cycles(layers, cycles, lut_cost, floor)
    elif luts is not None:
        chosen = folding.fold_for_luts(layers, luts, lut_cost, floor)
    else:
        try:
            chosen = folding.fold_for_luts(layers, budget, lut_cost, floor)
        except InputError:
            chosen = folding.check_folds(layers, {})
    return chosen, cycles or max(floor, *(layer.cycles(chosen[name]) for name, layer in layers.items()))


def plan(net: Network, *, cycles: int | None = None, luts: float | None = None, folds: Mapping[str, Fold] | None = None,
         device: str = "ecp5-85k", depths: Mapping[tuple[str, int], tuple[int, int]] | None = None,
         external: Collection[str] | str = "auto", reloadable: bool = False, bounds: Bounds | None = None) -> Design:
    """Every choice for a network: folds (for ``cycles`` an image, for ``luts``, by hand, or the fastest that takes half of the
    device), lanes, rings, queues. ``depths`` overrides the queues of edges (for tests that show what smaller ones cost).

    ``external``: layers whose weights stream in from outside; "auto": the largest ones, as many as do not fit the device's block
    memories; "none". ``reloadable``: built for any weights within ``bounds`` (by default those of `fermatnet.hw.envelope`).
    """
    capacity, real = find_device(device), None
    if reloadable:
        real, bounds = net, bounds or bounds_of(net)
        net = envelope(real, bounds)
    layers = {node.name: layer_of(net, node) for node in net.nodes}
    for layer in layers.values():
        layer.target = _TREES.get(device, "generic")
    chosen, target = _folds(net, layers, cycles, luts, folds, capacity.luts / 2)
    edges, paces = schedule.lanes_plan(net, layers, chosen, target)
    period = schedule.least_period(net, layers, chosen, edges, paces)
    if cycles is not None and period > cycles:
        raise InputError(f"{cycles} cycles an image cannot be met: {period} is the nearest")
    lanes = {node.name: [edge.lanes_to for edge in edges if edge.consumer == node.name] for node in net.nodes}
    components = {name: layer.build(chosen[name], lanes[name]) for name, layer in layers.items()}
    models = {name: layer.model(components[name], chosen[name], lanes[name]) for name, layer in layers.items()}
    made = schedule.make(net, models, edges, paces, period)
    outside = _external(layers, components, made, external, capacity.brams * capacity.bram_bits)
    for name in outside:
        layers[name].external = True
    for name in {*made.rows, *outside}:
        components[name] = layers[name].build(chosen[name], lanes[name], made.rows.get(name, 0))
    for key, (before, after) in (depths or {}).items():
        made.edges[key] = replace(made.edges[key], before=before, after=after)
    if real is not None:
        for node in real.nodes:
            fill(components[node.name], layers[node.name], node)
    return Design(net, layers, chosen, paces, made, components, real, bounds)


_TREES = {"ecp5-85k": "ecp5", "xc7": "lut6", "asic": "asic"}


def _external(layers: dict[str, Layer], components: dict[str, wiring.Component], made: Schedule, external: Collection[str] | str,
              capacity: int) -> list[str]:
    """Layers whose weights go outside."""
    bits = {}
    for name, layer in layers.items():
        if isinstance(layer, Matrix):
            component: Any = components[name]
            bits[name] = weight_bits(component.parts[1] if isinstance(component, Pipeline) else component)
    if external == "none":
        return []
    if external != "auto":
        unknown = sorted(set(external) - set(bits))
        if unknown:
            raise InputError(f"weights of {unknown[0]!r} cannot come from outside: choose among {', '.join(bits) or 'no layer'}")
        return [name for name in bits if name in external]
    queues = sum(edge.width * (edge.before * edge.lanes_from + edge.after * edge.lanes_to) for edge in made.edges.values())
    left = capacity - queues - sum(_ring_bits(component) for component in components.values()) - sum(bits.values())
    outside = []
    for name in sorted(bits, key=lambda name: -bits[name]):
        if left >= 0:
            break
        left += bits[name]
        outside.append(name)
    return [name for name in bits if name in outside]


def _ring_bits(component: Any) -> int:
    window = component.parts[0] if isinstance(component, Pipeline) else getattr(component, "window", None)
    return window.rows * window.width * window.channels * window.shape.width if window is not None else 0


def build(net: Network, folds: Mapping[str, Fold] | None = None, *, cycles: int | None = None) -> Top:
    """The top-level component for folds by hand, or for a number of cycles an image."""
    return Top(plan(net, folds=folds, cycles=cycles))


def _cycles_wanted(fps: float | None, cycles: int | None, luts: float | None, clock_mhz: float) -> int | None:
    if sum(goal is not None for goal in (fps, cycles, luts)) > 1:
        raise InputError("give only one of fps, cycles and luts")
    if clock_mhz <= 0:
        raise InputError(f"the clock must be above 0 MHz, not {clock_mhz}")
    if fps is not None:
        if fps <= 0:
            raise InputError(f"images per second must be above 0, not {fps}")
        return int(clock_mhz * 1e6 / fps)
    if cycles is not None and cycles < 1:
        raise InputError(f"cycles must be at least 1, not {cycles}")
    return cycles


def interface(design: Design, name: str, memories: list[str], clock_mhz: float, device: str) -> dict[str, Any]:
    """What a user or a test bench has to know about the generated files."""
    net, instances = design.net, design.instances()

    def port(prefix: str, tensor: str) -> dict[str, Any]:
        shape, lanes = shape_of(net.types[tensor]), design.paces[tensor].lanes
        bits = field_bits(shape)
        return {"port": prefix, "tdata_bits": bits * lanes, "lanes": lanes, "element_bits": bits, "element_signed": shape.signed,
                "value_bits": shape.width, "shape": list(net.types[tensor].shape), "range": [net.types[tensor].lo, net.types[tensor].hi],
                "beats_per_image": beats_of(net.types[tensor], lanes)}

    layers = []
    for node in net.nodes:
        layer, fold = design.layers[node.name], design.folds[node.name]
        edges = [design.schedule.edges[node.name, k] for k in range(len(node.inputs))]
        layers.append({"name": node.name, "op": layer.kind, "instance": instances[node.name], "inputs": list(node.inputs),
                       "cycles": max(layer.cycles(fold), beats_of(net.types[node.name], design.paces[node.name].lanes)),
                       "pe": fold.pe, "simd": fold.simd, "lanes_in": [edge.lanes_to for edge in edges],
                       "lanes_out": design.paces[node.name].lanes, "queues": [edge.before + edge.after for edge in edges],
                       "shape": list(net.types[node.name].shape), "bits": net.types[node.name].bits})
    return {
        "format": 1, "name": name, "top": TOP, "clock": "clk", "reset": "rst",
        "files": {"verilog": [f"{TOP}.v"], "memories": memories, "core": f"{TOP}.core", "waivers": f"{TOP}.vlt"},
        "input": port("s_axis", net.input_name), "output": port("m_axis", net.output),
        "latency_cycles": design.latency, "latency_bound_cycles": design.latency_bound,
        "cycles_per_image": design.cycles_per_image, "clock_mhz": clock_mhz, "device": device,
        "network_sha256": sha256(design.source or net), "layers": layers,
        "external": [{"layer": name, "port": f"w_{instances[name]}", "file": f"w_{instances[name]}.hex",
                      **_weight_port(design.components[name])} for name in design.external],
        **({"reload": {"port": "s_load", "tdata_bits": 32, "file": "load.hex", "bounds": design.bounds}} if design.reloadable else {}),
    }


def add_resources(description: dict[str, Any], design: Design, device: str) -> None:
    """Predicted LUTs, flip-flops, block memories and multipliers: ``resources`` of each of the ``layers``, of the edge and in all."""
    found = resources_layers.by_layer(design, device)
    for layer in description["layers"]:
        layer["resources"] = resources_layers.row(found[layer["name"]])
    edge, whole = found[resources_layers.EDGE], resources_layers.total(found)
    description["resources"] = {"device": device, "edge": resources_layers.row(edge), "total": resources_layers.row(whole)}


def _weight_port(component: Any) -> dict[str, int]:
    streamed = component.parts[1] if isinstance(component, Pipeline) else component
    return {"tdata_bits": -(-streamed.width // 8) * 8, "width": streamed.width, "words": streamed.cycles}


def generate(net: Network, out_dir: str | Path, *, fps: float | None = None, cycles: int | None = None, luts: float | None = None,
             clock_mhz: float = 100.0, device: str = "ecp5-85k", force: bool = False, folds: Mapping[str, Fold] | None = None,
             external: Collection[str] | str = "auto", reloadable: bool = False, resources: bool = False) -> dict[str, Any]:
    """Writes fermatnet.v, its memories, fermatnet.core, fermatnet.vlt and interface.json; returns the interface.

    With weights from outside also ``w_<instance>.hex``, what each weight port has to bring over and over; with ``reloadable`` also
    ``load.hex``, the burst that loads these weights. With ``resources`` the interface says what each layer is predicted to take on
    ``device`` (`fermatnet.hw.resources_layers`; seconds for a large network). The folder appears whole or not at all. Raises
    InputError, before anything is written, for goals that cannot be met (with the nearest that can), folds that do not divide, layers that cannot be
    generated and unknown devices.
    """
    find_device(device)
    wanted = _cycles_wanted(fps, cycles, luts, clock_mhz)
    if resources:
        resources_layers.check(device, reloadable)
    design = plan(net, cycles=wanted, luts=luts, folds=folds, device=device, external=external, reloadable=reloadable)
    with atomic_directory(out_dir, force=force) as folder:
        top = Top(design)
        emitted = _emit(top)
        emitted.write(folder)
        description = interface(design, net.meta.get("name", "network"), list(emitted.memories), clock_mhz, device)
        for port in description["external"]:
            (folder / port["file"]).write_text(_hex(weight_words(design, port["layer"]), port["width"]))
        if top.loader:
            burst = load_words(top.loader.layout)
            (folder / "load.hex").write_text(_hex(burst, 32))
            description["reload"] |= {"words": len(burst), "structure_sha256": hashlib.sha256(emitted.verilog.encode()).hexdigest()}
        if resources:
            add_resources(description, design, device)
        (folder / "interface.json").write_text(json.dumps(description, indent=2) + "\n")
        (folder / f"{TOP}.core").write_text(core_file(description))
        (folder / f"{TOP}.vlt").write_text(waivers())
    return description


def _emit(top: Top) -> verilog.Emitted:
    emitted = verilog.emit(top, TOP)
    return replace(emitted, verilog=BANK_VERILOG + "\n" + emitted.verilog) if top.loader else emitted


def _hex(words: list[int], width: int) -> str:
    return "".join(f"{word:0{-(-width // 4)}x}\n" for word in words)


def weight_words(design: Design, name: str) -> list[int]:
    """What the weight port of a layer has to bring for one output pixel, over and over."""
    component: Any = design.components[name]
    return (component.parts[1] if isinstance(component, Pipeline) else component).array.words()


def load_burst(net: Network, directory: str | Path) -> list[int]:
    """The 32-bit words that load ``net`` into a reloadable design generated for another set of weights.

    Raises InputError, naming the layer where it can, when the network has another structure or goes beyond the design's bounds.
    """
    try:
        description = json.loads((Path(directory) / "interface.json").read_text())
        reload = description["reload"]
        folds = {layer["name"]: Fold(layer["pe"], layer["simd"]) for layer in description["layers"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{directory} holds no reloadable design") from error
    if [node.name for node in net.nodes] != list(folds):
        raise InputError("the network's layers are not those of the design")
    external = [port["layer"] for port in description["external"]] or "none"
    design = plan(net, folds=folds, device=description["device"], external=external, reloadable=True, bounds=reload["bounds"])
    top = Top(design)
    if hashlib.sha256(_emit(top).verilog.encode()).hexdigest() != reload["structure_sha256"]:
        raise InputError("the network has another structure than the design: shapes, levels, scales or clip ranges differ")
    assert top.loader
    return load_words(top.loader.layout)
