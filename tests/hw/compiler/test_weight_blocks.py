"""Weight memories as cells of ECP5 where the device has blocks for them, else as synthesis makes them."""

import numpy as np
import pytest

from fermatnet.hw.compiler.generate import generate
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.resources.layers import by_layer, total
from fermatnet.model.network import Network
from fermatnet.model.network.nodes import Dense

CYCLES = 4200


def dense() -> Network:
    """One layer, whose 4,096 words of 16 weights of 8 bits take 32 blocks of four bits each."""
    rng = np.random.default_rng(0)
    return Network([Dense("dense", ("image",), rng.integers(-127, 128, (1024, 64)))], (64, 1, 1))


@pytest.mark.parametrize(("device", "own"), [("ecp5-85k", True), ("ecp5-12k", False)])
def test_a_device_with_few_blocks_keeps_them_for_synthesis(device, own, tmp_path):
    """32 of 208, or all there are: then synthesis may move some into logic. The same cycles either way."""
    net = dense()
    design = plan(net, cycles=CYCLES, device=device)
    assert design.weight_cells("dense") == ("ecp5" if own else "generic")
    made = generate(net, tmp_path / "out", cycles=CYCLES, device=device)
    assert ("DP16KD" in made["vendor_cells"]) == own
    other = plan(net, cycles=CYCLES, device="ecp5-85k" if not own else "ecp5-12k")
    assert (design.latency, design.cycles_per_image) == (other.latency, other.cycles_per_image)
    known = {}  # what is known of one design is not taken for the other
    found = [total(by_layer(one, "ecp5-85k", known=known)) for one in (design, other)]
    assert found[0].ffs != found[1].ffs
