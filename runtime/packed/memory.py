"""Where tensors lie in a thread's memory: those that live at the same time never overlap, the others
share."""

from collections.abc import Sequence

from fermatnet.runtime.packed.program import Kind
from fermatnet.runtime.packed.storage import Stored

__all__ = ["SLACK", "place_tensors"]

LINE = 64  # tensors begin on cache lines
SLACK = 256  # bytes behind the last tensor that vectors may read, never use


def place_tensors(tensors: Sequence[Stored], images: int) -> int:
    """Sets the offset of every tensor for so many images at once; returns the bytes needed.

    Largest first, each at the lowest place that is free while it lives.
    """
    placed: list[tuple[int, int, Stored]] = []
    total = 0
    for tensor in sorted(tensors, key=lambda t: (-t.image, t.first, t.name)):
        if tensor.storage.kind == Kind.RESULT:
            continue
        size = -(-(tensor.image * images + 16) // LINE) * LINE
        start = 0
        for begin, end, other in sorted(placed, key=lambda p: p[0]):
            together = tensor.first <= other.last and other.first <= tensor.last
            if together and begin < start + size and start < end:
                start = end
        tensor.offset = start
        placed.append((start, start + size, tensor))
        total = max(total, start + size)
    return total + SLACK
