"""Stream wrappers in Amaranth's simulator: random stalls on both sides, order, latency, and the last frame
without a next one."""

from functools import partial

import numpy as np
import pytest
from amaranth.lib import data
from amaranth.sim import Simulator

from fermatnet.hw.fermat.butterfly import Butterfly
from fermatnet.hw.fermat.number import Number
from fermatnet.hw.fermat.pipelined import PipelinedStream
from fermatnet.hw.ip.fermat import BLOCKS
from fermatnet.hw.ip.registry import generate
from fermatnet.model.errors import InputError
from fermatnet.model.fermat import transform
from fermatnet.model.fermat.number import Ring


def drive(dut, words: list[int], count: int, seed: int | None) -> tuple[list[int], int]:
    """Outputs in order, and the cycle of the first one counted from the first accepted beat; payload must
    hold while stalled."""
    rng = np.random.default_rng(seed)
    got: list[int] = []
    times = {"first_in": -1, "first_out": -1}

    async def put(ctx):
        cycle = 0
        for word in words:
            while seed is not None and rng.random() < 0.4:
                await ctx.tick()
                cycle += 1
            ctx.set(dut.i.payload.as_value(), word)
            ctx.set(dut.i.valid, 1)
            while True:
                _, _, ready = await ctx.tick().sample(dut.i.ready)
                cycle += 1
                if ready:
                    break
            if times["first_in"] < 0:
                times["first_in"] = cycle
            ctx.set(dut.i.valid, 0)

    async def get(ctx):
        cycle, waiting = 0, None
        while len(got) < count:
            ready = seed is None or rng.random() < 0.5
            ctx.set(dut.o.ready, ready)
            _, _, valid, word = await ctx.tick().sample(dut.o.valid, dut.o.payload.as_value())
            cycle += 1
            assert waiting is None or (valid and word == waiting), "a waiting beat changed"
            waiting = word if valid and not ready else None
            if valid and times["first_out"] < 0:
                times["first_out"] = cycle
            if valid and ready:
                got.append(word)
            assert cycle < 100 * count + 1000, "stuck"

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(put)
    simulator.add_testbench(get)
    simulator.run()
    return got, times["first_out"] - times["first_in"]


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize(("b", "n", "inverse"), [(8, 8, False), (4, 16, True), (4, 16, False), (5, 2, True)])
def test_serial(b: int, n: int, inverse: bool, seed: int | None) -> None:
    ring = Ring(b)
    x = ring.from_residues(np.random.default_rng(n).integers(0, ring.modulus, (5, n)))
    expected = (transform.inverse if inverse else transform.forward)(ring, x)
    dut = BLOCKS["fnt_serial"].build(b=b, n=n, inverse=inverse, scale=True, form="chain")
    got, latency = drive(dut, [int(w) for w in ring.pack(x).ravel()], 5 * n, seed)
    assert got == [int(w) for w in ring.pack(expected).ravel()]
    assert seed is not None or latency == dut.latency


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize(
    ("b", "n", "lanes", "inverse"), [(8, 16, 4, False), (8, 16, 2, True), (4, 8, 4, False), (16, 16, 8, True)]
)
def test_folded(b: int, n: int, lanes: int, inverse: bool, seed: int | None) -> None:
    ring = Ring(b)
    x = ring.from_residues(np.random.default_rng(n).integers(0, ring.modulus, (4, n)))
    expected = (transform.inverse if inverse else transform.forward)(ring, x)

    def beats(words: np.ndarray) -> list[int]:
        return [sum(int(w) << (at * (b + 1)) for at, w in enumerate(row)) for row in words.reshape(-1, lanes)]

    dut = BLOCKS["fnt_folded"].build(b=b, n=n, lanes=lanes, inverse=inverse, scale=True, form="chain")
    got, latency = drive(dut, beats(ring.pack(x)), 4 * n // lanes, seed)
    assert got == beats(ring.pack(expected))
    assert seed is not None or latency == dut.latency


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize(("rows", "columns", "inverse"), [(4, 4, False), (4, 4, True), (2, 8, False)])
def test_two_dimensional(rows: int, columns: int, inverse: bool, seed: int | None) -> None:
    ring = Ring(8)
    x = ring.from_residues(np.random.default_rng(rows).integers(0, ring.modulus, (3, rows, columns)))
    words = ring.pack(x)
    if inverse:
        given, expected = words.swapaxes(1, 2), ring.pack(transform.inverse2d(ring, x))
    else:
        given, expected = words, ring.pack(transform.forward2d(ring, x)).swapaxes(1, 2)
    dut = BLOCKS["fnt2d"].build(b=8, rows=rows, columns=columns, inverse=inverse, scale=True, form="chain")
    got, latency = drive(dut, [int(w) for w in given.ravel()], words.size, seed)
    assert got == [int(w) for w in expected.ravel()]
    assert seed is not None or latency == dut.latency


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("latency", [0, 2])
def test_pipelined_butterfly(latency: int, seed: int | None) -> None:
    pair, both = (
        data.StructLayout({"x": Number(6), "y": Number(6)}),
        data.StructLayout({"s": Number(6), "d": Number(6)}),
    )
    dut = PipelinedStream(partial(Butterfly, 6, latency=latency), pair, both, latency)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 65, (2, 60))
    x[:3], y[:3] = (0, 0, 5), (0, 7, 60)
    code = [int(p) | int(q) << 7 for p, q in zip((x - 1) % 65, (y - 1) % 65, strict=True)]
    got, waited = drive(dut, code, 60, seed)
    assert got == [int(p) | int(q) << 7 for p, q in zip((x + y - 1) % 65, (x - y - 1) % 65, strict=True)]
    assert seed is not None or waited == dut.latency == max(latency, 1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("adder", {"b": 65}),
        ("adder", {"latency": 3}),
        ("multiplier", {"b": 1}),
        ("fnt", {"b": 16, "n": 128}),
        ("fnt", {"n": 12}),
        ("fnt_serial", {"b": 6, "n": 8}),
        ("fnt_folded", {"b": 16, "n": 64}),
        ("fnt_folded", {"lanes": 16}),
        ("fnt2d", {"b": 16, "rows": 3}),
        ("convolver", {"kernel": 0}),
        ("butterfly", {"form": "x"}),
    ],
)
def test_bad_options(name: str, options: dict, tmp_path) -> None:
    with pytest.raises(InputError):
        generate(name, tmp_path, **options)
    assert not list(tmp_path.iterdir())
