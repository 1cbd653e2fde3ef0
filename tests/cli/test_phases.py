"""Progress by phases: one line for a long one on a log, one that stays on a terminal."""

import io
import time

import pytest
from rich.console import Console

from fermatnet.cli import phases as module
from fermatnet.cli.phases import phases


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
