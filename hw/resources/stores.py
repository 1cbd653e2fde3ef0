"""Memories and instances: read-only memories and shared modules by the platform that kept them, compressor
counters by name."""

import re

from fermatnet.hw.piecewise.compressor.counters import by_name
from fermatnet.hw.resources.cells import Instance, Memory, Netlist, ReadPort, WritePort
from fermatnet.hw.resources.contents import Contents, Store
from fermatnet.hw.resources.memory import in_tables
from fermatnet.hw.resources.platform import Inside
from fermatnet.hw.resources.signals import Signals
from fermatnet.hw.rtl.copies import COPIES
from fermatnet.hw.rtl.rom import KEPT_FROM, ROM_MODULE, Rom

__all__ = ["Stores"]

# gates of pairs, or inverted and constant inputs
_GATES = re.compile(r"(?:_(?:nand|xor|xnor)\d+)*$|_i[0-9a-f]+_k[0-9a-f]+$")


class Stores:
    """Counts the memories and instances of a netlist that was elaborated for ``platform`` in ``made``, each
    once."""

    def __init__(self, netlist: Netlist, signals: Signals, made: Contents, *, platform: Inside, family: str):
        self._netlist, self._signals, self._made = netlist, signals, made
        self._platform, self._family = platform, family
        self._seen: set[int] = set()

    def instance(self, index: int, cell: Instance) -> None:
        """Counts an instance, cell ``index``."""
        if index in self._seen:
            return
        self._seen.add(index)
        name = _GATES.sub("", cell.type)
        if cell.type == ROM_MODULE:
            assert cell.index is not None
            rom = self._platform.roms[cell.index]
            self._made.stores.append(
                Store(rom.depth, rom.width, tuple(rom.words), True, registered=rom.registered)
            )
            self._equal_columns(index, rom)
        elif cell.type in COPIES:
            self._made.registers += 1
        elif counter := by_name(name):
            self._made.counters += counter.cost
        else:
            self._made.inside.append(self._platform.shared[cell.type])
        for port, word in cell.inputs.items():
            if port not in ("clk", "rst"):
                self._signals.want(word)

    def _equal_columns(self, index: int, rom: Rom) -> None:
        """Equal and constant bits of a small read-only memory, one that becomes tables, are one signal."""
        if rom.depth > KEPT_FROM or not in_tables(self._family, rom.depth, rom.width):
            return
        columns: dict[int, int] = {0: 0, (1 << rom.depth) - 1: 1}
        for bit in range(rom.width):
            column = sum((word >> bit & 1) << place for place, word in enumerate(rom.words))
            if column not in columns:
                columns[column] = self._made.graph.leaf()
            self._signals.put((index << 16) | bit, columns[column])

    def read_port(self, index: int, cell: ReadPort) -> None:
        """Counts the memory of a read port, cell ``index``."""
        if index in self._seen:
            return
        self._seen.add(index)
        memory = self._netlist.cells[cell.memory]
        assert isinstance(memory, Memory)
        writes = [port for port in self._netlist.ports_of(cell.memory) if isinstance(port, WritePort)]
        contents, clocked = None if writes else memory.init, cell.enable is not None
        store = Store(memory.depth, memory.width, contents, clocked, loose=memory.loose)
        self._made.stores.append(store)
        self._signals.want(cell.address)
        if cell.enable is not None:
            self._signals.want([cell.enable])
        for port in writes:
            self._signals.want(port.data + port.address + port.enable)
