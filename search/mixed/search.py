"""``fermatnet search mixed``: a scheme for each layer, under limits of hardware.

1. Every group of inner layers (one activation feeds them, so they share its scheme) is given every choice,
   alone: the loss on a calibration set says how sensitive it is (the idea of HAWQ and CompactNet, measured
   instead of estimated by a Hessian), and the difference of two predicted designs at one throughput what it
   costs. Each pair is a row that is kept; a search that was stopped goes on with what is missing.
2. The assignment with the least sum of increases under the limits is solved exactly
   (:mod:`fermatnet.search.mixed.knapsack`).
3. Sums are estimates: layers meet, and losses do not quite add up. So every assignment that is shown is
   planned and predicted as a whole, and the limits of the solver are corrected until it keeps them.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fermatnet.hw.resources import Resources
from fermatnet.hw.resources import layers as resources_layers
from fermatnet.hw.rtl.clock import DEFAULT_MHZ
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.network import Network
from fermatnet.model.nn.building import plan_of
from fermatnet.model.nn.patterns import parse
from fermatnet.model.nn.scheme import Scheme, scheme
from fermatnet.model.train.processes import need_device
from fermatnet.model.train.start import build_for
from fermatnet.search.mixed.assigned import Assignments
from fermatnet.search.mixed.costs import COSTS, Target, costs_of
from fermatnet.search.mixed.measured import Subject, changed
from fermatnet.search.record import SearchRecord

__all__ = ["search_mixed"]

CHOICES = ("pa(4,5)", "pa(2,3)", "int8(8,8)", "int8(4,4)", "sign")


def search_mixed(
    run: str | Path,
    out: str | Path,
    *,
    limits: Mapping[str, float],
    choices: Sequence[str] = CHOICES,
    target: str = "ecp5-85k",
    cycles: int = 0,
    clock_mhz: float = DEFAULT_MHZ,
    images: int = 512,
    steps: int = 0,
    points: int = 8,
    seed: int = 0,
    device: str = "cpu",
    resume: bool = False,
    progress: Callable[[int, dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Search a map of schemes for the full-precision network of a run folder.

    Parameters
    ----------
    run : folder of `fermatnet train`, any scheme; its full-precision network is searched for
    out : folder of config.json, checkpoint.pt (after every row) and result.json
    limits : of `fermatnet.search.mixed.costs.COSTS`, ``{"luts": 8000}`` for instance; the first one is that
        of the front
    choices : schemes as words; the first is that of all that is not searched, and of prices' surroundings
    target, cycles, clock_mhz : the device; cycles an image (0: those of the first choice everywhere, in half
        of the device)
    images : set aside from the training data, for calibration and losses
    steps : of training after each change, before its loss is measured; few levels need some 50
    points : of the front
    resume : go on with the search in ``out``; other limits and points there cost no new measurements

    Returns
    -------
    What result.json holds: settings, ``groups`` (layers, and for every choice the loss increase and costs),
    ``uniform`` (each choice everywhere), ``front``, ``found`` (the assignment under the limits: words, costs
    as predicted, estimated increase, the measured loss), ``map`` for ``fermatnet train --map``, budget.
    """
    need_device(device)
    limits = _checked(limits)
    resources_layers.check(target, reloadable=False)
    schemes = {word: _scheme(word) for word in dict.fromkeys(choices)}
    if len(schemes) < 2:
        raise InputError("a search needs at least two choices: 'pa(4,5)' and 'int8(4,4)' for instance")
    for word, how in schemes.items():
        if (first := next(other for other in schemes if schemes[other] == how)) != word:
            raise InputError(f"the choices {first} and {word} are the same scheme: leave one of them out")
    subject = Subject(str(run), images, seed, steps, device)
    settings = {
        "search": "mixed",
        "run": Path(run).name,
        "net": subject.config["net"],
        "data_sha256": subject.config["data_sha256"],
        "choices": list(schemes),
        "device": target,
        "cycles": cycles,
        "clock_mhz": clock_mhz,
        "images": images,
        "steps": steps,
        "seed": seed,
    }
    record = SearchRecord(out, settings, resume)
    try:
        search = _Search(subject, schemes, (target, cycles, clock_mhz), record, progress)
        search.measure()
    except InputError:
        record.discard()
        raise
    found = search.assignments(limits).results(points)
    if found["found"]:
        found["found"]["loss"] = search.loss(found["map"])
    tuned = (len(search.groups) * len(schemes) + bool(found["found"])) * steps
    spent = {"rows": len(search.rows), "training_steps": tuned, "device": device}
    asked = {"limits": limits, "target": {"device": target, "cycles": search.target[1]}}
    return record.close({**asked, **found}, spent)


