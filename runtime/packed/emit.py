"""From a plan to the structs the kernels read: constants by vector, packed weights, one `Program`."""

import ctypes
from typing import Any

import numpy as np

from fermatnet.model.network.inputs import DTYPES
from fermatnet.model.network.nodes import ArgMax, MaxPool, Node, SumPool, TopK
from fermatnet.runtime.packed import packing, program
from fermatnet.runtime.packed.external import FermatLayer
from fermatnet.runtime.packed.fusion import Operation
from fermatnet.runtime.packed.memory import place_tensors
from fermatnet.runtime.packed.moves import moves_of
from fermatnet.runtime.packed.plan import Plan
from fermatnet.runtime.packed.program import Kind, Source
from fermatnet.runtime.packed.steps import StepWriter
from fermatnet.runtime.packed.storage import Stored, native
from fermatnet.runtime.packed.weighted import Weighted

__all__ = ["Emitter"]

WAKE = 100e-6  # seconds of work that are worth waking another thread for
OUTPUTS_FIRST = (
    1 << 19
)  # bytes of weights beyond which a block of outputs meets all rows before the next block


class Emitter:
    """Builds the program and keeps everything its addresses point to.

    Attributes: ``program`` (ctypes struct), ``memory`` (bytes a thread), ``chunk`` (images at once; ``room``
    of them fit), ``failed`` (what layers of the Fermat kernels raised in the last call).
    """

    def __init__(self, plan: Plan, chunk: int, room: int):
        self.plan, self.chunk = plan, chunk
        self.kept: list[Any] = []
        self.failed: list[Exception] = []
        self.stored = list(plan.stored.values())
        self.number = {id(tensor): place for place, tensor in enumerate(self.stored)}
        self.memory = place_tensors(self.stored, room)
        ops = [self._image(), *(self._operation(operation) for operation in plan.operations)]
        channels, height, width = plan.net.input_shape
        results = int(np.prod(plan.net.types[plan.net.output].shape))
        element = np.dtype(plan.net.input_dtype).itemsize
        self.program = program.Program(
            len(ops),
            len(self.stored),
            self.memory,
            chunk,
            channels * height * width * element,
            results,
            element,
            int(DTYPES[plan.net.input_dtype][0] < 0),
            int(WAKE / plan.seconds),
            self.structs(ops),
            self.structs([self._tensor(tensor) for tensor in self.stored]),
        )

    def array(self, values: np.ndarray) -> int:
        """Address of an array on a cache line, which lives as long as this object."""
        flat = np.ascontiguousarray(values)
        room = np.zeros(flat.nbytes + 64, np.uint8)
        aligned = room[-room.ctypes.data % 64 :][: flat.nbytes]
        aligned[:] = flat.view(np.uint8).ravel() if flat.size else 0
        self.kept.append(room)
        return int(aligned.ctypes.data)

    def structs(self, records: list[Any]) -> int | None:
        """Address of an array of structs."""
        if not records:
            return None
        array = (type(records[0]) * len(records))(*records)
        self.kept.append(array)
        return ctypes.addressof(array)

    def _tensor(self, stored: Stored) -> program.Tensor:
        channels, height, width = stored.shape
        return program.Tensor(
            stored.storage.kind,
            stored.offset,
            *(
                (0, 0, 0, 0)
                if stored.storage.kind == Kind.RESULT
                else (stored.image, stored.row, stored.pixel, stored.plane)
            ),
            *stored.border,
            height,
            width,
            channels,
            stored.storage.zero,
            stored.planes,
            stored.storage.zero + stored.storage.pad,
        )

    def _image(self) -> program.Op:
        net = self.plan.net
        channels, height, width = net.input_shape
        image = self.plan.stored[net.input_name, native(net.types[net.input_name])]
        return program.Op(
            source=Source.IMAGE, tensor=self.number[id(image)], height=height, width=width, channels=channels
        )

    def _operation(self, operation: Operation) -> program.Op:
        plan, net = self.plan, self.plan.net
        channels, height, width = net.types[operation.name].shape
        stored = plan.stored[operation.reads, plan.input_storage(operation)]
        layer = plan.layers.get(operation.name)
        if operation.external:
            assert layer is not None
            return self._external(
                layer, stored, plan.stored[operation.name, plan.external_storage(operation.name)]
            )
        groups = layer.group if layer and operation.source is not None else 1
        lanes = plan.form.lanes
        slots = packing.slot_channels(groups, channels // groups, lanes)
        op = program.Op(
            tensor=self.number[id(stored)],
            height=height,
            width=width,
            channels=channels,
            groups=groups,
            outputs=channels // groups,
            across_images=int(height == width == 1 and not operation.generic),
            generic=int(operation.generic),
            kernel_y=1,
            kernel_x=1,
            stride_y=1,
            stride_x=1,
            dilation_y=1,
            dilation_x=1,
            vectors=4,
            planes=1,
        )
        if layer is not None and operation.source is not None:
            self._window(op, operation, stored, slots)
        else:
            self._other(op, operation.source)
        steps = StepWriter(self, operation, slots).write()
        op.steps, op.step = len(steps), self.structs(steps)
        return op

    def _external(self, layer: Weighted, source: Stored, target: Stored) -> program.Op:
        call = FermatLayer(layer, source, target, self.failed)
        self.kept.append(call.function)
        return program.Op(
            source=Source.EXTERNAL,
            across_images=1,
            height=1,
            width=1,
            call=ctypes.cast(call.function, ctypes.c_void_p),
        )

    def _other(self, op: program.Op, node: Node | None) -> None:
        """Sources without weights."""
        if node is None:
            op.source = Source.LOAD
        elif isinstance(node, TopK):
            op.source = Source.TOP
        elif isinstance(node, ArgMax):
            op.source = Source.LARGEST
        elif isinstance(node, MaxPool):
            op.source = Source.MAXIMUM
            (op.kernel_y, op.kernel_x), (op.stride_y, op.stride_x) = node.kernel, node.stride
            op.pad_y, op.pad_x = node.pad[:2]
        elif isinstance(node, SumPool):
            op.source = Source.SUM
            op.kernel_y, op.kernel_x = node.window(self.plan.net.types[node.inputs[0]])
            op.stride_y, op.stride_x = node.stride or (op.kernel_y, op.kernel_x)
            (op.pad_y, op.pad_x), op.outside = node.pad[:2], node.pad_value
        else:
            self._move(op, node)

    def _move(self, op: program.Op, node: Node) -> None:
        net = self.plan.net
        moves, order, op.outside = moves_of(net, node)
        numbers = [
            self.number[id(self.plan.stored[name, native(net.types[name])])] for name in node.inputs
        ] + [-1]
        op.source, op.order = Source.MOVE, self.array(order)
        moves = moves.copy()
        moves[:, 0] = np.array(numbers)[moves[:, 0]]  # -1, nowhere, is the last
        op.moves = self.array(moves)

    def _window(self, op: program.Op, operation: Operation, stored: Stored, slots: np.ndarray) -> None:
        layer, choice, form = (
            self.plan.layers[operation.name],
            self.plan.choices[operation.name],
            self.plan.form,
        )
        op.source, op.inputs = choice.source, layer.inputs
        (op.kernel_y, op.kernel_x), (op.stride_y, op.stride_x) = layer.kernel, layer.stride
        (op.dilation_y, op.dilation_x), (op.pad_y, op.pad_x) = layer.dilation, layer.pad[:2]
        window = packing.Window.of(layer)
        taps = np.array(
            [
                op.dilation_y * r * stored.row + op.dilation_x * c * stored.pixel
                for r in range(op.kernel_y)
                for c in range(op.kernel_x)
            ],
            np.int32,
        )
        start = layer.bias - stored.storage.zero * layer.weight.sum(axis=(1, 2, 3))
        if choice.source == Source.WEIGHTED:
            op.weights = self.array(layer.weight.transpose(0, 2, 3, 1).astype(np.int32))
            op.taps, op.offsets, op.start = len(taps), self.array(taps), self.array(layer.bias)
            return
        op.start = self.array(packing.by_slot(start.astype(np.int32), slots))
        if choice.source == Source.DEPTHWISE:
            op.weights = self.array(packing.pack_depthwise(layer, slots))
            op.taps, op.offsets = len(taps), self.array(taps)
            return
        op.vectors = self._vectors(op, layer.outputs)
        element = 2 if choice.source == Source.DOT_HALVES else 1
        inputs = -(-layer.inputs // 8) if choice.source == Source.DOT_BITS else element * layer.inputs
        offsets = window.offsets(inputs, stored.pixel, stored.row)
        op.taps, op.offsets = len(offsets), self.array(offsets)
        op.wide_bytes = int(layer.values[1] + stored.storage.zero > 127)
        if choice.source == Source.DOT_BITS:
            self._planes(op, operation, stored)
            return
        packed = packing.pack_dot(layer, np.int16 if element == 2 else np.int8, form.lanes, op.vectors)
        op.weights, op.outputs_first = self.array(packed), int(packed.nbytes > OUTPUTS_FIRST)

    def _planes(self, op: program.Op, operation: Operation, stored: Stored) -> None:
        layer, form = self.plan.layers[operation.name], self.plan.form
        planes = self.plan.choices[operation.name].weight_planes
        assert planes is not None and stored.storage.planes is not None
        packed = packing.pack_bits(layer, planes, form.lanes, op.vectors)
        op.weights, op.planes = self.array(packed), planes.planes.count
        op.outputs_first, op.masks = (
            int(packed.nbytes > OUTPUTS_FIRST),
            self.array(packing.window_masks(layer)),
        )
        pairs = []
        for j, b in enumerate(stored.storage.planes.coefficients):
            pairs += [program.Pair(i, j, a * b) for i, a in enumerate(planes.planes.coefficients)]
            pairs += [program.Pair(-1, j, planes.base * b)] if planes.base else []
        op.pairs, op.pair = len(pairs), self.structs(pairs)

    def _vectors(self, op: program.Op, outputs: int) -> int:
        """Vectors of outputs in a register block: the number at which the inner loops take fewest cycles.

        A step of P pixels and V vectors has P V products (two a cycle), P + V loads (two a cycle), and sums
        that wait five cycles; few vectors are better where all else is equal, because a step then reads fewer
        weights.
        """
        form = self.plan.form
        needed = -(-outputs // form.lanes)
        row = self.chunk if op.across_images else op.width

        def cost(vectors: int) -> float:
            blocks = -(-row // form.pixels[vectors])
            total = 0.0
            for first in range(0, needed, vectors):
                v = min(vectors, needed - first)
                pixels = row / blocks
                total += blocks * max(pixels * v / 2, (pixels + v) / 2, 5.0 if form.lanes == 16 else 0.0)
            return total

        return min(
            (v for v in range(1, len(form.pixels)) if form.pixels[v]), key=lambda v: cost(v) * (1 + 0.02 * v)
        )
