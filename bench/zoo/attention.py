"""Chapter 7 by training: AW-convolution against plain and SE, alone and joined, and in AA-Wide-ResNet.

python -m fermatnet.bench.zoo.attention --data cifar10:DIR --json results.jsonl --halve
"""

from collections.abc import Sequence
from typing import Any

import torch

from fermatnet.bench.zoo.training import Row, Standardised, arguments, compare, fit, subset, table
from fermatnet.model.zoo import build
from fermatnet.model.zoo.analysis.complexity import report

__all__ = ["NETWORKS", "main"]

# reduction r = 4 where the thesis has 16: of 8 channels a sixteenth would leave nothing
_SMALL = {"width": 8, "stem_width": 8}
_AA = {"depth": 10, "widen": 1, "heads": 2, "minimum": 4}
NETWORKS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("plain", "plain-resnet10", _SMALL),
    ("AW", "aw-resnet10", {**_SMALL, "aw_reduction": 4}),
    ("SE", "se-resnet10", {**_SMALL, "reduction": 4}),
    ("AW and SE", "aw-se-resnet10", {**_SMALL, "aw_reduction": 4, "reduction": 4}),
    ("AA-Wide-ResNet", "aa-wideresnet10-1", _AA),
    ("AW-AA-Wide-ResNet-0", "aw-aa-wideresnet-0", _AA),
)


def main(argv: Sequence[str] | None = None) -> str:
    """The command: trains what its options name and returns the table as text."""
    parser = arguments("AW-convolution against plain and SE", training=2500, test=3000, epochs=4)
    parser.add_argument(
        "--networks",
        nargs="+",
        choices=[label for label, _, _ in NETWORKS],
        default=[label for label, _, _ in NETWORKS],
    )
    parsed = parser.parse_args(argv)
    torch.set_num_threads(parsed.threads)
    data = subset(parsed.data, parsed.training, parsed.test, halve=parsed.halve)
    common = {"classes": len(data.classes), "input_shape": data.shape}

    def row(label: str, name: str, options: dict[str, Any]) -> Row:
        options = {
            key: value
            for key, value in options.items()
            if not (name.startswith("aa-") and key in ("depth", "widen"))
        }
        cost = report(name, data.shape, len(data.classes), **options)
        return Row(
            label,
            lambda seed: fit(
                Standardised(build(name, **common, **options), data),
                data,
                epochs=parsed.epochs,
                rate=3e-3,
                seed=seed,
                flip=True,
            ),
            {"parameters": cost["parameters"], "mflops": cost["flops"] / 1e6},
        )

    settings = {"data": data.name, "shape": data.shape, "epochs": parsed.epochs, "test": parsed.test}
    rows = [row(*network) for network in NETWORKS if network[0] in parsed.networks]
    text = table(
        compare("zoo_attention", rows, parsed.seeds, parsed.json, settings), ("parameters", "mflops")
    )
    print(text)
    return text


if __name__ == "__main__":
    main()
