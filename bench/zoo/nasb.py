"""Chapter 4 by training: search on one half of the data against the other, then the found cell against
Bi-Real Net.

    python -m fermatnet.bench.zoo.nasb --data fashion-mnist:DIR --json results.jsonl --halve

Stages: search (binary, no ReLU), pretrain (full precision, tanh), finetune (binary). Bi-Real Net, the cell of
twelve max poolings and four identities, and random cells go through the same last two stages. ``--cost``
searches again with the expected LUTs of the compiler's cost model in the loss.
"""

import argparse
import functools
import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from fermatnet.bench.zoo.training import Row, Standardised, arguments, compare, fit, subset, table
from fermatnet.model.train.batches import Batches
from fermatnet.model.train.data import Data
from fermatnet.model.zoo.analysis.complexity import summarise
from fermatnet.model.zoo.nasb.network import NASBNet, bireal_genotype, thesis_genotype
from fermatnet.model.zoo.nasb.search import search
from fermatnet.model.zoo.nasb.space import OPERATIONS, Genotype, cell_cost, genotype_to_json
from fermatnet.model.zoo.nasb.supernet import SearchNet
from fermatnet.search.prices import hardware_cost

__all__ = ["hardware_cost", "main"]


class _Loader:
    """Standardised batches, another order every time it is gone through."""

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, network: Standardised, batch: int, seed: int
    ) -> None:
        self.part = type(
            "Part", (), {"images": images, "labels": labels, "__len__": lambda part: len(part.labels)}
        )()
        self.batches, self.network, self.number = Batches(self.part, batch, seed), network, 0

    def __iter__(self):
        self.number += 1
        for images, labels in self.batches.epoch(self.number):
            yield (images.float() - self.network.mean) / self.network.std, labels


def _random(seed: int, cells: int, steps: int) -> Genotype:
    rng = np.random.default_rng(seed)
    return tuple(
        tuple(
            ((int(rng.integers(node)), int(rng.integers(1, len(OPERATIONS)))),)
            for node in range(1, steps + 1)
        )
        for _ in range(cells)
    )


class _Comparison:
    """Cells of one setting, found and trained."""

    def __init__(self, parsed: argparse.Namespace, data: Data) -> None:
        self.given, self.data = parsed, data
        self.options: dict[str, Any] = {"classes": len(data.classes), "input_shape": data.shape}
        self.cells = 4 * {10: 1, 18: 2}[parsed.depth] // 2

    def searched(self, seed: int, weight: float) -> tuple[Genotype, dict[str, Any]]:
        """Genotype by a search whose loss counts the LUTs ``weight`` times, and what is known of it."""
        parsed, data = self.given, self.data
        net = SearchNet(parsed.depth, parsed.width, **self.options)
        front = Standardised(net, data)
        order = np.random.default_rng(seed).permutation(len(data.train))
        halves = [order[: len(order) // 2], order[len(order) // 2 :]]
        loaders = [
            _Loader(data.train.images[half], data.train.labels[half], front, 64, seed) for half in halves
        ]
        result = search(
            net,
            *loaders,
            epochs=parsed.search_epochs,
            steps=len(halves[0]) // 64,
            seed=seed,
            architecture_rate=6e-3,
            cost=hardware_cost() if weight else None,
            cost_weight=weight,
        )
        last = result.history[-1]
        return result.genotype, {
            "search_accuracy": last["accuracy"],
            "genotype": genotype_to_json(result.genotype),
        }

    def stages(self, genotype: Genotype, seed: int) -> dict[str, Any]:
        """Pretrains and finetunes a network of these cells."""
        parsed, data = self.given, self.data
        net = NASBNet(parsed.depth, parsed.width, genotype=genotype, relu=True, **self.options)
        front = Standardised(net, data)
        net.set_binary(False)
        full = fit(front, data, epochs=parsed.epochs, rate=4e-3, seed=seed)
        net.set_binary(True)
        figures = fit(
            front, data, epochs=parsed.epochs, rate=4e-3, seed=seed, weight_decay=0.0, optimizer="adam"
        )
        cost = summarise(net, data.shape)
        units = sum((cell_cost(cell)["total"] for cell in genotype), Fraction(0))
        sizes = SearchNet(parsed.depth, 2, **self.options).map_sizes(*data.shape[1:])
        price, luts = hardware_cost(), 0.0
        for cell, nodes in zip(genotype, net.plan, strict=True):
            for pairs, (channels, level) in zip(cell, nodes[1:], strict=True):
                luts += sum(price(operation, channels, *sizes[level]) for _, operation in pairs)
        return figures | {
            "pretrained": full["accuracy"],
            "units": float(units),
            "found_luts": float(luts),
            "mflops": cost["flops"] / 1e6,
            "storage_kbit": cost["storage_mbit"] * 1e3,
        }

    def with_search(self, weight: float, seed: int) -> dict[str, Any]:
        genotype, facts = self.searched(seed, weight)
        return self.stages(genotype, seed) | facts

    def rows(self) -> list[Row]:
        cells = self.cells
        rows = [
            Row("Bi-Real (identities)", lambda seed: self.stages(bireal_genotype(cells, 4), seed), {}),
            Row(
                "max poolings and one identity", lambda seed: self.stages(thesis_genotype(cells, 4), seed), {}
            ),
            Row("random cells", lambda seed: self.stages(_random(seed, cells, 4), seed), {}),
            Row("searched", functools.partial(self.with_search, 0.0), {}),
        ]
        if self.given.cost:
            rows.append(
                Row(
                    f"searched with LUT cost ({self.given.cost:g})",
                    functools.partial(self.with_search, self.given.cost),
                    {},
                )
            )
        return rows


def main(argv: Sequence[str] | None = None) -> str:
    """The command: trains what its options name and returns the table as text."""
    parser = arguments("NASB: searched cells against Bi-Real Net", training=6000, test=4000, epochs=3)
    parser.add_argument("--depth", type=int, default=10)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--search-epochs", type=int, default=6)
    parser.add_argument(
        "--cost", type=float, default=1.0, help="weight of the LUT term in the second search; 0 leaves it out"
    )
    parsed = parser.parse_args(argv)
    torch.set_num_threads(parsed.threads)
    data = subset(parsed.data, parsed.training, parsed.test, halve=parsed.halve)
    settings = {
        "data": data.name,
        "shape": data.shape,
        "epochs": parsed.epochs,
        "search": parsed.search_epochs,
        "depth": parsed.depth,
        "width": parsed.width,
        "test": parsed.test,
    }
    results = compare("zoo_nasb", _Comparison(parsed, data).rows(), parsed.seeds, parsed.json, settings)
    text = table(results, ()) + "\n\n" + table(results, (), "pretrained")
    for entry in results:
        if "genotype" in entry:
            text += f"\n{entry['label']}, seed {entry['seed']}: {_named(json.loads(entry['genotype']))}"
    text += "\n" + "\n".join(
        f"{entry['label']}, seed {entry['seed']}: {entry['units']:.2f} units, {entry['found_luts']:.0f} "
        "LUTs for the found operations"
        for entry in results
    )
    print(text)
    return text


def _named(genotype: Any) -> str:
    return "; ".join(
        ", ".join(
            f"{node}<-{pairs[0][0]} {OPERATIONS[pairs[0][1]].name}"
            for node, pairs in enumerate(cell, start=1)
        )
        for cell in genotype
    )


if __name__ == "__main__":
    main()
