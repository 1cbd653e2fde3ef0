"""Proofs of the convolver's weights, which meet the products in step, and of the delay lines between its
parts."""

from typing import Any

import numpy as np
from amaranth.hdl import Array, Const, Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.circular_rom import CircularRom
from fermatnet.hw.fermat.delay import Delay
from fermatnet.hw.fermat.serial_transform import FlagDelay
from fermatnet.hw.fermat.weight_source import StoredWeights, WeightReader
from fermatnet.model.fermat.plan import polyphase
from fermatnet.synth.proofs.invariants import Harness, all_bits, implies, in_range, linear

__all__ = ["Circle", "Kernels", "Lines", "LostSlice", "SkippedTap", "kernel_words"]


def kernel_words(design: WeightReader, jobs: int) -> list[int]:
    """What each step of a pass over all jobs should get: weights at index -t modulo N of their transform,
    zeros elsewhere."""
    taps, (rows, columns) = polyphase(design.weight, design.geometry), design.lengths
    placed = np.zeros((*taps.shape[:3], rows, columns), np.int64)
    for t in range(taps.shape[3]):
        for u in range(taps.shape[4]):
            placed[..., -t % rows, -u % columns] = taps[..., t, u]
    steps = placed.reshape(jobs, design.products, -1)
    mask = (1 << design.bits) - 1
    return [sum((int(steps[job, lane, at]) & mask) << design.bits * lane for lane in range(design.products))
            for job in range(jobs) for at in range(steps.shape[2])]  # fmt: skip


class Kernels(Harness):
    """A source of weights beside a count of the steps of all jobs."""

    claims = (("each step gets its own weights", "gets", 1),)

    def __init__(self, design: StoredWeights | WeightReader, jobs: int) -> None:
        self.design = design
        self.words = kernel_words(design, jobs) if isinstance(design, WeightReader) else design.words()
        self.width = len(Value.cast(design.o))
        super().__init__({"step": In(1), "word": Out(self.width)})

    def build(self, m: Module, platform: Any) -> dict[str, Any]:
        design, words = self.design, self.words
        m.submodules.source = design.elaborate(platform)
        m.d.comb += [design.step.eq(self.step), self.word.eq(Value.cast(design.o))]
        count, wanted, stepped = (
            Signal(range(len(words)), name="count"),
            Signal(self.width, reset_less=True),
            Signal(reset_less=True),
        )
        with m.If(self.step):
            m.d.sync += count.eq(Mux(count == len(words) - 1, 0, count + 1))
        table = Array(Const(word, self.width) for word in words)
        m.d.sync += [wanted.eq(table[count]), stepped.eq(self.step)]
        invariant: list[Any] = [count < len(words)]
        if isinstance(design, WeightReader):
            (ny, nx), (ky, kx) = design.lengths, design.kernel
            in_kernel = [
                [(i == 0 or i > ny - ky) and (j == 0 or j > nx - kx) for j in range(nx)] for i in range(ny)
            ]
            before = np.cumsum([0, *np.tile(np.array(in_kernel, int).reshape(-1), len(words) // (ny * nx))])
            index = Array(Const(int(value % before[-1]), 16) for value in before[:-1])
            invariant += [
                in_range(design.place),
                linear(design.place) == count % (ny * nx),
                design.rom.at == index[count],
            ]
        else:
            invariant.append(design.rom.at == count)
        return {
            "invariant": all_bits(*invariant),
            "assumed": Const(1, 1),
            "gets": implies(stepped, self.word == wanted),
        }


class Circle(Harness):
    """A memory read in a circle beside a count of its words, some in the spare bits of others."""

    claims = (("each step gets the next word", "gets", 1),)

    def __init__(self, design: CircularRom) -> None:
        self.design = design
        super().__init__({"step": In(1), "word": Out(design.width)})

    def build(self, m: Module, platform: Any) -> dict[str, Any]:
        design, words, size = self.design, self.design.words, self.design.group + 1
        m.submodules.circle = design.elaborate(platform)
        m.d.comb += [design.step.eq(self.step), self.word.eq(design.data)]
        count = Signal(range(len(words)), name="count")
        wanted, stepped = Signal(design.width, reset_less=True), Signal(reset_less=True)
        with m.If(self.step):
            m.d.sync += count.eq(Mux(count == len(words) - 1, 0, count + 1))
        table = Array(Const(word, design.width) for word in words)
        m.d.sync += [wanted.eq(table[count]), stepped.eq(self.step)]
        return {
            "invariant": all_bits(count < len(words), *self._rows(count), *self._slices(count, size)),
            "assumed": Const(1, 1),
            "gets": implies(stepped, self.word == wanted),
        }

    def _rows(self, count: Signal) -> list[Any]:
        """Row and phase are those of the word; what was fetched is the row before."""
        design, rows, size = self.design, self.design.rows(), self.design.group + 1
        places = [divmod(at, size) for at in range(len(design.words))]
        row = Array(Const((a * (size - 1) + min(b, size - 1)) % len(rows), 16) for a, b in places)
        before = Array(Const(rows[at - 1], len(design.rom.data)) for at in range(len(rows)))
        return [
            design.at == row[count],
            design.phase == Array(Const(b, 16) for _, b in places)[count],
            implies(design.fetched, design.rom.data == before[design.at]),
        ]

    def _slices(self, count: Signal, size: int) -> list[Any]:
        """The slices of a group's further word, but for the row that was fetched just now."""
        design, words = self.design, self.design.words
        last = [at // size * size + size - 1 for at in range(len(words))]
        further = Array(Const(words[at] if at < len(words) else 0, design.width) for at in last)[count]
        whole = Array(Const(at < len(words), 1) for at in last)[count]
        come = design.phase - design.fetched
        return [
            implies(
                whole & (design.phase != 0) & (come == k),
                design.collected[(size - 1 - k) * design.slice :] == further[: k * design.slice],
            )
            for k in range(1, size)
        ]


class LostSlice(CircularRom):
    """Takes no slice of the last row of a group."""

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        with m.If(self.fetched & (self.phase == self.group)):
            m.d.sync += self.collected.eq(self.collected)
        return m


class SkippedTap(WeightReader):
    """Goes on to the next weight also where the kernel has no tap."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.rom.step.eq(self.step)
        return m


class Lines(Harness):
    """Delay lines of data and of a flag, side by side, as the convolver uses them between its parts."""

    def __init__(self, cycles: int, bits: int = 2, short: int = 0) -> None:
        self.cycles, self.bits, self.short = cycles, bits, short
        self.claims = ((f"a word and its flag leave {cycles} edges later", "follows", cycles),)
        super().__init__(
            {"i": In(bits), "flag": In(1), "o": Out(data.StructLayout({"word": bits, "flag": 1}))}
        )

    def build(self, m: Module, platform: Any) -> dict[str, Any]:
        m.submodules.line, m.submodules.flag = line, flag = (
            Delay(self.bits, self.cycles - self.short),
            FlagDelay(self.cycles),
        )
        m.d.comb += [line.i.eq(self.i), flag.i.eq(self.flag), self.o.word.eq(line.o), self.o.flag.eq(flag.o)]
        history = [Value.cast(self.i), Value.cast(self.flag)]
        for edge in range(self.cycles):
            later = [
                Signal(len(value), name=f"history{edge}_{k}", reset_less=True)
                for k, value in enumerate(history)
            ]
            m.d.sync += [register.eq(value) for register, value in zip(later, history, strict=True)]
            history = list(later)
        return {
            "invariant": Const(1, 1),
            "assumed": Const(1, 1),
            "follows": all_bits(line.o == history[0], flag.o == history[1]),
        }
