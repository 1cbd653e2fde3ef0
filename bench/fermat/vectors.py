"""Millions of checked vectors through a generated block: Verilog (or RTLIL) to C++ with CXXRTL, compiled,
driven from numpy.

The block must have a fixed latency and an ``en`` input, as every datapath block of ``fermatnet.hw.fermat``.
``python -m fermatnet.bench.fermat.vectors --results FILE.jsonl`` runs every block at every width and goes on
where it stopped.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import signed
from amaranth.lib import wiring

from fermatnet.bench.fermat.native import NativeBlock, verilog_of
from fermatnet.hw.fermat.adder import Adder, Subtractor
from fermatnet.hw.fermat.butterfly import Butterfly
from fermatnet.hw.fermat.convert import Decoder, Encoder
from fermatnet.hw.fermat.multiplier import Multiplier
from fermatnet.hw.fermat.negate import Negate
from fermatnet.hw.fermat.shift import ConstantShift, Rotator, Sqrt2
from fermatnet.hw.fermat.transform import ParallelTransform
from fermatnet.model.result_log import ResultLog, digest

__all__ = ["BLOCKS", "check_block", "run"]


def _residues(rng: np.random.Generator, b: int, count: int) -> list[int]:
    """Random residues, and often 0, 1, -1 and the middle, as Python integers."""
    modulus = (1 << b) + 1
    high, low = rng.integers(0, 1 << 32, (2, count), dtype=np.uint64)
    drawn = [((int(h) << 32) | int(v)) % modulus for h, v in zip(high, low, strict=True)]
    corners = [0, 1, 2, modulus - 1, modulus - 2, 1 << (b - 1), (1 << (b - 1)) + 1]
    for at, corner in zip(
        rng.integers(0, count, count // 20).tolist(),
        rng.integers(0, len(corners), count // 20).tolist(),
        strict=True,
    ):
        drawn[at] = corners[corner]
    return drawn


def _code(values: list[int], b: int) -> np.ndarray:
    """The hardware's b + 1 bits: x - 1 modulo F, so that 0 becomes 2^b."""
    modulus = (1 << b) + 1
    return np.array([(v - 1) % modulus for v in values], np.uint64 if b < 64 else object)


POINTS = 4  # of the transform that vectors go through
CHUNK = 100_000  # vectors at a time: Python integers take memory


@dataclass
class _Case:
    """A block, its inputs and its outputs as functions of random residues x, y and integers k: port words,
    one per vector."""

    make: Callable[[int], wiring.Component]
    inputs: Callable[[int, list[int], list[int], list[int]], dict[str, np.ndarray]]
    outputs: Callable[[int, list[int], list[int], list[int]], dict[str, np.ndarray]]


def _two(b: int, x: list[int], y: list[int], k: list[int]) -> dict[str, np.ndarray]:
    return {"x": _code(x, b), "y": _code(y, b)}


def _one(b: int, x: list[int], y: list[int], k: list[int]) -> dict[str, np.ndarray]:
    return {"x": _code(x, b)}


def _signed(x: list[int], b: int) -> list[int]:
    """The low b bits as two's complement."""
    half = 1 << (b - 1)
    return [(v + half) % (1 << b) - half for v in x]


