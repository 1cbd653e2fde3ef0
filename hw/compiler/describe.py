"""What interface.json says about a design: ports, layers, cycles, files, and what the layers are predicted to
take."""

from collections.abc import Callable
from typing import Any

from fermatnet.hw.compiler.design import Design
from fermatnet.hw.compiler.top import TOP
from fermatnet.hw.layers import beats_of, shape_of
from fermatnet.hw.layers.windowed import array_of
from fermatnet.hw.resources import layers as resources_layers
from fermatnet.hw.rtl.words import whole_bytes
from fermatnet.hw.stream.axi import field_bits
from fermatnet.hw.stream.length_check import COUNT_BITS
from fermatnet.model.network.file.store import sha256

__all__ = ["add_resources", "interface"]


def interface(
    design: Design, name: str, memories: list[str], clock_mhz: float, device: str, *, top: str = TOP
) -> dict[str, Any]:
    """What a user or a test bench has to know about the generated files."""
    net, instances = design.net, design.instances()

    prefixes = design.streams()

    def port(tensor: str) -> dict[str, Any]:
        shape, lanes = shape_of(net.types[tensor]), design.paces[tensor].lanes
        bits = field_bits(shape)
        return {
            "name": tensor,
            "port": prefixes[tensor],
            "tdata_bits": design.options.tdata_bits(prefixes[tensor][:6], bits * lanes),
            "lanes": lanes,
            "element_bits": bits,
            "element_signed": shape.signed,
            "value_bits": shape.width,
            "shape": list(net.types[tensor].shape),
            "range": [net.types[tensor].lo, net.types[tensor].hi],
            "beats_per_image": beats_of(net.types[tensor], lanes),
        }

    seen = (design.source or net).inputs  # the shapes that their owner gave
    inputs = [port(one.name) | {"dtype": one.dtype, "dims": list(one.dims)} for one in seen]
    outputs = [port(name) for name in net.outputs]
    layers = []
    for node in net.nodes:
        layer, fold = design.layers[node.name], design.folds[node.name]
        edges = [design.schedule.edges[node.name, k] for k in range(len(node.inputs))]
        layers.append(
            {
                "name": node.name,
                "op": layer.kind,
                "instance": instances[node.name],
                "inputs": list(node.inputs),
                "cycles": max(
                    layer.cycles(fold), beats_of(net.types[node.name], design.paces[node.name].lanes)
                ),
                "pe": fold.pe,
                "simd": fold.simd,
                "lanes_in": [edge.lanes_to for edge in edges],
                "lanes_out": design.paces[node.name].lanes,
                "queues": [edge.before + edge.after for edge in edges],
                "shape": list(net.types[node.name].shape),
                "bits": net.types[node.name].bits,
                **_pipeline(design.components[node.name]),
            }
        )
    return {
        "format": 1,
        "name": name,
        "top": top,
        "clock": "clk",
        "reset": "rst",
        "files": {
            "verilog": [f"{top}.v"],
            "memories": memories,
            "core": f"{top}.core",
            "waivers": f"{top}.vlt",
        },
        "input": inputs[0],
        "output": outputs[0],
        **({"inputs": inputs, "outputs": outputs} if len(inputs) + len(outputs) > 2 else {}),
        "stream": _stream(design),
        "latency_cycles": design.latency,
        "latency_bound_cycles": design.latency_bound,
        "cycles_per_image": design.cycles_per_image,
        "clock_mhz": clock_mhz,
        "device": device,
        "network_sha256": sha256(design.source or net),
        "layers": layers,
        "external": [
            {
                "layer": name,
                "port": f"w_{instances[name]}",
                "file": f"{top}_w_{instances[name]}.hex",
                **_weight_port(design.components[name]),
            }
            for name in design.external
        ],
        **(
            {
                "reload": {
                    "port": "s_load",
                    "tdata_bits": 32,
                    "file": f"{top}_load.hex",
                    "bounds": design.bounds,
                }
            }
            if design.reloadable
            else {}
        ),
    }


def _stream(design: Design) -> dict[str, Any]:
    """The options of the streams, what becomes of an image of the wrong length, and the ports that tell of
    it."""
    options, source, early = design.options, design.sources()[0], max(design.schedule.early.values())
    found: dict[str, Any] = {
        "tlast": options.tlast,
        "frame_buffer": options.frame_buffer,
        "tdata_width": options.tdata_width,
        "tkeep": options.tkeep,
        "early_beats": early,
    }
    if not source.checked:
        return found | {"bad_images": "not noticed: beats are counted, tlast is ignored"}
    if options.frame_buffer:
        buffer = source.buffer
        found |= {
            "bad_images": "never enter",
            "frame_buffer_words": buffer.depth,
            "frame_buffer_bits": buffer.depth * buffer.width,
        }
    elif early:
        found["bad_images"] = (
            f"dropped, or marked by m_axis_tuser: {early} result beats do not wait for the last input beat"
        )
    else:
        found["bad_images"] = "dropped: no result leaves before the last input beat"
    return found | {
        "tuser": "m_axis_tuser",
        "error": "error",
        "error_count": "error_count",
        "error_count_bits": COUNT_BITS,
    }


def add_resources(
    description: dict[str, Any],
    design: Design,
    device: str,
    progress: Callable[[str], None] | None = None,
    known: dict[Any, resources_layers.Resources] | None = None,
) -> None:
    """Predicted LUTs, flip-flops, block memories and multipliers: ``resources`` of each of the ``layers``, of
    the edge and in all.

    ``progress`` and ``known``: see `fermatnet.hw.resources.layers.by_layer`.
    """
    found = resources_layers.by_layer(design, device, progress, known)
    for layer in description["layers"]:
        layer["resources"] = resources_layers.row(found[layer["name"]])
    edge, whole = found[resources_layers.EDGE], resources_layers.total(found)
    description["resources"] = {
        "device": device,
        "edge": resources_layers.row(edge),
        "total": resources_layers.row(whole),
    }


def _weight_port(component: Any) -> dict[str, int]:
    streamed = array_of(component)
    return {"tdata_bits": whole_bytes(streamed.width), "width": streamed.width, "words": streamed.cycles}


def _pipeline(component: Any) -> dict[str, Any]:
    """Of an array whose sums are cut by the clock: register stages, and the most counters or adders between
    two of them."""
    array = array_of(component)
    if not hasattr(array, "levels") or not hasattr(array, "pipeline"):
        return {}
    return {"pipeline": {"stages": array.pipeline, "logic_levels": array.levels}}
