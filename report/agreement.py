"""Who else computes an exported detector's integers: onnxruntime its maps, the generated C its boxes, the
generated Verilog its maps again."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.hw.compiler.interface import read_interface
from fermatnet.model.detect.host.decode import boxes_of
from fermatnet.model.detect.host.plan import Plan, read_plan
from fermatnet.model.detect.host.program import build
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, load, run
from fermatnet.model.network.file.store import sha256
from fermatnet.sim.several import simulate_several

__all__ = ["agreement", "design_facts"]

Maps = dict[str, np.ndarray]
"""int64 (n, K) by the output's name."""


def design_facts(directory: str | Path, net: Network) -> dict[str, Any]:
    """What a folder of ``fermatnet verilog`` says of its design: cycles an image, images a second, predicted
    resources (None where they were not predicted). InputError where it is of another network."""
    found = read_interface(Path(directory), "network")
    if found.get("network_sha256") != sha256(net):
        raise InputError(f"{directory} is the design of another network: generate it from this one's file")
    cycles, clock = found["cycles_per_image"], found["clock_mhz"]
    return {
        "device": found["device"],
        "clock_mhz": clock,
        "cycles_per_image": cycles,
        "images_per_second": clock * 1e6 / cycles,
        "resources": found.get("resources", {}).get("total"),
    }


def _same(found: Maps, wanted: Maps) -> int:
    """Images whose outputs are all equal."""
    rows = [(found[name] == wanted[name]).all(axis=1) for name in wanted]
    return int(np.logical_and.reduce(rows).sum())


def _same_boxes(program: Path, maps: Maps, plan: Plan) -> int:
    """Images whose boxes the generated C gives as Python does."""
    order = [name for one in plan.maps for name in (one.classes, one.boxes)]
    count = len(maps[order[0]])
    sent = b"".join(maps[name][image].astype("<i4").tobytes() for image in range(count) for name in order)
    printed = subprocess.run([program], input=sent, capture_output=True, check=True).stdout.decode()
    rows = np.array([line.split() for line in printed.splitlines()], np.int64).reshape(-1, 7)
    wanted = (boxes_of({name: maps[name][image] for name in order}, plan) for image in range(count))
    return sum(np.array_equal(rows[rows[:, 0] == image][:, 1:], one) for image, one in enumerate(wanted))


def agreement(
    folder: str | Path,
    images: np.ndarray,
    design: str | Path | None = None,
    progress: Callable[[str], None] = lambda words: None,
) -> list[dict[str, Any]]:
    """One row an engine, {"engine", "images", "equal": how many of them}, against the numpy reference.

    Parameters
    ----------
    folder : what ``fermatnet detect export`` has written
    images : uint8 (n, C, H, W) of the network's input
    design : folder of ``fermatnet verilog`` of the same network, simulated with Verilator; None for none

    Raises InputError where there is no C compiler, and where the design is another network's.
    """
    from fermatnet.report.oracle import onnxruntime_outputs_by_name

    folder = Path(folder)
    net, plan = load(folder / "network.onnx"), read_plan(folder / "detect.json")
    if shutil.which("cc") is None or shutil.which("make") is None:
        raise InputError("the generated C is compared too: install make and a C compiler called cc")
    wanted = run(net, images)
    assert isinstance(wanted, dict)
    progress("asking onnxruntime")
    rows = [
        (
            "onnxruntime, every map",
            _same(onnxruntime_outputs_by_name(folder / "network.onnx", images), wanted),
        )
    ]
    progress("compiling the C of the boxes")
    with build(plan) as program:
        rows.append(("generated C, every box", _same_boxes(program, wanted, plan)))
    if design is not None:
        design_facts(design, net)
        progress("simulating the Verilog")
        outputs = simulate_several(Path(design), {net.input_name: images}).outputs
        rows.append(("generated Verilog in Verilator, every map", _same(outputs, wanted)))
    return [{"engine": engine, "images": len(images), "equal": equal} for engine, equal in rows]
