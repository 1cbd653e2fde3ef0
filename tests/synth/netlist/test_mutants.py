"""Faults are faults: what no simulation could see is not drawn."""

from itertools import chain

import pytest

from fermatnet.synth.netlist import mutants
from fermatnet.synth.netlist.verilog import Circuit

WIRES = {"A": [2], "B": [3], "C": [4], "D": [5], "Z": [6]}
WAYS = {"A": "input", "B": "input", "C": "input", "D": "input", "Z": "output"}


def table(bits):
    """A circuit of two equal look-up tables of four inputs: one for each kind of fault."""
    cell = {"type": "LUT4", "parameters": {"INIT": bits}, "connections": WIRES, "port_directions": WAYS}
    return Circuit(modules={"top": {"cells": {"one": cell, "other": cell}, "netnames": {}}}, **FIELDS)


FIELDS = {"top": "top", "family": "ecp5", "kinds": {"LUT4"}}


@pytest.mark.parametrize(
    "bits, found",
    [
        ("0110100110010110", set()),  # parity: every order of its inputs is the same
        ("1000000000000000", set()),  # all four
        ("0000000000000010", {("A", "B"), ("A", "D")}),  # A alone; C names a clock in other cells
    ],
)
def test_exchanged_inputs_matter(bits, found):
    drawn = chain.from_iterable(mutants.draw(table(bits), 1, seed) for seed in range(60))
    words = {mutant.words.split(": ")[1] for mutant in drawn if mutant.kind == "wire"}
    pairs = {tuple(sorted(word[0] for word in one.split(" and "))) for one in words}
    assert pairs == found
