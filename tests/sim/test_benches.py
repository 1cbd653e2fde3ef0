"""The blocks' own benches on Verilator: they pass on the generated Verilog, and they fail when it, or what
they expect, is wrong."""

import json

import numpy as np
import pytest

from fermatnet.hw.arrays.piecewise import PiecewiseArray
from fermatnet.hw.fermat.adder import Adder, Subtractor
from fermatnet.hw.fermat.butterfly import Butterfly
from fermatnet.hw.fermat.multiplier import Multiplier
from fermatnet.hw.fermat.transform import ParallelTransform
from fermatnet.hw.piecewise.compressor.popcount import Popcount
from fermatnet.model.errors import InputError
from fermatnet.sim import bench
from fermatnet.sim.runner import SimulationError

ARRAY = {
    "codes": np.random.default_rng(1).integers(0, 5, (8, 18)).tolist(),
    "levels_w": [-5, -2, 0, 2, 6],
    "levels_a": [0, 1, 3, 4, 7],
    "pe": 2,
    "simd": 6,
}


def alter(directory, change):
    """Rewrites interface.json after ``change`` has worked on it."""
    path = directory / "interface.json"
    interface = json.loads(path.read_text())
    change(interface)
    path.write_text(json.dumps(interface))


def test_butterfly(tmp_path):
    directory = bench.write(Butterfly(32, latency=2), "butterfly", tmp_path / "butterfly", {"b": 32})
    bench.check(directory)
    alter(directory, lambda interface: interface.update(latency_cycles=1))
    with pytest.raises(
        SimulationError, match=r"vector 0 \(x = 0x\w+, y = 0x\w+\): s is 0x\w+, expected 0x\w+"
    ):
        bench.check(directory)
    alter(directory, lambda interface: interface.update(latency_cycles=2, options={"b": 31}))
    with pytest.raises(SimulationError, match="expected"):
        bench.check(directory)


def test_array(tmp_path):
    array = PiecewiseArray(
        np.array(ARRAY["codes"], np.uint8), ARRAY["levels_w"], ARRAY["levels_a"], pe=2, simd=6
    )
    directory = bench.write(array, "array", tmp_path / "array", ARRAY)
    bench.check(directory, vectors=40, stalls=None)
    for seed in (1, 2):
        bench.check(directory, vectors=40, stalls=seed, seed=seed)
    alter(directory, lambda interface: interface.update(latency_cycles=array.latency + 1))
    with pytest.raises(
        SimulationError,
        match=f"the first result came after {array.latency} cycles, stated are {array.latency + 1}",
    ):
        bench.check(directory, vectors=40, stalls=None)
    (memory,) = directory.glob("*.hex")
    words = memory.read_text().split()
    words[3] = f"{int(words[3], 16) ^ 1:0{len(words[3])}x}"
    memory.write_text("\n".join(words) + "\n")
    # word 3: the second pair of outputs
    with pytest.raises(SimulationError, match=r"window \d+, outputs from 2: 0x\w+, expected"):
        bench.check(directory, vectors=40)


@pytest.mark.parametrize(
    "component, name, options",
    [
        (Adder(4), "adder", {"b": 4}),
        (Subtractor(16, latency=0), "subtractor", {"b": 16}),
        (Multiplier(8), "multiplier", {"b": 8}),
        (ParallelTransform(4, 16), "fnt", {"b": 4, "n": 16}),
        (Popcount(23, pipeline=1), "popcount", {"width": 23}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_others(component, name, options, tmp_path):
    bench.check(bench.write(component, name, tmp_path / name, options), vectors=60)


def test_a_block_without_a_bench(tmp_path):
    directory = bench.write(Adder(4), "abacus", tmp_path / "abacus", {"b": 4})
    with pytest.raises(
        InputError, match=r"block 'abacus' has no bench: there is one for adder, array, bus, butterfly"
    ):
        bench.check(directory)
