"""Progress by phases: one line for a long one on a log, and what the tools' own logs say of how far they
are."""

import io
import time

import pytest
from rich.console import Console

from fermatnet.cli import phases as module
from fermatnet.cli.phases import phases
from fermatnet.synth.watch import passes, routing


def told(monkeypatch, terminal: bool) -> io.StringIO:
    out = io.StringIO()
    monkeypatch.setattr(
        module, "notes", Console(file=out, force_terminal=terminal, width=100, highlight=False)
    )
    monkeypatch.setattr(module, "WORTH_A_LINE", 0.2)
    return out


def test_a_log_gets_a_line_for_each_long_phase_and_none_for_a_short_one(monkeypatch):
    out = told(monkeypatch, terminal=False)
    with phases("verilog") as phase:
        phase("reading")
        phase("building")
        phase.detail("layer 1 of 9")
        time.sleep(0.5)
        phase("writing")
    time.sleep(0.3)
    assert out.getvalue() == "verilog: building ...\n"


def test_a_terminal_shows_the_phase_and_keeps_what_it_took(monkeypatch):
    out = told(monkeypatch, terminal=True)
    with phases("synth") as phase:
        phase("nextpnr: routing")
        phase.detail("iteration 3")
        time.sleep(0.5)
    assert "synth: nextpnr: routing, 0 s (iteration 3)" in out.getvalue()
    assert "synth: nextpnr: routing: 0.5 s" in out.getvalue().replace("0.6 s", "0.5 s")


def test_nothing_is_told_after_a_failure(monkeypatch):
    out = told(monkeypatch, terminal=False)
    with pytest.raises(ValueError), phases("synth") as phase:
        phase("mapping")
        raise ValueError
    time.sleep(0.3)
    assert out.getvalue() == ""


def test_yosys_and_nextpnr_say_where_they_are(tmp_path):
    log, said, more = tmp_path / "log", [], []
    look = passes(log, said.append)
    assert look is not None and passes(log, None) is None and routing(log, None, None) is None
    look()
    log.write_text(
        "3.1. Executing HIERARCHY pass (managing design hierarchy).\n3.12.4. Executing ABC9_OPS pass "
        "(helper).\n"
    )
    look()
    look()
    assert said == ["starting", "pass abc9_ops", "pass abc9_ops"]
    said.clear()
    log.write_text("Info: Packing constants..\n")
    look = routing(log, said.append, more.append)
    assert look is not None
    look()
    with log.open("a") as file:
        for line in (
            "Info: Creating initial analytic placement for 12 cells",
            "Info:     at iteration #7, type ALL: wirelen solved = 9",
            "Info: Routing..",
            "Info:     iter=4 wires=812 overused=31 overuse=35 archfail=NA",
        ):
            file.write(f"{line}\n")
            file.flush()
            look()
    assert said == ["nextpnr: packing", "nextpnr: placing", "nextpnr: routing"]
    assert more == ["starting", "starting", "iteration 7", "starting", "iteration 4, 31 wires still overused"]
