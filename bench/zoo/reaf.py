"""Chapter 6 by training: REAF against plain and group convolution at about equal parameters, REAF+, class
selectivity.

python -m fermatnet.bench.zoo.reaf --data cifar10:DIR --json results.jsonl --halve
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from fermatnet.bench.zoo.training import Row, Standardised, arguments, compare, fit, subset, table
from fermatnet.model.train.data import Data
from fermatnet.model.zoo import build
from fermatnet.model.zoo.analysis.complexity import report
from fermatnet.model.zoo.analysis.selectivity import network_selectivity

__all__ = ["NETWORKS", "main"]

_SMALL = {"outer": 32, "stem_width": 8}
NETWORKS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("plain", "reaf-resnet26", {"scheme": "1-1-1", "inner": 9, **_SMALL}),
    ("REAF 4-3-4", "reaf-resnet26", {"scheme": "4-3-4", "inner": 12, "middle": 8, **_SMALL}),
    ("REAF 4-2-6", "reaf-resnet26", {"scheme": "4-2-6", "inner": 12, **_SMALL}),
    ("group convolution 4-1-4", "reaf-resnet26", {"scheme": "4-1-4", "inner": 16, "middle": 12, **_SMALL}),
    ("ResNeXt (8 groups)", "resnext26", {"groups": 8, "inner": 16, **_SMALL}),
    ("REAF+ ResNeXt (8 groups)", "reafplus-resnext26", {"groups": 8, "inner": 16, **_SMALL}),
)


def _selectivity(network: nn.Module, data: Data) -> dict[str, float]:
    images, labels = torch.from_numpy(data.test.images), torch.from_numpy(data.test.labels)
    layers = [f"network.layer{number}" for number in (1, 2, 3, 4)]
    batches = [(images[i : i + 500], labels[i : i + 500]) for i in range(0, len(images), 500)]
    index = network_selectivity(network, layers, batches, len(data.classes))
    return {
        f"selectivity_{layer.rpartition('.')[2]}": float(values.mean()) for layer, values in index.items()
    }


def main(argv: Sequence[str] | None = None) -> str:
    """The command: trains what its options name and returns the table as text."""
    parsed = arguments(
        "REAF against plain and group convolution", training=2500, test=3000, epochs=4
    ).parse_args(argv)
    torch.set_num_threads(parsed.threads)
    data = subset(parsed.data, parsed.training, parsed.test, halve=parsed.halve)
    common = {"classes": len(data.classes), "input_shape": data.shape}

    def row(label: str, name: str, options: dict[str, Any]) -> Row:
        cost = report(name, data.shape, len(data.classes), **options)

        def run(seed: int) -> dict[str, Any]:
            network = Standardised(build(name, **common, **options), data)
            figures = fit(network, data, epochs=parsed.epochs, rate=3e-3, seed=seed, flip=True)
            return figures | _selectivity(network, data)

        return Row(label, run, {"parameters": cost["parameters"], "mflops": cost["flops"] / 1e6})

    settings = {"data": data.name, "shape": data.shape, "epochs": parsed.epochs, "test": parsed.test}
    results = compare(
        "zoo_reaf", [row(*network) for network in NETWORKS], parsed.seeds, parsed.json, settings
    )
    text = (
        table(results, ("parameters", "mflops"))
        + "\n\n"
        + "\n\n".join(table(results, (), f"selectivity_layer{number}") for number in (1, 4))
    )
    print(text)
    return text


if __name__ == "__main__":
    main()
