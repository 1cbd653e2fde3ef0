"""What benches of rows share."""

import inspect
import json
from functools import partial

import pytest

from fermatnet.bench.boards import table
from fermatnet.bench.compiler import clock, explored, netlist, vendors
from fermatnet.bench.rows import Asked, bench
from fermatnet.model.errors import InputError


@bench
def doubled(asked: Asked, *, times: int = 2) -> list[dict[str, int]]:
    rows = [asked.log.row(name, partial(_long, name, times)) for name in asked.holding(NAMES)]
    asked.write(rows)
    return rows


def _long(name: str, times: int) -> dict[str, int]:
    return {"doubled": len(name) * times}


NAMES = {"two words": None, "one": None, "two": None}


def test_the_command_finds_the_options():
    for run in (clock.run, explored.run, netlist.run, vendors.run, table.run):
        names = list(inspect.signature(run).parameters)
        assert names[:5] == ["json_path", "models", "results", "only", "quick"]
    assert list(inspect.signature(netlist.run).parameters)[5:] == ["seed"]
    with pytest.raises(TypeError):
        doubled(seconds=1)


def test_parts_rows_and_json(tmp_path):
    assert [row["key"] for row in doubled(only="two")] == ["two words", "two"]
    assert [row["key"] for row in doubled(only="two", quick=True)] == ["two words"]
    kept, out = tmp_path / "rows.jsonl", tmp_path / "rows.json"
    first = doubled(only="one", results=str(kept), times=3)
    assert first[0]["doubled"] == 9
    assert doubled(only="one", results=str(kept), json_path=out) == first == json.loads(out.read_text())
    with pytest.raises(InputError, match="no design's name holds 'three'; there are two words; one; two"):
        doubled(only="three")


def test_one_name_or_all():
    assert Asked().named(NAMES, "word") == list(NAMES) and Asked(only="two").named(NAMES, "word") == ["two"]
    with pytest.raises(InputError, match="no board of this bench is called 'arty'"):
        table.run(only="arty")
