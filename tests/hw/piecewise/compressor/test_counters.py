"""Counters add exactly: every counter, every input, on the Verilog that yosys reads (proof by SAT against a
plain sum)."""

import subprocess
import sys
from itertools import product

import pytest

from fermatnet.hw.piecewise.compressor.counters import Counter, adder, family, verilog
from fermatnet.hw.piecewise.compressor.search import plan
from fermatnet.synth.wheels import call, prepare

TARGETS = ("lut6", "ecp5", "asic")


def reference(counter: Counter, gates: tuple[str, ...], name: str) -> str:
    """The same ports, behaviour written term by term, nothing shared with the counter's own text."""
    ports = ([f"input [{2 * counter.pairs - 1}:0] p"] if counter.pairs else []) + [
        f"input [{n - 1}:0] x{j}" for j, n in enumerate(counter.bits) if n
    ]
    operator = {
        "and": "p[{}] && p[{}]",
        "nand": "!(p[{}] && p[{}])",
        "xor": "p[{}] != p[{}]",
        "xnor": "p[{}] == p[{}]",
    }
    lines = [
        f"module {name} ({', '.join(ports)}, output [{counter.outputs - 1}:0] o); reg [15:0] n; always @* "
        "begin n = 0;"
    ]
    lines += [f"if ({operator[g].format(2 * k, 2 * k + 1)}) n = n + 1;" for k, g in enumerate(gates)]
    lines += [
        f"if (x{j}[{k}]) n = n + {1 << j};" for j, count in enumerate(counter.bits) for k in range(count)
    ]
    return "\n".join([*lines, f"end assign o = n[{counter.outputs - 1}:0]; endmodule\n"])


def used() -> list[tuple[Counter, tuple[str, ...]]]:
    """Counters of real trees with their gates, for all targets."""
    found: dict[str, tuple[Counter, tuple[str, ...]]] = {}
    for target in TARGETS:
        for heap in ((72, 0, 0, 0, 0, 0, 0), (19, 0, 0, 0, 0), (30, 12, 30, 12, 0, 0, 0, 0, 0)):
            steps = plan(target, heap, (0,) * len(heap)).steps + plan(target, (0,) * len(heap), heap).steps
            for _, counter in steps:
                for gates in (("and",) * counter.pairs, ("nand", "and", "xnor")[: counter.pairs]):
                    if (
                        target == "ecp5"
                        and counter.positions
                        and gates.count("nand") + gates.count("xnor") > 1
                    ):
                        continue
                    found[counter.module(gates)] = (counter, gates)
    for target in ("ecp5", "lut6"):
        for heights in ((2,) * 5, (2, 1, 2, 2), (2,) * 12):
            counter = adder(target, heights, 20)
            found[counter.name] = (counter, ())
    return [found[name] for name in sorted(found)]


@pytest.mark.parametrize("target", ["ecp5", "lut6"])
def test_a_carry_chain_gives_as_many_bits_as_are_asked_for(target):
    """Chains of the same columns, their sums cut to different widths: each its own module."""
    named: dict[str, Counter] = {}
    for heights in (h for length in range(1, 6) for h in product((1, 2), repeat=length)):
        whole = sum(count << j for j, count in enumerate(heights)).bit_length()
        for width in range(len(heights), whole + 2):
            counter = adder(target, heights, width)
            if counter is not None:
                assert counter.outputs == min(width, whole)
                other = named.setdefault(counter.name, counter)
                assert (other.outputs, verilog(other, ())) == (counter.outputs, verilog(counter, ()))


def prove(counters, tmp_path, spoil: bool = False) -> subprocess.CompletedProcess:
    """One yosys run: each counter, mapped to its cells where it names cells, against its reference."""
    script = [
        "read_verilog -nooverwrite +/ecp5/cells_sim.v",
        "read_verilog -DSYNTHESIS counters.v references.v",
        "hierarchy",
        "proc",
        "flatten",
        "opt_clean",
    ]
    text, references = [], []
    for k, (counter, gates) in enumerate(counters):
        text.append(verilog(counter, gates).replace("(* keep_hierarchy *)", ""))
        references.append(reference(counter, gates, f"ref{k}"))
        script.append(f"miter -equiv -flatten -make_outputs ref{k} {counter.module(gates)} miter{k}")
    script += [f"sat -verify -prove trigger 0 -show-inputs miter{k}" for k in range(len(counters))]
    source = "\n".join(text)
    (tmp_path / "counters.v").write_text(source.replace("7888", "7889", 1) if spoil else source)
    (tmp_path / "references.v").write_text("\n".join(references))
    (tmp_path / "prove.ys").write_text("\n".join(script) + "\n")
    prepare("yosys")
    return subprocess.run(
        [sys.executable, "-P", "-c", call("yosys"), "-q", "prove.ys"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )


def test_every_counter_of_real_trees_is_proved(tmp_path):
    counters = used()
    assert len(counters) > 30 and {counter.kind for counter, _ in counters} == set(TARGETS)
    done = prove(counters, tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_a_wrong_table_is_caught(tmp_path):
    counters = [(c, g) for c, g in used() if c.kind == "ecp5" and "7888" in verilog(c, g)][:1]
    assert prove(counters, tmp_path).returncode == 0
    assert prove(counters, tmp_path, spoil=True).returncode != 0


@pytest.mark.parametrize("target", TARGETS)
def test_families_conserve_weight(target):
    """The largest sum fits the outputs, and no output is superfluous."""
    for counter in family(target):
        top = counter.pairs + sum(count << j for j, count in enumerate(counter.bits))
        assert top.bit_length() == counter.outputs
