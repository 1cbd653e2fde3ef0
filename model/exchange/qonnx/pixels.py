"""What the integers of the input mean: the first quantizer says for which reals it was made."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label
from fermatnet.model.exchange.qonnx.graph import Graph
from fermatnet.model.exchange.qonnx.values import Value

__all__ = ["OtherPixels", "judge"]

_USUAL = (1 / 255, 1 / 256)  # what training code multiplies pixels with
_MOST = 0.75  # share of the pixels that may fall on one integer


class OtherPixels(InputError):
    """The first quantizer was made for pixels times ``scale``."""

    def __init__(self, scale: float):
        super().__init__(f"the network takes pixels times {scale}")
        self.scale = scale


def judge(g: Graph, node: onnx.NodeProto, x: Value, index: Callable[[np.ndarray, Value], np.ndarray]) -> None:
    """Raises `OtherPixels` where only a usual factor gives every pixel an integer of its own, InputError
    where pixels are lost.

    ``index`` (C, k): the quantizer's integer of pixels (C, k), for a value like x. Pixels as they are pass
    where no single integer stands for more than three quarters of them.
    """
    kind = g.build.types[x.name]
    pixels = np.tile(np.arange(kind.lo, kind.hi + 1), (kind.shape[0], 1))
    found = index(pixels, x)
    share, at = _largest_share(found)
    if share <= _MOST or pixels.shape[1] < 4:
        return
    if len(pixels[0]) == 256:
        for scale in _USUAL:
            other = index(pixels, replace(x, scale=x.scale * scale))
            if (np.abs(np.diff(other, axis=1)) == 1).all():
                raise OtherPixels(scale)
    raise InputError(
        f"{label(node)}: {round(share * pixels.shape[1])} of the {pixels.shape[1]} pixel values "
        f"{kind.lo}..{kind.hi} fall on one of its integers "
        f"({at}): the network was made for other inputs; say --input-scale 1/255 if its pixels are divided "
        "by 255 first, --input-scale 1 "
        "if they are not, or give their true --range"
    )


def _largest_share(found: np.ndarray) -> tuple[float, int]:
    """The largest share of a row's entries that are equal, and which they are."""
    best = (0.0, 0)
    for row in found:
        values, counts = np.unique(row, return_counts=True)
        best = max(best, (float(counts.max() / row.size), int(values[counts.argmax()])))
    return best
