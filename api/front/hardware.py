"""From a network to Verilog, to a simulation of it, to figures of a device."""

from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.hw.compiler.generate import generate

__all__ = ["generate", "simulate", "synthesize"]


def simulate(
    directory: str | Path, images: np.ndarray, *, stalls: int | None = None, waves: str | Path | None = None
) -> Any:
    """Simulate a generated design through its AXI4-Stream ports. Needs ``fermatnet[sim]``.

    Parameters
    ----------
    directory : of `generate`
    images : (n, C, H, W) of the network's input type
    stalls : a seed for random stalls on both sides; None for none
    waves : file for waveforms (FST)

    Returns a result with ``outputs`` (int64 (n, K)), ``cycles_per_image`` and ``first_latency`` (cycles).
    Raises InputError.
    """
    from fermatnet.sim.network import simulate as run

    return run(Path(directory), images, stalls=stalls, waves=None if waves is None else Path(waves))


def synthesize(directory: str | Path, device: str, *, liberty: str | Path | None = None) -> dict[str, Any]:
    """Synthesise a generated design with yosys; place and route it where nextpnr knows the device. Needs
    ``fermatnet[synth]``.

    Parameters
    ----------
    directory : of `generate`; it is left untouched
    device : its name, "ecp5-85k" say; `fermatnet synth --help` lists them
    liberty : cell library, needed for ``device="asic"`` and for nothing else

    Returns ``luts``, ``ffs``, ``brams``, ``dsps`` in all and by layer, ``fmax_mhz``, ``images_per_second``,
    ``critical_path``;
    for ``device="asic"`` gates and area of the cell library ``liberty``. Raises InputError.
    """
    from fermatnet.synth.flow import synthesise

    return synthesise(Path(directory), device, liberty=liberty)