def _checked(limits: Mapping[str, float]) -> dict[str, float]:
    if not limits:
        raise InputError(f"a search needs a limit of {', '.join(COSTS)}: luts=8000 for instance")
    for key, value in limits.items():
        if key not in COSTS:
            raise InputError(f"there is no limit of {key!r}; there are {', '.join(COSTS)}")
        if not 0 <= value < 1e15:
            raise InputError(f"the limit of {key} must be 0 or more, not {value}")
    return {key: float(value) for key, value in limits.items()}


def _scheme(word: str) -> Scheme:
    name, weights, activations, edge = parse(word)
    made = scheme(name, weights=weights, activations=activations, edge_bits=8 if edge is None else edge)
    if not made.method.exportable or made.method.branches:
        raise InputError(
            f"the choice {word} cannot be exported: take pa, int8, int16, sign or another that can"
        )
    return made


class _Search:
    """The rows of a search: one for each choice everywhere, one for each group and choice."""

    def __init__(
        self,
        subject: Subject,
        schemes: dict[str, Scheme],
        target: Target,
        record: SearchRecord,
        progress: Callable[[int, dict[str, Any]], None] | None,
    ) -> None:
        self.subject, self.schemes, self.record, self.progress = subject, schemes, record, progress
        self.target = target
        self.store: dict[Any, Resources] = {}  # predictions of layers
        self.rows: dict[str, dict[str, Any]] = record.state["rows"] if record.state else {}
        self.common = next(iter(schemes))
        self.groups = self._groups()

    def _groups(self) -> list[list[str]]:
        config = self.subject.config
        network, data = config.get("network"), self.subject.data
        found = plan_of(
            lambda how: build_for(config["net"], data, how, network=network), self.schemes[self.common]
        ).groups()
        if not found:
            raise InputError(f"{config['net']} has no inner layers to choose schemes for")
        return found

    def measure(self) -> None:
        """All rows that are not there yet."""
        key = f"everywhere {self.common}"
        first = self.rows.get(key) or self.priced(self.schemes[self.common])
        if "refused" in first:
            raise InputError(f"{self.common} everywhere has no design: {first['refused']}")
        self._row(key, lambda: first)
        if not self.target[1]:
            self.target = (self.target[0], int(first["cycles"]), self.target[2])
        real = scheme("float")
        self._row("float", lambda: {"loss": self.subject.loss(real)})
        for word, how in self.schemes.items():
            self._row(f"everywhere {word}", lambda how=how: self.priced(how))  # type: ignore[misc]
        for number, group in enumerate(self.groups):
            for word, how in self.schemes.items():
                self._row(f"{number} {word}", lambda g=group, h=how: self._pair(g, h))  # type: ignore[misc]

    def _row(self, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        if key not in self.rows:
            self.rows[key] = make()
            self.record.keep({"rows": self.rows})
            if self.progress:
                self.progress(len(self.rows), {"row": key, **self.rows[key]})
        return self.rows[key]

    def _pair(self, group: list[str], how: Scheme) -> dict[str, Any]:
        alone = changed(scheme("float"), group, how)
        loss = self.subject.loss(alone)
        return {"loss": loss, **self.priced(changed(self.schemes[self.common], group, how))}

    def network(self, how: Scheme) -> Network:
        """The network file of the run's weights under a scheme, calibrated, untrained."""
        model = self.subject.built(how).cpu()
        data = self.subject.data
        return export(model, data.shape, data.value_range, check=False)

    def priced(self, how: Scheme) -> dict[str, Any]:
        """Costs as predicted; ``refused`` says why there is no design."""
        try:
            return costs_of(self.network(how), self.target, self.store)
        except InputError as error:
            return {"refused": str(error)}

    def assigned(self, words: Sequence[str]) -> dict[str, Any]:
        """Costs of the groups with these choices together."""
        how = self.schemes[self.common]
        for group, word in zip(self.groups, words, strict=True):
            how = changed(how, group, self.schemes[word])
        return self._row(f"together {' '.join(words)}", lambda: self.priced(how))

    def loss(self, patterns: dict[str, str]) -> float:
        """Loss of a whole network under a map."""
        how = self.schemes[self.common].map(dict(patterns))
        return float(self._row(f"loss {patterns}", lambda: {"loss": self.subject.loss(how)})["loss"])

    def assignments(self, limits: Mapping[str, float]) -> Assignments:
        """What the rows say, for the solver."""
        rows, words = self.rows, list(self.schemes)
        return Assignments(
            self.groups,
            words,
            float(rows["float"]["loss"]),
            [[rows[f"{number} {word}"] for word in words] for number in range(len(self.groups))],
            [rows[f"everywhere {word}"] for word in words],
            limits,
            self.assigned,
        )
