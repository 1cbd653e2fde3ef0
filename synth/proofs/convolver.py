"""Proofs that the convolution engine loses, doubles and reorders nothing: small claims about its parts that
meet at their ports.

Whole engines of small layers (`ENGINES`) are taken apart; every claim is about the part as it stands in that
engine, for all values, all stall patterns and all times (induction from reset, no bound on the number of
images):

- input (`fermat_image_proofs`): words come in once, in raster order, and none is written over one still to be
  read; every point of every tile is the right pixel of the right image; tiles are whole, once, in order.
- transforms: the flag of a point is delayed, whole frames stay whole (serial parts here, transposers in
  `fermatnet.synth.proofs.stream`).
- spectra, products, sums (`fermat_path_proofs`): each word and sum is written once in order, meets the step
  it belongs to, and is not replaced before its last reading; sums leave complete, once, in order.
- weights (`fermat_weight_proofs`): each step gets its own.
- control (`fermat_control_proofs`): memories are handed over only when full or free, whatever the latencies
  of the parts; jobs come whole, once, in order.
- output (`fermat_raster_proofs`): every point that lies in the image leaves once, in the beat and lane of its
  place in raster order, and a waiting beat stays.

The control, which is counters alone, is proved at the size of a real layer too (`layer_control`);
`convolver_vacuities` shows that the cases the claims speak of exist.

What one part assumes of the others is what is claimed of them, at the same edge or before; that the claims
meet so is argued here, not checked by a program. Not in it: that a result comes at all (these are claims of
safety; the stated latency and cycles are asserted in simulation), what transforms, products and
reconstruction compute, and that their data keep the pace of their flags (simulated bit for bit against the
reference).
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from fermatnet.hw.fermat.circular_rom import CircularRom
from fermatnet.hw.fermat.convolver import Convolver
from fermatnet.model.fermat.plan import Geometry, choose
from fermatnet.synth.formal import Named, Proof
from fermatnet.synth.proofs.control import Control, GappyJobs
from fermatnet.synth.proofs.image import EarlyTiles, ImageRing, StuckPointer, TooReady, Unwaiting
from fermatnet.synth.proofs.invariants import Harness
from fermatnet.synth.proofs.path import Spectra, Sums
from fermatnet.synth.proofs.path_mutants import AlwaysFresh, HastySums, NoReturn, OneBank
from fermatnet.synth.proofs.raster import CrossedLanes, Doubling, EarlyBand, Overbooked, RasterBands
from fermatnet.synth.proofs.stream import serial_delay
from fermatnet.synth.proofs.weights import Circle, Kernels, Lines, LostSlice, SkippedTap

__all__ = [
    "ENGINES",
    "circle",
    "convolver_mutants",
    "convolver_proofs",
    "convolver_vacuities",
    "engine",
    "layer_control",
    "parts",
]

ENGINES: dict[str, dict[str, Any]] = {
    "one channel": {"weight": (2, 1, 3, 3), "size": (5, 5), "moduli": (4,)},
    "sums over channels": {
        "weight": (2, 2, 3, 3),
        "size": (4, 5),
        "pad": (1, 0, 0, 1),
        "moduli": (8,),
        "lanes": (2, 2),
        "products": 2,
    },
    "two moduli, groups, stride": {
        "weight": (4, 2, 2, 3),
        "size": (5, 5),
        "stride": (2, 2),
        "pad": (0, 1, 1, 1),
        "group": 2,
        "moduli": (4, 8),
        "spectra": "computed",
        "lanes": (2, 1),
    },
    "one pixel": {"weight": (1, 1, 4, 4), "size": (1, 1), "pad": (3, 3, 0, 0), "moduli": (8,)},
}
"""Layers: weight (O, C/g, kh, kw), image size, and what `Convolver` and `choose` take; transforms of 4 x 4
points, images of one bit."""


def engine(name: str, kind: type[Convolver] = Convolver) -> Convolver:
    """The convolver of one of the layers; weights from a fixed seed, -1 to 1."""
    layer = ENGINES[name]
    weight = np.random.default_rng(0).integers(-1, 2, layer["weight"])
    weight[(slice(None), *(0,) * 3)] = 1  # no output is always zero
    shape = {key: layer[key] for key in ("stride", "pad", "group") if key in layer}
    height, width = layer["size"]
    plan = choose(
        weight,
        0,
        1,
        **shape,
        height=height,
        width=width,
        moduli=layer["moduli"],
        length=4,
        spectra=layer.get("spectra", "stored"),
    )
    lanes_in, lanes_out = layer.get("lanes", (1, 1))
    return kind(
        weight,
        0,
        1,
        Geometry(height, width, weight.shape[2:], **{k: v for k, v in shape.items() if k != "group"}),
        group=shape.get("group", 1),
        plan=plan,
        products=layer.get("products", 1),
        lanes_in=lanes_in,
        lanes_out=lanes_out,
    )


def layer_control() -> Control:
    """The control of a layer of 64 channels, 28 x 28, 3 x 3, INT8, with eight parallel products."""
    weight = np.random.default_rng(0).integers(-128, 128, (64, 64, 3, 3))
    return Control(Convolver(weight, 0, 255, Geometry(28, 28, (3, 3), pad=(1, 1, 1, 1)), products=8))


def circle(depth: int) -> CircularRom:
    """A memory of words of 5 bits, two of which hold three bits each of a third one."""
    return CircularRom(5, np.random.default_rng(depth).integers(0, 32, depth).tolist(), "circle", group=2)


def parts(name: str) -> dict[str, Callable[[], Harness]]:
    """Harnesses of all parts of an engine, each made of its own copy."""
    harnesses: dict[str, Callable[[], Harness]] = {
        "control": lambda: Control(engine(name)), "input": lambda: ImageRing(engine(name).images),
        "output": lambda: RasterBands(engine(name).raster),
    }  # fmt: skip
    probe = engine(name)
    for k, path in enumerate(probe.paths):
        harnesses[f"2^{path.b}+1 spectra"] = partial(lambda k: Spectra(engine(name).paths[k]), k)
        harnesses[f"2^{path.b}+1 sums"] = partial(lambda k: Sums(engine(name).paths[k]), k)
        if probe.reader is None:
            harnesses[f"2^{path.b}+1 weights"] = partial(lambda k: _stored(engine(name), k, probe.jobs), k)
    if probe.reader is not None:
        harnesses["weights"] = lambda: _computed(engine(name), probe.jobs)
    for cycles in sorted(_delays(probe) - {0}):
        harnesses[f"collection, {cycles} edges"] = partial(Lines, cycles)
    return harnesses


def _stored(convolver: Convolver, k: int, jobs: int) -> Kernels:
    source = convolver.paths[k].source
    assert source is not None
    return Kernels(source, jobs)


def _computed(convolver: Convolver, jobs: int) -> Kernels:
    assert convolver.reader is not None
    return Kernels(convolver.reader, jobs)


def _delays(convolver: Convolver) -> set[int]:
    """Delays between inverse transforms, reconstruction and output."""
    after = [convolver.out_after - path.out_after for path in convolver.paths]
    return {*after, after[0] + convolver.reconstructs[0].latency}


def _given(proof: Proof) -> Proof:
    return proof


def convolver_proofs(only: tuple[str, ...] = ()) -> Iterator[Named]:
    """Every claim about every part of every engine, or of those engines named."""
    for name in only or tuple(ENGINES):
        for part, make in parts(name).items():
            for claim, proof in make().proofs():
                yield Named(f"convolver, {name}: {part}: {claim}", partial(_given, proof))
    if not only:
        for claim, proof in layer_control().proofs():
            yield Named(f"convolver, 64 channels of 28 x 28: control: {claim}", partial(_given, proof))
        for depth in (12, 14):
            for claim, proof in Circle(circle(depth)).proofs():
                yield Named(
                    f"convolver: {depth} words of 5 bits, read in a circle: {claim}", partial(_given, proof)
                )
    for b in sorted({b for name in only or ENGINES for b in ENGINES[name]["moduli"]}):
        for inverse in (False, True):
            steps, proof = serial_delay(b, 4, inverse)
            kind = "inverse" if inverse else "forward"
            yield Named(
                f"convolver: 2^{b}+1 serial {kind} part of 4 points delays its valid bit {steps} edges",
                partial(_given, proof),
            )


# -- mutants: each must be refuted


def _turned(part: Any, kind: type) -> Any:
    """The same part with something wrong in it."""
    part.__class__ = kind
    return part


def _mutated() -> Iterator[tuple[str, Callable[[], Harness], str]]:
    """(what is wrong, harness, the claim that must fail)."""
    plain, wide, strided = "one channel", "sums over channels", "two moduli, groups, stride"
    kept, reads = (
        "the invariant is kept",
        "each point is the pixel of its place in its image, or zero outside",
    )
    surplus = "credit for a bank of {} too many"
    yield (
        surplus.format("spectra"),
        lambda: Control(engine(plain), (1, 0)),
        "a tile starts only where the last job on the tile in its bank has begun",
    )
    yield (
        surplus.format("sums"),
        lambda: Control(engine(plain), (0, 1)),
        "a job begins only where a bank of sums is free",
    )
    yield "GappyJobs", lambda: Control(engine(wide, GappyJobs)), "a job's steps have no gap"
    yield (
        "TooReady",
        lambda: ImageRing(_turned(engine(plain).images, TooReady)),
        "no word is written that is still to be read",
    )
    yield "StuckPointer", lambda: ImageRing(_turned(engine(plain).images, StuckPointer)), kept
    yield "EarlyTiles", lambda: ImageRing(_turned(engine(plain).images, EarlyTiles)), reads
    yield "Unwaiting", lambda: ImageRing(_turned(engine("one pixel").images, Unwaiting)), reads
    yield "NoReturn", lambda: Spectra(_turned(engine(strided).paths[0], NoReturn)), kept
    yield "OneBank", lambda: Spectra(_turned(engine(plain).paths[0], OneBank)), kept
    drained, met = (
        "inverse transforms take each sum as it was written last",
        "products meet the running sum of their own point",
    )
    yield "HastySums", lambda: Sums(_turned(engine(wide).paths[0], HastySums)), drained
    yield "AlwaysFresh", lambda: Sums(_turned(engine(wide).paths[0], AlwaysFresh)), met
    yield (
        "SkippedTap",
        lambda: Kernels(_turned(engine(strided).reader, SkippedTap), engine(strided).jobs),
        kept,
    )
    yield "LostSlice", lambda: Circle(_turned(circle(12), LostSlice)), kept
    yield "a delay line a cycle short", lambda: Lines(5, short=1), "a word and its flag leave 5 edges later"
    yield (
        "Overbooked",
        lambda: RasterBands(_turned(engine(plain).raster, Overbooked)),
        "a band is granted only where a bank is free",
    )
    yield "EarlyBand", lambda: RasterBands(_turned(engine(plain).raster, EarlyBand)), kept
    yield (
        "Doubling",
        lambda: RasterBands(_turned(engine(plain).raster, Doubling)),
        "one beat given for each read, none twice",
    )
    crossed = "each point leaves in the beat and lane of its place"
    yield "CrossedLanes", lambda: RasterBands(_turned(engine(wide).raster, CrossedLanes)), crossed


def convolver_vacuities(only: tuple[str, ...] = ("one channel", "sums over channels")) -> Iterator[Named]:
    """That what the claims are about never happens, which must be refuted: no claim holds for want of
    cases."""
    for name in only:
        for part, make in parts(name).items():
            for words, proof in make().vacuities():
                yield Named(f"never: convolver, {name}: {part}: {words}", partial(_given, proof), False)


def convolver_mutants(only: tuple[str, ...] = ()) -> Iterator[Named]:
    """Parts with one thing wrong, each with a claim that must fail; all of them, or those named."""
    for name, make, wanted in _mutated():
        if not only or name in only:
            yield Named(
                f"mutant: convolver, {name}: {wanted}", partial(_given, dict(make().proofs())[wanted]), False
            )
