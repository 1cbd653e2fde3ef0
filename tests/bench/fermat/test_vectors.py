"""Random vectors through generated Verilog: right blocks pass, a wrong one is found; the cocotb bench of the
folded transform."""

import json

import pytest

from fermatnet.bench.fermat.vectors import check_block
from fermatnet.hw.fermat.adder import Subtractor
from fermatnet.hw.ip.registry import generate
from fermatnet.sim import bench
from fermatnet.sim.runner import SimulationError


def test_vectors_find_a_wrong_block() -> None:
    assert check_block("adder", 64, 300)["wrong"] == 0
    assert check_block("adder", 16, 300, component=Subtractor(16, latency=2))["wrong"] > 200


def test_bench_of_the_folded_transform(tmp_path) -> None:
    generate("fnt_folded", tmp_path, b=4, n=4, lanes=2, inverse=True)
    bench.check(tmp_path, vectors=64, stalls=None)
    interface = json.loads((tmp_path / "interface.json").read_text())
    interface["options"]["inverse"] = False
    (tmp_path / "interface.json").write_text(json.dumps(interface))
    with pytest.raises(SimulationError, match="word 0"):
        bench.check(tmp_path, vectors=64, stalls=1)
