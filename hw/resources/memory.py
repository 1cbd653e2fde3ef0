"""How yosys keeps a memory: block memory, distributed memory, or tables; the prices are those of its memory
libraries."""

from functools import cache
from math import ceil

from fermatnet.hw.resources.contents import Store
from fermatnet.hw.rtl.block_rom import blocks as deep_blocks

__all__ = ["column_tables", "in_tables", "kept"]

# xc7 prices (techlibs/xilinx/brams_xc4v.txt, lutrams_xc5v.txt): a half or a whole block, four tables of
# distributed memory; a bit of a read-only memory made of tables costs 1/64. ecp5
# (techlibs/lattice/brams_16kd.txt, lutrams_trellis.txt): a block, 16 x 4 bits of distributed memory, a bit
# 1/16. ice40 (techlibs/ice40/brams.txt): a block; it has no distributed memory, so that a small RAM is
# registers, at a price of 1 a bit.
BLOCKS: dict[str, list[tuple[int, tuple[int, ...], int, float]]] = {
    "xc7": [(14, (1, 2, 4, 9, 18, 36), 129, 0.5), (15, (1, 2, 4, 9, 18, 36, 72), 257, 1.0)],
    "ecp5": [(14, (1, 2, 4, 9, 18, 36), 128, 1.0)],
    "ice40": [(12, (2, 4, 8, 16), 64, 1.0)],
}
# (depth, width, price, tables that are counted)
DISTRIBUTED = {"xc7": [(32, 6, 8, 4), (64, 3, 8, 4)], "ecp5": [(16, 4, 4, 6)], "ice40": []}
LOGIC_BIT = {"xc7": 1 / 64, "ecp5": 1 / 16, "ice40": 1 / 16}
# added to the price, for a bit of each further row of distributed memory
MULTIPLEXER = 0.5
REGISTER_TABLES = 0.9  # for each further bit of a RAM made of registers: four of eight tables, and decoders
# added to a block's price, for what stands around one that is read as it is written
AROUND = {"xc7": 0.0, "ecp5": 5.0, "ice40": 5.0}


@cache
def _blocks(family: str, words: int, width: int, constant: bool = False) -> tuple[float, float, int]:
    """Price and number of block memories for the best shape of a block, and the banks whose words are chosen
    from behind them.

    A ``constant`` memory that is deeper than a block has its banks beside each other in the words of a block:
    4,608 words of 3 bits are three banks of 2,048, which fill one block of 2,048 words of 9.
    """
    found = []
    for bits, widths, price, number in BLOCKS[family]:
        for size in widths:
            depth = (1 << bits) // (1 << max(0, size.bit_length() - 1))
            banks = ceil(words / depth)
            count = ceil(banks * width / size) if constant else banks * ceil(width / size)
            chosen = MULTIPLEXER * width * (banks - 1) * constant
            found.append((count * price + chosen, count * number, banks))
    return min(found)


def _tables(family: str, store: Store) -> tuple[float, float]:
    """Tables and output registers of a read-only memory that is logic: equal and constant columns are made
    once."""
    assert store.contents is not None
    columns = set()
    for bit in range(store.width):
        column = 0
        for place, word in enumerate(store.contents):
            column |= (word >> bit & 1) << place
        columns.add(column)
    columns -= {0, (1 << len(store.contents)) - 1}
    return len(columns) * column_tables(family, store.words), len(columns)


def column_tables(family: str, words: int) -> float:
    """Tables a column of random bits takes, as measured on memories of 12 to 512 words: tables and wide
    multiplexers make powers of two."""
    inside = {"xc7": 6, "ecp5": 4, "ice40": 4}[family]
    whole = 1 << max(0, (words - 1).bit_length() - inside)
    return whole * (1.0 if words <= 256 else 1.15)


def in_tables(family: str, words: int, width: int) -> bool:
    """Whether a read-only memory becomes tables rather than block memory, in the formulas that folds are
    chosen by: they count a block for each bank of a deep memory."""
    return words * width * LOGIC_BIT[family] <= _blocks(family, words, width)[0]


def kept(store: Store, family: str) -> tuple[float, float, float, str]:
    """Tables, register bits and block memories of a memory, and which kind it is."""
    constant = store.contents is not None
    if store.registered:
        return 0.0, 0.0, float(deep_blocks(store.words, store.width)), "block"
    block_price, blocks, banks = _blocks(family, store.words, store.width, constant)
    if constant:
        if store.words * store.width * LOGIC_BIT[family] <= block_price or not store.clocked:
            tables, registers = _tables(family, store)
            return tables, registers * store.clocked, 0.0, "tables"
        selecting = store.width * ceil((banks - 1) / (3 if family == "xc7" else 1))
        return float(selecting), float((banks - 1).bit_length()), blocks, "block"
    bits = store.words * store.width
    if family == "ice40" and bits < block_price + AROUND[family]:
        # registers, which choose themselves when they are written, and a multiplexer that reads them
        tables = REGISTER_TABLES * store.width * (store.words - 1)
        return tables, float(bits + store.width * store.clocked), 0.0, "registers"
    found: list[tuple[float, float]] = [(float("inf"), 0.0)] if family == "ice40" else []
    for depth, width, price, each in DISTRIBUTED[family]:
        rows = ceil(store.words / depth)
        count = rows * ceil(store.width / width)
        selecting = store.width * (rows > 1) * ceil((rows - 1) / (3 if family == "xc7" else 1))
        found.append((count * price + MULTIPLEXER * store.width * (rows - 1), count * each + selecting))
    cheapest, tables = min(found)
    # ice40: one that is read at once goes to a block, too, which takes in the register that addresses it
    around = 0.0 if store.loose else AROUND[family]
    if (store.clocked or family == "ice40") and cheapest >= block_price + around:
        # its blocks do not give the old word: yosys writes a cycle later, compares addresses and passes the
        # word on
        if family in ("ecp5", "ice40") and not store.loose:
            address = (store.words - 1).bit_length()
            return float(store.width + ceil(address / 2)), 2.0 * store.width + address + 2, blocks, "block"
        return 0.0, 0.0, blocks, "block"
    return float(tables), float(store.width * store.clocked), 0.0, "distributed"
