"""torch -> network file: layers become integer nodes, norms and scales become thresholds and multipliers.

Batch norm, weight scale and the next activation's end-points fold into integer thresholds *by bisection of
the float64 function that evaluation computes*: the threshold of piece j is the smallest accumulator at which
the model itself says j.
So the integer forward pass and the model's agree index for index, rounding included. A negative gamma flips
the sign; gamma = 0 gives a constant index.
"""

import json
import platform
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.exporter import Exporter, Value
from fermatnet.model.network import Network
from fermatnet.model.nn.door.compare import compare_network
from fermatnet.model.nn.door.images import check_images, check_range, check_shape, probes
from fermatnet.model.nn.door.report import Report
from fermatnet.model.nn.door.steps import without_step
from fermatnet.model.nn.door.wrappers import unwrapped
from fermatnet.model.nn.layers import PixelScale
from fermatnet.model.nn.walk import walk

__all__ = ["export", "versions"]


def versions() -> dict[str, str]:
    """What made the file: for its metadata and for reports."""
    return {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}


@torch.no_grad()
def export(
    model: nn.Module,
    shape: tuple[int, int, int],
    value_range: tuple[int, int] | None = None,
    *,
    name: str = "network",
    engine: str = "auto",
    meta: dict[str, Any] | None = None,
    images: Tensor | None = None,
    check: bool = True,
) -> Network:
    """The network file of a trained model, compared with the model in evaluation, integer for integer.

    Parameters
    ----------
    model : the quantized twin, of `fermatnet.model.nn.convert.convert` or of the zoo
    name : stands in the file
    shape, value_range : the raw image (C, H, W) and the inclusive range of its pixels; None: all pixels of
    the bits that the model was
        converted for.
    engine : of the integer convolutions, "auto", "fermat" or "direct".
    meta : provenance; everything becomes text.
    images : uint8 (n, C, H, W) to compare on; None: the first of the calibration images, or random ones, and
    a black and a white one.
    check : False leaves the comparison out; the metadata key ``compared`` says what was compared.

    Raises InputError naming the layer that the hardware has no node for, and why; or that no data has set a
    layer's step.
    """
    if engine not in ("auto", "fermat", "direct"):
        raise InputError(f"engine must be auto, fermat or direct, not {engine!r}")
    model, shape = unwrapped(model, Report()), check_shape(shape)
    bits = next((module.bits for module in model.modules() if isinstance(module, PixelScale)), None)
    value_range = check_range(value_range, bits)
    if unset := without_step(model):
        raise InputError(
            f"layer {unset!r} has no step yet: give convert some images=, or train the model, before the "
            "export"
        )
    exporter = Exporter(shape, value_range, engine)
    out = exporter.integers(
        "output", walk(model.eval(), exporter, Value("image", np.zeros(shape[0], np.int64)))
    )
    if (out.exponent != out.exponent[0]).any():
        raise InputError("the outputs have different units: the last layer needs one weight step")
    facts: dict[str, Any] = {
        "name": name,
        "output_scale": repr(2.0 ** -int(out.exponent[0])),
        "output_exponent": int(out.exponent[0]),
        **{f"version_{key}": value for key, value in versions().items()},
        **(meta or {}),
    }
    net = Network(
        exporter.nodes,
        shape,
        value_range,
        output=out.name,
        meta={key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()},
    )
    if check:
        kept = images if images is not None else getattr(model, "meta", {}).get("images")
        kept = None if kept is None else check_images(kept, shape, 8).clamp(*value_range)  # type: ignore[union-attr]
        net.meta["compared"] = compare_network(model, net, probes(shape, value_range, kept))
    return net
