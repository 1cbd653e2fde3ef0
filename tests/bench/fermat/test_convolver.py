"""The comparison with a direct engine: sums of parts, equal throughput, growth, and a file of parts that a
run goes on with. Nothing is synthesised."""

import json

import numpy as np
import pytest
from rich.console import Console

from fermatnet.bench.fermat import growth as fermat_growth
from fermatnet.bench.fermat import layers as fermat_layers
from fermatnet.bench.fermat.direct import direct_engine, direct_memories
from fermatnet.bench.fermat.engines import compare
from fermatnet.bench.fermat.parts import Parts, fermat_memories, fermat_parts
from fermatnet.bench.fermat.pictures import draw
from fermatnet.hw.fermat.convolver import Convolver
from fermatnet.model.fermat.plan import Geometry, choose


class Priced(Parts):
    """Every part costs one DSP block, ten LUTs and two block RAMs."""

    def cost(self, name, build):
        return self.known.setdefault(name, {"dsps": 1, "luts": 10, "ffs": 0, "brams": 2})


def test_parts_are_kept(tmp_path):
    """Known parts are read back and not built again."""
    file = tmp_path / "parts.jsonl"
    file.write_text(json.dumps({"part": "adder", "dsps": 0, "luts": 7, "ffs": 3, "brams": 0}) + "\n")

    def build():
        raise AssertionError("built again")

    assert Parts(Console(), file).cost("adder", build) == {"dsps": 0, "luts": 7, "ffs": 3, "brams": 0}


def test_total():
    """Counts times costs; a buffer's memory is taken from the list of memories, at its true size, in halves
    of 36 kbit."""
    total = Priced(Console()).total([(3, "sum 16", None), (1, "window 8 bits", None)], [(36, 512), (8, 16)])
    assert (total["dsps"], total["luts"], total["brams"]) == (4, 40, 3 * 2 + 0.5)


def test_engine_is_all_there():
    """Multipliers, sums and transforms of an engine: P products, weight transforms side by side where spectra
    are computed, one forward, the inverses side by side."""
    w = np.random.default_rng(0).integers(-8, 8, (4, 2, 3, 3))
    for spectra, weight_transforms in (("stored", 0), ("computed", 1)):
        plan = choose(w, 0, 7, height=12, width=12, moduli=(8, 16), length=8, spectra=spectra)
        engine = Convolver(w, 0, 7, Geometry(12, 12, (3, 3)), plan=plan, products=4)
        counts = {name: count for count, name, _ in fermat_parts(engine, engine)}
        assert counts["product 8"] == counts["product 16"] == counts["sum 16"] == 4
        assert counts["transform 16 (8, 8)"] == counts["inverse 16 (8, 8) x 2"] == 1 and engine.inverses == 2
        assert counts.get("transform 16 (8, 8) x 4", 0) == weight_transforms
        assert ((4 * 17, 2 * 64) in fermat_memories(engine)) == (spectra == "stored")


@pytest.mark.parametrize("cycles", [5000, 65536, 10**9])
def test_direct_engine(cycles):
    """The smallest array that keeps up: every smaller one is slower."""
    d = direct_engine(16, 16, 3, 28, cycles)
    assert d.cycles == 28 * 28 * 16 * 16 * 9 // d.products and 16 % d.pe == 16 % d.simd == 0
    assert d.cycles <= 1.02 * cycles or d.products == 256
    assert d.products == 1 or d.cycles * 2 > 1.02 * cycles
    ring, weights = direct_memories(d, np.zeros((16, 16, 3, 3), int), 8, 28)
    assert weights == (8 * d.products, 16 * 16 * 9 // d.products) and ring[0] * ring[1] >= 3 * 28 * 16 * 8


def test_rows_and_pictures(tmp_path):
    """Every row is made, and the ratios at equal cycles follow from it; both pictures are written."""
    parts = Priced(Console())
    rows = [compare(parts, *row) for row in ((16, 7, 16, 0), (8, 3, 16, 8))]
    for row in rows:
        assert row["equal ratio"] == pytest.approx(
            row["direct"]["dsps"] / row["fermat"]["dsps"] * row["direct cycles"] / row["cycles"]
        )
        assert (row["luts a dsp saved"] is None) == (row["equal ratio"] <= 1)
    grown = fermat_growth.growth(parts)
    assert fermat_growth.slope(grown["channels"], "channels", "cycles") == pytest.approx(2)
    assert fermat_growth.slope(grown["N"], "N", "spectra bits") == pytest.approx(2)
    for path in (draw(rows, tmp_path), fermat_growth.draw(grown, tmp_path)):
        assert path.stat().st_size > 10_000


def test_tiles_go_on(tmp_path, monkeypatch):
    """Tiles whose line is in the file are not simulated again."""
    file = tmp_path / "tiles.jsonl"
    file.write_text(json.dumps({"index": 0, "bits": 8}) + "\n")
    run = []
    monkeypatch.setattr(
        fermat_layers,
        "tile",
        lambda index, bits, products, plain: run.append((index, bits)) or {"bits": bits},
    )
    assert len(fermat_layers.tiles(file)) == 10 and (0, 8) not in run and len(set(run)) == 9
    assert len(file.read_text().splitlines()) == 10
