"""The bench of MLPerf Tiny without its models: rows are kept by what was synthesised, and the page says what
was not."""

import json

import pytest

pytest.importorskip("tflite", reason="reads TensorFlow Lite files")

from fermatnet.bench.compiler.mlperf_tiny import designs
from fermatnet.bench.compiler.mlperf_tiny.page import page
from fermatnet.model.errors import InputError

RESOURCES = {"luts": 1000, "ffs": 500.0, "brams": 1.5, "dsps": 3}


def described(design, models, folder, sha="new"):
    return {
        "model": design.model,
        "device": design.device,
        "cycles": design.cycles,
        "placed": design.placed,
        "verilog_sha256": sha,
        "macs": 7,
        "cycles_per_image": 100,
        "latency_cycles": 150,
        "predicted": RESOURCES,
    }


@pytest.fixture
def calls(monkeypatch):
    """Synthesis in a moment; the list of what was asked for."""
    asked = []

    def synthesise(folder, device, *, clock_mhz, place):
        asked.append((device, place))
        if device == "xc7z020" and len(asked) == 1:
            raise InputError("it does not fit")
        return {**RESOURCES, **({"fmax_mhz": 50.0} if place else {}), "versions": {"yosys": "yosys 0"}}

    monkeypatch.setattr(designs, "_described", described)
    monkeypatch.setattr(designs.flow, "synthesise", synthesise)
    return asked


def test_rows_are_kept_and_not_done_again(calls, tmp_path):
    store = tmp_path / "rows.jsonl"
    first = list(designs.rows(tmp_path, store, ""))
    assert len(first) == len(designs.DESIGNS) == len(calls) == 12
    assert len(store.read_text().splitlines()) == 12
    again = list(designs.rows(tmp_path, store, ""))
    assert again == first and len(calls) == 12
    placed = next(row for row in first if row["placed"])
    assert placed["images_per_second"] == 500_000 and placed["fmax_mhz"] == 50.0


def test_a_run_that_was_stopped_goes_on(calls, tmp_path):
    store = tmp_path / "rows.jsonl"
    rows = designs.rows(tmp_path, store, "")
    next(rows), next(rows)
    rows.close()
    assert len(store.read_text().splitlines()) == 2
    assert len(list(designs.rows(tmp_path, store, ""))) == len(calls) == 12


def test_the_page(calls, tmp_path, monkeypatch):
    store = tmp_path / "rows.jsonl"
    list(designs.rows(tmp_path, store, "kws"))
    text = page(list(designs.rows(tmp_path, store, "", synthesis=False)), {"kws_dscnn_int8": "99 %"})
    assert len(calls) == 3
    assert "| DS-CNN | keyword spotting | 7 | 90 % | 99 % |" in text
    assert "| DS-CNN | xc7z020 | 100 | 150 | 1,000 / - | 500 / - | 1.5 / - | 3 / - |" in text  # refused
    assert (
        "| DS-CNN | ecp5-85k | 100 | 150 | 1,000 / 1,000 | 500 / 500 | 1.5 / 1.5 | 3 / 3 | 50.0 | 500,000 |"
        in text
    )
    assert (
        "| ResNet8 | ecp5-85k | 100 | 150 | 1,000 / - | 500 / - | 1.5 / - | 3 / - | not placed | - |" in text
    )
    assert "yosys 0" in text and "earlier version" not in text
    monkeypatch.setattr(designs, "_described", lambda *given: described(*given, sha="newer"))
    text = page(list(designs.rows(tmp_path, store, "", synthesis=False)), {})
    assert "| DS-CNN * | ecp5-85k |" in text and "earlier version" in text


def test_models_that_are_missing(tmp_path):
    with pytest.raises(InputError, match="--models names the folder"):
        list(designs.rows(tmp_path, None, "kws"))


def test_a_damaged_store_is_seen(tmp_path):
    (tmp_path / "rows.jsonl").write_text("{")
    with pytest.raises(json.JSONDecodeError):
        designs.kept(tmp_path / "rows.jsonl")


def test_the_page_names_what_is_not_counted(calls, tmp_path):
    rows = list(designs.rows(tmp_path, tmp_path / "rows.jsonl", ""))
    missing = [row for row in rows if not row["synthesised"]]
    assert len(missing) == 1 and "Not counted on the hardware of today, 1 of 12: ResNet8 on" in page(rows, {})
    assert "Not counted" not in page([row for row in rows if row not in missing], {})
