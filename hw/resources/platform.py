"""Platforms for which resource prediction elaborates: memories and modules of their own stay whole, so that
they can be looked up."""

from amaranth.hdl import ClockSignal, Instance, Module
from amaranth.lib import wiring

from fermatnet.hw.rtl.platform import Platform
from fermatnet.hw.rtl.rom import ROM_MODULE, Rom

__all__ = ["Inside", "Keeping"]


class Inside(Platform):
    """Platform of what stands in a module of its own: counters are known by name."""

    named_modules = True

    def __init__(self) -> None:
        self.roms: list[Rom] = []
        self.shared: dict[str, wiring.Component] = {}
        self.own = 0  # bits of registers that are multipliers' or memories' own

    def inside_cell(self, bits: int) -> None:
        self.own += bits

    def verilog_module(self, name: str, text: str) -> str:
        """Nothing to keep."""
        return name


class Keeping(Inside):
    """Keeps memories and shared modules as instances to be looked up, and elaborates nothing inside them."""

    shared_modules = True

    def memory_block(self, rom: Rom) -> Module:
        """An instance that names the memory by its place in ``roms``, of what has to be held of it."""
        if not rom.minimal:
            return rom.block(self)  # wires around a narrower memory, which comes here again
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
        """Keeps one component of each ``key`` in ``shared`` by the name that is returned."""
        name = f"{kind}_{key}"
        self.shared.setdefault(name, component)
        return name
