"""Generated C: bytes of flash and RAM, instructions an inference on small processors, equality on random
networks.

Rivals: the same topology with int8 layers as plain C loops (`fermatnet.bench.runtime.plain_c`), compiled
with the same flags; for sizes a TFLite int8 file of that topology, *estimated* from below: its weights,
int32 biases, and for each channel a scale (4 bytes) and a zero point (8 bytes) as that format stores them,
without the tables of the FlatBuffer. Weights are untrained; neither instructions of the plain loops nor
sizes depend on them.
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from fermatnet.bench.runtime.emulator import TARGETS, compile_for, emulate, missing, run_user
from fermatnet.bench.runtime.plain_c import write_plain
from fermatnet.bench.samples.networks import random_network
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network import run as reference
from fermatnet.model.network.nodes import Conv, Dense, PiecewiseConv
from fermatnet.runtime.c import generate
from fermatnet.runtime.c.vectors import images

__all__ = ["equality", "networks", "rows", "run", "tflite_bytes"]

FLAGS = ("-O2",)


def networks() -> dict[str, tuple[Network, Network]]:
    """By name: the piecewise network, and its topology in int8. Untrained, with batch norms that have seen
    noise."""
    import torch

    from fermatnet.model import zoo
    from fermatnet.model.exchange.export import export
    from fermatnet.model.nn.scheme import scheme

    def exported(name: str, how: Any, shape: tuple[int, int, int], top: int) -> Network:
        torch.manual_seed(0)
        net = zoo.build(name, how=how, shape=shape, bits=top.bit_length())
        for _ in range(3):
            net(torch.randint(0, top + 1, (32, *shape)).float())
        return export(net.eval(), shape, (0, top), name=name)

    wanted = [
        ("small-resnet", 2, 1, (1, 28, 28), 255),
        ("small-resnet", 4, 5, (1, 28, 28), 255),
        ("digits", 2, 1, (1, 8, 8), 16),
        ("digits", 4, 5, (1, 8, 8), 16),
        ("tfc", 2, 1, (1, 28, 28), 255),
    ]
    pairs = {}
    for name, m, n, shape, top in wanted:
        int8 = exported(name, scheme("int8"), shape, top)
        pairs[f"{name} PA({m},{n})"] = (
            exported(name, scheme("pa", weights=m, activations=n), shape, top),
            int8,
        )
    return pairs


def tflite_bytes(net: Network) -> int:
    """What the weights of a network's topology take in a TFLite int8 file, without the file's own
    structure."""
    total = 0
    for node in net.nodes:
        if isinstance(node, Conv | PiecewiseConv | Dense):
            weight = node.codes if isinstance(node, PiecewiseConv) else node.weight
            total += weight.size + weight.shape[0] * (4 + 4 + 8)
    return total


def _instructions(net: Network, int8: Network, folder: Path, targets: list[str]) -> list[dict[str, Any]]:
    image = images(net, 4, seed=2)[3]
    expected, plain_expected = reference(net, image[None])[0], reference(int8, image[None])[0]
    write_plain(int8, folder / "plain")
    entries: list[dict[str, Any]] = []
    for name in targets:
        target = TARGETS[name]
        lacks = missing(target)
        if lacks:
            entries.append({"target": name, "skipped": f"{lacks} is not installed"})
            continue
        path = compile_for(target, folder / "c", "net", image, options=FLAGS)
        if target.qemu:  # runs the extension, does not count
            entries.append({"target": name, "equal": bool((run_user(target, path) == expected).all())})
            continue
        ours = emulate(target, path)
        plain = emulate(target, compile_for(target, folder / "plain", "plain", image, options=FLAGS))
        entries.append(
            {
                "target": name,
                "equal": bool((ours.outputs == expected).all() and (plain.outputs == plain_expected).all()),
                "instructions": ours.instructions,
                "plain": plain.instructions,
                "ratio": plain.instructions / ours.instructions,
                "code_and_tables": ours.flash,
                "stack": ours.stack,
            }
        )
    return entries


def rows(quick: bool = False) -> list[dict[str, Any]]:
    """One entry a network and target: ``equal`` (to the reference), ``instructions`` an inference and those
    of the ``plain`` int8 loops, their ``ratio``; bytes of ``tables``, ``code_and_tables``, ``ram``,
    ``stack``, and ``tflite`` (estimated). ``quick``: one network."""
    entries = []
    for name, (net, int8) in list(networks().items())[: 1 if quick else None]:
        for fast in (False, True) if "PA(4,5)" in name else (False,):
            with tempfile.TemporaryDirectory(prefix="fermatnet-c-") as folder:
                memory = generate(net, Path(folder) / "c", fast=fast)
                sizes = {
                    "network": name + " --fast" * fast,
                    "tables": memory["flash_tables"],
                    "ram": memory["ram"],
                    "tflite": tflite_bytes(net),
                }
                entries += [{**sizes, **row} for row in _instructions(net, int8, Path(folder), list(TARGETS))]
    return entries


def equality(
    count: int = 500, seed: int = 0, flags: str = "-std=c99 -Wall -Wextra -Werror -O1"
) -> tuple[int, list[int]]:
    """Number of random networks whose generated C gave the reference's integers, and the seeds of those that
    did not."""
    bad = []
    for number in range(seed, seed + count):
        net = random_network(number)
        pictures = images(net, 8, seed=number)
        with tempfile.TemporaryDirectory(prefix="fermatnet-c-") as name:
            folder = Path(name) / "c"
            generate(net, folder, vectors=1)
            subprocess.run(["make", "-s", "-C", str(folder), f"CFLAGS={flags}"], check=True)
            done = subprocess.run(
                [str(folder / "run")], input=pictures.tobytes(), capture_output=True, check=False
            )
        lines = done.stdout.decode().splitlines()
        same = done.returncode == 0 and np.array_equal(
            [[int(v) for v in line.split()] for line in lines], reference(net, pictures)
        )
        bad += [] if same else [number]
    return count - len(bad), bad


def run(json_path: Path | None = None, quick: bool = False) -> dict[str, Any]:
    """Prints the table; writes JSON. InputError where nothing can be compiled."""
    entries = rows(quick)
    table = Table(
        "network",
        "target",
        "instructions",
        "plain int8",
        "ratio",
        "tables",
        "code+tables",
        "RAM",
        "stack",
        "TFLite >=",
    )
    for row in entries:
        if "instructions" not in row:
            note = row.get("skipped") or ("equal, not counted" if row["equal"] else "DIFFERS")
            table.add_row(
                row["network"],
                row["target"],
                note,
                "",
                "",
                str(row["tables"]),
                "",
                str(row["ram"]),
                "",
                str(row["tflite"]),
            )
            continue
        table.add_row(
            row["network"],
            row["target"],
            f"{row['instructions']:,}",
            f"{row['plain']:,}",
            f"{row['ratio']:.2f}",
            str(row["tables"]),
            str(row["code_and_tables"]),
            str(row["ram"]),
            str(row["stack"]),
            str(row["tflite"]),
        )
    console = Console(highlight=False, width=132)
    console.print(table)
    good, bad = equality(10 if quick else 500)
    console.print(
        f"{good} of {good + len(bad)} random networks equal the reference"
        + (f"; seeds that differ: {bad}" if bad else "")
    )
    report = {"rows": entries, "random_networks": {"equal": good, "differ": bad}}
    if json_path is not None:
        json_path.write_text(json.dumps(report, indent=1) + "\n")
    if bad or any(row.get("equal") is False for row in entries):
        raise InputError("generated C and reference differ; see the table")
    return report
