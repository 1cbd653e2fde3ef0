"""Chapter 5 by training: UA-ResNet against Bi-Real ResNet at about equal cost, the Enhanced form, and the
ablation.

python -m fermatnet.bench.zoo.unified --data fashion-mnist:DIR --json results.jsonl --halve
"""

from collections.abc import Sequence

import torch

from fermatnet.bench.zoo.training import Row, Standardised, arguments, compare, fit, subset, table
from fermatnet.model.zoo import build
from fermatnet.model.zoo.analysis.complexity import report

__all__ = ["NETWORKS", "main"]

NETWORKS = (
    "bireal-resnet18-16",
    "enhanced-bireal-resnet18-16",
    "ua-resnet21-12",
    "ua-resnet37-9",
    "a-resnet21-12",
)


def main(argv: Sequence[str] | None = None) -> str:
    """The command: trains what its options name and returns the table as text."""
    parser = arguments("UA-ResNet against Bi-Real ResNet", training=6000, test=4000, epochs=4)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parsed = parser.parse_args(argv)
    torch.set_num_threads(parsed.threads)
    data = subset(parsed.data, parsed.training, parsed.test, halve=parsed.halve)
    options = {"classes": len(data.classes), "input_shape": data.shape}

    def row(name: str) -> Row:
        cost = report(name, data.shape, len(data.classes))
        facts = {"storage_kbit": cost["storage_mbit"] * 1e3, "mflops": cost["flops"] / 1e6}
        return Row(
            name,
            lambda seed: fit(
                Standardised(build(name, **options), data), data, epochs=parsed.epochs, rate=4e-3, seed=seed
            ),
            facts,
        )

    settings = {"data": data.name, "shape": data.shape, "epochs": parsed.epochs, "test": parsed.test}
    text = table(
        compare("zoo_unified", map(row, parsed.networks), parsed.seeds, parsed.json, settings),
        ("storage_kbit", "mflops"),
    )
    print(text)
    return text


if __name__ == "__main__":
    main()
