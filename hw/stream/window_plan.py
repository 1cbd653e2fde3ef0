"""What a sliding window over a raster stream is before there is hardware: its sizes, its cycles, its ring of
rows."""

from amaranth.hdl import Shape

from fermatnet.model.errors import InputError

__all__ = ["WindowPlan", "output_size", "ring_rows"]


def output_size(height, width, kernel, stride, pad, dilation):
    """Rows and columns of the map of windows; ``pad`` = (top, left, bottom, right)."""
    rows = (height + pad[0] + pad[2] - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
    columns = (width + pad[1] + pad[3] - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
    return rows, columns


def ring_rows(height, kernel, stride, pad, dilation, rows_out):
    """Rows the ring needs so that the reader never waits for room: those a row of windows reads, and those
    the next one adds.

    At the end of an image the next one's first windows are loaded while the last ones are read, so "same"
    convolutions (odd k, stride 1) need k + 1 rows and unpadded ones 2 k.
    """
    reach = dilation[0] * (kernel[0] - 1)

    def bounds(y):
        first, last = y * stride[0] - pad[0], y * stride[0] - pad[0] + reach
        return max(0, min(height, first)), max(0, min(height - 1, last))

    need = 1
    for y in range(rows_out):
        first, last = bounds(y)
        following = bounds(y + 1)[1] if y + 1 < rows_out else height + bounds(0)[1]
        need = max(need, following - first + 1, last - first + 1)
    return need


class WindowPlan:
    """Numbers of a `fermatnet.hw.stream.window.SlidingWindow`; InputError where they do not fit each other.

    Parameters
    ----------
    shape : Shape
        Of one channel.
    channels, height, width : int
        Of the incoming map.
    kernel, stride, dilation : (int, int)
        Vertical, horizontal.
    pad : (int, int, int, int)
        Top, left, bottom, right; smaller than the reach of the window.
    lanes : int
        Channels a beat; divides the channels of a group.
    repeats : int
        How often each window is emitted.
    groups : int
        The channels are cut into so many groups; each group's window is emitted (with its repeats) before the
        next one's.
    pad_value : int
        What beats outside the image carry.
    rows : int
        Rows of the ring; 0 = as many as :func:`ring_rows` says.
    clock : Clock or None
        By which the ring's memory is chosen (`fermatnet.hw.stream.row_memory`).

    Attributes
    ----------
    rows_out, columns_out : int
        Windows down and across.
    chunks, beats, pixel_cycles, cycles, beats_in : int
        Beats of a pixel; beats of a group's window; cycles of a pixel and of an image; beats of an image in.
    least_rows : int
        Rows with which the reader never waits.
    """

    LAG, READ, GIVEN_BACK = 2, 4, 2
    """Cycles from the beat that completes a window to the one in which it is read; from there to its first
    beat, behind a queue; from the last read of a row to the first cycle but one in which its place is
    free."""
    latency = LAG + READ

    def __init__(
        self,
        shape,
        channels,
        height,
        width,
        *,
        kernel,
        stride=(1, 1),
        pad=(0, 0, 0, 0),
        dilation=(1, 1),
        lanes,
        repeats=1,
        groups=1,
        pad_value=0,
        rows=0,
        clock=None,
    ):
        self.clock = clock
        self.shape = Shape.cast(shape)
        self.channels, self.groups, self.lanes, self.repeats, self.pad_value = (
            channels,
            groups,
            lanes,
            repeats,
            pad_value,
        )
        if tuple(kernel) == (1, 1) and tuple(stride) == (1, 1) and not any(pad):
            height, width = height * width, 1
        self.height, self.width = height, width
        self.kernel, self.stride, self.pad, self.dilation = (
            tuple(kernel),
            tuple(stride),
            tuple(pad),
            tuple(dilation),
        )
        if channels % groups or (channels // groups) % lanes:
            raise InputError(
                f"window: {lanes} lanes do not divide the {channels} channels in {groups} groups"
            )
        if repeats < 1 or min(kernel) < 1 or min(stride) < 1 or min(dilation) < 1 or min(pad) < 0:
            raise InputError(
                "window: kernel, stride, dilation and repeats must be at least 1, padding at least 0"
            )
        reach = (self.dilation[0] * (kernel[0] - 1), self.dilation[1] * (kernel[1] - 1))
        if max(pad[0], pad[2]) > reach[0] or max(pad[1], pad[3]) > reach[1]:
            raise InputError(
                f"window: padding {tuple(pad)} must be smaller than the window of "
                f"{reach[0] + 1}x{reach[1] + 1}"
            )
        self.rows_out, self.columns_out = output_size(
            height, width, self.kernel, self.stride, self.pad, self.dilation
        )
        if self.rows_out < 1 or self.columns_out < 1:
            raise InputError(f"window: {reach[0] + 1}x{reach[1] + 1} does not fit a map of {height}x{width}")
        self.chunks = channels // lanes
        self.beats = kernel[0] * kernel[1] * (self.chunks // groups)
        self.pixel_cycles = groups * repeats * self.beats
        self.cycles = self.rows_out * self.columns_out * self.pixel_cycles
        self.beats_in = height * width * self.chunks
        self.least_rows = ring_rows(height, self.kernel, self.stride, self.pad, self.dilation, self.rows_out)
        self.rows = rows or self.least_rows
        held = max(self._held(y) for y in range(self.rows_out))
        if self.rows < held:
            raise InputError(f"window: a ring of {self.rows} rows, a window reads {held} of the map")

    def _held(self, y):
        """Rows of the image from the first to the last that row ``y`` of windows reads."""
        first = y * self.stride[0] - self.pad[0]
        last = first + self.dilation[0] * (self.kernel[0] - 1)
        return min(last, self.height - 1) - max(first, 0) + 1

    @property
    def ring_bits(self) -> int:
        """Bits of the ring of rows."""
        return self.rows * self.width * self.channels * self.shape.width
