"""The cocotb bench of ``fermatnet ip convolver`` on Verilator: it passes on what the generator wrote, and
finds a wrong spectrum."""

import pytest

from fermatnet.hw.ip import registry as ip
from fermatnet.sim import bench
from fermatnet.sim.runner import SimulationError

OPTIONS = {
    "inputs": 2,
    "outputs": 2,
    "kernel": 3,
    "height": 5,
    "width": 4,
    "moduli": "8,16",
    "length": 4,
    "signed": True,
}


def test_bench(tmp_path):
    """Values and latency without stalls, values with stalls on both sides; one bit of the memory of spectra
    decides."""
    ip.generate("convolver", tmp_path, **OPTIONS)
    bench.check(tmp_path, vectors=80, stalls=None)
    bench.check(tmp_path, vectors=80, stalls=1)
    memory = tmp_path / "convolver_spectra16.hex"
    words = memory.read_text().split()
    words[5] = f"{int(words[5], 16) ^ 1:0{len(words[5])}x}"
    memory.write_text("\n".join(words) + "\n")
    with pytest.raises(SimulationError, match=r"output pixel \d+, channels from \d+: 0x\w+, expected"):
        bench.check(tmp_path, vectors=80, stalls=None)


def test_bench_of_groups_and_lanes(tmp_path):
    """Every option that changes the stream: groups, stride, lanes, spectra computed on the fly."""
    ip.generate(
        "convolver",
        tmp_path,
        inputs=2,
        outputs=4,
        kernel=3,
        height=5,
        width=5,
        stride=2,
        group=2,
        moduli="16",
        length=4,
        lanes_in=2,
        lanes_out=2,
        products=2,
        weight_bits=3,
        input_bits=4,
        spectra="computed",
    )
    bench.check(tmp_path, vectors=80)
