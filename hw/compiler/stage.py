# amaranth: UnusedElaboratable=no
"""One layer in its place in the network: queues and width conversions before the block, a fork behind it."""

import itertools

from amaranth.hdl import Module, Shape
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.compiler.edges import Edge, conversions
from fermatnet.hw.stream.block_fifo import BlockFifo
from fermatnet.hw.stream.fifo import Fifo
from fermatnet.hw.stream.fork import Fork
from fermatnet.hw.stream.link import link
from fermatnet.hw.stream.width import WidthConverter

__all__ = ["Stage"]


class Stage(wiring.Component):
    """One layer in place: for each input a queue and a width conversion where the schedule wants them, the
    block, and a fork. When each beat passes is what the design's schedule says (`fermatnet.hw.timing`).

    Members: i0, i1, ... : In(stream) with the lanes of the producer; o0, o1, ... : Out(stream), one for each
    reader;
    w : In(stream) where the layer's weights come from outside.
    """

    def __init__(
        self,
        core: wiring.Component,
        edges: list[Edge],
        shapes: list[Shape],
        channels: list[int],
        readers: int,
    ):
        self.core, self.edges, self.shapes, self.channels, self.readers = (
            core,
            edges,
            shapes,
            channels,
            readers,
        )
        self.layout = core.o.payload.shape()
        super().__init__(
            {
                **{
                    f"i{k}": In(stream.Signature(data.ArrayLayout(shape, edge.lanes_from)))
                    for k, (shape, edge) in enumerate(zip(shapes, edges, strict=True))
                },
                **{f"o{k}": Out(stream.Signature(self.layout)) for k in range(readers)},
                **({"w": In(stream.Signature(core.w.payload.shape()))} if self._streamed(core) else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = self.core
        if self._streamed(self.core):
            wiring.connect(m, wiring.flipped(self.w), self.core.w)
        for k, edge in enumerate(self.edges):
            source, shape = getattr(self, f"i{k}"), self.shapes[k]
            if edge.before:
                source = self._queue(m, f"queue{k}", source, edge, shape, edge.lanes_from, edge.before)
            way = conversions(edge.lanes_from, edge.lanes_to)
            for step, (a, b) in enumerate(itertools.pairwise(way)):
                rests = edge.rests and not step
                converter = WidthConverter(shape, a, b, max(a, b), rests=rests, halves=edge.halves)
                m.submodules[f"width{k}_{step}"] = converter
                link(m, source, converter.i)
                source = converter.o
            if edge.after:
                source = self._queue(m, f"wait{k}", source, edge, shape, edge.lanes_to, edge.after)
            link(m, source, self.core.i if len(self.edges) == 1 else getattr(self.core, f"i{k}"))
        if self.readers == 1:
            link(m, self.core.o, self.o0)
        else:
            m.submodules.fork = fork = Fork(self.layout, self.readers)
            wiring.connect(m, self.core.o, fork.i)
            for k, o in enumerate(fork.outputs):
                wiring.connect(m, o, wiring.flipped(getattr(self, f"o{k}")))
        return m

    @staticmethod
    def _streamed(core: wiring.Component) -> bool:
        """Whether the weights of a block come from outside."""
        return "w" in core.signature.members

    @staticmethod
    def _queue(m, name, source, edge, shape, lanes, depth):
        layout = data.ArrayLayout(shape, lanes)
        # by the edge's width, as the schedule has it; a block's values may be wider than its tensor
        deep = Fifo.is_deep(edge.width * lanes, depth)
        queue = BlockFifo(layout, depth) if edge.in_blocks(depth, lanes) else Fifo(layout, depth, deep=deep)
        m.submodules[name] = queue
        link(m, source, queue.i)
        return queue.o
