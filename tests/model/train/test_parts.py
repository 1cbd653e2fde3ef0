"""A batch keeps its parts whoever computes them: a run taken up by another number of processes."""

import json
from collections import Counter
from itertools import chain

import numpy as np
import pytest
import torch
from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.train import parts as module
from fermatnet.model.train.batches import Batches
from fermatnet.model.train.config import check_same
from fermatnet.model.train.data import digits
from fermatnet.model.train.folder import RunFolder
from fermatnet.model.train.loop import Phase
from fermatnet.model.train.options import Options
from fermatnet.model.train.parts import Cut, check_images, same_parts, taken_up
from fermatnet.model.train.results import progress_bars, tell
from tests.model.train.watched import in_two_processes, losses, watched

RUN = {
    "net": "small-resnet",
    "network": {"width": 4},
    "scheme": "float",
    "epochs": 1,
    "float_epochs": 1,
    "batch": 64,
    "float_lr": 5e-3,
    "pad": 1,
    "threads": 1,
    "checkpoint_steps": 5,
}
CUT, TEN = 10, range(10, 20)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs begun by two processes (two), by one with two parts a batch (one) and with one (alone): whole, and
    cut off and taken up by the other number of processes."""
    place = tmp_path_factory.mktemp("runs")
    data = digits()  # as arrays: scikit-learn takes its time to be imported, in each process
    shares = {"x_train": data.train.images, "y_train": data.train.labels}
    np.savez(place / "data.npz", **shares, x_test=data.test.images, y_test=data.test.labels)
    how = RUN | {"data": f"arrays:{place / 'data.npz'}", "validation": 0.0}
    names = {name: str(place / name) for name in ("two", "one", "alone")}
    watched(names["one"], copy_at=CUT, accumulate=2, **how)
    watched(names["alone"], copy_at=CUT, **how)
    begun = {"out": names["two"], "copy_at": CUT}
    taken = {"out": f"{names['one']}-cut", "resume": True, "accumulate": 2}
    other = {"out": f"{names['alone']}-cut", "resume": True}
    in_two_processes([how | begun, how | taken, how | other])
    watched(f"{names['two']}-cut", resume=True, **how)
    return place


def final(folder):
    """(summary, last entry of the metrics) of a run."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return json.loads((folder / "summary.json").read_text()), json.loads(lines[-1])


@pytest.mark.parametrize("first", ["two", "one"])
def test_another_number_of_processes_goes_on_with_the_same_losses(runs, first):
    whole, taken = losses(runs / first), losses(runs / f"{first}-cut")
    assert min(taken) == CUT
    for step in TEN:
        (there, rate), (here, same) = whole[step], taken[step]
        assert rate == same and here == pytest.approx(there, rel=1e-3), f"step {step}"
    (_, before), (summary, after) = final(runs / first), final(runs / f"{first}-cut")
    # the metrics are of all processes, of those before the kill too
    assert before["loss"] == pytest.approx(np.mean([loss for loss, _ in whole.values()]))
    assert after["loss"] == pytest.approx(before["loss"], rel=1e-3)
    assert after["accuracy"] == pytest.approx(before["accuracy"], abs=0.005) and "note" not in summary


def test_what_cannot_keep_its_parts_says_so(runs):
    whole, taken = losses(runs / "alone"), losses(runs / "alone-cut")
    assert max(abs(taken[step][0] / whole[step][0] - 1) for step in TEN) > 1e-3
    assert all(taken[step][1] == whole[step][1] for step in TEN)
    assert final(runs / "alone-cut")[0]["note"].startswith("the run began with 1 part a batch, which 2 proc")


def config(processes, accumulate):
    same = {"format": 1, "net": "n", "data_sha256": "", "twin": None, "network": {}}
    return same | {"processes": processes, "options": Options(accumulate=accumulate).plain()}


