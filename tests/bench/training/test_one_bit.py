"""The benches of BoolNet and of low-memory training: what they count, on networks that take a moment."""

import pytest
import torch

from fermatnet.bench.training import accuracy, boolnet, costs, memory
from fermatnet.model import zoo
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("form", boolnet.FORMS)
def test_residual_paths_are_all_between_the_convolutions(form):
    model = zoo.build("boolnet", shape=(1, 8, 8), width=4, stages=2, **boolnet.FORMS[form])
    model(torch.randint(0, 256, (8, 1, 8, 8), dtype=torch.uint8))
    net = export(model.eval(), (1, 8, 8), check=False)
    parts = [
        {"instance": node.name, "luts": 1 << place, "ffs": 1, "brams": 0, "dsps": 2}
        for place, node in enumerate(net.nodes)
    ]
    found = boolnet.residual_paths(net, [*parts, {"instance": "(top)", "luts": 7}])
    inner = {node.name for place, node in enumerate(net.nodes) if found["luts"] >> place & 1}
    kinds = {type(node).__name__ for node in net.nodes if node.name in inner}
    assert not kinds & {"Conv", "PiecewiseConv", "Dense", "SumPool"}
    assert {"Add", "Affine", "Threshold"} <= kinds if form == "fixed point" else "LogicJoin" in kinds
    assert found["ffs"] == len(inner) and found["dsps"] == 2 * len(inner)
    assert not inner & {"conv0", "norm0", "scale", "dense", "sum"}


def test_the_savings_are_in_words():
    area = {"luts": 100, "ffs": 50, "path_luts": 30, "path_ffs": 10}
    rows = [
        {"data": "d", "form": "logic", "accuracy": 90.0, **area, "path_luts": 10},
        {"data": "d", "form": "fixed point", "accuracy": 91.0, **area},
    ]
    (line,) = boolnet._savings(rows)
    assert "50% fewer LUT + FF" in line and "0% in all" in line and "-1.00 points" in line


def test_memory_of_a_step_is_counted(monkeypatch):
    monkeypatch.setitem(memory.NETWORKS, "tiny", ("boolnet", {"width": 8, "stages": 2}, (1, 28, 28)))
    plain, low = (memory.measured("tiny", way, batch=32) for way in ("plain", "low memory"))
    # the stem's output alone, 32 x 8 x 14 x 14 real numbers, is kept by the plain norm and by the sign
    assert plain["kept"] > 2 * 4 * 32 * 8 * 14 * 14 and low["kept"] < 0.15 * plain["kept"]
    assert low["peak"] < 0.6 * plain["peak"] and low["resident"] >= 0
    assert plain["peak"] > plain["kept"]


def test_bad_names_are_refused(monkeypatch):
    with pytest.raises(InputError, match="no network of this bench is called 'vgg'"):
        memory.run(only="vgg")
    with pytest.raises(InputError, match="no form of this bench is called 'nor'"):
        boolnet.run(only="nor")
    monkeypatch.setattr(memory.sys, "executable", "/bin/false")
    with pytest.raises(InputError, match=r"the measurement of cnv, plain ended with: no message"):
        memory._in_process("cnv", "plain")


def test_costs_stand_beside_the_accuracy(tmp_path, monkeypatch):
    """ACE, bytes, LUTs and memory of two schemes; the table, and a picture of those with hardware."""
    monkeypatch.setattr(costs, "CYCLES", 20_000)
    monkeypatch.setattr(costs, "SHAPE", (1, 8, 8))
    monkeypatch.setattr(accuracy, "_perform", lambda task, *_: fake(task))
    monkeypatch.setattr(accuracy, "FASHION", {key: accuracy.FASHION[key] for key in ("boolnet-low", "xnor")})
    monkeypatch.setattr(accuracy, "MNIST", {})
    rows = accuracy.run(tmp_path / "a.json", seeds=(0, 1), work=tmp_path, results=tmp_path / "kept.jsonl")
    low, xnor = (next(row for row in rows if row["method"] == name) for name in ("boolnet-low", "xnor"))
    assert low["seeds"] == 2 and low["luts"] > 1000 and low["kilobytes"] < 0.1 * xnor["kilobytes"]
    assert xnor["luts"] is None and low["memory_mb"] < 0.7 * xnor["memory_mb"] and xnor["ace_millions"] > 0
    picture = (tmp_path / "a.svg").read_text()
    assert "BoolNet, low memory" in picture and "XNOR" not in picture
    monkeypatch.setattr(accuracy, "_costs", lambda method: 1 / 0)  # kept, so that nothing is measured again
    again = accuracy.run(seeds=(0, 1), work=tmp_path, results=tmp_path / "kept.jsonl")
    assert again == rows


def fake(task):
    figures = {"accuracy": 0.8, "twin": 0.9, "train_seconds": 1, "wall_seconds": 1, "budget": {}}
    label = accuracy.FASHION[task.method].label
    return {"task": task.key, "method": task.method, "label": label, "seed": task.seed, **figures}


@pytest.mark.parametrize("bench", [boolnet, memory])
def test_data_that_is_missing_is_told_before_anything_is_measured(bench, monkeypatch, tmp_path):
    for name in ("_row", "_in_process"):
        monkeypatch.setattr(bench, name, None, raising=False)
    with pytest.raises(InputError, match="fashion-mnist: no such folder"):
        bench.run(data=str(tmp_path))


def test_memory_alone_takes_no_data(tmp_path):
    with pytest.raises(InputError, match="--quick measures memory alone"):
        memory.run(data=str(tmp_path), quick=True)
