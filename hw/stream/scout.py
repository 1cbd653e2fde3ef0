"""Which windows over a raster stream are complete: found ahead of the reader, so that it never waits for a
comparison."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed

from fermatnet.hw.stream.loop_nest import LoopNest

__all__ = ["Scout", "Written"]

AHEAD = 3
"""Windows that are found before the reader ends them: with two it would miss a cycle at a window's end."""


@dataclass(frozen=True)
class Written:
    """How far the writer is: the last pixel of a row comes in this cycle (``row_end``), and so many pixels
    are complete in the row being written (``columns``)."""

    row_end: Signal
    columns: Signal


class Scout:
    """Walks over the windows of a `fermatnet.hw.stream.window_plan.WindowPlan` in module ``m``, as far as
    their last pixel that lies in the image is in memory.

    Attributes
    ----------
    some : Signal(1)
        A register: a complete window is there, begun or not.
    used : Signal(1)
        To be driven: the reader ends a window in this cycle.

    A window is there one cycle after the one in which its last pixel is known to be in memory. One window a
    cycle.
    """

    def __init__(self, m: Module, plan: Any, written: Written):
        self.some, self.used = Signal(name="some"), Signal(name="used")
        complete, find = Signal(), Signal()
        nest = LoopNest(m, find, [("y_found", plan.rows_out), ("x_found", plan.columns_out)])
        row, column = self._needed(m, plan, find, nest)
        # rows complete of the image being searched, negative while the writer is not there
        rows = Signal(signed((2 * plan.height + plan.rows).bit_length() + 2), name="rows_written")
        image = Mux(nest.end["y_found"], plan.height, 0)
        # A row that has ended is counted a cycle later, from a register: whether it ends is known late. Until
        # then it is one more; the row after it has no pixels yet.
        more = Signal(name="row_ended")
        m.d.sync += [more.eq(written.row_end), rows.eq(rows + more - image)]
        ahead, following = Signal(range(AHEAD + 1), name="ahead"), Signal(range(AHEAD + 1))
        m.d.comb += [
            complete.eq((rows > row) | ((rows == row) & (more | (written.columns > column)))),
            find.eq(complete & (ahead != AHEAD)),
            following.eq(ahead + find - self.used),
        ]
        m.d.sync += [ahead.eq(following), self.some.eq(following != 0)]

    @staticmethod
    def _needed(m: Module, plan: Any, find: Signal, nest: LoopNest) -> list[Signal]:
        """Row and column of the last pixel in the image of the window that is looked for: registers."""
        found = []
        row_end, image_end = nest.end["x_found"], nest.end["y_found"]
        moves = (row_end, image_end, 0), (find, row_end, 1)
        for move, wrap, side in moves:
            size = (plan.height, plan.width)[side]
            first = plan.dilation[side] * (plan.kernel[side] - 1) - plan.pad[side]
            reach, stride = first + size + plan.stride[side], plan.stride[side]
            last = Signal(range(reach + stride + 1), init=first, name=f"last{side}")
            needed = Signal(range(max(2, size)), init=min(first, size - 1), name=f"needed{side}")
            following = Signal.like(last)
            m.d.comb += following.eq(Mux(wrap, first, last + stride))
            with m.If(move):
                m.d.sync += last.eq(following)
                m.d.sync += needed.eq(Mux(following >= size, size - 1, following))
            found.append(needed)
        return found