def test_the_note_is_one_line_where_bars_are_shown(capsys):
    _, note = taken_up(config(1, 1), Cut(0, 2), 64)
    with progress_bars(True) as bars:
        tell(bars, note)
    assert capsys.readouterr().out.count(note) == 1
    with progress_bars(False) as bars:
        tell(bars, note)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "first, accumulate, now", [(2, 1, 1), (1, 2, 2), (4, 1, 2), (2, 2, 4), (3, 1, 2), (2, 2, 3), (3, 3, 4)]
)
def test_the_parts_of_a_run_stay(first, accumulate, now):
    size = 49
    begun = [Cut(rank, first, accumulate) for rank in range(first)]
    went_on = [taken_up(config(first, accumulate), Cut(rank, now), size) for rank in range(now)]
    assert not any(note for _, note in went_on)
    before, after = (
        [Batches(digits().train, size, 0, cut=cut).parts for cut in cuts]
        for cuts in (begun, [cut for cut, _ in went_on])
    )
    assert [[part.owner for part in mine] for mine in before] == [
        [rank] * accumulate for rank in range(first)
    ]
    places = [[part.places.tolist() for mine in run for part in mine] for run in (before, after)]
    assert places[0] == places[1] and sorted(chain(*places[0])) == list(range(size))
    counts = Counter(part.rank for mine in after for part in mine)
    assert len(counts) == now and max(counts.values()) - min(counts.values()) <= 1
    whole = sum(part.weight * went_on[0][0].scale for mine in after for part in mine)
    assert whole / now == pytest.approx(1)


def test_a_resume_may_name_its_parts_either_way(tmp_path):
    folder = RunFolder(tmp_path)
    for new in (config(1, 1), config(1, 2)):
        check_same(folder, config(2, 1), new)
    with pytest.raises(InputError, match=r"other options \(accumulate\)"):
        check_same(folder, config(2, 1), config(1, 3))
    assert same_parts(config(4, 1), config(2, 2)) and not same_parts(config(4, 1), config(2, 1))
    with pytest.raises(InputError, match="processes must be int"):
        taken_up(config("2", 1), Cut(), 8)
    check_images(Cut(0, 2, 2), 8)
    with pytest.raises(InputError, match="a batch of 7 leaves 2 processes fewer than 2 images a part"):
        check_images(Cut(0, 2, 2), 7)
    with pytest.raises(InputError, match="leaves 5 processes fewer than 2"):
        taken_up(config(1, 2), Cut(0, 5), 9)


class Drawing(nn.Sequential):
    """A network that normalises, and draws."""

    def __init__(self):
        torch.manual_seed(0)
        norm = nn.BatchNorm1d(16)
        super().__init__(nn.Flatten(), nn.Linear(64, 16), norm, nn.Dropout(0.5), nn.Linear(16, 10))

    def forward(self, x):
        return super().forward(x.float() / 16)


def one_step(cut):
    """(gradients, buffers) of a process in the first step."""
    batches = Batches(digits().train, 95, 0, cut=cut)
    phase = Phase("plain", Drawing(), batches, Options(epochs=1), epochs=1, rate=0.1)
    phase._gradients(*next(batches.parts_of(0)))
    return [p.grad * cut.scale for p in phase.model.parameters()], list(phase.model.buffers())


@pytest.mark.parametrize("first, accumulate, now", [(2, 1, 1), (4, 1, 2), (3, 1, 2), (1, 4, 2), (2, 2, 1)])
def test_gradients_and_running_statistics_are_those_of_the_first_processes(
    first, accumulate, now, monkeypatch
):
    monkeypatch.setattr(module, "share_buffers", lambda model, world: None)  # alike before the first step
    before = [one_step(Cut(rank, first, accumulate)) for rank in range(first)]
    after = [one_step(Cut(rank, now, accumulate, first)) for rank in range(now)]
    means = [
        [torch.stack(one).mean(0) for one in zip(*(g for g, _ in run), strict=True)]
        for run in (before, after)
    ]
    torch.testing.assert_close(means[1], means[0])
    assert any(grad.abs().max() > 1e-3 for grad in means[0])
    if first >= now:  # else the first process has not all of the first owner's parts
        torch.testing.assert_close(after[0][1], before[0][1])
