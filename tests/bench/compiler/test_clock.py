"""The table of whole networks' clocks: rows are kept and found again by their Verilog."""

import json

import pytest

from fermatnet.bench.compiler import clock
from fermatnet.bench.samples.queues import fork_and_join
from fermatnet.model.errors import InputError


def test_rows_are_found_again_by_their_verilog(tmp_path, monkeypatch, capsys):
    runs = []

    def synthesise(folder, device, *, clock_mhz):
        runs.append((device, clock_mhz, (folder / "fermatnet.v").is_file()))
        found = dict.fromkeys(("luts", "ffs", "brams", "dsps"), 7)
        path = {"layer": "conv0", "delay_ns": 8.0}
        return found | {"fmax_mhz": 125.0, "critical_path": path, "images_per_second": 1.0, "versions": {}}

    monkeypatch.setattr(clock, "synthesise", synthesise)
    designs = {f"small {k}, 1080": (lambda models, k=k: fork_and_join(k)[0], 1080) for k in (1, 2)}
    monkeypatch.setattr(clock, "DESIGNS", designs)
    kept, out = tmp_path / "rows.jsonl", tmp_path / "table.json"
    (first,) = clock.run(results=str(kept), only="1,")
    assert first["cycles"] == 1080 and runs == [("ecp5-85k", 150.0, True)]
    both = clock.run(results=str(kept), json_path=out)
    assert [row["design"] for row in both] == ["small 1, 1080", "small 2, 1080"] and len(runs) == 2
    assert both[0] == first and json.loads(out.read_text()) == both
    assert "125.0" in capsys.readouterr().out
    with pytest.raises(InputError, match="no design's name holds 'large'"):
        clock.run(only="large")
