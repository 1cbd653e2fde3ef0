"""Reading ``interface.json``, the description that lies beside every generated design."""

import json
from math import prod
from pathlib import Path
from typing import Any

from fermatnet.hw.devices import Device
from fermatnet.hw.stream.length_check import COUNT_BITS
from fermatnet.model.errors import InputError
from fermatnet.model.json_shape import SIZE, validate
from fermatnet.model.network.inputs import DTYPES

__all__ = ["edge_ports", "need_cells", "read_interface", "stream_ports"]

_DESIGN = {"format": int, "name": str, "top": str, "files": {"verilog": [str], "memories": [str]}}
_PORT = {
    "lanes": SIZE,
    "tdata_bits": SIZE,
    "element_bits": range(1, 65),
    "element_signed": bool,
    "beats_per_image": SIZE,
    "shape": [SIZE, SIZE, SIZE],
}
_NETWORK = {
    "clock": str,
    "reset": str,
    "input": _PORT,
    "output": _PORT,
    "cycles_per_image": SIZE,
    "latency_cycles": SIZE,
}
_BLOCK = {"options": dict, "ports": [{"name": str}], "latency_cycles": int | None}
_OPTIONAL = {
    "value_bits": range(1, 65),
    "range": [int, int],
    "dtype": str,
    "dims": [SIZE],
    "clock_mhz": float,
    "layers": [dict],
    "external": [{"layer": str, "port": str, "file": str, "tdata_bits": SIZE, "width": SIZE, "words": SIZE}],
    "reload": {"port": str, "tdata_bits": SIZE},
    "stream": {
        "tlast": str,
        "frame_buffer": bool,
        "tdata_width": str | int,
        "tkeep": bool,
        "early_beats": int,
    },
}
_KINDS = {"network": _NETWORK, "block": _BLOCK}


def read_interface(directory: Path, kind: str = "design") -> dict[str, Any]:
    """``interface.json`` of a generated design; `InputError` when it is missing, foreign, damaged, or names
    files that are not there.

    ``kind``: what is wanted, a "network", a stand-alone "block", or any "design" (then only what all have in
    common is looked at).
    """
    path = Path(directory) / "interface.json"
    try:
        interface = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{directory} holds no generated design: {path}: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{path} is not JSON") from None
    _need_known(interface, _DESIGN, path)
    if kind in _KINDS:
        found = "network" if "input" in interface else "block"
        if found != kind:
            raise InputError(f"{directory} holds the {found} {interface['name']!r}, a {kind} is wanted")
        _need_known(interface, _KINDS[kind], path)
    for side in ("input", "output") if kind == "network" else ():
        for port in stream_ports(interface, side):
            _need_port(port, path, side)
    feeds = [feed["file"] for feed in interface.get("external", ())]
    for name in (*interface["files"]["verilog"], *interface["files"]["memories"], *feeds):
        if Path(name).name != name or not (Path(directory) / name).is_file():
            raise InputError(f"{directory} is incomplete: {name} is missing")
    return interface


def need_cells(interface: dict[str, Any], device: Device, directory: Path) -> None:
    """`InputError` where the design in ``directory`` names cells of a family that ``device`` is not of."""
    cells, family = interface.get("vendor_cells", ()), interface.get("target")
    if cells and family != device.family:
        raise InputError(
            f"{directory} was generated with cells of {family} ({', '.join(cells)}), which {device.name} "
            f"does not have: generate it with --device {device.name}, or for any device with --target plain"
        )


def stream_ports(interface: dict[str, Any], side: str) -> list[dict[str, Any]]:
    """Descriptions of a network's streams of one ``side``, "input" or "output", in order."""
    return interface.get(f"{side}s") or [interface[side]]


def edge_ports(interface: dict[str, Any]) -> list[tuple[str, str, int]]:
    """Ports of a network's streams beside tdata, tvalid, tready and tlast: ("input" or "output", name, bits)
    each."""
    stream, ports = interface.get("stream", {}), []
    if stream.get("tkeep"):
        ports += [
            (side, f"{port.get('port', default)}_tkeep", port["tdata_bits"] // 8)
            for side, default in (("input", "s_axis"), ("output", "m_axis"))
            for port in stream_ports(interface, side)
        ]
    if stream.get("tlast") == "check":
        ports += [
            ("output", f"{port.get('port', 'm_axis')}_tuser", 1) for port in stream_ports(interface, "output")
        ]
        ports += [
            ("output", "error", 1),
            ("output", "error_count", COUNT_BITS),
        ]
    return ports


def _need_known(found: Any, shape: dict[str, Any], path: Path, at: str = "") -> None:
    validate(
        found,
        {
            **shape,
            **{key: kind for key, kind in _OPTIONAL.items() if isinstance(found, dict) and key in found},
        },
        path,
        at,
    )


def _need_port(port: dict[str, Any], path: Path, side: str) -> None:
    _need_known(port, _PORT | ({"name": str} if "name" in port else {}), path, f"{side}.")
    if port.get("dtype", "int8") not in DTYPES or prod(port.get("dims", port["shape"])) != prod(
        port["shape"]
    ):
        raise InputError(
            f"{path} is damaged: {side} of shape {port['shape']} cannot hold {port['dtype']} "
            f"of shape {port.get('dims', port['shape'])}"
        )
    if (
        port["tdata_bits"] % 8
        or port["lanes"] * port["element_bits"] > port["tdata_bits"]
        or port["lanes"] * port["beats_per_image"] != prod(port["shape"])
    ):
        raise InputError(
            f"{path} contradicts itself: {side} of shape {port['shape']} in {port['beats_per_image']} beats "
            f"of {port['tdata_bits']} bits, "
            f"{port['lanes']} lanes of {port['element_bits']} each"
        )
