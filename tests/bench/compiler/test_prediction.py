"""The tables of predicted against real resources: how the error is counted, which layers judge, what is not
synthesised twice."""

import json

import pytest

from fermatnet.bench.compiler import overview as compile_bench
from fermatnet.bench.compiler import prediction
from fermatnet.bench.compiler.array_synthesis import _Kept
from fermatnet.bench.compiler.prediction_layers import cases
from fermatnet.hw.rtl.verilog import Emitted
from fermatnet.model.result_log import ResultLog


def row(fitted, luts, real, brams=0.0):
    return {
        "layer": "x",
        "device": "xc7",
        "fitted": fitted,
        "luts": luts,
        "real_luts": real,
        "ffs": 10,
        "real_ffs": 8,
        "brams": brams,
        "real_brams": 0.5,
        "dsps": 1,
        "real_dsps": 1,
        "lut_error": prediction.error(luts, real),
        "ff_error": prediction.error(10, 8),
    }


def test_only_layers_that_were_not_fitted_judge():
    told = prediction.summary([row(True, 500, 100), row(False, 110, 100, 0.5), row(False, 80, 100)])
    assert (
        told["layers"] == 2
        and told["mean_lut_error"] == pytest.approx(0.15)
        and told["mean_ff_error"] == pytest.approx(0.25)
    )
    assert (told["right_brams"], told["right_dsps"], told["worst_lut_error"]) == (1, 2, pytest.approx(0.2))


def test_synthesis_is_done_once_for_the_same_verilog(tmp_path, monkeypatch):
    case = next(case for case in cases() if case.name == "fork of 3")
    calls = []
    monkeypatch.setattr(
        prediction.flow,
        "cells",
        lambda path, top, device: calls.append(device) or {"luts": 7, "ffs": 3, "brams": 0, "dsps": 0},
    )
    kept = tmp_path / "kept.jsonl"
    for _ in range(2):
        assert prediction._Kept(kept).synthesised(case, "xc7")["luts"] == 7
    prediction._Kept(kept).synthesised(case, "ecp5-85k")
    assert calls == ["xc7", "ecp5-85k"] and len(kept.read_text().splitlines()) == 2


def test_array_bench_resumes_by_what_was_mapped(tmp_path):
    store, results = _Kept(), iter([{"LUT6": 1}, {"LUT6": 2}])
    store.open(tmp_path / "array.jsonl")
    one, two = Emitted("block", "module a", {}), Emitted("block", "module b", {})
    assert store.get("xc7", one, lambda: next(results)) == {"LUT6": 1}
    again = _Kept()
    again.open(tmp_path / "array.jsonl")
    assert again.get("xc7", one, lambda: pytest.fail("mapped twice")) == {"LUT6": 1}
    assert again.get("xc7", two, lambda: next(results)) == {"LUT6": 2}
    assert len(json.loads((tmp_path / "array.jsonl").read_text().splitlines()[0])) == 2


def test_the_compile_bench_names_the_mean_error(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        prediction,
        "rows",
        lambda device, kept: seen.append((device, kept)) or [row(False, 110, 100) | {"device": device}],
    )
    told = compile_bench.PARTS["resources"][1](ResultLog(tmp_path / "new" / "compile.jsonl"))
    assert [one["device"] for one in told] == list(prediction.FAMILIES) and {
        one["mean_lut_error"] for one in told
    } == {"10.0%"}
    assert {kept for _, kept in seen} == {tmp_path / "new" / "resources.jsonl"} and (
        tmp_path / "new"
    ).is_dir()


def test_every_kind_of_layer_judges():
    """Also those whose synthesis takes long: dense layers, the Fermat engine, sliding windows alone."""
    judging = [case.name.split()[0] for case in cases() if not case.fitted]
    assert {
        "piecewise",
        "integer",
        "depthwise",
        "fermat",
        "dense",
        "window",
        "threshold",
        "affine",
        "add",
        "max",
        "sum",
        "queue",
    } <= set(judging)
    assert judging.count("fermat") >= 2 and judging.count("dense") >= 3 and judging.count("window") >= 3
