"""Faults put into a netlist on purpose, to see that its simulation finds them.

All mutants stand in one netlist: a mutated cell is there twice, and a file that the simulation reads when it
begins names the copy that counts. So a simulator is compiled once for all of them.
"""

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fermatnet.model.errors import InputError
from fermatnet.synth.netlist.verilog import Circuit

__all__ = ["CHOICE", "KINDS", "Mutant", "choose", "draw", "with_mutants"]

CHOICE = "mutant.hex"
"""The file that holds the number of the mutant that counts, from 1; 0: the netlist as it is."""

TRAP, EXCITED = 1 << 16, "the mutant differs from its cell"

_EITHER = f"""
// {CHOICE} says whose result counts: the cell's or its mutant's; or that the first difference ends all.
module fermatnet_either #(parameter WIDTH = 1, NUMBER = 1)
    (input [WIDTH-1:0] cell_, mutant, output [WIDTH-1:0] q);
    reg [31:0] chosen [0:0];
    initial $readmemh("{CHOICE}", chosen);
    assign q = chosen[0] == NUMBER ? mutant : cell_;
    always @(cell_ or mutant) if (chosen[0] == NUMBER + {TRAP} && cell_ !== mutant) $fatal(1, "{EXCITED}");
endmodule
"""
_TABLES = {"INIT", "LUT_INIT", "INIT0", "INIT1"}
_INPUTS = ("A", "B", "C", "D", *(f"I{place}" for place in range(6)))
_CLOCKS = ("CLK", "C", "WCK", "RCLK", "WCLK")
_MEMORIES = ("DP16KD", "RAMB18E1", "RAMB36E1", "SB_RAM40_4K")


@dataclass(frozen=True)
class Mutant:
    """One fault: the ``module`` and ``cell`` it is in, its ``kind``, the ``words`` that describe it, and the
    ``body`` of the faulty cell."""

    module: str
    cell: str
    kind: str
    words: str
    body: dict[str, Any]


Change = Callable[[random.Random, dict[str, Any]], str | None]


def _table(rng: random.Random, body: dict[str, Any]) -> str | None:
    """One bit of a look-up table, for a combination that the constants among its inputs allow."""
    names = [name for name in body["parameters"] if name in _TABLES and "LUT" in body["type"]]
    inputs = [body["connections"][name][0] for name in _INPUTS if name in body["connections"]]
    return _flip(rng, body, names, lambda at: _possible(at, inputs))


def _possible(at: int, inputs: list[int | str]) -> bool:
    return all(bit not in ("0", "1") or int(bit) == at >> place & 1 for place, bit in enumerate(inputs))


def _exchangeable(body: dict[str, Any], first: str, second: str) -> bool:
    """Whether a look-up table is the same for two of its inputs exchanged: no fault at all."""
    tables = [bits for name, bits in body["parameters"].items() if name in _TABLES and "LUT" in body["type"]]
    if not tables:
        return False
    names = [name for name in _INPUTS if name in body["connections"]]
    one, other = 1 << names.index(first), 1 << names.index(second)
    bits = tables[0][::-1]
    return all(bits[at] == bits[at ^ one ^ other] for at in range(len(bits)) if at & one and not at & other)


def _memory(rng: random.Random, body: dict[str, Any]) -> str | None:
    """One bit of a block memory's contents, in a part of it that holds something."""
    if body["type"] not in _MEMORIES:
        return None
    return _flip(
        rng, body, [n for n, bits in body["parameters"].items() if n.startswith("INIT") and "1" in bits]
    )


def _flip(
    rng: random.Random,
    body: dict[str, Any],
    names: Sequence[str],
    possible: Callable[[int], bool] = lambda at: True,
) -> str | None:
    if not names:
        return None
    name = rng.choice(sorted(names))
    bits = body["parameters"][name]
    top = len(bits) - 1
    known = [place for place, bit in enumerate(bits) if bit in "01" and possible(top - place)]
    if not known:
        return None
    place = rng.choice(known)
    body["parameters"][name] = bits[:place] + ("1" if bits[place] == "0" else "0") + bits[place + 1 :]
    return f"bit {top - place} of {name}"


