"""The elementwise layers of an operation as steps on block buffers, and the stores of what somebody reads."""

from typing import TYPE_CHECKING

import numpy as np

from fermatnet.model.network.nodes import (
    Add,
    AddConstant,
    Affine,
    Levels,
    LogicJoin,
    Lookup,
    Multiply,
    Node,
    Requantize,
    Threshold,
)
from fermatnet.runtime.packed import packing, program
from fermatnet.runtime.packed.fusion import Operation
from fermatnet.runtime.packed.program import Kind, StepKind
from fermatnet.runtime.packed.storage import Stored, native

if TYPE_CHECKING:
    from fermatnet.runtime.packed.emit import Emitter

__all__ = ["StepWriter"]

BUFFERS = 8  # of a block in the kernels


class StepWriter:
    """Writes the steps of one operation. Buffer 0 holds the source's values; the last one is for tables on
    the way to a store.
    """

    def __init__(self, emitter: "Emitter", operation: Operation, slots: np.ndarray):
        self.emitter, self.operation, self.slots = emitter, operation, slots
        self.steps: list[program.Step] = []
        self.buffer = {operation.name: 0}
        self.reads = [name for node in operation.nodes for name in node.inputs]
        self.free = list(range(BUFFERS - 2, 0, -1))

    def write(self) -> list[program.Step]:
        """Steps of the operation, with those that make room and give it back."""
        self._store(self.operation.name)
        self._release(self.operation.name)
        for node in self.operation.nodes:
            self._node(node)
        return self.steps

    def _release(self, name: str) -> None:
        if name not in self.reads and name in self.buffer:
            self.free.append(self.buffer.pop(name))

    def _take(self, name: str) -> int:
        self.buffer[name] = self.free.pop()
        return self.buffer[name]

    def _input(self, name: str) -> int:
        """Buffer that holds a tensor, fetched from memory where it is not made here."""
        if name not in self.buffer:
            plan = self.emitter.plan
            stored = plan.stored[name, native(plan.net.types[name])]
            self._step(StepKind.FETCH, target=self._take(name), tensor=self._number(stored))
        return self.buffer[name]

    def _number(self, stored: Stored) -> int:
        return self.emitter.number[id(stored)]

    def _step(self, kind: StepKind, **fields: int) -> None:
        self.steps.append(program.Step(kind=kind, **fields))

    def _node(self, node: Node) -> None:
        sources = [self._input(name) for name in node.inputs]
        for name in node.inputs:
            self.reads.remove(name)
        for name in dict.fromkeys(node.inputs):
            self._release(name)
        target = self._take(node.name)
        if isinstance(node, Affine):
            self._affine(node, sources[0], target)
        elif isinstance(node, Threshold):
            self._threshold(node, sources[0], target)
        elif isinstance(node, Levels):
            self._table(tuple(node.levels.tolist()), sources[0], target)
        elif isinstance(node, Requantize):
            self._requantize(node, sources[0], target)
        elif isinstance(node, Lookup):
            self._lookup(node, sources[0], target)
        elif isinstance(node, AddConstant):
            self._add_constant(node, sources[0], target)
        elif isinstance(node, LogicJoin):
            self._step(StepKind.LOGIC, source=sources[0], other=sources[1], target=target, count=node.table)
        else:
            assert isinstance(node, Add | Multiply)
            kind, zeros = (
                (StepKind.MULTIPLY, node.zeros) if isinstance(node, Multiply) else (StepKind.ADD, (0, 0))
            )
            self._step(
                kind, source=sources[0], other=sources[1], target=target, zero=zeros[0], zero2=zeros[1]
            )
        self._store(node.name)
        self._release(node.name)

    def _affine(self, node: Affine, source: int, target: int) -> None:
        multiplier, offset = node.multiplier.astype(np.int64), node.offset.astype(np.int64)
        if self.operation.generic:
            a, b = multiplier, offset
        else:
            lanes = self.slots.shape[1]
            halves = np.concatenate(
                [np.arange(0, lanes, 2), np.arange(1, lanes, 2)]
            )  # even lanes are multiplied first, then odd ones
            a = packing.by_slot(multiplier.astype(np.int32), self.slots)
            b = packing.by_slot(offset, self.slots)[:, halves]
        self._step(
            StepKind.AFFINE,
            source=source,
            target=target,
            shift=node.shift,
            lo=node.lo,
            hi=node.hi,
            a=self.emitter.array(a),
            b=self.emitter.array(b),
        )

    def _requantize(self, node: Requantize, source: int, target: int) -> None:
        kind = self.emitter.plan.net.types[node.inputs[0]]
        at, by = node.at.astype(np.int64), node.by.astype(np.int64)
        met = (kind.lo <= at) & (at <= kind.hi)  # what never occurs adds nothing
        pairs = np.stack([np.where(met, at, 0), np.where(met, by, 0)], axis=2).reshape(len(at), -1)
        a = np.concatenate([node.multiplier[:, None], node.second[:, None], pairs], axis=1).astype(np.int64)
        b = node.offset.astype(np.int64)
        if not self.operation.generic:
            a = packing.by_slot(a.astype(np.int32), self.slots).transpose(0, 2, 1)
            b = packing.by_slot(b, self.slots)
        self._step(
            StepKind.REQUANTIZE,
            source=source,
            target=target,
            count=at.shape[1],
            shift=node.shift,
            lo=node.lo,
            hi=node.hi,
            zero=node.zero,
            a=self.emitter.array(a),
            b=self.emitter.array(b),
        )

    def _lookup(self, node: Lookup, source: int, target: int) -> None:
        table = self.emitter.array(node.table.astype(np.int32))
        self._step(
            StepKind.LOOKUP, source=source, target=target, count=len(node.table), zero=node.first, a=table
        )

    def _add_constant(self, node: AddConstant, source: int, target: int) -> None:
        values = node.value.astype(np.int64)
        if not self.operation.generic:  # a vector a pixel and slot
            values = packing.by_slot(values.astype(np.int32), self.slots).transpose(2, 3, 0, 1)
        self._step(
            StepKind.ADD_CONSTANT,
            source=source,
            target=target,
            count=len(self.slots),
            a=self.emitter.array(values),
        )

    def _threshold(self, node: Threshold, source: int, target: int) -> None:
        limits, sign = node.thresholds.astype(np.int64), node.sign.astype(np.int64)
        a, b = limits, sign
        if not self.operation.generic:
            kind = self.emitter.plan.net.types[node.inputs[0]]
            flip = sign[:, None] < 0
            low, high = np.where(flip, -kind.hi, kind.lo), np.where(flip, -kind.lo, kind.hi)
            less_one = np.clip(limits - 1, low - 1, high).astype(
                np.int32
            )  # x >= t is x > t - 1; beyond the range nothing changes
            a = packing.by_slot(less_one, self.slots).transpose(0, 2, 1)
            b = packing.by_slot(np.where(sign < 0, -1, 0).astype(np.int32), self.slots)
        self._step(
            StepKind.THRESHOLD,
            source=source,
            target=target,
            count=limits.shape[1],
            a=self.emitter.array(a),
            b=self.emitter.array(b),
        )

    def _table(self, levels: tuple[int, ...], source: int, target: int) -> None:
        entries = np.zeros(256, np.int32)  # whole, so that lanes without a channel read inside it
        entries[: min(256, len(levels))] = levels[:256]
        self._step(
            StepKind.TABLE, source=source, target=target, count=len(levels), a=self.emitter.array(entries)
        )

    def _store(self, name: str) -> None:
        """Writes a tensor wherever it is read from, itself or as a part of a concatenation."""
        for stored, place in self.emitter.plan.writes.get(name, ()):
            if name != self.operation.name or self.operation.fresh:
                self._store_one(stored, place.channel, self.buffer[name])

    def _store_one(self, stored: Stored, channel: int, source: int) -> None:
        storage = stored.storage
        if storage.table:
            self._table(storage.table, source, BUFFERS - 1)
            source = BUFFERS - 1
        members = (
            np.array(storage.members(), np.uint32) if storage.kind == Kind.BITS else np.zeros(0, np.uint32)
        )
        self._step(
            StepKind.STORE,
            source=source,
            tensor=self._number(stored),
            channel=channel,
            a=self.emitter.array(members),
        )
