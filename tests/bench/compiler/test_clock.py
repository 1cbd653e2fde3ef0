"""The table of whole networks' clocks: rows are kept and found again by their Verilog."""

import json

import pytest

from fermatnet.bench.compiler import clock
from fermatnet.bench.samples.queues import fork_and_join
from fermatnet.model.errors import InputError


@pytest.fixture
def runs(monkeypatch):
    """Synthesis in a moment; the list of what was asked for."""
    asked = []

    def synthesise(folder, device, *, clock_mhz):
        asked.append((device, clock_mhz, (folder / "fermatnet.v").is_file()))
        found = dict.fromkeys(("luts", "ffs", "brams", "dsps"), 7)
        path = {"layer": "conv0", "delay_ns": 8.0}
        return found | {"fmax_mhz": 125.0, "critical_path": path, "images_per_second": 1.0, "versions": {}}

    monkeypatch.setattr(clock, "synthesise", synthesise)
    return asked


def test_rows_are_found_again_by_their_verilog(runs, tmp_path, monkeypatch, capsys):
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


def test_other_weights_are_another_design(runs, tmp_path, monkeypatch):
    """Their Verilog may be the same: a memory is what it holds."""

    def generate(net, folder, **goals):
        folder.mkdir()
        (folder / "fermatnet.v").write_text("module fermatnet; endmodule\n")
        (folder / "fermatnet_weights.hex").write_text(f"{net}\n")
        return {"cycles_per_image": 1, "latency_cycles": 1}

    monkeypatch.setattr(clock, "generate", generate)
    monkeypatch.setattr(clock, "DESIGNS", {str(k): (lambda models, k=k: k % 2, 1) for k in range(3)})
    clock.run(results=str(tmp_path / "rows.jsonl"))
    assert len(runs) == 2
