"""The stream contract of the convolver, proved for every state and input (not sampled); the bench has more
layers and mutants."""

import re

import numpy as np
import pytest
from amaranth.hdl import signed, unsigned

from fermatnet.hw.fermat.image_buffer import ImageBuffer
from fermatnet.hw.fermat.raster_buffer import RasterBuffer
from fermatnet.model.fermat.plan import Geometry, choose
from fermatnet.synth.formal import Block, Proof
from fermatnet.synth.proofs.arithmetic import check
from fermatnet.synth.proofs.convolver import circle, convolver_mutants, engine, parts
from fermatnet.synth.proofs.image import ImageRing, Unwaiting
from fermatnet.synth.proofs.weights import Circle

pytest.importorskip("z3")


def layer():
    return Geometry(5, 5, (3, 3)), choose(np.ones((2, 1, 3, 3), int), 0, 1, height=5, width=5, length=4)


class Forgetful(RasterBuffer):
    """Reads on while its beat waits: must be refuted."""

    def _read(self, m, ports, full, drained):
        super()._read(m, ports, full, drained)
        for port in ports:
            m.d.comb += port.en.eq(1)


@pytest.mark.parametrize(("kind", "true"), [(RasterBuffer, True), (Forgetful, False)])
@pytest.mark.parametrize(("sources", "lanes"), [(1, 1), (1, 2), (2, 1)])
def test_an_offered_beat_stays(kind, true, sources, lanes):
    geometry, plan = layer()
    block = Block(kind(signed(3), 2, geometry, plan, sources, lanes))
    waiting = f"(and {block.high('o__valid', 0)} (not {block.high('o__ready', 0)}))"
    stays = (
        f"(and {block.high('o__valid', 1)} (= {block.port('o__payload', 0)} {block.port('o__payload', 1)}))"
    )
    running = [f"(not {block.high('rst', 0)})"]
    assert Proof(block, f"(=> {waiting} {stays})", running, edges=1).holds() is true


def cone(block, name):
    """Every definition of the SMT-LIB text that the named one is made of."""
    pending, seen = [f"block_n {name}"], set()
    while pending:
        start = block.text.index(f"(define-fun |{pending.pop()}|")
        used = set(re.findall(r"\|(block[^|]*)\|", block.text[start : block.text.index("\n", start)])) - {
            "block_s"
        }
        pending += [n for n in used - seen if f"(define-fun |{n}|" in block.text]
        seen |= used
    return seen


def test_ready_does_not_look_at_valid():
    """``ready`` is a function of registers: it is made of no input. (``start`` is made of ``go``: the search
    finds inputs.)"""
    geometry, plan = layer()
    block = Block(ImageBuffer(unsigned(2), 1, geometry, plan, 1))
    for port in ("i__valid", "i__payload", "go"):
        assert not cone(block, "i__ready") & (cone(block, port) - {f"block_n {port}"})
    assert cone(block, "start") & (cone(block, "go") - {"block_n go"})


@pytest.mark.parametrize("part", ["control", "input", "output", "2^4+1 spectra", "2^4+1 weights"])
def test_nothing_is_lost_doubled_or_reordered(part):
    claims = dict(parts("one channel")[part]().proofs())
    assert len(claims) >= 3
    assert {claim: proof.holds() for claim, proof in claims.items()} == dict.fromkeys(claims, True)


@pytest.mark.parametrize("depth", [12, 14])
def test_words_in_spare_bits_come_in_turn(depth):
    claims = dict(Circle(circle(depth)).proofs())
    assert {claim: proof.holds() for claim, proof in claims.items()} == dict.fromkeys(claims, True)


def test_rows_given_back_are_not_overwritten_while_they_are_read():
    """The engine of one pixel under full padding waits before it takes the next image; without that it reads
    the wrong one."""
    images, wanted = (
        engine("one pixel").images,
        "each point is the pixel of its place in its image, or zero outside",
    )
    assert images.waits and not engine("one channel").images.waits
    assert dict(ImageRing(images).proofs())[wanted].holds()
    images.__class__ = Unwaiting
    assert not dict(ImageRing(images).proofs())[wanted].holds()


def test_mutants_are_refuted():
    wanted = (
        "credit for a bank of spectra too many",
        "GappyJobs",
        "TooReady",
        "StuckPointer",
        "EarlyBand",
        "Doubling",
        "SkippedTap",
        "LostSlice",
    )
    rows = list(check(convolver_mutants(wanted)))
    assert len(rows) == len(wanted)
    assert all(row["holds"] is False for row in rows), rows
