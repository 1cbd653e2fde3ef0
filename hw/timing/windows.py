"""A ring of rows and the windows that slide over it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fermatnet.hw.stream.window_plan import WindowPlan, output_size, ring_rows
from fermatnet.hw.timing.spacing import FAR, earliest, latest

__all__ = ["Windows"]


@dataclass(frozen=True)
class Windows:
    """A sliding window and what consumes it: ``outputs`` results a window, each after ``beats`` beats,
    ``delay`` cycles after the cycle in which the first of its beats is read, ``lag`` cycles after its last
    pixel came. Places of rows are free ``given_back`` cycles after the one behind their last read.

    The window's geometry is that of `fermatnet.hw.stream.window.SlidingWindow` (``rows`` of ring included).
    """

    height: int
    width: int
    chunks: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]
    dilation: tuple[int, int]
    outputs: int
    beats: int
    delay: int
    rows: int
    lag: int = WindowPlan.LAG
    given_back: int = WindowPlan.GIVEN_BACK

    @staticmethod
    def of(window: Any, outputs: int, beats: int, delay: int) -> "Windows":
        """For a `fermatnet.hw.stream.window_plan.WindowPlan`."""
        return Windows(
            window.height,
            window.width,
            window.chunks,
            window.kernel,
            window.stride,
            window.pad,
            window.dilation,
            outputs,
            beats,
            delay,
            window.rows,
        )

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the map of windows."""
        return output_size(self.height, self.width, self.kernel, self.stride, self.pad, self.dilation)

    @property
    def least_rows(self) -> int:
        """Rows of the ring with which the reader never waits for room."""
        return ring_rows(self.height, self.kernel, self.stride, self.pad, self.dilation, self.size[0])

    @property
    def work(self) -> int:
        """Cycles a window is read."""
        return self.outputs * self.beats

    def _needed(self) -> tuple[np.ndarray, np.ndarray]:
        """Last row that each output row needs, and beats of a row that each output column needs."""
        rows, columns = self.size
        row = np.arange(rows) * self.stride[0] - self.pad[0] + self.dilation[0] * (self.kernel[0] - 1)
        column = np.arange(columns) * self.stride[1] - self.pad[1] + self.dilation[1] * (self.kernel[1] - 1)
        return np.minimum(row, self.height - 1), (np.minimum(column, self.width - 1) + 1) * self.chunks

    def forward(self, offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = self.size
        need_row, need_beats = self._needed()
        line = self.width * self.chunks
        offered = offered.reshape(-1, line)
        taken = np.empty_like(offered)
        images = len(offered) // self.height
        starts = np.empty((images * rows, columns), np.int64)
        released_at = np.empty(len(offered), np.int64)  # when a row's place is free again
        filled = released = 0
        last_taken, last_start = -FAR, -FAR
        for index in range(images * rows):
            image, y = divmod(index, rows)
            base = image * self.height
            while filled <= base + need_row[y]:
                room = released_at[filled - self.rows] if filled >= self.rows else -FAR
                taken[filled] = earliest(np.maximum(offered[filled], max(room, last_taken + 1)))
                last_taken = taken[filled, -1]
                filled += 1
            ready = taken[base + need_row[y], need_beats - 1] + self.lag
            starts[index] = earliest(np.maximum(ready, last_start + self.work), self.work)
            last_start = starts[index, -1]
            until = base + (
                self.height
                if y == rows - 1
                else min(self.height, max(0, (y + 1) * self.stride[0] - self.pad[0]))
            )
            released_at[released:until] = last_start + self.work + self.given_back
            released = max(released, until)
        while filled < len(offered):  # rows below the last window
            room = released_at[filled - self.rows] if filled >= self.rows else -FAR
            taken[filled] = earliest(np.maximum(offered[filled], max(room, last_taken + 1)))
            last_taken = taken[filled, -1]
            filled += 1
        out = starts.reshape(-1, 1) + np.arange(self.outputs) * self.beats + self.delay
        return taken.reshape(-1), out.reshape(-1)

    def backward(self, wanted: np.ndarray, period: int) -> np.ndarray:
        spread = wanted.reshape(-1, self.outputs) - np.arange(self.outputs) * self.beats - self.delay
        starts = latest(spread.min(axis=1), period, self.work)
        need_row, need_beats = self._needed()
        last = (need_row[:, None] * (self.width * self.chunks) + need_beats - 1).reshape(-1)
        inputs = np.full(self.height * self.width * self.chunks, FAR)
        np.minimum.at(inputs, last, starts - self.lag)
        return latest(inputs, period)
