"""From a component to Verilog text and memory files: deterministic, without source paths in it."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from amaranth.lib import wiring

from fermatnet.hw.memory import ROM_MODULE, ROM_VERILOG

__all__ = ["Emitted", "FilePlatform", "emit"]


@dataclass
class FilePlatform:
    """Elaboration platform that turns every `Rom` into a memory file; files are named in elaboration order."""

    images: dict[str, str] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)

    def verilog_module(self, name: str, text: str) -> None:
        """Takes the text of a module that the design instantiates by name; one text a name."""
        if self.modules.setdefault(name, text) != text:
            raise ValueError(f"two different modules are called {name}")

    def memory_image(self, name: str, width: int, words: list[int]) -> str:
        digits = -(-width // 4)
        text = "".join(f"{word:0{digits}x}\n" for word in words)
        file, copy = f"{name}.hex", 1
        while self.images.get(file, text) != text:  # the same name with other contents gets a number
            copy += 1
            file = f"{name}_{copy}.hex"
        self.images[file] = text
        return file


@dataclass(frozen=True)
class Emitted:
    """Generated text: ``verilog`` and, by file name, the ``memories`` it loads."""

    name: str
    verilog: str
    memories: dict[str, str]

    def write(self, directory: Path) -> list[Path]:
        """Writes ``<name>.v`` and the memory files into an existing directory; returns their paths."""
        files = {f"{self.name}.v": self.verilog, **self.memories}
        for file, text in files.items():
            (directory / file).write_text(text)
        return [directory / file for file in files]


def emit(component: wiring.Component, name: str, directory: Path | None = None) -> Emitted:
    """Verilog for a component as top module ``name``; written to ``directory`` too when one is given.

    The same component gives the same bytes. Memories load with ``$readmemh`` by bare file name: run the simulator or
    yosys in the folder that holds them.
    """
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"  # an old system yosys would change the text
    from amaranth.back import verilog

    platform = FilePlatform()
    text = verilog.convert(component, name=name, platform=platform, emit_src=False)
    if ROM_MODULE in text:
        text = ROM_VERILOG + "\n" + text
    text = "".join(body + "\n" for _, body in sorted(platform.modules.items())) + text
    emitted = Emitted(name, text, dict(sorted(platform.images.items())))
    if directory is not None:
        emitted.write(Path(directory))
    return emitted
