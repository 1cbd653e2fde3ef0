"""Chapters 4, 5, 6 and 8 in hardware: small networks trained a little, exported, generated, simulated,
compared logit by logit.

    python -m fermatnet.bench.zoo.hardware --out DIR [--networks ua-sign nasb-sign reaf-pa ...]

For each: torch in evaluation mode, the integer reference and the generated Verilog in simulation with random
stalls must give equal integers. Training is a few steps on random images: equality does not depend on
accuracy.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fermatnet.hw.compiler.generate import generate
from fermatnet.model.exchange.export import export
from fermatnet.model.network import run as reference
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.zoo import build
from fermatnet.model.zoo.datafree import compress, freeze_norms, per_channel
from fermatnet.model.zoo.generator import EDGES, FoundGenerator
from fermatnet.model.zoo.hardware.networks import HardwareNASBNet, HardwareREAFNet, HardwareUAResNet
from fermatnet.sim.network import simulate

__all__ = ["NETWORKS", "main"]

CELL = ((((0, 2),), ((1, 8), (0, 1)), ((2, 5),), ((3, 3), (1, 4))),)
"""Max pooling; dilated 3x3 and average pooling; 3x3; identity and 1x1, across a stride."""


def _trained(network: nn.Module, images: torch.Tensor) -> nn.Module:
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], 1e-2)
    for _ in range(3):
        loss = functional.cross_entropy(network.train()(images), torch.arange(len(images)) % 10)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


def _autorecon(images: torch.Tensor, width: int, bits: int) -> nn.Module:
    shape = tuple(images.shape[1:])
    common = {"classes": 10, "shape": shape, "width": width}
    teacher = _trained(build("small-resnet", how=scheme("float"), **common), images)
    student = build("small-resnet", how=scheme("int8", weights=bits, activations=bits), **common)
    student.load_state_dict(
        {key: value for key, value in teacher.state_dict().items() if key in student.state_dict()},
        strict=False,
    )
    freeze_norms(per_channel(student, bits))
    choice = tuple({"normal": 1, "up": 0, "cross": 1}[edge.kind] for edge in EDGES)
    generator = FoundGenerator(choice, classes=10, image=shape, width=4)  # type: ignore[arg-type]
    compress(
        teacher, student, generator, classes=10, epochs=3, steps=4, batch=32, warmup=1, pixels=(128.0, 60.0)
    )
    return student


Builder = Callable[[torch.Tensor, int], nn.Module]


def _shape(images: torch.Tensor) -> Any:
    return tuple(images.shape[1:])


def _ua(how: str, columns: int, blocks: tuple[int, ...]) -> Builder:
    return lambda x, w: _trained(
        HardwareUAResNet(scheme(how), columns=columns, width=w, blocks=blocks, shape=_shape(x)), x
    )


def _reaf(how: str, template: str) -> Builder:
    return lambda x, w: _trained(
        HardwareREAFNet(
            scheme(how), scheme=template, width=2 * w, inner=2 * w, middle=2 * w, blocks=(1,), shape=_shape(x)
        ),
        x,
    )


NETWORKS: dict[str, Builder] = {
    "ua-sign": _ua("sign", 2, (1, 1)),
    "ua-pa": _ua("pa", 2, (1, 1)),
    "ua-c3-sign": _ua("sign", 3, (1,)),
    "nasb-sign": lambda x, w: _trained(
        HardwareNASBNet(scheme("sign"), CELL, width=w, blocks=(1, 1), shape=_shape(x)), x
    ),
    "reaf-pa": _reaf("pa", "4-3-4"),
    "reaf-groups-pa": _reaf("pa", "4-1-4"),
    "reaf-int8": _reaf("int8", "4-3-4"),
    "autorecon-w4a4": lambda x, w: _autorecon(x, w, 4),
    "autorecon-w3a3": lambda x, w: _autorecon(x, w, 3),
}


def check(name: str, out: Path, images: int, cycles: int, seed: int, side: int, width: int) -> dict[str, Any]:
    """One network from torch to simulation; raises ValueError where two answers differ."""
    torch.manual_seed(seed)
    shape = (1, side, side)
    network = NETWORKS[name](torch.randint(256, (40, *shape), dtype=torch.uint8), width)
    file = export(network, shape, name=name)
    tested = torch.randint(256, (images, *shape), dtype=torch.uint8)
    with torch.no_grad():
        wanted = network.eval()(tested).double().numpy()
    integers = reference(file, tested.numpy())
    if not np.array_equal(integers * float(file.meta["output_scale"]), wanted):
        raise ValueError(f"{name}: the integer reference and torch differ")
    started = time.perf_counter()
    generate(file, out / name, cycles=cycles, force=True)
    result = simulate(out / name, tested.numpy(), stalls=seed)
    if not np.array_equal(result.outputs, integers):
        raise ValueError(f"{name}: simulation and reference differ")
    return {
        "network": name,
        "nodes": len(file.nodes),
        "side": side,
        "width": width,
        "images": images,
        "logits_equal": int(integers.size),
        "distinct": len(np.unique(integers)),
        "cycles_per_image": result.cycles_per_image,
        "seconds": time.perf_counter() - started,
    }


def main(argv: Sequence[str] | None = None) -> str:
    """The command: trains what its options name and returns the table as text."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the generated designs")
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--cycles", type=int, default=20_000, help="cycles an image the folding aims at")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--side", type=int, default=8, help="side of the images")
    parser.add_argument("--width", type=int, default=4, help="channels of the first stage")
    parser.add_argument("--json", type=Path)
    parsed = parser.parse_args(argv)
    torch.set_num_threads(1)
    lines = [
        "| network | nodes | images | logits equal in torch, reference and RTL | cycles an image |",
        "|---|---|---|---|---|",
    ]
    rows = []
    for name in parsed.networks:
        row = check(name, parsed.out, parsed.images, parsed.cycles, parsed.seed, parsed.side, parsed.width)
        rows.append(row)
        lines.append(
            f"| {name} | {row['nodes']} | {row['images']} | {row['logits_equal']} | "
            f"{row['cycles_per_image']:.0f} |"
        )
        print(lines[-1], flush=True)
    if parsed.json:
        parsed.json.write_text(json.dumps(rows, indent=1))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
