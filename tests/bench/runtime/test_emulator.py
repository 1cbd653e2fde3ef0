"""Generated C on Cortex-M (without and with DSP) and RISC-V (base, bit manipulation, vectors), in
emulators."""

import numpy as np
import pytest

from fermatnet.bench.runtime.emulator import TARGETS, compile_for, emulate, missing, run_user
from fermatnet.bench.runtime.plain_c import write_plain
from fermatnet.model.network import Network, run
from fermatnet.model.network.nodes import Add, Affine, Conv, Dense, MaxPool, SumPool
from fermatnet.runtime.c import generate
from fermatnet.runtime.c.vectors import images

from ...model.network.samples import digits_like


def result(target, folder, name, image):
    path = compile_for(target, folder, name, image)
    return run_user(target, path) if target.qemu else emulate(target, path).outputs


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_one_answer_on_every_processor(target, tmp_path):
    lacks = missing(target)
    if lacks:
        pytest.skip(f"{lacks} is not installed")
    net = digits_like(2, size=6)
    generate(net, tmp_path / "c")
    image = images(net, 4, seed=1)[3]
    np.testing.assert_array_equal(result(target, tmp_path / "c", "net", image), run(net, image[None])[0])


def test_instructions_are_counted(tmp_path):
    """The emulator's count of the blocks is the count of a hook on every instruction."""
    target = TARGETS["cortex-m0"]
    if missing(target):
        pytest.skip(f"{missing(target)} is not installed")
    import unicorn

    from fermatnet.bench.runtime import emulator

    net = digits_like(3, size=4)
    generate(net, tmp_path / "c")
    path = compile_for(target, tmp_path / "c", "net", images(net, 1)[0])
    counted = emulate(target, path)
    seen = []
    plain = emulator._machine

    def watched(chosen):
        machine = plain(chosen)
        machine[0].hook_add(unicorn.UC_HOOK_CODE, lambda uc, address, size, data: seen.append(address))
        return machine

    emulator._machine = watched
    try:
        emulate(target, path)
    finally:
        emulator._machine = plain
    assert counted.instructions == len([address for address in seen if address != emulator.STOP]) > 10_000
    assert counted.ram >= 4 * 10 and 0 < counted.stack < 2000 and counted.flash > 1000


def test_the_plain_loops_compute_the_same(tmp_path):
    """What instruction counts are compared with is right itself."""
    target = TARGETS["cortex-m4"]
    if missing(target):
        pytest.skip(f"{missing(target)} is not installed")
    rng = np.random.default_rng(0)
    nodes = [
        Conv("stem", ("image",), rng.integers(-127, 128, (4, 1, 3, 3)), stride=(2, 1), pad=(1, 1, 1, 1)),
        Affine("narrow", ("stem",), rng.integers(1, 90, 4), np.zeros(4, np.int64), 13, -128, 127),
        MaxPool("pool", ("narrow",), (2, 2), (2, 2)),
        Conv("conv", ("pool",), rng.integers(-127, 128, (4, 4, 3, 3)), pad=(1, 1, 1, 1)),
        Affine("scale", ("conv",), rng.integers(1, 90, 4), np.zeros(4, np.int64), 13, -128, 127),
        Add("add", ("scale", "pool")),
        SumPool("sum", ("add",)),
        Dense("dense", ("sum",), rng.integers(-127, 128, (5, 4)), rng.integers(-99, 99, 5)),
    ]
    net = Network(nodes, (1, 8, 6))
    write_plain(net, tmp_path)
    image = images(net, 4)[3]
    outputs = emulate(target, compile_for(target, tmp_path, "plain", image)).outputs
    np.testing.assert_array_equal(outputs, run(net, image[None])[0])
