"""Power of a netlist: activities by hand, a flip-flop that turns at every clock, and what OpenSTA says
of it where it is there."""

import shutil
from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.bench.gates.circuits import CIRCUITS
from fermatnet.hw.rtl import verilog
from fermatnet.synth import liberty
from fermatnet.synth.power import activity, opensta
from fermatnet.synth.power.measure import drives_of, measure

TINY = Path(__file__).parent / "tiny.lib"
needs_icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not on PATH")
needs_sta = pytest.mark.skipif(not opensta.present(), reason="sta (OpenSTA) is not on PATH")


class Turning(wiring.Component):
    """A register that turns in every cycle in which ``en`` is high, and a memory beside it."""

    def __init__(self, words=0):
        self.words = words
        super().__init__({"en": In(1), "o": Out(1), "m": Out(4)})

    def elaborate(self, platform):
        m = Module()
        state = Signal()
        m.d.sync += state.eq(state ^ self.en)
        m.d.comb += self.o.eq(state)
        if self.words:
            from amaranth.lib.memory import Memory

            m.submodules.memory = memory = Memory(shape=4, depth=self.words, init=[])
            read, write = memory.read_port(), memory.write_port()
            at = Signal(range(self.words))
            m.d.sync += at.eq(at + 1)
            m.d.comb += [
                read.addr.eq(at),
                write.addr.eq(at),
                write.en.eq(1),
                write.data.eq(at),
                read.en.eq(1),
            ]
            m.d.comb += self.m.eq(read.data)
        return m


def measured(words=0):
    made = verilog.emit(Turning(words), "block")
    return measure(Turning(words), made, TINY, liberty.read(TINY), cycles=100)


def test_changes_of_a_file():
    text = (
        "$var wire 1 ! a $end\n$var wire 3 # b $end\n$enddefinitions $end\n#0\nx!\nb000 #\n"
        "#1\n1!\nb101 #\n#2\n0!\n#3\n1!\nb1 #\n"
    )
    found = activity._changes(iter(text.splitlines(keepends=True)))
    assert found["a"] == 2  # from the unknown value is no change
    assert [found[f"b[{bit}]"] for bit in range(3)] == [1, 0, 2]


@needs_icarus
@needs_sta
def test_a_register_that_turns():
    """The register's net (0.2 pF: two gates) and three behind it (0.1 pF) change once a cycle, two stand
    still: C V^2 f / 2 with 2 V and 100 MHz."""
    row = measured()
    assert row["ffs"] == 1 and row["activity"] == pytest.approx(3 / 5)
    assert row["switching_mw"] == pytest.approx(0.5 * (0.2 + 3 * 0.1) * 1e-12 * 2.0**2 * 100e6 * 1e3)
    assert row["leakage_mw"] == pytest.approx((4 + 4 * 2 + 1) * 1e-6)
    assert row["power_mw"] == pytest.approx(row["switching_mw"] + row["leakage_mw"])
    assert row["sta_delay_ns"] <= row["delay_ns"]  # it tells rising and falling edges apart


@needs_icarus
@needs_sta
def test_memories_are_apart():
    small, large = measured(16), measured(64)
    assert small["ram_bits"] == 0 and small["ffs"] > 64
    assert large["ram_bits"] == 64 * 4 and large["ffs"] < small["ffs"]


def test_without_opensta_power_is_left_out(monkeypatch):
    monkeypatch.setattr(opensta, "present", lambda: False)
    assert measured()["power_mw"] is None


def test_compressed_libraries_read_as_they_are(tmp_path):
    import gzip

    file = tmp_path / "tiny.lib.gz"
    file.write_bytes(gzip.compress(TINY.read_bytes()))
    assert liberty.read(file).cells == liberty.read(TINY).cells


def test_supplies_are_named_where_none_is():
    bare = 'cell (a) { pg_pin ("VDD") { pg_type : "primary_power"; } internal_power () { x : 1; } }'
    assert 'internal_power () { related_pg_pin : "VDD"; x : 1; }' in opensta._readable(bare)
    named = bare.replace("x : 1", 'related_pg_pin : "VSS"')
    assert opensta._readable(named) == named


def test_payloads_wait_for_their_ready():
    drives, outputs = drives_of(Turning(), {})
    assert drives["en"].words == (1,) and outputs == {"o": 1, "m": 4}


def test_rivals_are_named_once():
    names = [circuit.name for circuit in CIRCUITS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("prime", [17, 97])
def test_general_butterflies_compute(prime):
    """Every pair of residues through both butterflies, against Python's integers."""
    import numpy as np

    from fermatnet.bench.fermat.gates import GateBlock
    from fermatnet.bench.gates.modular import ModularPair, TwiddleButterfly

    pair = ModularPair(prime)
    pair.latency = 0
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(prime), np.arange(prime)))
    found = GateBlock(pair)(x=x, y=y)
    assert (found["s"] == (x + y) % prime).all() and (found["d"] == (x - y) % prime).all()
    w = np.random.default_rng(0).integers(0, prime, len(x))
    found = GateBlock(TwiddleButterfly(prime))(x=x, y=y, w=w)
    assert (found["s"] == (x + y) % prime).all() and (found["d"] == (x - y) * w % prime).all()
