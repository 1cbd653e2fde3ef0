"""Cost of a quantization-aware training step beside the same network in fp32, measured in turns in one
process.

Every round times one step of each variant, one after the other, so that whatever else the machine does hits
all alike; a variant's cost is the median over the rounds of its time divided by fp32's in the same round.
Memory is what the forward pass keeps for the backward one (each storage counted once), plus weights and
gradients.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from fermatnet.model import zoo
from fermatnet.model.nn import kernels
from fermatnet.model.nn.layers import Conv2d
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.train.batches import augment

__all__ = ["run"]


class _PlainKernels:
    """Switches the compiled kernels off while it is entered: what the torch operators alone cost."""

    def __enter__(self) -> None:
        self.kept = kernels.compiled
        kernels.compiled = lambda: None  # type: ignore[assignment]

    def __exit__(self, *_: Any) -> None:
        kernels.compiled = self.kept


def brevitas_network(network: str, shape: tuple[int, int, int], bits: int) -> nn.Module | None:
    """The same network with Brevitas' quantized layers in place of ours; None where Brevitas is not
    installed."""
    try:
        from brevitas.nn import QuantConv2d, QuantReLU
    except ImportError:
        return None
    model = zoo.build(network, how=scheme("float"), shape=shape)
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Conv2d):
                setattr(
                    module,
                    name,
                    QuantConv2d(
                        child.in_channels,
                        child.out_channels,
                        child.kernel_size,
                        child.stride,
                        child.padding,  # type: ignore[arg-type]
                        bias=False,
                        weight_bit_width=8 if name == "conv0" else bits,
                    ),
                )
            elif isinstance(child, nn.ReLU):
                setattr(module, name, QuantReLU(bit_width=bits))
    return model


def _step(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, optimizer: torch.optim.Optimizer
) -> float:
    started = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    nn.functional.cross_entropy(model(images), labels).backward()
    optimizer.step()
    return time.perf_counter() - started


def _kept_bytes(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> int:
    storages: dict[int, int] = {}

    def pack(x: torch.Tensor) -> torch.Tensor:
        storages[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        loss = nn.functional.cross_entropy(model(images), labels)
    for parameter in model.parameters():
        storages[parameter.data_ptr()] = 2 * parameter.nbytes
    total = sum(storages.values())
    del loss
    return total


def _loading(images: np.ndarray, rounds: int) -> float:
    """Images a second of augmentation (pad 4, crop, flip) alone."""
    rng = np.random.default_rng(0)
    started = time.perf_counter()
    for _ in range(rounds):
        augment(images, rng, 4, True)
    return rounds * len(images) / (time.perf_counter() - started)


def run(
    json_path: str | Path | None = None,
    *,
    network: str = "small-resnet",
    shape: tuple[int, int, int] = (3, 32, 32),
    batch: int = 128,
    rounds: int = 12,
    threads: int = 0,
) -> dict[str, Any]:
    """Print the table; returns and writes {"rows": [...], "loading_images_per_second": ...}."""
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(0)
    images = torch.randint(0, 256, (batch, *shape), dtype=torch.uint8)
    labels = torch.randint(0, 10, (batch,))
    variants: dict[str, tuple[nn.Module, Callable[[], Any] | None]] = {}
    for label, name, weights, activations in (
        ("fp32", "float", 0, 0),
        ("PA(4,5)", "pa", 4, 5),
        ("PA(8,7)", "pa", 8, 7),
        ("INT8", "int8", 8, 8),
        ("ABC(5,5)", "abc", 5, 5),
        ("Bi-Real", "bireal", 1, 1),
    ):
        variants[label] = (
            zoo.build(network, how=scheme(name, weights=weights, activations=activations), shape=shape),
            None,
        )
    variants["PA(4,5), torch operators"] = (zoo.build(network, how=scheme("pa"), shape=shape), _PlainKernels)
    other = brevitas_network(network, shape, 4)
    if other is not None:
        variants["Brevitas 4-bit"] = (other, None)
    optimizers = {
        label: torch.optim.AdamW(model.parameters(), 1e-3) for label, (model, _) in variants.items()
    }
    times: dict[str, list[float]] = {label: [] for label in variants}
    for number in range(rounds + 2):
        for label, (model, context) in variants.items():
            model.train()
            if context is None:
                seconds = _step(model, images, labels, optimizers[label])
            else:
                with context():
                    seconds = _step(model, images, labels, optimizers[label])
            if number >= 2:
                times[label].append(seconds)
    base = _kept_bytes(variants["fp32"][0], images, labels)
    rows: list[dict[str, Any]] = []
    for label, (model, _) in variants.items():
        ratios = sorted(mine / reference for mine, reference in zip(times[label], times["fp32"], strict=True))
        kept = _kept_bytes(model, images, labels)
        rows.append(
            {
                "variant": label,
                "milliseconds": round(1e3 * statistics.median(times[label]), 2),
                "fastest": round(1e3 * min(times[label]), 2),
                "cost": round(statistics.median(ratios), 3),
                "cost_quartiles": [
                    round(ratios[len(ratios) // 4], 3),
                    round(ratios[-1 - len(ratios) // 4], 3),
                ],
                "cost_of_fastest": round(min(times[label]) / min(times["fp32"]), 3),
                "kept_mb": round(kept / 1e6, 2),
                "memory": round(kept / base, 3),
            }
        )
    loading = _loading(images.numpy(), 20)
    table = Table(
        "variant",
        "ms a step",
        "x fp32",
        "quartiles",
        "fastest / fastest",
        "kept MB",
        "x fp32",
        title=f"One training step, {network}, batch {batch} of {'x'.join(map(str, shape))}, "
        f"{torch.get_num_threads()} threads",
    )
    for row in rows:
        table.add_row(
            str(row["variant"]),
            f"{row['milliseconds']}",
            f"{row['cost']}",
            "{}-{}".format(*row["cost_quartiles"]),
            f"{row['cost_of_fastest']}",
            f"{row['kept_mb']}",
            f"{row['memory']}",
        )
    Console().print(table)
    need = batch / (1e-3 * next(row["fastest"] for row in rows if row["variant"] == "fp32"))
    Console().print(
        f"augmentation alone: {loading:,.0f} images/s; the fastest step takes {need:,.0f} images/s"
    )
    report = {
        "network": network,
        "shape": list(shape),
        "batch": batch,
        "threads": torch.get_num_threads(),
        "rows": rows,
        "loading_images_per_second": round(loading),
    }
    if json_path:
        Path(json_path).write_text(json.dumps(report, indent=2) + "\n")
    return report


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json")
    parser.add_argument("--network", default="small-resnet")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=0)
    parsed = parser.parse_args()
    run(parsed.json, network=parsed.network, rounds=parsed.rounds, threads=parsed.threads)
