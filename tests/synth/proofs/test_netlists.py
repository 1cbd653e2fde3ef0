"""Netlists of small blocks are the blocks: a sample of the proofs, faults that are not proved, and the method
itself on circuits by hand."""

import numpy as np
import pytest

from fermatnet.synth.proofs.netlists.blocks import BLOCKS, proved
from fermatnet.synth.proofs.netlists.correspondence import equal
from fermatnet.synth.proofs.netlists.graph import parse, simulate

pytest.importorskip("bitwuzla")


@pytest.mark.parametrize(
    ("name", "device"),
    [("queue of 8", "ecp5-85k"), ("butterfly, b = 16", "xc7a35t"), ("comparators in parallel", "ice40-up5k")],
)
def test_a_netlist_is_its_block(name, device):
    row = proved(name, device)
    assert row["proved"] is True, row["how"]


@pytest.mark.parametrize("fault", ["table", "wire"])
def test_a_fault_is_not_proved(fault):
    """Some faults change nothing, as two inputs exchanged that mean the same; of three one does."""
    assert any(proved("queue of 8", "ecp5-85k", fault, seed)["proved"] is not True for seed in (1, 2, 3))


def test_every_block_is_made():
    for make in BLOCKS.values():
        assert make("ecp5-85k") is not None


def toggles(output: str) -> str:
    """Registers 2 (variable) and 3: both take their own complement while the input is 1; output as given."""
    return f"aag 6 1 2 1 3\n2\n4 8\n6 10\n{output}\n8 2 5\n10 2 7\n12 4 7\n"


def test_the_method_by_hand():
    graph = parse(toggles("12"))  # one of two equal registers and not the other: never
    assert equal(graph) == (True, "2 registers in 2 groups, 1 rounds")
    verdict, words = equal(parse(toggles("4")))  # the register itself: it rises
    assert verdict is False and words == "a run of 2 cycles tells them apart"
    # a counter modulo 3 that never reaches 3, where the output would rise: nobody proves that by registers
    # alone
    unreached = "aag 6 0 2 1 2\n4 10\n2 4\n8\n8 2 4\n10 3 5\n"
    verdict, words = equal(parse(unreached))
    assert verdict is None and "do not decide" in words


def test_simulation_of_a_graph():
    graph = parse(toggles("12"))
    state = np.zeros((2, 1), np.uint64)
    one = np.array([[0b01]], np.uint64)
    following, outputs = simulate(graph, one, state)
    assert following.tolist() == [[1], [1]] and outputs.tolist() == [[0]]
