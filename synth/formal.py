"""Formal proofs on generated Verilog: yosys turns it into SMT-LIB 2, bitwuzla or z3 decides. Unbounded in
values; nothing is sampled.

A proof asks for a counterexample: states of the block linked by clock edges, assumptions on them, and a claim
that is denied.
``Proof.holds`` is True when the solver shows that none exists. The start state is any state at all, not only
the reset state, so a claim over n edges holds at any time. bitwuzla takes seconds where z3 takes minutes or
gives up (carry chains of 32 and 64 bits);
either is enough.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from fermatnet.hw.rtl import verilog
from fermatnet.model.errors import InputError
from fermatnet.synth.wheels import yosys

__all__ = ["Block", "Named", "Proof", "constant", "residue", "valid_number"]

SCRIPT = (
    "read_verilog block.v; hierarchy -top block; proc; setattr -unset keep_hierarchy c:*; "
    "setattr -mod -unset keep_hierarchy *; flatten; "
    "memory_map; setundef -zero; "
    "async2sync; dffunmap; opt_clean; write_smt2 -stbv block.smt2"
)


def constant(value: int, bits: int) -> str:
    """An SMT-LIB bit-vector constant, modulo 2^bits."""
    return f"(_ bv{value % (1 << bits)} {bits})"


def valid_number(word: str, b: int) -> str:
    """The (b+1)-bit word is a diminished-1 number: at most 2^b, that is, a zero's code is 0."""
    return f"(bvule {word} {constant(1 << b, b + 1)})"


def residue(word: str, b: int, width: int) -> str:
    """The residue 0..2^b of a (b+1)-bit word, as a bit-vector of `width` > b + 1 bits."""
    wide = f"((_ zero_extend {width - b - 1}) {word})"
    return (
        f"(ite (= {word} {constant(1 << b, b + 1)}) {constant(0, width)} (bvadd {wide} {constant(1, width)}))"
    )


class Block:
    """A component as an SMT-LIB module; ``port(name, state)`` is the term for a port in one of the states s0,
    s1, ..."""

    def __init__(self, component: wiring.Component) -> None:
        with tempfile.TemporaryDirectory(prefix="fermatnet-formal-") as directory:
            verilog.emit(component, "block", Path(directory), raw=True)
            yosys(SCRIPT, Path(directory))
            self.text = (Path(directory) / "block.smt2").read_text()
        self._state = next(
            line for line in self.text.splitlines() if line.startswith("(define-sort |block_s|")
        )
        self._booleans = {
            line.split("|")[1].removeprefix("block_n ")
            for line in self.text.splitlines()
            if line.startswith("(define-fun |block_n ") and ") Bool " in line
        }

    def port(self, name: str, state: int) -> str:
        """A bit-vector term, also for one-bit ports."""
        term = f"(|block_n {name}| s{state})"
        return f"(ite {term} #b1 #b0)" if name in self._booleans else term

    def high(self, name: str, state: int) -> str:
        """A Boolean term: a one-bit port is 1."""
        return (
            f"(|block_n {name}| s{state})" if name in self._booleans else f"(= {self.port(name, state)} #b1)"
        )


@dataclass
class Proof:
    """A claim about `block` over `edges` clock edges under assumptions, all SMT-LIB Boolean terms."""

    block: Block
    claim: str
    assumptions: list[str] = field(default_factory=list)
    edges: int = 0
    seconds: float = 0.0
    counterexample: str = ""
    solver: str = ""

    def script(self) -> str:
        """The proof as text for an SMT solver, which finds it unsatisfiable where the claim holds."""
        lines = [self.block.text]
        lines += [f"(declare-const s{t} |block_s|)" for t in range(self.edges + 1)]
        lines += [f"(assert (|block_t| s{t} s{t + 1}))" for t in range(self.edges)]
        lines += [f"(assert {term})" for term in self.assumptions]
        lines.append(f"(assert (not {self.claim}))")
        return "\n".join(lines)

    def holds(self, timeout_s: float = 120.0, solver: str | None = None) -> bool:
        """True: proved. False: refuted, the states are in ``counterexample``. ``InputError`` when time runs
        out.

        ``solver`` is "bitwuzla" or "z3"; by default bitwuzla where it is installed. Its name and version are
        left in ``self.solver``.
        """
        if solver is None:
            solver = "z3" if find_spec("bitwuzla") is None else "bitwuzla"
        started = time.perf_counter()
        answer = {"bitwuzla": self._bitwuzla, "z3": self._z3}[solver](timeout_s)
        self.seconds = time.perf_counter() - started
        if answer not in ("sat", "unsat"):
            raise InputError(f"{solver} gave up after {timeout_s:g} s: {answer}")
        return answer == "unsat"

    def _bitwuzla(self, timeout_s: float) -> str:
        import bitwuzla

        self.solver = f"bitwuzla {version('bitwuzla')}"
        options = bitwuzla.Options()
        options.set(bitwuzla.Option.PRODUCE_MODELS, True)
        options.set(bitwuzla.Option.TIME_LIMIT_PER, int(1000 * timeout_s))
        parser = bitwuzla.Parser(bitwuzla.TermManager(), options)
        fault = parser.parse(f"(set-logic QF_UFBV)\n{self.script()}", True, False)
        if fault:
            raise InputError(f"bitwuzla cannot read the proof: {fault}")
        solver = parser.bitwuzla()
        answer = str(solver.check_sat())
        if answer == "sat":
            states = [term for term in parser.get_declared_funs() if str(term).startswith("s")]
            self.counterexample = ", ".join(f"{term} = {solver.get_value(term)}" for term in states)
        return answer

    def _z3(self, timeout_s: float) -> str:
        import z3

        self.solver = f"z3 {version('z3-solver')}"
        solver = z3.SolverFor("QF_BV")
        solver.set("timeout", int(1000 * timeout_s))
        solver.from_string(self.script())
        answer = solver.check()
        if answer == z3.sat:
            self.counterexample = str(solver.model())
        return str(answer)


@dataclass
class Named:
    """A proof with its name, built on demand; ``expected`` False for a mutant, which must be refuted."""

    name: str
    make: Callable[[], Proof]
    expected: bool = True

    def check(self, timeout_s: float = 300.0, proof: Proof | None = None) -> dict[str, Any]:
        """Row of a table: ``holds`` (None where the solver gave up), ``as_expected``, seconds in the solver,
        its name."""
        proof = proof or self.make()
        holds: bool | None
        try:
            holds = proof.holds(timeout_s)
        except InputError:
            holds = None
        return {
            "proof": self.name,
            "holds": holds,
            "as_expected": holds == self.expected,
            "seconds": round(proof.seconds, 2),
            "solver": proof.solver,
        }
