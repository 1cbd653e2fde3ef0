"""The table of published topologies: goals as images a second, rows found again by their Verilog."""

import json

from fermatnet.bench.compiler import topologies
from fermatnet.bench.samples.queues import fork_and_join


def test_rows_beside_their_rivals(tmp_path, monkeypatch, capsys):
    asked = []

    def synthesise(folder, device, *, clock_mhz):
        asked.append((device, clock_mhz))
        return dict.fromkeys(("luts", "ffs", "dsps"), 1007) | {"brams": 2.5, "versions": {}}

    monkeypatch.setattr(topologies, "synthesise", synthesise)
    monkeypatch.setattr(topologies, "untrained", lambda *args, **kept: fork_and_join(1)[0])
    designs = {f"CNV {name}": (name, 90_000) for name in ("W1A1", "PA(4,5)")}
    monkeypatch.setattr(topologies, "DESIGNS", designs)
    kept, out = tmp_path / "rows.jsonl", tmp_path / "table.json"
    rows = topologies.run(results=str(kept), json_path=out)
    assert [row["rival"] for row in rows] == [(26_072, 124), None] and asked == [("xc7z020", 100.0)]
    assert all(row["cycles"] <= 1e8 / 90_000 < row["cycles"] * 2 for row in rows)
    assert json.loads(out.read_text())[0]["luts"] == 1007
    assert "26,072" in capsys.readouterr().out
