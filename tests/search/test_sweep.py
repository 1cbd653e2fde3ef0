"""Sweeps: rows of a grid, kept as they come, taken up after a kill, on threads and on a Dask cluster."""

import json

import pytest

from fermatnet.model.errors import InputError
from fermatnet.search import sweep as module
from fermatnet.search.sweep import key_of, read_sweep, run_sweep

GRID = """
out = "rows"
data = "digits"
[options]
epochs = 1
batch = 256
threads = 1
[grid]
net = ["tfc"]
scheme = ["pa", "float"]
seed = [0, 1]
[[rows]]
net = "digits"
scheme = "float"
"""


def written(folder, text=GRID):
    path = folder / "sweep.toml"
    path.write_text(text)
    return read_sweep(path)


def test_rows_of_a_grid_and_a_list(tmp_path):
    sweep = written(tmp_path)
    assert sweep.out == tmp_path / "rows" and len(sweep.rows) == 5
    assert [(row["net"], row["scheme"], row.get("seed")) for row in sweep.rows] == [
        ("tfc", "pa", 0),
        ("tfc", "pa", 1),
        ("tfc", "float", 0),
        ("tfc", "float", 1),
        ("digits", "float", None),
    ]
    assert len({key_of(row) for row in sweep.rows}) == 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("grid = 3 =", "not a TOML file"),
        ("colour = 1", "a sweep has no 'colour'"),
        ("[grid]\nnet = 'tfc'", r"grid\.net must be a list"),
        ("data = 'digits'", "neither a .grid. nor"),
        ("[grid]\nnet = ['tfc']", "row 1: it has no data"),
        ("data = 'digits'\n[grid]\nnet = ['tfd']", "did you mean tfc"),
        ("data = 'digits'\n[grid]\nnet = ['tfc']\nfoo = [1]", "row 1: training has no option 'foo'"),
        ("data = 'digits'\n[grid]\nnet = ['tfc', 'tfc']", "is there twice"),
    ],
)
def test_bad_files_are_one_line(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as caught:
        written(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_finished_rows_are_kept_and_a_killed_sweep_goes_on(tmp_path, monkeypatch):
    sweep = written(tmp_path)
    called = []

    def fake(row, folder):
        called.append(key_of(row))
        if len(called) == 3:
            raise KeyboardInterrupt
        if row["net"] == "digits":
            return {"key": key_of(row), "settings": row, "error": "no such day"}
        return {"key": key_of(row), "settings": row, "test_accuracy": row["seed"] / 4}

    monkeypatch.setattr(module, "perform", fake)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(sweep, backend="threading")
    assert len(sweep.finished()) == 2
    with sweep.results.open("a") as kept:
        kept.write('{"key": "tfc-')  # a line that the kill has cut short
    shown = []
    rows = run_sweep(sweep, backend="threading", jobs=2, progress=shown.append)
    assert len(called) == 6 and len(set(called[3:]) & set(called[:2])) == 0
    assert [row.get("test_accuracy") for row in rows] == [0, 0.25, 0, 0.25, None]
    assert rows[4]["error"] == "no such day" and len(sweep.finished()) == 4 and len(shown) == 3
    run_sweep(sweep, backend="threading")
    assert len(called) == 7  # only the row that ended with an error


def test_back_ends_that_are_not_there(tmp_path):
    sweep = written(tmp_path)
    with pytest.raises(InputError, match="back ends are"):
        run_sweep(sweep, backend="cloud")
    pytest.importorskip("distributed")
    with pytest.raises(InputError, match="needs the address of a scheduler"):
        run_sweep(sweep, backend="dask")


@pytest.mark.slow
def test_on_a_dask_cluster_of_two_processes(tmp_path):
    """Real trainings in two worker processes; the rows are the same numbers as in this process."""
    distributed = pytest.importorskip("distributed")
    text = GRID.replace('scheme = ["pa", "float"]', 'scheme = ["float"]').split("[[rows]]")[0]
    sweep = written(tmp_path, text)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        rows = run_sweep(sweep, backend="dask", jobs=2, scheduler=cluster.scheduler_address)
    assert [row["settings"]["seed"] for row in rows] == [0, 1] and not any("error" in row for row in rows)
    kept = [json.loads(line) for line in sweep.results.read_text().splitlines()]
    assert {entry["key"] for entry in kept} == {key_of(row) for row in sweep.rows}
    here = module.perform(sweep.rows[1], str(tmp_path / "here"))
    assert here["test_accuracy"] == rows[1]["test_accuracy"]
