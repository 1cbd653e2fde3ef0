"""Self-checking cocotb benches of single blocks: ``fermatnet.sim.benches.NAME`` for the block NAME.

A bench reads the block's parameters from ``interface.json``, draws its vectors from a seed, and compares
every output with the numpy reference. It works on any folder that `fermatnet.hw.ip.registry.generate` wrote,
and on a component given to `write`.
"""

import importlib.util
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from fermatnet.hw.compiler.interface import read_interface
from fermatnet.hw.ip import registry as ip
from fermatnet.hw.rtl import verilog
from fermatnet.model.errors import InputError
from fermatnet.sim import runner

__all__ = ["Bench", "benches", "check", "load", "write"]


@dataclass(frozen=True)
class Bench:
    """What a bench is to check: the block's parameters and latency, how many vectors, and the seeds."""

    name: str
    options: dict[str, Any]
    latency: int
    vectors: int
    seed: int
    stalls: int | None


def benches() -> list[str]:
    """Names of the blocks that have a bench."""
    folder = Path(__file__).with_name("benches")
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


def write(component: wiring.Component, name: str, directory: Path, options: Mapping[str, Any]) -> Path:
    """Generates ``component`` as block ``name`` into ``directory`` with the interface.json that a bench
    reads."""
    directory.mkdir(parents=True, exist_ok=True)
    emitted = verilog.emit(component, name, directory)
    interface = {
        "format": 1,
        "name": name,
        "top": name,
        "files": {"verilog": [f"{name}.v"], "memories": list(emitted.memories)},
        "options": dict(options),
        "latency_cycles": getattr(component, "latency", None),
        "ports": ip.ports(component, emitted.verilog, name),
    }
    (directory / "interface.json").write_text(json.dumps(interface))
    return directory


def check(
    directory: Path,
    *,
    simulator: str = "verilator",
    vectors: int = 200,
    seed: int = 0,
    stalls: int | None = 1,
    waves: Path | None = None,
) -> None:
    """Runs the bench of the block in ``directory``; returns when all outputs of all ``vectors`` are right.

    ``stalls`` is the seed of random stalls of streaming blocks, None for none. Raises SimulationError that
    names the first wrong vector, and InputError when the block has no bench.
    """
    directory = Path(directory)
    interface = read_interface(directory, "block")
    module = f"fermatnet.sim.benches.{interface['name']}"
    if importlib.util.find_spec(module) is None:
        raise InputError(f"block {interface['name']!r} has no bench: there is one for {', '.join(benches())}")
    sources = {name: (directory / name).read_text() for name in interface["files"]["verilog"]}
    # all that a bench touches; every signal would double the compile time
    ports = [port["name"] for port in interface["ports"]]
    built = runner.build(
        sources,
        interface["top"],
        simulator=simulator,
        visible=ports,
        waves="" if waves is None else waves.suffix,
    )
    with runner.working_directory() as scratch:
        for name in interface["files"]["memories"]:
            shutil.copyfile(directory / name, scratch / name)
        settings = {
            "name": interface["name"],
            "options": interface.get("options", {}),
            "latency": interface.get("latency_cycles") or 0,
            "vectors": vectors,
            "seed": seed,
            "stalls": stalls,
        }
        (scratch / "bench.json").write_text(json.dumps(settings))
        runner.run(built, module, scratch, seed=seed, waves=waves)


def load() -> Bench:
    """The settings of the bench that is running, from the folder it runs in."""
    return Bench(**json.loads(Path("bench.json").read_text()))
