"""Counters with inverted and constant inputs add exactly: the variants of a real matrix, on the Verilog that
yosys reads (proof by SAT against a plain sum)."""

import subprocess
import sys

import numpy as np
import pytest

from fermatnet.hw.constant.cell import TABLE, WIRE, slots, variant
from fermatnet.hw.piecewise.compressor.counters import family
from fermatnet.synth.wheels import call, prepare

SPOILED = "~x1[0]"


def variants() -> list[tuple]:
    """Counters of both kinds with their inverted and constant inputs, drawn."""
    rng = np.random.default_rng(3)
    counters = [c for c in (*family("lut6"), *family("asic")) if not c.pairs]
    drawn = []
    for counter in counters[:: max(1, len(counters) // 20)]:
        inputs = sum(counter.bits)
        ones = int(rng.integers(1 << inputs)) & int(rng.integers(1 << inputs))
        drawn.append((counter, int(rng.integers(1 << inputs)), ones))
    return drawn


def reference(counter, inverted: int, ones: int, name: str) -> str:
    ports = [f"input [{n - 1}:0] x{j}" for j, n in enumerate(counter.bits) if n]
    lines = [f"module {name} ({', '.join(ports)}, output [{counter.outputs - 1}:0] o); reg [15:0] n;"]
    lines.append("always @* begin n = 0;")
    places = [(j, k) for j, count in enumerate(counter.bits) for k in range(count)]
    for at, (j, k) in enumerate(places):
        when = "1" if ones >> at & 1 else f"x{j}[{k}] == {0 if inverted >> at & 1 else 1}"
        lines.append(f"if ({when}) n = n + {1 << j};")
    return "\n".join([*lines, f"end assign o = n[{counter.outputs - 1}:0]; endmodule\n"])


def prove(drawn, folder, spoil: bool = False) -> subprocess.CompletedProcess:
    script, text = ["read_verilog own.v references.v", "hierarchy", "proc", "opt_clean"], []
    for k, (counter, inverted, ones) in enumerate(drawn):
        name, own = variant(counter, inverted, ones)
        text.append(own.replace("(* keep_hierarchy *)", ""))
        script.append(f"miter -equiv -flatten -make_outputs ref{k} {name} miter{k}")
    script += [f"sat -verify -prove trigger 0 miter{k}" for k in range(len(drawn))]
    source = "\n".join(text)
    (folder / "own.v").write_text(source.replace(SPOILED, SPOILED[1:], 1) if spoil else source)
    (folder / "references.v").write_text("\n".join(reference(*one, f"ref{k}") for k, one in enumerate(drawn)))
    (folder / "prove.ys").write_text("\n".join(script) + "\n")
    prepare("yosys")
    command = [sys.executable, "-P", "-c", call("yosys"), "-q", "prove.ys"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_variants_are_proved(tmp_path):
    drawn = variants()
    assert len(drawn) > 15 and any(inverted and ones for _, inverted, ones in drawn)
    done = prove(drawn, tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_a_lost_inversion_is_caught(tmp_path):
    drawn = [one for one in variants() if SPOILED in variant(*one)[1]][:1]
    assert drawn and prove(drawn, tmp_path, spoil=True).returncode != 0


@pytest.mark.parametrize("kind", ["lut6", "asic"])
def test_every_input_has_a_place(kind):
    """As many places as inputs, and no wire but in chains."""
    for counter in family(kind):
        if not counter.pairs:
            places = slots(counter)
            assert [len(own) for own in places] == list(counter.bits)
            assert {kind for own in places for kind in own} <= {TABLE, WIRE}
