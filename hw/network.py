# amaranth: UnusedElaboratable=no
"""The network compiler: from a network to a top level with AXI4-Stream edges, and the folder of files around it."""

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.hdl import Module, Shape
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw import folding, schedule, verilog
from fermatnet.hw.devices import device as find_device
from fermatnet.hw.layers import Fold, Layer, Pace, beats_of, layer_of, link, shape_of
from fermatnet.hw.resources import lut_cost
from fermatnet.hw.schedule import Edge, Schedule
from fermatnet.hw.stream.axi import AxiStreamIn, AxiStreamOut, field_bits
from fermatnet.hw.stream.fifo import Fifo
from fermatnet.hw.stream.fork import Fork
from fermatnet.hw.stream.width import WidthConverter
from fermatnet.model.atomic import atomic_directory
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network.onnx_file import sha256

__all__ = ["Design", "build", "generate", "plan"]

TOP = "fermatnet"


class Stage(wiring.Component):
    """One layer in place: for each input a queue and a width conversion where the schedule wants them, the block, and a fork.

    Members: i0, i1, ... : In(stream) with the lanes of the producer; o0, o1, ... : Out(stream), one for each reader.
    """

    def __init__(self, core: wiring.Component, edges: list[Edge], shapes: list[Shape], channels: list[int], readers: int):
        self.core, self.edges, self.shapes, self.channels, self.readers = core, edges, shapes, channels, readers
        self.layout = core.o.payload.shape()
        super().__init__({
            **{f"i{k}": In(stream.Signature(data.ArrayLayout(shape, edge.lanes_from))) for k, (shape, edge) in enumerate(zip(shapes, edges, strict=True))},
            **{f"o{k}": Out(stream.Signature(self.layout)) for k in range(readers)},
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = self.core
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

    @property
    def cycles_per_image(self) -> int:
        return self.schedule.period

    @property
    def latency(self) -> int:
        return self.schedule.latency

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
        super().__init__({
            "s_axis_tdata": In(field_bits(self.source_shape) * self.source_lanes), "s_axis_tvalid": In(1), "s_axis_tready": Out(1),
            "s_axis_tlast": In(1),
            "m_axis_tdata": Out(field_bits(self.sink_shape) * self.sink_lanes), "m_axis_tvalid": Out(1), "m_axis_tready": In(1),
            "m_axis_tlast": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        net, design = self.design.net, self.design
        m.submodules.source = source = AxiStreamIn(self.source_shape, lanes=self.source_lanes)
        beats = beats_of(net.types[net.output], self.sink_lanes)
        m.submodules.sink = sink = AxiStreamOut(self.sink_shape, lanes=self.sink_lanes, beats=beats)
        m.d.comb += [
            source.tdata.eq(self.s_axis_tdata), source.tvalid.eq(self.s_axis_tvalid), self.s_axis_tready.eq(source.tready),
            source.tlast.eq(self.s_axis_tlast),
            self.m_axis_tdata.eq(sink.tdata), self.m_axis_tvalid.eq(sink.tvalid), sink.tready.eq(self.m_axis_tready),
            self.m_axis_tlast.eq(sink.tlast),
        ]
        offers = {net.input_name: self._offers(m, source, len(net.consumers(net.input_name)))}
        shapes = {net.input_name: self.source_shape}
        instances = design.instances()
        for node in net.nodes:
            core = design.components[node.name]
            readers = max(1, len(net.consumers(node.name)) + (node.name == net.output))
            edges = [design.schedule.edges[node.name, k] for k in range(len(node.inputs))]
            stage = Stage(core, edges, [shapes[name] for name in node.inputs], [net.types[name].shape[0] for name in node.inputs], readers)
            m.submodules[instances[node.name]] = stage
            for k, name in enumerate(node.inputs):
                wiring.connect(m, offers[name].pop(0), getattr(stage, f"i{k}"))
            offers[node.name] = [getattr(stage, f"o{k}") for k in range(readers)]
            shapes[node.name] = stage.layout.elem_shape
        link(m, offers[net.output].pop(0), sink.i)
        return m

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
         device: str = "ecp5-85k", depths: Mapping[tuple[str, int], tuple[int, int]] | None = None) -> Design:
    """Every choice for a network: folds (for ``cycles`` an image, for ``luts``, by hand, or the fastest that takes half of the
    device), lanes, rings, queues. ``depths`` overrides the queues of edges (for tests that show what smaller ones cost)."""
    capacity = find_device(device)
    layers = {node.name: layer_of(net, node) for node in net.nodes}
    chosen, target = _folds(net, layers, cycles, luts, folds, capacity.luts / 2)
    edges, paces = schedule.lanes_plan(net, layers, chosen, target)
    period = schedule.least_period(net, layers, chosen, edges, paces)
    if cycles is not None and period > cycles:
        raise InputError(f"{cycles} cycles an image cannot be met: {period} is the nearest")
    lanes = {node.name: [edge.lanes_to for edge in edges if edge.consumer == node.name] for node in net.nodes}
    components = {name: layer.build(chosen[name], lanes[name]) for name, layer in layers.items()}
    models = {name: layer.model(components[name], chosen[name], lanes[name]) for name, layer in layers.items()}
    made = schedule.make(net, models, edges, paces, period)
    for name, rows in made.rows.items():
        components[name] = layers[name].build(chosen[name], lanes[name], rows)
    for key, (before, after) in (depths or {}).items():
        edge = made.edges[key]
        made.edges[key] = Edge(edge.producer, edge.consumer, edge.index, edge.lanes_from, edge.lanes_to, edge.width, before, after)
    return Design(net, layers, chosen, paces, made, components)


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
        "latency_cycles": design.latency, "cycles_per_image": design.cycles_per_image, "clock_mhz": clock_mhz, "device": device,
        "network_sha256": sha256(net), "layers": layers,
    }


def generate(net: Network, out_dir: str | Path, *, fps: float | None = None, cycles: int | None = None, luts: float | None = None,
             clock_mhz: float = 100.0, device: str = "ecp5-85k", force: bool = False, folds: Mapping[str, Fold] | None = None) -> dict[str, Any]:
    """Writes fermatnet.v, its memories, fermatnet.core, fermatnet.vlt and interface.json; returns the interface.

    The folder appears whole or not at all. Raises InputError, before anything is written, for goals that cannot be met (with
    the nearest that can), folds that do not divide, layers that cannot be generated and unknown devices.
    """
    from fermatnet.hw.package import core_file, waivers

    find_device(device)
    wanted = _cycles_wanted(fps, cycles, luts, clock_mhz)
    design = plan(net, cycles=wanted, luts=luts, folds=folds, device=device)
    with atomic_directory(out_dir, force=force) as folder:
        emitted = verilog.emit(Top(design), TOP)
        emitted.write(folder)
        description = interface(design, net.meta.get("name", "network"), list(emitted.memories), clock_mhz, device)
        (folder / "interface.json").write_text(json.dumps(description, indent=2) + "\n")
        (folder / f"{TOP}.core").write_text(core_file(description))
        (folder / f"{TOP}.vlt").write_text(waivers())
    return description
