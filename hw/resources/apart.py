"""A wide table of ecp5 taken apart: what arrives early makes tables of its own, and only what is late meets
in the last one."""

from collections.abc import Sequence

__all__ = ["COST", "PINS", "WIDEST", "apart"]

WIRE = 300  # picoseconds before each pin: -W of abc9
# Picoseconds by inputs, fastest pin first (techlibs/lattice/common_sim.vh), and the LUT4 in a table
PINS = {
    inputs: tuple(delay + WIRE for delay in delays)
    for inputs, delays in {
        0: (),
        1: (141,),
        2: (141, 275),
        3: (141, 275, 379),
        4: (141, 275, 379, 379),
        5: (151, 239, 373, 477, 477),
        6: (148, 292, 380, 514, 618, 618),
        7: (148, 289, 433, 521, 655, 759, 759),
    }.items()
}
COST = (0, 1, 1, 1, 1, 2, 4, 8)
WIDEST = 7


def apart(table: int, arrivals: Sequence[int], required: float) -> int:
    """LUT4 of a function of up to seven inputs that must be there at ``required`` picoseconds.

    ``table``: its truth table, the first input the highest bit of the place; ``arrivals`` of the inputs,
    latest first. Each number of late inputs is tried: the one latest chooses between two functions of the
    others, several meet a code of the others' columns (Ashenhurst, "The decomposition of switching
    functions", 1957).
    """
    best = COST[len(arrivals)]
    for late in range(1, len(arrivals)):
        rest = len(arrivals) - late
        # functions of the rest, by the late ones
        rows = [table >> (row << rest) & (1 << (1 << rest)) - 1 for row in range(1 << late)]
        columns = {tuple(row >> place & 1 for row in rows) for place in range(1 << rest)}
        codes = max(1, (len(columns) - 1).bit_length())
        if late + codes <= WIDEST:
            pins = PINS[late + codes]
            times = [*arrivals[:late], *[arrivals[late] + PINS[rest][-1]] * codes]
            if all(time + pin <= required for time, pin in zip(times, pins, strict=True)):
                best = min(
                    best, _selected(rows, rest) if late == 1 else COST[late + codes] + codes * COST[rest]
                )
    return best


def _selected(rows: list[int], inputs: int) -> int:
    """A last table that one input rules, and those of the functions it chooses from; a constant or one input
    needs none."""
    return 1 + sum(COST[read] for row in set(rows) if (read := _read(row, inputs)) > 1)


def _read(table: int, inputs: int) -> int:
    """Inputs that a function depends on."""
    full, read = (1 << (1 << inputs)) - 1, 0
    for place in range(inputs):
        block = 1 << place
        low = full // ((1 << 2 * block) - 1) * ((1 << block) - 1)
        read += (table & low) != (table >> block & low)
    return read
