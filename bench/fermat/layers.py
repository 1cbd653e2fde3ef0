"""The five layers of table 2.2 of the thesis, INT8 and INT16: the reference against a direct convolution on
whole layers, and the generated engine, one full tile with all channels, in simulation with random stalls.

``python -m fermatnet.bench.fermat.layers --results FILE.jsonl`` simulates the ten tiles, smallest first, and
appends a line after each; tiles whose line is there are not run again.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.bench.fermat.stream import play
from fermatnet.hw.fermat.convolver import Convolver
from fermatnet.model.fermat.convolution import convolve2d
from fermatnet.model.fermat.plan import Geometry, Plan, choose

__all__ = ["LAYERS", "TILES", "direct", "layer", "reference", "tile", "tiles", "variant"]

LAYERS = ((11, 32, 3, 96), (7, 32, 96, 256), (5, 16, 256, 384), (5, 16, 384, 384), (3, 16, 384, 384))
"""(k, n + k - 1, f, f'): kernel, transform length, input and output channels; "same" padding, so n x n images
of one tile."""

TILES = (
    (0, 8, 4),
    (0, 16, 4),
    (1, 16, 32),
    (2, 8, 32),
    (1, 8, 32),
    (4, 8, 32),
    (3, 8, 32),
    (2, 16, 32),
    (4, 16, 32),
    (3, 16, 32),
)
"""(layer, bits, parallel products) of the ten simulated tiles; the products shorten the simulation, every
channel is computed."""


def layer(
    index: int, bits: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, int, tuple[int, int, int, int]]:
    """(image (1, f, n, n), weight (f', f, k, k), n, padding) of random full-range integers."""
    k, points, channels, outputs = LAYERS[index]
    n, before = points - k + 1, (k - 1) // 2
    rng = np.random.default_rng(seed + 100 * index + bits)
    top = 1 << (bits - 1)
    x, w = rng.integers(-top, top, (1, channels, n, n)), rng.integers(-top, top, (outputs, channels, k, k))
    return x, w, n, (before, before, k - 1 - before, k - 1 - before)


def direct(x: np.ndarray, w: np.ndarray, pad: tuple[int, int, int, int]) -> np.ndarray:
    """The convolution by its definition in int64, one output channel at a time over all windows."""
    padded = np.pad(x, ((0, 0), (0, 0), pad[::2], pad[1::2]))
    windows = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], axis=(2, 3))
    rows = np.ascontiguousarray(windows.transpose(0, 2, 3, 1, 4, 5)).reshape(-1, w[0].size)
    y = np.stack([rows @ kernel.ravel() for kernel in w], axis=1)
    return y.reshape(x.shape[0], *windows.shape[2:4], len(w)).transpose(0, 3, 1, 2)


def plan_of(
    index: int,
    bits: int,
    w: np.ndarray,
    n: int,
    pad: tuple[int, int, int, int],
    free: bool,
    spectra: str = "auto",
) -> Plan:
    top = 1 << (bits - 1)
    return choose(
        w, -top, top - 1, pad=pad, height=n, width=n, length=0 if free else LAYERS[index][1], spectra=spectra
    )


def reference(index: int, bits: int) -> dict[str, Any]:
    """Whole layer: outputs that differ between the reference, at the thesis' length and at the chosen one,
    and the direct convolution."""
    x, w, n, pad = layer(index, bits)
    want = direct(x, w, pad)
    row: dict[str, Any] = {"layer": LAYERS[index], "bits": bits, "outputs": int(want.size)}
    for name, free in (("thesis length", False), ("chosen", True)):
        plan = plan_of(index, bits, w, n, pad, free)
        start = time.perf_counter()
        outputs = convolve2d(x, w, plan, pad=pad)
        row[name] = {
            "widths": plan.widths,
            "lengths": plan.lengths,
            "mismatches": int((outputs != want).sum()),
            "seconds": round(time.perf_counter() - start, 2),
        }
    return row


def tile(index: int, bits: int, products: int, spectra: str = "stored", plain: bool = True) -> dict[str, Any]:
    """One full tile, all channels, through the generated engine: without (where ``plain``) and with random
    stalls.

    Stored spectra simulate several times faster than computed ones. ``latency`` is of the run without stalls.
    """
    x, w, n, pad = layer(index, bits)
    plan = plan_of(index, bits, w, n, pad, False, spectra)
    top = 1 << (bits - 1)
    block = Convolver(w, -top, top - 1, Geometry(n, n, w.shape[2:], pad=pad), plan=plan, products=products)
    want = direct(x, w, pad)
    start = time.perf_counter()
    beats, expected = x.transpose(0, 2, 3, 1).reshape(-1, 1), want.transpose(0, 2, 3, 1).reshape(-1, 1)
    *calm, stalled = play(
        block,
        beats,
        expected,
        bits_in=block.shape.width,
        bits_out=block.bits,
        images=1,
        seeds=(0, 7) if plain else (7,),
    )
    row: dict[str, Any] = {
        "layer": LAYERS[index],
        "bits": bits,
        "widths": plan.widths,
        "lengths": plan.lengths,
        "spectra": plan.spectra,
        "products": products,
        "beats": stalled.beats,
        "stalled mismatches": stalled.mismatches + abs(stalled.beats - len(expected)),
        "unstable beats": sum(run.unstable for run in (*calm, stalled)),
        "cycles an image": block.cycles,
        "stated latency": block.latency,
        "seconds": round(time.perf_counter() - start, 1),
    }
    for run in calm:
        row |= {"mismatches": run.mismatches + abs(run.beats - len(expected)), "latency": run.latency}
    return row


def variant(spectra: str = "computed", product_form: str = "karatsuba", products: int = 2) -> dict[str, Any]:
    """A small INT16 layer in {F_4, F_5}, several tiles, in the other forms of the engine: without and with
    random stalls."""
    rng = np.random.default_rng(3)
    x, w = rng.integers(-32768, 32768, (2, 4, 13, 11)), rng.integers(-32768, 32768, (4, 4, 3, 3))
    pad = (1, 1, 1, 1)
    plan = choose(w, -32768, 32767, pad=pad, height=13, width=11, moduli=(16, 32), length=8, spectra=spectra)
    block = Convolver(
        w,
        -32768,
        32767,
        Geometry(13, 11, (3, 3), pad=pad),
        plan=plan,
        products=products,
        product_form=product_form,
    )
    beats, expected = (
        x.transpose(0, 2, 3, 1).reshape(-1, 1),
        direct(x, w, pad).transpose(0, 2, 3, 1).reshape(-1, 1),
    )
    plain, stalled = play(
        block, beats, expected, bits_in=block.shape.width, bits_out=block.bits, images=2, seeds=(0, 7)
    )
    return {
        "variant": f"{spectra} spectra, {product_form}, {products} products",
        "beats": plain.beats,
        "mismatches": plain.mismatches + abs(plain.beats - len(expected)),
        "stalled mismatches": stalled.mismatches + abs(stalled.beats - len(expected)),
        "unstable beats": plain.unstable + stalled.unstable,
        "latency": plain.latency,
        "stated latency": block.latency,
        "cycles": plain.last_gap,
        "stated cycles": block.cycles,
    }


def tiles(results: Path, only: str = "", plain: bool = True) -> list[dict[str, Any]]:
    """Simulates the tiles that ``results`` (JSON lines) lacks and appends each; returns all.

    ``only``: one of them, as ``LAYER/BITS``; ``plain``: without stalls too.
    """
    done = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    for index, bits, products in TILES:
        if only not in ("", f"{index}/{bits}") or any(
            row["index"] == index and row["bits"] == bits for row in done
        ):
            continue
        row = {"index": index, **tile(index, bits, products, plain=plain)}
        with results.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)
        done.append(row)
    return done


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Simulates one tile of each layer of table 2.2, all channels."
    )
    parser.add_argument("--results", type=Path, required=True, help="JSON lines, appended to")
    parser.add_argument("--only", default="", help="one tile: LAYER/BITS, layers from 0")
    parser.add_argument("--stalls-only", action="store_true", help="leave out the runs without stalls")
    options = parser.parse_args()
    tiles(options.results, options.only, not options.stalls_only)
