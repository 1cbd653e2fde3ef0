"""A generated design, wrapped: everything that a system on a chip needs, beside the design's own files."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from fermatnet.hw.bus import drivers, fusesoc, scripts
from fermatnet.hw.bus.accelerator import Accelerator
from fermatnet.hw.bus.ip_xact import component
from fermatnet.hw.compiler.interface import read_interface
from fermatnet.hw.rtl import verilog
from fermatnet.model.atomic import atomic_directory
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network.file.store import sha256

__all__ = ["wrap"]


def wrap(
    directory: str | Path, out: str | Path, *, net: Network | None = None, force: bool = False
) -> dict[str, Any]:
    """Wraps the design that `fermatnet.hw.compiler.generate.generate` wrote in ``directory``, into the folder
    ``out``.

    There: the design's files, ``NAME_axi.v`` (`fermatnet.hw.bus.accelerator.Accelerator`), ``component.xml``,
    ``NAME_axi_vivado.tcl``, ``NAME_axi_hw.tcl``, ``NAME_axi_pynq.py``, ``NAME_axi_litex.py``, and
    ``NAME_axi.core`` for FuseSoC with a target ``lint``; with ``net``, the network of the design, there is a
    target ``sim`` too, with a test bench of a few images. Returns the name of the module, the digest of the
    design, and the names of the files. The same design gives the same bytes. Raises InputError for a design
    with several streams a side or with weights from outside, and for another network than the design's.
    """
    directory = Path(directory)
    interface = read_interface(directory, "network")
    files = interface["files"]
    name, memories = f"{interface['top']}_axi", list(files["memories"])
    digest = hashlib.sha256()
    for file in (*files["verilog"], *memories):
        digest.update(hashlib.sha256((directory / file).read_bytes()).digest())
    mark = int.from_bytes(digest.digest()[:8], "little")
    top = Accelerator(interface, mark)
    with atomic_directory(out, force=force) as folder:
        for path in sorted(directory.iterdir()):
            if path.is_file():
                shutil.copyfile(path, folder / path.name)
        verilog.emit(top, name, folder)
        sources = [*files["verilog"], f"{name}.v"]
        texts = {
            "component.xml": component(name, interface, [*sources, *memories]),
            f"{name}_vivado.tcl": scripts.vivado(name, sources, memories),
            f"{name}_hw.tcl": scripts.quartus(name, interface, sources, memories),
            f"{name}_pynq.py": drivers.pynq(name, interface, mark),
            f"{name}_litex.py": drivers.litex(name, interface, sources),
        }
        bench = _bench(texts, name, interface, net)
        texts[f"{name}.core"] = fusesoc.core_file(name, sources, memories, files["waivers"], bench)
        for file, text in texts.items():
            (folder / file).write_text(text)
    return {
        "name": name,
        "design": f"{mark:016x}",
        "sources": sources,
        "memories": memories,
        "texts": list(texts),
    }


def _bench(texts: dict[str, str], name: str, interface: dict[str, Any], net: Network | None) -> list[str]:
    """Adds the files of the test bench to ``texts``; their names."""
    if net is None:
        return []
    if sha256(net) != interface["network_sha256"]:
        raise InputError("the network is not the one that the design was generated from")
    names = [f"{name}_tb.v", f"{name}_stimulus.hex", f"{name}_expected.hex"]
    texts[names[1]], texts[names[2]] = fusesoc.vectors(net, interface)
    texts[names[0]] = fusesoc.test_bench(name, interface, names[1], names[2])
    return names
