"""Equality of two sequential circuits by corresponding registers (C. A. J. van Eijk, DATE 1998).

Registers of both circuits that agree in a random simulation from the start, up to complement, are supposed to
agree always. A solver is asked for a state in which all of them agree and after whose next clock edge some do
not; if there is one, its pairs part, and the question is asked again. What is left agrees always, because it
does at the start; with it in hand the outputs are compared. The proof is for every input and every length of
time; where the outputs do not follow from registers alone the answer is that there is none, never a wrong
one.
"""

from collections import defaultdict
from typing import Any

import numpy as np

from fermatnet.synth.proofs.netlists.graph import Graph, Words, simulate

__all__ = ["Verdict", "equal"]

WORDS, CYCLES = 8, 96  # 512 runs
PATIENCE = 120.0
"""Seconds for one question to the solver."""

Verdict = tuple[bool | None, str]
"""True: proved; False: refuted by a run from the start; None: neither; and the words for it."""


def equal(graph: Graph, seed: int = 0, quiet: tuple[int, ...] = ()) -> Verdict:
    """Whether every output of the graph stays 0. ``quiet``: places of inputs that are rarely 1, such as
    reset."""
    start = np.zeros((len(graph.registers), WORDS), np.uint64)
    history, differing = _history(graph, start, seed, quiet)
    if differing is not None:
        return False, f"a run of {differing + 1} cycles tells them apart"
    classes = _classes(history)
    solver, rounds = _Solver(graph), 1
    try:
        while (found := solver.apart(classes)) is not None:
            state, inputs = found
            following, _ = simulate(graph, inputs, state)
            classes, rounds = _split(classes, following), rounds + 1
        if solver.output(classes):
            return None, f"registers in {len(classes)} groups do not decide the outputs"
    except TimeoutError:
        return None, f"the solver gave up after {PATIENCE:g} s"
    return True, f"{len(graph.registers)} registers in {len(classes)} groups, {rounds} rounds"


def _history(graph: Graph, state: Words, seed: int, quiet: tuple[int, ...]) -> tuple[list[Words], int | None]:
    """States of random runs, and the cycle in which an output rose."""
    rng, states = np.random.default_rng(seed), [state]
    for cycle in range(CYCLES):
        inputs = rng.integers(0, 1 << 64, (len(graph.inputs), WORDS), dtype=np.uint64)
        for place in quiet:  # 1 in one of 64 cycles, and in half of the runs never
            inputs[place] = np.bitwise_and.reduce(rng.integers(0, 1 << 64, (6, WORDS), dtype=np.uint64))
            inputs[place, : WORDS // 2] = 0
        state, outputs = simulate(graph, inputs, state)
        if outputs.any():
            return states, cycle
        states.append(state)
    return states, None


Classes = list[list[tuple[int, int]]]
"""Groups of registers as (place, complement); the first group holds the constant as place -1."""


def _classes(history: list[Words]) -> Classes:
    groups: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    traces = np.stack(history, 1)
    groups[np.zeros_like(traces[0]).tobytes() if len(traces) else b""].append((-1, 0))
    for place, trace in enumerate(traces):
        complement = int(trace.flat[0] & np.uint64(1))
        groups[(~trace if complement else trace).tobytes()].append((place, complement))
    return list(groups.values())


def _split(classes: Classes, following: Words) -> Classes:
    """Parts every group by the values after the edge, (registers, 1) words of which bit 0 counts."""
    parted: Classes = []
    for group in classes:
        halves: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for place, complement in group:
            value = 0 if place < 0 else int(following[place, 0]) & 1
            halves[value ^ complement].append((place, complement))
        parted += list(halves.values())
    return parted


class _Solver:
    """The graph in bitwuzla's terms, with one variable a group of registers."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def _built(self, classes: Classes):
        """A solver, the terms of all variables, and those of one register of each group."""
        import bitwuzla

        terms_of = bitwuzla.TermManager()
        options = bitwuzla.Options()
        options.set(bitwuzla.Option.PRODUCE_MODELS, True)
        options.set(bitwuzla.Option.TIME_LIMIT_PER, int(1000 * PATIENCE))
        solver = bitwuzla.Bitwuzla(terms_of, options)
        kind, false = bitwuzla.Kind, terms_of.mk_false()
        terms, leaders = {0: false}, []
        for variable in self.graph.inputs:
            terms[variable] = terms_of.mk_const(terms_of.mk_bool_sort(), f"i{variable}")
        for number, group in enumerate(classes):
            constant = group[0][0] < 0
            leader = false if constant else terms_of.mk_const(terms_of.mk_bool_sort(), f"s{number}")
            leaders.append(leader)
            for place, complement in group:
                if place >= 0:
                    own = terms_of.mk_term(kind.NOT, [leader]) if complement else leader
                    terms[self.graph.registers[place][0]] = own

        def of(literal: int):
            term = terms[literal >> 1]
            return terms_of.mk_term(kind.NOT, [term]) if literal & 1 else term

        known: dict[tuple[int, int], object] = {}
        for variable, a, b in self.graph.gates:
            one, other = sorted((of(a), of(b)), key=lambda term: term.id())
            pair = (one.id(), other.id())
            if pair not in known:
                known[pair] = terms_of.mk_term(kind.AND, [one, other])
            terms[variable] = known[pair]
        return terms_of, solver, of, leaders, kind

    def apart(self, classes: Classes) -> tuple[Words, Words] | None:
        """State (registers, 1) and inputs (n, 1) after which a group's members differ; None where there is
        none."""
        terms_of, solver, of, leaders, kind = self._built(classes)
        differing = []
        for group in classes:
            wanted = None
            for place, complement in group:
                following = (
                    terms_of.mk_false() if place < 0 else of(self.graph.registers[place][1] ^ complement)
                )
                if wanted is None:
                    wanted = following
                elif wanted.id() != following.id():
                    differing.append(terms_of.mk_term(kind.XOR, [wanted, following]))
        if not differing:
            return None
        solver.assert_formula(differing[0] if len(differing) == 1 else terms_of.mk_term(kind.OR, differing))
        if not _satisfiable(solver):
            return None
        one = {True: np.uint64(1), False: np.uint64(0)}
        values = [bool(solver.get_value(leader).value()) for leader in leaders]
        state = np.zeros((len(self.graph.registers), 1), np.uint64)
        for value, group in zip(values, classes, strict=True):
            for place, complement in group:
                if place >= 0:
                    state[place] = one[value ^ bool(complement)]
        inputs = [one[bool(solver.get_value(of(2 * variable)).value())] for variable in self.graph.inputs]
        return state, np.array(inputs, np.uint64).reshape(-1, 1)

    def output(self, classes: Classes) -> bool:
        """Whether an output can be 1 in a state in which the groups agree."""
        terms_of, solver, of, _, kind = self._built(classes)
        outputs = [of(literal) for literal in self.graph.outputs]
        solver.assert_formula(outputs[0] if len(outputs) == 1 else terms_of.mk_term(kind.OR, outputs))
        return _satisfiable(solver)


def _satisfiable(solver: Any) -> bool:
    answer = str(solver.check_sat())
    if answer not in ("sat", "unsat"):
        raise TimeoutError
    return answer == "sat"
