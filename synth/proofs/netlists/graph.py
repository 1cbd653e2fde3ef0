"""And-inverter graphs with registers, as yosys writes them (AIGER, A. Biere, FMV report 07/1, JKU Linz
2007)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Graph", "parse", "simulate"]

Words = NDArray[np.uint64]


@dataclass(frozen=True)
class Graph:
    """Literals are 2 v + complement, 0 being false. ``gates``: (variable, literal, literal), each after what
    it reads; ``registers``: variable and literal of the next value, 0 at first; ``outputs``: literals."""

    inputs: tuple[int, ...]
    registers: tuple[tuple[int, int], ...]
    gates: tuple[tuple[int, int, int], ...]
    outputs: tuple[int, ...]

    @property
    def size(self) -> int:
        """One more than the highest variable."""
        used = [0, *self.inputs, *(v for v, _ in self.registers), *(v for v, _, _ in self.gates)]
        return max(used) + 1


def parse(text: str) -> Graph:
    """A graph from AIGER's ASCII form."""
    lines = iter(text.splitlines())
    _, _, inputs, registers, outputs, gates = next(lines).split()[:6]
    found_inputs = tuple(int(next(lines)) // 2 for _ in range(int(inputs)))
    rows = [next(lines).split() for _ in range(int(registers))]
    found_outputs = tuple(int(next(lines)) for _ in range(int(outputs)))
    ands = [[int(word) for word in next(lines).split()] for _ in range(int(gates))]
    return Graph(
        found_inputs,
        tuple((int(row[0]) // 2, int(row[1])) for row in rows),
        tuple((out // 2, a, b) for out, a, b in ands),
        found_outputs,
    )


def simulate(graph: Graph, inputs: Words, state: Words) -> tuple[Words, Words]:
    """One clock cycle of 64 runs a word: next state and outputs, for inputs (n, words) and state (registers,
    words)."""
    values = np.zeros((graph.size, inputs.shape[1]), np.uint64)
    for variable, row in zip(graph.inputs, inputs, strict=True):
        values[variable] = row
    for (variable, _), row in zip(graph.registers, state, strict=True):
        values[variable] = row
    ones = np.uint64(0xFFFFFFFFFFFFFFFF)

    def of(literal: int) -> Words:
        return values[literal >> 1] ^ (ones if literal & 1 else np.uint64(0))

    for variable, a, b in graph.gates:
        values[variable] = of(a) & of(b)
    shape = (-1, inputs.shape[1])
    following = np.array([of(literal) for _, literal in graph.registers], np.uint64).reshape(shape)
    return following, np.array([of(literal) for literal in graph.outputs], np.uint64).reshape(shape)
