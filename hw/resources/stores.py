"""Memories and instances: read-only memories and shared modules by the platform that kept them, compressor
counters by name."""

import re
from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module
from amaranth.hdl._nir import Instance as InstanceCell
from amaranth.hdl._nir import Memory, Netlist, SyncReadPort
from amaranth.lib import wiring

from fermatnet.hw.piecewise.compressor.counters import family
from fermatnet.hw.resources.contents import Store
from fermatnet.hw.resources.walk import Walk
from fermatnet.hw.rtl.platform import Platform
from fermatnet.hw.rtl.rom import KEPT_FROM, ROM_MODULE, Rom

__all__ = ["Inside", "Keeping", "Stores"]

# bits of a read-only memory that yosys makes of tables rather than of a block
TABLES = {"xc7": 64 * 129, "ecp5": 16 * 128}
_GATES = re.compile(r"(?:_(?:nand|xor|xnor)\d+)*$")
COUNTERS = {counter.name: counter for target in ("lut6", "ecp5", "asic") for counter in family(target)}


class Inside(Platform):
    """Platform of what stands in a module of its own: counters are known by name."""

    named_modules = True

    def __init__(self) -> None:
        self.roms: list[Rom] = []
        self.shared: dict[str, wiring.Component] = {}

    def verilog_module(self, name: str, text: str) -> str:
        """Nothing to keep."""
        return name


class Keeping(Inside):
    """Keeps memories and shared modules as instances to be looked up, and elaborates nothing inside them."""

    shared_modules = True

    def memory_block(self, rom: Rom) -> Module:
        if not rom.minimal:
            return rom.block(self)  # wires around a narrower one, which comes here again
        m = Module()
        self.roms.append(rom)
        m.submodules.rom = Instance(
            ROM_MODULE,
            p_INDEX=len(self.roms) - 1,
            i_clk=ClockSignal(),
            i_en=rom.en,
            i_addr=rom.addr,
            o_data=rom.data,
        )
        return m

    def shared_module(self, kind: str, key: str, component: wiring.Component) -> str:
        name = f"{kind}_{key}"
        self.shared.setdefault(name, component)
        return name


class Stores(Walk):
    """Memories and instances of a component elaborated for ``platform``."""

    def __init__(self, netlist: Netlist, family: str, platform: Inside):
        super().__init__(netlist, family)
        self.platform = platform

    def _instance(self, index: int, cell: InstanceCell) -> None:
        if index in self.seen:
            return
        self.seen.add(index)
        name = _GATES.sub("", cell.type)
        if cell.type == ROM_MODULE:
            rom = self.platform.roms[int(cell.parameters["INDEX"])]
            self.made.stores.append(Store(rom.depth, rom.width, tuple(rom.words), True))
            self._equal_columns(index, rom)
        elif name in COUNTERS:
            self.made.counters += COUNTERS[name].cost
        else:
            self.made.inside.append(self.platform.shared[cell.type])
        for port, value in cell.ports_i.items():
            if port not in ("clk", "rst"):
                self._want(value)

    def _equal_columns(self, index: int, rom: Rom) -> None:
        """Equal and constant bits of a small read-only memory, one that becomes tables, are one signal."""
        if rom.depth > KEPT_FROM or rom.depth * rom.width > TABLES[self.family]:
            return
        columns: dict[int, int] = {0: 0, (1 << rom.depth) - 1: 1}
        for bit in range(rom.width):
            column = sum((word >> bit & 1) << place for place, word in enumerate(rom.words))
            if column not in columns:
                columns[column] = self.graph.leaf()
            self.literals[(index << 16) | bit] = columns[column]

    def _read_port(self, index: int, cell: Any) -> None:
        if index in self.seen:
            return
        self.seen.add(index)
        memory = self.cells[cell.memory]
        assert isinstance(memory, Memory)
        writes = [
            port
            for port in self.cells
            if getattr(port, "memory", None) == cell.memory and port is not cell and hasattr(port, "data")
        ]
        clocked = isinstance(cell, SyncReadPort)
        self.made.stores.append(
            Store(memory.depth, memory.width, None if writes else tuple(memory.init), clocked)
        )
        self._want(cell.addr)
        if clocked:
            self._want([cell.en])
        for port in writes:
            for value in (port.data, port.addr, port.en):
                self._want(value)
