"""What a block will take: look-up tables, flip-flops, block memories and multipliers, before anything is
synthesised.

`predict` elaborates the block and counts: registers, carry chains and the counters of compressor trees as
they are, gates by covering them with tables, memories by the rules of yosys' memory libraries, multipliers by
the widths from which yosys takes a hard one. One constant a family is fitted (`LOGIC`);
``fermatnet bench resources`` holds the result against yosys for layers that were not used to fit it.

The compiler chooses folds by an estimate of the layers themselves, a formula without elaboration
(`fermatnet.hw.layers.cost`).
"""

from dataclasses import dataclass

from amaranth.lib import wiring

from fermatnet.hw.devices import device as find_device
from fermatnet.hw.resources.contents import Contents
from fermatnet.hw.resources.mapping import wide_tables
from fermatnet.hw.resources.memory import kept
from fermatnet.hw.resources.reader import elaborated
from fermatnet.hw.resources.shifts import taken_in
from fermatnet.hw.rtl.collection import uncollected
from fermatnet.model.errors import InputError

__all__ = ["LOGIC", "Resources", "family_of", "is_predicted", "predict"]

TABLE_INPUTS = {"xc7": 6, "ecp5": 4, "ice40": 4}
READ_AS = {"ice40": "ecp5"}  # carry chains of one table a bit, as there; no wide tables
LOGIC = {"xc7": 0.8, "ecp5": 0.85, "ice40": 0.9}  # tables of yosys for one of the cover, fitted
HARD_PRODUCT = {"xc7": 9, "ecp5": 4, "ice40": 9}  # bits of a product from which yosys takes a hard multiplier
WIDE_FACTOR = 4  # bits of both factors from which a product of tables needs half as many more
HARD_INPUTS = {"xc7": (25, 18), "ecp5": (18, 18), "ice40": (16, 16)}


@dataclass(frozen=True)
class Resources:
    """``luts`` and ``ffs`` as yosys counts cells (see `fermatnet.synth.count`), block memories ``brams``
    (xc7: of 36 kbit, so halves), hard multipliers ``dsps``."""

    luts: float = 0.0
    ffs: int = 0
    brams: float = 0.0
    dsps: int = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(
            self.luts + other.luts, self.ffs + other.ffs, self.brams + other.brams, self.dsps + other.dsps
        )


def family_of(device: str) -> str:
    """Family of a device name; InputError for one whose cells are not predicted."""
    family = find_device(device).family
    if family not in TABLE_INPUTS:
        raise InputError(
            f"resources are predicted for the families {', '.join(TABLE_INPUTS)}, not for {device!r}"
        )
    return family


def is_predicted(device: str) -> bool:
    """Whether a prediction for a device is close enough to keep designs within a number of LUTs: those of
    ice40 are not held against many layers yet."""
    return find_device(device).family in ("xc7", "ecp5")


def predict(component: wiring.Component, family: str = "xc7") -> Resources:
    """Resources of a component on ``family`` "xc7", "ecp5" or "ice40"; InputError for another one. A second
    or so for a large layer."""
    if family not in TABLE_INPUTS:
        raise InputError(f"resources are predicted for {', '.join(TABLE_INPUTS)}, not for {family!r}")
    with uncollected():
        return _resources(elaborated(component, READ_AS.get(family, family)), family, {})


def _resources(made: Contents, family: str, known: dict[int, Resources]) -> Resources:
    logic = (
        wide_tables(made.graph, made.roots)
        if family == "ecp5"
        else made.graph.cover(made.roots, TABLE_INPUTS[family])
    )
    free = max(0, logic - made.exact)
    tables = LOGIC[family] * free + (logic - free) + made.chain + made.counters
    registers, blocks, hard = float(made.registers), 0.0, 0
    if family == "xc7":
        shifting, gone = taken_in(made)
        tables, registers = tables + shifting, registers - gone
    for store in made.stores:
        own_tables, own_registers, own_blocks, _ = kept(store, family)
        tables, registers, blocks = tables + own_tables, registers + own_registers, blocks + own_blocks
    for a, b, used in made.products:
        if min(a, b) >= 2 and min(used, a + b) >= HARD_PRODUCT[family]:
            wide, narrow = HARD_INPUTS[family]
            hard += min(-(-a // wide) * -(-b // narrow), -(-b // wide) * -(-a // narrow))
        else:
            tables += (1.55 if min(a, b) >= WIDE_FACTOR else 1.0) * a * b
    result = Resources(tables, round(registers), blocks, hard)
    for component in made.inside:
        if id(component) not in known:
            part = elaborated(component, READ_AS.get(family, family), inside=True)
            known[id(component)] = _resources(part, family, known)
        result += known[id(component)]
    return result
