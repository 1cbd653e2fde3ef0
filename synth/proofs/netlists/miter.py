"""A block beside its own netlist: one circuit whose outputs are 0 as long as both agree."""

import re
import tempfile
from collections import Counter
from pathlib import Path

from amaranth.lib import wiring

from fermatnet.hw.devices import device as find_device
from fermatnet.hw.rtl import verilog
from fermatnet.synth.mapping import NETLIST, map_design
from fermatnet.synth.netlist import models, mutants
from fermatnet.synth.netlist.verilog import read
from fermatnet.synth.proofs.netlists.graph import Graph, parse
from fermatnet.synth.wheels import yosys

__all__ = ["Pair", "pair"]

# memories become registers; what has no value is any value, the same in both
_PREPARE = (
    "hierarchy -top block; proc; setattr -unset keep_hierarchy c:*; setattr -mod -unset keep_hierarchy *; "
    "flatten; memory_map; opt_clean; async2sync; dffunmap; opt_clean; rename block"
)
_SCRIPT = f"""
read_verilog -nosynthesis block.v
{_PREPARE} rtl
design -stash rtl
read_verilog netlist.v
{_PREPARE} cells
design -stash cells
design -copy-from rtl -as rtl rtl
design -copy-from cells -as cells cells
miter -equiv -flatten rtl cells both
hierarchy -top both
flatten
setundef -zero -init
setundef -anyseq
techmap
opt -nodffe -nosdff
dffunmap
aigmap
opt_clean
write_aiger -zinit -ascii -symbols both.aag
"""


class Pair:
    """``graph``: whose outputs stay 0 while the two agree; ``quiet``: places of the reset among its inputs;
    ``cells``: how many of each kind the netlist has."""

    def __init__(self, graph: Graph, quiet: tuple[int, ...], cells: dict[str, int]):
        self.graph, self.quiet, self.cells = graph, quiet, cells


def pair(component: wiring.Component, device: str, fault: str = "", seed: int = 0) -> Pair:
    """The component's Verilog beside its netlist for ``device``; with a ``fault``, one of the kinds of
    `fermatnet.synth.netlist.mutants`, beside a netlist that has one. InputError for cells without a model.

    The word that a read-only memory holds before its first read is nobody's, and yosys may choose it; it is 0
    here, in both."""
    target = find_device(device)
    with tempfile.TemporaryDirectory(prefix="fermatnet-proof-") as scratch:
        folder = Path(scratch)
        text = verilog.emit(component, "block", folder).verilog
        (folder / "block.v").write_text(re.sub(r"(output reg [^,;]* data)\n\)", r"\1 = 0\n)", text))
        map_design(folder, ["block.v"], "block", target)
        circuit = read(folder / NETLIST, "block", target.family)
        counts = Counter(cell["type"] for _, cell in circuit.cells())
        if fault:
            drawn = [one for one in mutants.draw(circuit, 1, seed) if one.kind == fault]
            for one in drawn:
                circuit.modules[one.module]["cells"][one.cell] = one.body
        text = circuit.verilog() + models.text(circuit.family, circuit.kinds)
        (folder / "netlist.v").write_text(text)
        yosys(_SCRIPT, folder)
        written = (folder / "both.aag").read_text()
    graph = parse(written)
    symbols = [line.split(maxsplit=1) for line in written.splitlines() if line.startswith("i")]
    quiet = tuple(int(place[1:]) for place, name in symbols if name.endswith("rst"))
    return Pair(graph, quiet, dict(counts.most_common()))
