"""From a network to Verilog, to a simulation of it, to figures of a device."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.hw.compiler.generate import generate
from fermatnet.model.errors import InputError

__all__ = ["generate", "simulate", "synthesize"]


def simulate(
    directory: str | Path,
    images: np.ndarray | Mapping[str, np.ndarray],
    *,
    stalls: int | None = None,
    waves: str | Path | None = None,
) -> Any:
    """Simulate a generated design through its AXI4-Stream ports. Needs ``fermatnet[sim]``.

    Parameters
    ----------
    directory : of `generate`
    images : (n, *input shape) of the network's input type; one array a name where several inputs come in
    stalls : a seed for random stalls on both sides; None for none
    waves : file for waveforms (FST)

    Returns a result with ``outputs`` (int64 (n, K)), ``cycles_per_image`` and ``first_latency`` (cycles). A
    design of several inputs or outputs gives ``outputs`` as one array a name, and no latency. Raises
    InputError.
    """
    from fermatnet.hw.compiler.interface import read_interface, stream_ports

    directory, waves = Path(directory), None if waves is None else Path(waves)
    interface = read_interface(directory, "network")
    if "inputs" not in interface:
        from fermatnet.sim.network import simulate as run

        return run(directory, _only(images), stalls=stalls, waves=waves)
    from fermatnet.sim.several import simulate_several

    if not isinstance(images, Mapping):
        names = [port["name"] for port in stream_ports(interface, "input")]
        if len(names) > 1:
            raise InputError(f"the design takes {', '.join(names)}: give a dict with one array a name")
        images = {names[0]: images}
    return simulate_several(directory, images, stalls=stalls, waves=waves)


def _only(images: np.ndarray | Mapping[str, np.ndarray]) -> np.ndarray:
    """The array of a design of one input, given plainly or by its name."""
    if not isinstance(images, Mapping):
        return images
    if len(images) != 1:
        raise InputError(f"the design takes one input: give one array, not {', '.join(images) or 'none'}")
    return next(iter(images.values()))


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
