"""The two engines that are compared, of equal throughput: one row of the comparison from a layer."""

from typing import Any

import numpy as np

from fermatnet.bench.fermat.direct import direct_engine, direct_memories, direct_parts
from fermatnet.bench.fermat.parts import Parts, fermat_memories, fermat_parts
from fermatnet.hw.fermat.convolver import Convolver
from fermatnet.model.fermat.cost import Area
from fermatnet.model.fermat.plan import Geometry, Plan, choose

__all__ = ["PRODUCTS", "built_engine", "compare"]

PRODUCTS = 4  # parallel products of the compared engines
# channels of the layer whose tile reader, output bands, window and array stand for those of more channels
FEW = 16


def _weights(bits: int, k: int, channels: int) -> np.ndarray:
    top = 1 << (bits - 1)
    return np.random.default_rng(k + bits).integers(-top, top, (channels, channels, k, k))


def _plan(w: np.ndarray, bits: int, size: int, pad: tuple[int, int, int, int], n: int) -> Plan:
    """INT16 in {F_4, F_5}; INT8 in {F_2, F_3, F_4} up to 16 points, which is as far as F_2 goes, in F_5
    beyond."""
    top = 1 << (bits - 1)
    moduli = (16, 32) if bits == 16 else (4, 8, 16) if n == 16 else (32,)
    return choose(
        w, -top, top - 1, pad=pad, height=size, width=size, moduli=moduli, length=n, products=PRODUCTS
    )


def built_engine(bits: int, k: int, channels: int, image: int, spectra: str = "") -> Convolver:
    """The Fermat engine of a k x k layer of equal channels in and out; ``image`` 0: four tiles."""
    n, top, pad = 16 if k <= (7 if bits == 8 else 5) else 32, 1 << (bits - 1), (k // 2,) * 4
    w, size = _weights(bits, k, channels), image or 2 * (n - k + 1)
    plan = _plan(w, bits, size, pad, n)
    if spectra and spectra != plan.spectra:
        plan = choose(
            w, -top, top - 1, pad=pad, height=size, width=size, moduli=plan.widths, length=n, spectra=spectra
        )
    return Convolver(w, -top, top - 1, Geometry(size, size, (k, k), pad=pad), plan=plan, products=PRODUCTS)


def compare(parts: Parts, bits: int, k: int, channels: int, image: int = 0) -> dict[str, Any]:
    """One row: both engines for one layer."""
    engine = built_engine(bits, k, channels, image)
    small = engine if channels <= FEW else built_engine(bits, k, FEW, image, engine.plan.spectra)
    size, w, few = engine.geometry.height, engine.weight, small.weight
    d = direct_engine(channels, channels, k, size, engine.cycles)
    fermat = parts.total(fermat_parts(engine, small), fermat_memories(engine))
    direct = parts.total(direct_parts(d, few, bits, size), direct_memories(d, w, bits, size))
    row: dict[str, Any] = {
        "bits": bits,
        "k": k,
        "channels": channels,
        "image": size,
        "widths": engine.plan.widths,
        "length": engine.plan.lengths[0],
        "spectra": engine.plan.spectra,
        "cycles": engine.cycles,
        "fermat": fermat,
        "direct cycles": d.cycles,
        "direct": direct,
        "ratio": direct["dsps"] / fermat["dsps"],
        "how": "parts" if channels <= FEW else f"parts; buffers and array of {FEW} channels",
    }
    row["equal ratio"] = row["ratio"] * row["direct cycles"] / row["cycles"]
    saved = direct["dsps"] * d.cycles / engine.cycles - fermat["dsps"]
    scale = d.cycles / engine.cycles  # the direct engine cut to the same cycles
    row["luts a dsp saved"] = (fermat["luts"] - direct["luts"] * scale) / saved if saved > 0 else None
    row["share ratio"] = _worth(direct) * scale / _worth(fermat)
    return row


def _worth(resources: dict[str, Any]) -> float:
    """Everything an engine takes, in lookup tables, by the share of an XC7A100T; block RAMs are counted in 36
    kbit here."""
    return Area(resources["dsps"], resources["luts"], 2 * resources["brams"]).worth
