"""Every layer's stream, watched in simulation: the first layer whose beats are not the reference's.

A design's top module is given one more process, which writes each beat that a layer's first output stream
hands over, in binary, a line a beat, to a file of the layer. The generated files themselves stay as they are.
"""

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fermatnet.hw.compiler.interface import read_interface
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network.reference import activations
from fermatnet.sim.runner import SimulationError

__all__ = ["file_of", "first_difference", "kept", "tapped", "values"]

_AT_ONCE = 16  # images whose tensors are held together


def file_of(number: int) -> str:
    """Name of the file of the ``number``-th of the interface's layers, in the folder of the run."""
    return f"layer_{number}.txt"


def tapped(sources: Mapping[str, str], interface: dict[str, Any]) -> dict[str, str]:
    """The Verilog texts with the process in the top module. Raises InputError for a design whose layers
    cannot be found in it."""
    top = re.compile(rf"^module {re.escape(interface['top'])}\b.*?^endmodule", re.MULTILINE | re.DOTALL)
    texts, tops = dict(sources), 0
    for name, text in sources.items():
        match = top.search(text)
        if match:
            end = match.end() - len("endmodule")
            texts[name], tops = text[:end] + _process(interface) + text[end:], tops + 1
    if tops != 1 or not interface.get("layers"):
        raise InputError(f"the design {interface['name']!r} does not say its layers: generate it again")
    return texts


def _process(interface: dict[str, Any]) -> str:
    numbers = range(len(interface["layers"]))
    lines = [f"  integer fermatnet_tap{number};" for number in numbers]
    lines += ["  initial begin"]
    lines += [f'    fermatnet_tap{number} = $fopen("{file_of(number)}", "w");' for number in numbers]
    lines += ["  end", f"  always @(posedge {interface['clock']}) begin"]
    for number, layer in enumerate(interface["layers"]):
        at = f"\\{layer['instance']} ."
        lines.append(
            f"    if ({at}o0__valid && {at}o0__ready) "
            f'$fwrite(fermatnet_tap{number}, "%b\\n", {at}o0__payload);'
        )
    return "\n".join([*lines, "  end", ""])


@contextmanager
def kept(scratch: Path, folder: Path | None) -> Iterator[None]:
    """Moves what a run in ``scratch`` writes to ``folder``, if one is given, also where the run fails."""
    try:
        yield
    finally:
        if folder is not None:
            for file in scratch.glob("layer_*.txt"):
                shutil.move(file, Path(folder) / file.name)


def values(file: Path, lanes: int, signed: bool) -> NDArray[np.int64]:
    """The values of the beats in ``file`` one after the other: int64, raster order with the channels
    innermost. Raises SimulationError for a payload with unknown bits."""
    data = np.fromfile(file, np.uint8)
    if not data.size:
        return np.zeros(0, np.int64)
    line = int(np.argmax(data == ord("\n"))) + 1
    bits = data[: len(data) // line * line].reshape(-1, line)[:, :-1] - ord("0")
    if (bits > 1).any():
        raise SimulationError("an unknown (X) in it")
    fields = bits.reshape(len(bits), lanes, -1)[:, ::-1]  # lane 0 is lowest, the last to be printed
    numbers = -fields[..., 0].astype(np.int64) if signed else fields[..., 0].astype(np.int64)
    for place in range(1, fields.shape[-1]):
        numbers = (numbers << 1) + fields[..., place]
    return numbers.reshape(-1)


def first_difference(
    net: Network, images: NDArray[Any] | Mapping[str, NDArray[Any]], directory: Path, taps: Path
) -> str | None:
    """The first layer, in the network's order, whose stream is not what the reference gives, in one line;
    None where all are equal.

    Parameters
    ----------
    net, images : the network of the design in ``directory``, and what was simulated
    taps : folder with the files of that run, which may have ended early

    All layers before the named one gave what they should, as far as they were read.
    """
    layers = {
        layer["name"]: (taps / file_of(number), layer["lanes_out"])
        for number, layer in enumerate(read_interface(directory, "network")["layers"])
    }
    missing = [node.name for node in net.nodes if node.name not in layers]
    if missing:
        raise InputError(f"{directory} is not a design of this network: it has no layer {missing[0]!r}")
    wanted, short = _expected(net, images), None
    for node in net.nodes:
        words, whole = _difference(*layers[node.name], net.types[node.name].lo < 0, wanted[node.name])
        if words:
            return f"layer {node.name!r} ({type(node).__name__}) is the first whose stream differs: {words}"
        short = short or (None if whole else node.name)
    if short:
        return f"all values are right, but the stream of layer {short!r} ended early"
    return None


def _expected(
    net: Network, images: NDArray[Any] | Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[np.int64]]:
    """int64 (n, C, H, W) of every layer."""
    parts: dict[str, list[NDArray[np.int64]]] = {node.name: [] for node in net.nodes}
    for chunk in _chunks(images):
        for name, value in activations(net, chunk):
            if name in parts:
                parts[name].append(value)
    return {name: np.concatenate(values) for name, values in parts.items()}


def _chunks(
    images: NDArray[Any] | Mapping[str, NDArray[Any]],
) -> Iterable[NDArray[Any] | dict[str, NDArray[Any]]]:
    count = len(images) if isinstance(images, np.ndarray) else len(next(iter(images.values())))
    for start in range(0, count, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        if isinstance(images, np.ndarray):
            yield images[part]
        else:
            yield {name: value[part] for name, value in images.items()}


def _difference(file: Path, lanes: int, signed: bool, wanted: NDArray[np.int64]) -> tuple[str, bool]:
    """What is wrong with a stream as far as it goes, in words ("" for nothing), and whether it is whole."""
    try:
        got = values(file, lanes, signed)
    except SimulationError as error:
        return str(error), True
    raster = wanted.transpose(0, 2, 3, 1)
    flat = raster.reshape(-1)
    if len(got) > len(flat):
        return f"it gives {len(got)} values, the reference {len(flat)}", True
    wrong = np.flatnonzero(got != flat[: len(got)])
    if not len(wrong):
        return "", len(got) == len(flat)
    image, row, column, channel = (int(k) for k in np.unravel_index(wrong[0], raster.shape))
    return (
        f"image {image}, channel {channel}, row {row}, column {column}: the design gives "
        f"{int(got[wrong[0]])}, the reference {int(flat[wrong[0]])} ({len(wrong)} of {len(got)} values "
        "differ)"
    ), True
