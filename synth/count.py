"""Counts of what a mapped netlist uses, by module and by place in the hierarchy."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

__all__ = ["RESOURCES", "resources", "total", "whole"]

RESOURCES = ("luts", "ffs", "brams", "dsps")

# What one cell of a type takes. Cells that are not here (carry chains of xc7, wide multiplexers, buffers)
# come with a LUT or take none.
WEIGHTS: dict[str, dict[str, dict[str, float]]] = {
    "ecp5": {
        # a carry cell uses both LUTs of its slice; a distributed RAM four LUTs, and its write port blocks two
        # more
        "luts": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6},
        "ffs": {"TRELLIS_FF": 1},
        "brams": {"DP16KD": 1, "PDPW16KD": 1},
        "dsps": {"MULT18X18D": 1},
    },
    "ice40": {
        "luts": {"SB_LUT4": 1},
        "ffs": {},  # every SB_DFF*, see below
        "brams": {"SB_RAM40_4K": 1, "SB_RAM40_4KNR": 1, "SB_RAM40_4KNW": 1, "SB_RAM40_4KNRNW": 1},
        "dsps": {"SB_MAC16": 1},
    },
    "gowin": {
        # an ALU cell takes the look-up table of its place; a shadow RAM those of a slice
        "luts": {**{f"LUT{inputs}": 1 for inputs in range(1, 5)}, "ALU": 1, "RAM16SDP4": 6, "RAM16SDP2": 6},
        "ffs": {},  # every DFF*, see below
        "brams": {name: 1 for name in ("SP", "SPX9", "SDPB", "SDPX9B", "DPB", "DPX9B", "pROM", "pROMX9")},
        "dsps": {"MULT9X9": 0.5, "MULT18X18": 1, "MULT36X36": 4},
    },
    "gatemate": {
        # an adder takes the place of a table, a multiplexer of four or eight that of two or four
        "luts": {
            **{f"CC_LUT{inputs}": 1 for inputs in range(1, 5)},
            "CC_L2T4": 1,
            "CC_L2T5": 2,
            "CC_MX2": 1,
            "CC_MX4": 2,
            "CC_MX8": 4,
            "CC_ADDF": 1,
        },
        "ffs": {"CC_DFF": 1, "CC_DLT": 1},
        "brams": {"CC_BRAM_20K": 1, "CC_BRAM_40K": 2},
        "dsps": {"CC_MULT": 1},  # of processing elements
    },
    "nexus": {
        "luts": {"LUT4": 1, "INV": 1, "WIDEFN9": 2, "CCU2": 2, "DPR16X4": 6},
        "ffs": {f"FD1P3{kind}": 1 for kind in ("BX", "DX", "IX", "JX")},
        "brams": {
            "PDP16K": 1,
            "PDPSC16K": 1,
            "DP16K": 1,
            "SP16K": 1,
            "PDP16K_MODE": 1,
            "PDPSC16K_MODE": 1,
            "DP16K_MODE": 1,
        },
        "dsps": {"MULT9X9": 0.5, "MULT18X18": 1, "MULT18X36": 2, "MULT36X36": 4},
    },
    "intel": {
        # an arithmetic cell takes half a module, as a table of up to five inputs can
        "luts": {
            **{f"MISTRAL_ALUT{inputs}": 1 for inputs in range(2, 7)},
            "MISTRAL_NOT": 1,
            "MISTRAL_ALUT_ARITH": 1,
            "MISTRAL_MLAB": 1,
        },
        "ffs": {"MISTRAL_FF": 1},
        "brams": {"MISTRAL_M10K": 1},
        "dsps": {"MISTRAL_MUL9X9": 1, "MISTRAL_MUL18X18": 1, "MISTRAL_MUL27X27": 2},
    },
    "xc7": {
        "luts": {
            **{f"LUT{inputs}": 1 for inputs in range(1, 7)},
            "SRL16E": 1,
            "SRLC32E": 1,
            "RAM32X1S": 1,
            "RAM64X1S": 1,
            "RAM128X1S": 2,
            "RAM256X1S": 4,
            "RAM32X1D": 2,
            "RAM64X1D": 2,
            "RAM128X1D": 4,
            "RAM32M": 4,
            "RAM64M": 4,
        },
        "ffs": {
            name: 1
            for name in (
                "FDRE",
                "FDSE",
                "FDCE",
                "FDPE",
                "FDRE_1",
                "FDSE_1",
                "FDCE_1",
                "FDPE_1",
                "LDCE",
                "LDPE",
            )
        },
        "brams": {"RAMB36E1": 1, "RAMB18E1": 0.5},
        "dsps": {"DSP48E1": 1},
    },
}


FLIP_FLOPS = {"ice40": "SB_DFF", "gowin": "DFF"}
"""How the names of flip-flops begin, in families that have one for each kind of reset and enable."""


def total(modules: Mapping[str, Mapping[str, int]], top: str) -> Counter[str]:
    """Cells of ``top`` and of everything under it, by type; ``modules`` holds each module's cells, submodules
    among them."""
    known: dict[str, Counter[str]] = {}

    def count(name: str) -> Counter[str]:
        if name not in known:
            cells: Counter[str] = Counter()
            for kind, number in modules[name].items():
                if kind in modules:
                    for below, inside in count(kind).items():
                        cells[below] += number * inside
                elif not kind.startswith("$"):  # $scopeinfo and the like are notes, not cells
                    cells[kind] += number
            known[name] = cells
        return known[name]

    return count(top)


def resources(cells: Mapping[str, int], family: str) -> dict[str, Any]:
    """LUTs, flip-flops, block RAMs and DSPs of ``cells``; block RAMs of xc7 are counted in 36 kbit, so in
    halves."""
    counts: dict[str, Any] = {}
    for resource in RESOURCES:
        weights = WEIGHTS[family][resource]
        number = sum(weights.get(kind, 0) * many for kind, many in cells.items())
        if resource == "ffs" and family in FLIP_FLOPS:
            number = sum(many for kind, many in cells.items() if kind.startswith(FLIP_FLOPS[family]))
        counts[resource] = whole(number)
    return counts


def whole(number: float) -> float | int:
    """An int where nothing is lost."""
    return int(number) if number == int(number) else number