def _swap(rng: random.Random, body: dict[str, Any]) -> str | None:
    """Two data inputs exchanged."""
    if body["type"] == "SB_CARRY":  # a majority: the order of its inputs means nothing
        return None
    nets = body["connections"]
    ports = [
        port for port in sorted(nets) if body["port_directions"][port] == "input" and port not in _CLOCKS
    ]
    places = [(port, place) for port in ports for place in range(len(nets[port]))]
    wired = [(port, place) for port, place in places if isinstance(nets[port][place], int)]
    if len({nets[port][place] for port, place in wired}) < 2:
        return None
    first, second = rng.sample(wired, 2)
    a, b = nets[first[0]][first[1]], nets[second[0]][second[1]]
    if a == b or _exchangeable(body, first[0], second[0]):
        return None
    nets[first[0]][first[1]], nets[second[0]][second[1]] = b, a
    return f"{first[0]}[{first[1]}] and {second[0]}[{second[1]}] exchanged"


KINDS: dict[str, Change] = {"table": _table, "memory": _memory, "wire": _swap}
"""Kinds of faults: a bit of a look-up table, a bit of a block memory's contents, two wires exchanged."""


def draw(circuit: Circuit, each: int, seed: int) -> list[Mutant]:
    """``each`` faults of every kind that the circuit can have, in different cells, the same for the same
    seed."""
    rng, found, taken = random.Random(seed), list[Mutant](), set[tuple[str, str]]()
    cells = [
        (module, cell) for module, body in sorted(circuit.modules.items()) for cell in sorted(body["cells"])
    ]
    cells = [pair for pair in cells if circuit.modules[pair[0]]["cells"][pair[1]]["type"] in circuit.kinds]
    for kind, change in KINDS.items():
        rng.shuffle(cells)
        made = 0
        for module, cell in cells:
            body = copy.deepcopy(circuit.modules[module]["cells"][cell])
            if made == each:
                break
            if (module, cell) in taken or not (words := change(rng, body)):
                continue
            taken.add((module, cell))
            found.append(Mutant(module, cell, kind, f"{body['type']} {module}.{cell}: {words}", body))
            made += 1
    return found


def with_mutants(circuit: Circuit, mutants: Sequence[Mutant]) -> Circuit:
    """The circuit with all ``mutants`` in it, none of them counting until `choose` says so. `InputError`
    where two change the same cell."""
    modules = copy.deepcopy(circuit.modules)
    if len({(mutant.module, mutant.cell) for mutant in mutants}) != len(mutants):
        raise InputError("two mutants change the same cell")
    for number, mutant in enumerate(mutants, 1):
        _double(modules[mutant.module], mutant, number)
    return replace(circuit, modules=modules, own=_EITHER)


def _double(module: dict[str, Any], mutant: Mutant, number: int) -> None:
    """Puts the faulty copy beside its cell, and a choice between the two behind them."""
    bits = [bit for net in module["netnames"].values() for bit in net["bits"]]
    for inside in module["cells"].values():
        bits += [bit for connected in inside["connections"].values() for bit in connected]
    free = max(bit for bit in bits if isinstance(bit, int)) + 1
    original = module["cells"][mutant.cell]
    faulty = module["cells"][f"{mutant.cell}$mutant"] = copy.deepcopy(mutant.body)
    for port, direction in original["port_directions"].items():
        wires = original["connections"].get(port, [])
        if direction != "output" or not wires:
            continue
        width = len(wires)
        one, other = list(range(free, free + width)), list(range(free + width, free + 2 * width))
        free += 2 * width
        original["connections"][port], faulty["connections"][port] = one, other
        module["cells"][f"{mutant.cell}${port}"] = {
            "type": "fermatnet_either",
            "parameters": {"WIDTH": f"{width:032b}", "NUMBER": f"{number:032b}"},
            "connections": {"cell_": one, "mutant": other, "q": wires},
        }


def choose(folder: Path, number: int, *, trap: bool = False) -> None:
    """Lets mutant ``number`` count in the folder that `fermatnet.synth.netlist.design.put` wrote; 0: none.

    With ``trap`` it does not count, but the simulation ends as soon as it differs from its cell: a mutant
    that never does cannot be seen by the images of that run, whatever lies behind it.
    """
    (folder / CHOICE).write_text(f"{number + TRAP * trap:x}\n")
