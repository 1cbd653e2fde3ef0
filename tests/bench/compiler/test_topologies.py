"""The table of published topologies: goals as images a second, rows found again by their Verilog."""

import json

from fermatnet.bench.compiler import topologies
from fermatnet.bench.samples.queues import fork_and_join
from fermatnet.bench.samples.untrained import multilayer
from fermatnet.model.network.nodes import Conv, Dense, PiecewiseConv


def _small():
    return fork_and_join(1)[0]


def test_rows_beside_their_rivals(tmp_path, monkeypatch, capsys):
    asked = []

    def synthesise(folder, device, *, clock_mhz):
        asked.append((device, clock_mhz))
        return dict.fromkeys(("luts", "ffs", "dsps"), 1007) | {"brams": 2.5, "versions": {}}

    monkeypatch.setattr(topologies, "synthesise", synthesise)
    small, cycles = _small, int(1e8 / 90_000)
    designs = {
        "CNV": topologies.Design(small, cycles, (26_072, 124)),
        "MLP": topologies.Design(small, cycles),
    }
    monkeypatch.setattr(topologies, "DESIGNS", designs)
    kept, out = tmp_path / "rows.jsonl", tmp_path / "table.json"
    rows = topologies.run(results=str(kept), json_path=out)
    assert [row["rival"] for row in rows] == [(26_072, 124), None] and asked == [("xc7z020", 100.0)]
    assert all(row["cycles"] <= 1e8 / 90_000 < row["cycles"] * 2 for row in rows)
    assert json.loads(out.read_text())[0]["luts"] == 1007
    assert "26,072" in capsys.readouterr().out


def test_the_designs_say_what_they_are_beside():
    """Images a second of the overlays, an inference a cycle; the perceptron's layers as named."""
    designs = topologies.DESIGNS
    assert [design.cycles for design in designs.values()] == [52_798, 30_497] * 3 + [1, 1]
    assert designs["CNV W2A2, 1894/s"].rival == (37_302, 140) and designs["CNV PA(4,5), 3279/s"].rival is None


def test_the_perceptron():
    """16-64-32-32-5 with 8-bit weights first and last, four bits or pieces between."""
    for name, kind, weights, activations in (("int8", Conv, 4, 8), ("pa", PiecewiseConv, 4, 5)):
        net = multilayer((name, weights, activations), images=16, passes=1)
        layers = [node for node in net.nodes if isinstance(node, Conv | PiecewiseConv | Dense)]
        assert [net.types[node.name].shape[0] for node in layers] == [64, 32, 32, 5]
        assert isinstance(layers[0], Conv) and all(isinstance(node, kind) for node in layers[1:3])
        if kind is Conv:
            assert max(abs(node.weight).max() for node in layers[1:3]) <= 8
