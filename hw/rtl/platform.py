"""What a design is elaborated for: the questions that its parts may ask, each with an answer from every
platform."""

from typing import Any

from amaranth.lib import wiring

__all__ = ["Platform", "Within", "platform_of"]


class Platform:
    """Answers of Amaranth's own simulator, where everything is Python; others say what they do differently.

    Attributes
    ----------
    memory_files : bool
        Contents of memories become files: `memory_image` and `verilog_module` may be asked.
    named_modules : bool
        Modules may be written as Verilog text: `verilog_module` may be asked.
    shared_modules : bool
        Equal components may be one module: `shared_module` may be asked.
    hard_cells : bool
        Multipliers and memories of a family may be instances by name, with their registers.
    reloadable : bool
        Contents of memories change at run time, so nothing may be made of what they happen to be now.
    """

    memory_files = False
    named_modules = False
    shared_modules = False
    hard_cells = False
    reloadable = False

    def inside_cell(self, bits: int) -> None:
        """Hears that a register of ``bits`` will be a multiplier's or a memory's own."""

    def memory_block(self, rom: Any) -> Any:
        """What stands for a `fermatnet.hw.rtl.rom.Rom`."""
        return rom.block(self)

    def memory_image(self, name: str, width: int, words: list[int]) -> str:
        """Takes the contents of a memory; the file's name."""
        raise NotImplementedError(f"{type(self).__name__} keeps no files")

    def verilog_module(self, name: str, text: str) -> str:
        """Takes the text of a module called ``name``; the name under which the design knows it."""
        raise NotImplementedError(f"{type(self).__name__} keeps no modules")

    def shared_module(self, kind: str, key: str, component: wiring.Component) -> str:
        """Name of one module for all components of equal ``key``; ``component`` must hold no memories."""
        raise NotImplementedError(f"{type(self).__name__} shares no modules")


class Within(Platform):
    """The platform of a part of a design, with the answers of the platform around it but where a subclass
    knows better."""

    def __init__(self, outer: Any):
        self.outer = platform_of(outer)
        self.memory_files = self.outer.memory_files
        self.named_modules = self.outer.named_modules
        self.shared_modules = self.outer.shared_modules
        self.hard_cells = self.outer.hard_cells
        self.reloadable = self.outer.reloadable

    def inside_cell(self, bits: int) -> None:
        self.outer.inside_cell(bits)

    def memory_block(self, rom: Any) -> Any:
        return self.outer.memory_block(rom)

    def memory_image(self, name: str, width: int, words: list[int]) -> str:
        return self.outer.memory_image(name, width, words)

    def verilog_module(self, name: str, text: str) -> str:
        return self.outer.verilog_module(name, text)

    def shared_module(self, kind: str, key: str, component: wiring.Component) -> str:
        return self.outer.shared_module(kind, key, component)


_SIMULATION = Platform()


def platform_of(platform: Any) -> Platform:
    """The platform that ``elaborate`` was given; for None, as Amaranth's simulator gives, the plain one."""
    return platform if isinstance(platform, Platform) else _SIMULATION
