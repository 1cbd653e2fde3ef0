"""cocotb driver for blocks that take operands on every enabled cycle: adders, butterflies, parallel
transforms, popcounts."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from cocotb.triggers import RisingEdge, Timer

from fermatnet.sim.streams import start

__all__ = ["check_pipeline"]


async def check_pipeline(
    dut: Any,
    operands: Mapping[str, Sequence[int]],
    expected: Mapping[str, Sequence[int]],
    latency: int,
    *,
    seed: int = 0,
) -> None:
    """Feeds one set of operands an enabled cycle and asserts that each result comes exactly ``latency``
    enabled cycles later.

    ``operands`` and ``expected``: for every port, its words, one a vector. Where the block has an enable, a
    third of the cycles at random are idle: operands are then wrong on purpose and the results must hold.
    Blocks without a clock are checked as combinational.
    """
    count = len(next(iter(expected.values())))
    assert count > 0 and all(len(words) == count for words in (*operands.values(), *expected.values())), (
        "vectors of one length"
    )
    clocked, gated, chance = hasattr(dut, "clk"), hasattr(dut, "en"), random.Random(seed)
    assert clocked or latency == 0, f"a block without a clock cannot have a latency of {latency}"
    if gated:
        dut.en.value = 0
    if clocked:
        await start(dut)
    at = 0
    while at < count + latency:
        enabled = not gated or chance.random() < 2 / 3
        if gated:
            dut.en.value = int(enabled)
        for port, words in operands.items():
            handle = getattr(dut, port)
            word = words[at] if at < count else 0
            handle.value = word if enabled else ~word % (1 << len(handle))
        await (RisingEdge(dut.clk) if clocked else Timer(1, "ns"))
        if enabled:
            if at >= latency:
                _compare(dut, operands, expected, at - latency)
            at += 1
        elif 0 < latency <= at:  # idle: the registers hold the result of the vector before
            _compare(dut, operands, expected, at - latency)


def _compare(
    dut: Any, operands: Mapping[str, Sequence[int]], expected: Mapping[str, Sequence[int]], at: int
) -> None:
    for port, words in expected.items():
        value = getattr(dut, port).value
        assert value.is_resolvable, f"vector {at}: {port} is {value}"
        if int(value) != words[at]:
            inputs = ", ".join(f"{name} = {column[at]:#x}" for name, column in operands.items())
            raise AssertionError(
                f"vector {at} ({inputs}): {port} is {int(value):#x}, expected {words[at]:#x}"
            )
