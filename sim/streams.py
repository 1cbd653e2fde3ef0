"""cocotb drivers and monitors for valid/ready streams, with seeded random stalls.

They work on any pair of handshake signals, so on the ``i`` and ``o`` streams of a block and on AXI4-Stream.
While nothing can happen they wait for the signal that must change, not for every clock edge.
"""

import random
from collections.abc import Iterable
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.handle import LogicObject
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer
from cocotb.utils import get_sim_time

__all__ = ["Sink", "Source", "Stalls", "block_streams", "start", "within"]

PERIOD_NS = 10
SHARES = (0.0, 0.25, 0.6, 0.95)  # of stalled cycles: free running, light, heavy, nearly closed


class Stalls:
    """Draws whether to stall in the next cycle; the share of stalled cycles itself changes about every 64
    cycles."""

    def __init__(self, seed: int | str | None, side: str):
        self.random = None if seed is None else random.Random(f"{seed} {side}")
        self.share = SHARES[1]

    def __call__(self) -> bool:
        if self.random is None:
            return False
        if self.random.random() < 1 / 64:
            self.share = self.random.choice(SHARES)
        return self.random.random() < self.share


class Source:
    """Sends words. ``valid`` rises whenever the stalls allow, whatever ``ready`` does, and stays until the
    word is taken."""

    def __init__(
        self,
        clk: Any,
        valid: Any,
        ready: Any,
        payload: Any,
        *,
        last: Any = None,
        stalls: int | str | None = None,
    ):
        self.edge, self.valid, self.ready, self.payload, self.last = (
            RisingEdge(clk),
            valid,
            ready,
            payload,
            last,
        )
        self.stalls = Stalls(stalls, "source")
        self.sent = 0
        self.first_cycle: int | None = None
        valid.value = 0
        if payload is not None:
            payload.value = 0
        if last is not None:
            last.value = 0

    async def send(self, words: Iterable[int], *, packet: int = 0) -> None:
        """Sends all ``words``; ``last``, where there is one, marks every ``packet``-th. Ends when the final
        word is taken."""
        for at, word in enumerate(words):
            while self.stalls():
                self.valid.value = 0
                await self.edge
            self.valid.value = 1
            self.payload.value = word
            if self.last is not None:
                self.last.value = packet > 0 and (at + 1) % packet == 0
            await self.edge
            while not _known(self.ready, "ready"):
                await RisingEdge(self.ready)
                await self.edge
            if self.first_cycle is None:
                self.first_cycle = cycle()
            self.sent += 1
        self.valid.value = 0


class Sink:
    """Receives words, and checks that an offered word stays offered, unchanged, until it is taken."""

    def __init__(
        self,
        clk: Any,
        valid: Any,
        ready: Any,
        payload: Any,
        *,
        last: Any = None,
        stalls: int | str | None = None,
    ):
        self.edge, self.valid, self.ready, self.payload, self.last = (
            RisingEdge(clk),
            valid,
            ready,
            payload,
            last,
        )
        self.stalls = Stalls(stalls, "sink")
        self.first_cycle: int | None = None
        self.cycles: list[int] = []
        self.lasts: list[bool] = []
        ready.value = 0

    async def receive(self, count: int) -> list[int]:
        """The next ``count`` words; AssertionError when a word changes or vanishes before it is taken."""
        words: list[int] = []
        waiting: int | None = None
        ready = False
        while len(words) < count:
            wanted = not self.stalls()
            if wanted != ready:
                self.ready.value, ready = int(wanted), wanted
            await self.edge
            while self.stalls.random is None and not _known(self.valid, "valid"):
                await RisingEdge(self.valid)
                await self.edge
            if not _known(self.valid, "valid"):
                assert waiting is None, f"valid fell before word {len(words)} was taken"
                continue
            word = _word(self.payload, len(words))
            assert waiting is None or waiting == word, (
                f"word {len(words)} changed from {waiting:#x} to {word:#x} while it waited"
            )
            if self.first_cycle is None:
                self.first_cycle = cycle()
            if ready:
                words.append(word)
                self.cycles.append(cycle())
                if self.last is not None:
                    self.lasts.append(_known(self.last, "last"))
                waiting = None
            else:
                waiting = word
        self.ready.value = 0
        return words


def block_streams(dut: Any, *, stalls: int | None = None) -> tuple[Source, Sink]:
    """Driver of the stream ``i`` and monitor of the stream ``o`` of a generated block (ports ``i__valid`` and
    so on)."""
    return (
        Source(dut.clk, dut.i__valid, dut.i__ready, dut.i__payload, stalls=stalls),
        Sink(dut.clk, dut.o__valid, dut.o__ready, dut.o__payload, stalls=stalls),
    )


async def start(dut: Any) -> None:
    """Starts the clock and applies the synchronous reset for four cycles, where the block has one."""
    Clock(dut.clk, PERIOD_NS, unit="ns").start()
    if hasattr(dut, "rst"):
        dut.rst.value = 1
        await ClockCycles(dut.clk, 4)
        dut.rst.value = 0
    await RisingEdge(dut.clk)


async def within(cycles: int, *parts: Any, describe: Any = None) -> list[Any]:
    """Runs coroutines side by side; their results, or AssertionError when they need more than ``cycles``
    clock cycles.

    ``describe()`` gives the words for the state in which they were stuck.
    """
    tasks = [cocotb.start_soon(part) for part in parts]
    limit = Timer(cycles * PERIOD_NS, "ns")
    for task in tasks:
        if not task.done():
            await First(task, limit)
        assert task.done(), f"not done after {cycles} cycles" + (
            f": {describe()}" if describe is not None else ""
        )
    return [task.result() for task in tasks]


def cycle() -> int:
    """Clock cycles since the start of the simulation."""
    return round(get_sim_time("ns")) // PERIOD_NS


def _known(signal: LogicObject, name: str) -> bool:
    value = signal.value
    assert value.is_resolvable, f"{name} is {value}"
    return bool(value)


def _word(signal: Any, at: int) -> int:
    value = signal.value
    assert value.is_resolvable, f"word {at} holds an unknown: {value}"
    return int(value)