def _centred(x: list[int], b: int) -> np.ndarray:
    """Residues as integers around 0, in the b + 1 bits of two's complement."""
    modulus = (1 << b) + 1
    return np.array([(v - modulus if v > modulus // 2 else v) % (2 << b) for v in x], object)


def _four_points(b: int, x: list[int], y: list[int]) -> list[list[int]]:
    return [x, y, [p + q for p, q in zip(x, y, strict=True)], x[::-1]]


def _joined(points: list[list[int]], b: int) -> np.ndarray:
    """Points of a transform as one word, point 0 lowest."""
    words = [_code(column, b).astype(object) << (at * (b + 1)) for at, column in enumerate(points)]
    return sum(words[1:], words[0])


def _transformed(b: int, x: list[int], y: list[int]) -> list[list[int]]:
    """The definition: sums over all points with powers of w = 2^(b/2); outputs 0, 2, 1, 3 (bit-reversed)."""
    points, root = _four_points(b, x, y), pow(2, b // 2)
    weights = [[pow(root, row * column, (1 << b) + 1) for column in range(POINTS)] for row in (0, 2, 1, 3)]
    return [
        [sum(w * v for w, v in zip(row, column, strict=True)) for column in zip(*points, strict=True)]
        for row in weights
    ]


BLOCKS: dict[str, _Case] = {
    "adder": _Case(
        lambda b: Adder(b, latency=2),
        _two,
        lambda b, x, y, k: {"o": _code([p + q for p, q in zip(x, y, strict=True)], b)},
    ),
    "subtractor": _Case(
        lambda b: Subtractor(b, latency=2),
        _two,
        lambda b, x, y, k: {"o": _code([p - q for p, q in zip(x, y, strict=True)], b)},
    ),
    "butterfly": _Case(
        lambda b: Butterfly(b, latency=2),
        _two,
        lambda b, x, y, k: {
            "s": _code([p + q for p, q in zip(x, y, strict=True)], b),
            "d": _code([p - q for p, q in zip(x, y, strict=True)], b),
        },
    ),
    "multiplier": _Case(
        lambda b: Multiplier(b, form="karatsuba"),
        _two,
        lambda b, x, y, k: {"o": _code([p * q for p, q in zip(x, y, strict=True)], b)},
    ),
    "rotator": _Case(
        lambda b: Rotator(b, latency=2),
        lambda b, x, y, k: {"x": _code(x, b), "k": np.array(k)},
        lambda b, x, y, k: {"o": _code([p << e for p, e in zip(x, k, strict=True)], b)},
    ),
    "negation": _Case(Negate, _one, lambda b, x, y, k: {"o": _code([-p for p in x], b)}),
    "constant shift": _Case(
        lambda b: ConstantShift(b, b + 3), _one, lambda b, x, y, k: {"o": _code([p << (b + 3) for p in x], b)}
    ),
    "sqrt(2)": _Case(
        lambda b: Sqrt2(b, latency=2),
        _one,
        lambda b, x, y, k: {"o": _code([(p << (3 * b // 4)) - (p << (b // 4)) for p in x], b)},
    ),
    "from signed": _Case(
        lambda b: Encoder(b, signed(b)),
        lambda b, x, y, k: {"i": np.array([v % (1 << b) for v in _signed(x, b)], np.uint64)},
        lambda b, x, y, k: {"o": _code(_signed(x, b), b)},
    ),
    "to signed": _Case(
        Decoder, lambda b, x, y, k: {"i": _code(x, b)}, lambda b, x, y, k: {"o": _centred(x, b)}
    ),
    "4-point transform": _Case(
        lambda b: ParallelTransform(b, POINTS, stage_latency=1),
        lambda b, x, y, k: {"i": _joined(_four_points(b, x, y), b)},
        lambda b, x, y, k: {"o": _joined(_transformed(b, x, y), b)},
    ),
}


def check_block(
    name: str, b: int, vectors: int, seed: int = 0, *, component: wiring.Component | None = None
) -> dict[str, Any]:
    """Random vectors through one block's generated Verilog against Python integers: row with the number of
    wrong outputs.

    ``component`` stands in for the block, to see that a wrong one is found.
    """
    rng, case = np.random.default_rng([b, seed]), BLOCKS[name]
    native = NativeBlock(case.make(b) if component is None else component, through_verilog=True)
    wrong, seconds = 0, 0.0
    for start in range(0, vectors, CHUNK):
        count = min(CHUNK, vectors - start)
        x, y, k = _residues(rng, b, count), _residues(rng, b, count), rng.integers(0, 2 * b, count).tolist()
        inputs = case.inputs(b, x, y, k)
        started = time.perf_counter()
        got = native(**inputs)
        seconds += time.perf_counter() - started
        wrong += sum(
            int(np.sum(got[port].astype(object) != words.astype(object)))
            for port, words in case.outputs(b, x, y, k).items()
        )
    return {"block": name, "b": b, "vectors": vectors, "wrong": wrong, "seconds": round(seconds, 2)}


def run(
    json_path: str | Path | None = None,
    *,
    vectors: int = 1_000_000,
    widths: tuple[int, ...] = (16, 32, 64),
    results: str | Path | None = None,
) -> list[dict[str, Any]]:
    """Random vectors through every block at every width, on the generated Verilog by CXXRTL; prints and
    returns the rows.

    ``results`` is a JSONL file that keeps each row; a block whose Verilog has not changed since is not run
    again.
    """
    log, rows = ResultLog(results), []
    for b in widths:
        for name, case in BLOCKS.items():
            design = digest(verilog_of(case.make(b)))
            rows.append(
                log.row(f"vectors/{name}/{b}/{vectors}/{design}", partial(check_block, name, b, vectors))
            )
            print(
                f"b = {b:2}  {name:17} {vectors} vectors, {rows[-1]['wrong']} wrong, {rows[-1]['seconds']} s",
                flush=True,
            )
    if json_path is not None:
        Path(json_path).write_text(json.dumps(rows, indent=1) + "\n")
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Random vectors through the generated Verilog of every block."
    )
    parser.add_argument("--results", help="JSONL file that keeps each row")
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parsed = parser.parse_args()
    run(vectors=parsed.vectors, results=parsed.results)
