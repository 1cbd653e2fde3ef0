"""Which windows over a raster stream are complete: found ahead of the reader, so that it never waits for a
comparison."""

from itertools import pairwise
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from fermatnet.hw.stream.loop_nest import LoopNest

__all__ = ["Scout"]

AHEAD = 3
"""Windows that are found before the reader ends them: with one it would miss a cycle at a window's end."""


def _ends(plan: Any, side: int) -> list[int]:
    """The last row (column) inside the image of every window down (across)."""
    size = (plan.height, plan.width)[side]
    reach = plan.dilation[side] * (plan.kernel[side] - 1) - plan.pad[side]
    windows = (plan.rows_out, plan.columns_out)[side]
    return [min(reach + k * plan.stride[side], size - 1) for k in range(windows)]


def _moves(ends: list[int]) -> list[tuple[int, int]]:
    """(window, rows or columns from its end to the next one's): where that changes, first to last."""
    steps = [after - before for before, after in pairwise(ends)]
    return [(at, n) for at, n in enumerate(steps) if at == 0 or n != steps[at - 1]]


class Scout:
    """Walks over the windows of a `fermatnet.hw.stream.window_plan.WindowPlan` in module ``m``, as far as
    their last pixel that lies in the image is in memory.

    It counts pixels along the raster: ``slack``, those written less those that the window looked for needs,
    is one number with one carry chain, its sign tells all, and how far it is to the next window is ready in a
    register before the window is found.

    Parameters
    ----------
    pixel : Signal(1)
        The last beat of a pixel is written in this cycle.

    Attributes
    ----------
    some : Signal(1)
        A register: a complete window is there, begun or not.
    used : Signal(1)
        To be driven: the reader ends a window in this cycle.

    A window is there two cycles after the one in which its last pixel is written. One window a cycle.
    """

    def __init__(self, m: Module, plan: Any, pixel: Value):
        self.some, self.used = Signal(name="some"), Signal(name="used")
        rows, columns = _ends(plan, 0), _ends(plan, 1)
        first = rows[0] * plan.width + columns[0]
        # the writer is at most a ring and a row ahead of the window, and an image behind it
        reach = max(plan.height * plan.width + first + 1, (plan.rows + 2) * plan.width)
        slack = Signal(range(-reach, reach + 1), init=-first - 1, name="slack")
        find, begun = Signal(), Signal(name="begun")
        back = self._back(m, plan, find | ~begun, rows, columns)
        ahead, following = Signal(range(AHEAD + 1), name="ahead"), Signal(range(AHEAD + 1))
        moved = Mux(find, back, 0)
        # the pixel is carried in: a sum of three would be two carry chains
        total = Cat(Const(1, 1), slack).as_signed() + Cat(pixel, moved).as_signed()
        m.d.comb += [find.eq((slack >= 0) & (ahead != AHEAD)), following.eq(ahead + find - self.used)]
        m.d.sync += [begun.eq(1), slack.eq(total[1:]), ahead.eq(following), self.some.eq(following != 0)]

    @staticmethod
    def _back(m: Module, plan: Any, step: Value, rows: list[int], columns: list[int]) -> Signal:
        """Pixels from the next window's last one back to that of the window looked for, 0 or less mostly: a
        register, made while the loops are a window further."""
        turn = columns[0] - columns[-1]
        across = [(at, -n) for at, n in _moves(columns)]
        down = [(at, -n * plan.width - turn) for at, n in _moves(rows)]
        size = plan.height * plan.width
        wrap = -(size + (rows[0] - rows[-1]) * plan.width + turn)
        every = [wrap, *(n for _, n in (*across, *down))]
        back = Signal(signed(max(n.bit_length() for n in every) + 1), name="back")
        stepping = Signal(name="scouting")
        m.d.comb += stepping.eq(step)
        nest = LoopNest(m, stepping, [("y_found", len(rows)), ("x_found", len(columns))])

        def chosen(moves: list[tuple[int, int]], at: Value) -> Value:
            value: Value = Const(moves[0][1], back.shape()) if moves else Const(0)
            for window, n in moves[1:]:
                value = Mux(at >= window, Const(n, back.shape()), value)
            return value

        row, column = nest.count["y_found"], nest.count["x_found"]
        turned = Mux(nest.last["y_found"], wrap, chosen(down, row))
        with m.If(stepping):
            m.d.sync += back.eq(Mux(nest.last["x_found"], turned, chosen(across, column)))
        return back
