"""What goes into the simulation of a generated network: the images as beats, and how hard both sides
stall."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fermatnet.model.network.inputs import Input
from fermatnet.sim import packing

__all__ = ["checked_images", "write_stimulus"]


def checked_images(images: NDArray[np.integer], port: dict[str, Any]) -> NDArray[np.integer]:
    """Samples (n, C, H, W) of the type, shape and range that the input ``port`` of an interface states, from
    samples (n, *dims) or (n, C, H, W); InputError for anything else. A port that states no type takes uint8.
    """
    images = np.asarray(images)
    shape, (low, high) = tuple(port["shape"]), port.get("range", (0, 255))
    Input("", tuple(port.get("dims", shape)), low, high, port.get("dtype", "uint8")).checked(images)
    return images.reshape(len(images), *shape)


def write_stimulus(
    scratch: Path, interface: dict[str, Any], images: NDArray[np.integer], stalls: int | None, loads: int
) -> dict[str, int]:
    """Writes ``stimulus.hex``, a beat a line, and ``settings.json``, which it returns; ``loads``: words of a
    load before the first image."""
    port, out = interface["input"], interface["output"]
    beats = packing.pack(images, port["lanes"], port["element_bits"])
    digits = np.frombuffer(beats[:, ::-1].tobytes().hex().encode(), np.uint8).reshape(len(beats), -1)
    (scratch / "stimulus.hex").write_bytes(
        np.pad(digits, ((0, 0), (0, 1)), constant_values=ord("\n")).tobytes()
    )
    seeds = np.random.default_rng(stalls).integers(1, 1 << 32, 2) if stalls is not None else (0, 0)
    # with stalls a transfer can take many times as long
    patience = (
        4 * (interface["cycles_per_image"] + interface["latency_cycles"]) * (16 if stalls is not None else 1)
        + 4096
        + 2 * loads
    )
    settings = {
        "seed_s": int(seeds[0]),
        "seed_m": int(seeds[1]),
        "beats_in": len(beats),
        "beats_out": len(images) * out["beats_per_image"],
        "image_in": port["beats_per_image"],
        "image_out": out["beats_per_image"],
        "idle_limit": int(patience),
        "drain": min(4096, int(interface["cycles_per_image"])) + 16,
        **_rates(interface),
        "response_line": out["tdata_bits"] // 4 + 1 + 2 + 17 + 1,
    }
    (scratch / "settings.json").write_text(json.dumps(settings))
    return settings


def _rates(interface: dict[str, Any]) -> dict[str, int]:
    """How hard the stalls press: a side waits for a half, one and a half, or four times the cycles it needs
    for a beat anyway."""
    period = int(interface["cycles_per_image"])
    rates = {"phase": (1 << max(6, period.bit_length() - 1)) - 1}
    for side, port in (("s", interface["input"]), ("m", interface["output"])):
        interval = max(1.0, period / port["beats_per_image"])
        for name, share in (("light", 0.5), ("heavy", 1.5), ("closed", 4.0)):
            rates[f"{name}_{side}"] = max(1, round(65536 / (1 + share * interval)))
    return rates
