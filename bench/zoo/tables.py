"""Tables of chapters 3 to 8 from the real modules, beside what the thesis prints.

    python -m fermatnet.bench.zoo.tables      (or: fermatnet bench zoo)

The comparisons by training are programs of their own, since they take minutes each: fermatnet.bench.zoo.nasb,
zoo_unified, zoo_reaf, zoo_attention, zoo_autorecon; those in hardware are fermatnet.bench.zoo.hardware.
"""

import json
from pathlib import Path
from typing import Any

import torch

from fermatnet.bench.zoo.latency import table as latency_table
from fermatnet.model.zoo.analysis.complexity import generator_figures, report
from fermatnet.model.zoo.analysis.paths import path_statistics, two_layer_blocks
from fermatnet.model.zoo.generator import EDGES, FoundGenerator, HumanImageNetGenerator

__all__ = ["TABLES", "run"]

IMAGENET, CIFAR = ((3, 224, 224), 1000), ((3, 32, 32), 100)
Row = tuple[str, tuple[tuple[int, int, int], int], dict[str, str]]
MBIT, MEGA, GIGA = "storage_mbit", "parameters", "flops"


def _chapter5() -> list[Row]:
    text = """
bireal-resnet18 33.18 1.64 154.14 18.18 1.67 50.33
bireal-resnet34 43.28 1.93 154.14 28.28 2.61 50.33
ua-resnet21-53 32.63 1.46 170.20|ua-resnet37-41 32.24 1.28 164.58|ua-resnet69-31 32.16 1.14 149.32
ua-resnet41-48 42.61 1.64 154.14|ua-resnet77-35 41.53 1.44 140.49
binarydensenet51-32 34.80 2.70 359.66 17.65 5.13 117.44|ua-densenet51-53 34.53 2.97 306.68
binarydensenet69-32 41.95 2.82 359.66 23.70 5.50 117.44|ua-densenet69-48 41.52 3.06 282.59
ua-resnet21-50 - - - 18.07 1.53 52.43|ua-resnet37-36 - - - 17.57 1.42 47.19
ua-resnet69-26 - - - 17.63 1.38 40.89
ua-resnet41-45 - - - 27.64 2.28 47.19|ua-resnet77-32 - - - 27.94 2.24 41.94
ua-resnet149-22 - - - 26.35 2.08 34.60
ua-densenet51-48 - - - 17.51 5.32 92.27|ua-densenet69-44 - - - 23.33 5.67 85.98
"""
    rows: list[Row] = []
    for line in text.strip().replace("\n", "|").split("|"):
        name, *printed = line.split()
        for where, scale, values in ((IMAGENET, "e8", printed[:3]), (CIFAR, "e7", printed[3:])):
            if values and values[0] != "-":
                rows.append(
                    (name, where, {MBIT: values[0], "flops_" + scale: values[1], "memory_mb": values[2]})
                )
    return rows


def _parameters(text: str, where: tuple[tuple[int, int, int], int]) -> list[Row]:
    return [
        (name, where, {"parameters_m": millions})
        for name, millions in (entry.split() for entry in text.split(","))
    ]


TABLES: dict[str, list[Row]] = {
    "tables 5.4 and 5.5": _chapter5(),
    "table 4.6": [
        ("bireal-resnet18 as NASB", IMAGENET, {MBIT: "33.6", "flops_e8": "1.63"}),
        ("nasb-resnet18", IMAGENET, {MBIT: "33.8", "flops_e8": "1.71"}),
    ],
    "tables 6.3, 6.5, 6.7": [
        *_parameters(
            "reaf-resnet50-8-6-28-88-56 23.60,reaf-resnet50-7-5-21-77-63 22.76,reaf-resnet50-6-4-15-72-75 "
            "23.74,reaf-resnet50-5-3-10-80-70 23.23,"
            "reaf-resnet50-4-2-6-88-72 23.40,reaf-resnet50-3-1-3-90 23.66,reaf-resnet50-8-5-56-96-56 "
            "23.21,reaf-resnet50-7-4-35-84-70 23.50,"
            "reaf-resnet50-6-3-20-78-80 23.22,reaf-resnet50-5-2-10-90-80 23.36,reaf-resnet50-4-1-4-96 "
            "23.44,reaf-resnet50-8-4-70-88-70 23.00,"
            "reaf-resnet50-7-3-35-98-70 23.29,reaf-resnet50-6-2-15-90 23.56,reaf-resnet50-5-1-5-100 "
            "23.19,reaf-resnet50-8-3-56-64-112 23.59,"
            "reaf-resnet50-7-2-21-98-84 22.76,reaf-resnet50-6-1-6-102 22.74,reaf-resnet50-9-3-84-90-84 "
            "22.68,reaf-resnet50-8-2-28-104-84 22.71,"
            "reaf-resnet50-7-1-7-105 22.75,reaf-resnet50-9-2-36-90-108 23.58,reaf-resnet50-8-1-8-112 "
            "23.75,reaf-resnet50-4-3-4-72 24.32,"
            "resnext50 23.18,reafplus-resnext50 23.19",
            CIFAR,
        ),
        ("reaf-resnet50-8-4-70-88-70", IMAGENET, {"parameters_m": "24.85", "flops_e9": "3.74"}),
        ("reaf-resnet50-4-3-4-72", IMAGENET, {"parameters_m": "26.11", "flops_e9": "3.97"}),
        ("mobilenetv2", IMAGENET, {"parameters_m": "3.50", "flops_e8": "3.14"}),
        *_parameters("reafplus-mobilenetv2 3.52", IMAGENET),
        ("mobilenetv2 of cifar100", CIFAR, {"parameters_m": "2.37", "flops_e6": "67.59"}),
        ("reafplus-mobilenetv2 of cifar100", CIFAR, {"parameters_m": "2.38"}),
    ],
    "tables 7.2 to 7.4": [
        *_parameters(
            "plain-resnet50 23.71,aw-resnet50 23.87,se-resnet50 26.24,aw-se-resnet50 26.40,cbam-resnet50 "
            "26.24,aw-cbam-resnet50 26.40,"
            "plain-resnet18 11.22,aw-resnet18 11.31,se-resnet18 11.31,aw-se-resnet18 11.40,plain-resnet101 "
            "42.70,aw-resnet101 43.01,"
            "se-resnet101 47.48,aw-se-resnet101 47.79,aw-cbam-resnet101 47.79",
            CIFAR,
        ),
        *_parameters(
            "plain-resnet50 25.56,aw-resnet50 25.72,se-resnet50 28.09,aw-se-resnet50 28.25,plain-resnet101 "
            "44.55,aw-resnet101 44.95,"
            "se-resnet101 49.33,aw-se-resnet101 49.73,se-mobilenet 5.07,aw-se-mobilenet 5.52,cbam-mobilenet "
            "5.07,aw-cbam-mobilenet 5.52",
            IMAGENET,
        ),
    ],
}
"""Table -> rows of (name, (image, classes), printed figures). Two ResNet101 entries and the 6-2-15 row are
misprints."""

OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "bireal-resnet18 as NASB": ("nasb-resnet18", {"genotype": "bireal"}),
    "mobilenetv2 of cifar100": ("mobilenetv2", {"layout": "cifar100"}),
    "reafplus-mobilenetv2 of cifar100": ("reafplus-mobilenetv2", {"layout": "cifar100"}),
}
"""Row -> the network's name and the options of its builder, where they are not the row's name and none."""


def _figure(figures: dict[str, Any], key: str) -> float:
    if key == "parameters_m":
        return figures[MEGA] / 1e6
    if key.startswith("flops_e"):
        return figures[GIGA] / float("1" + key.removeprefix("flops_"))
    return figures[key]


def run(json_path: Path | None = None) -> list[dict[str, Any]]:
    """Print every table with our figure, the printed one and whether they are equal at the printed
    precision."""
    results: list[dict[str, Any]] = []
    for table, rows in TABLES.items():
        print(f"\n{table}\n")
        print("| network | image | figure | ours | printed | equal |\n|---|---|---|---|---|---|")
        for name, (image, classes), printed in rows:
            network, options = OPTIONS.get(name, (name, {}))
            figures = report(network, image, classes, **options)
            for key, value in printed.items():
                ours = _figure(figures, key)
                digits = len(value.partition(".")[2])
                equal = f"{ours:.{digits}f}" == value
                results.append(
                    {
                        "table": table,
                        "network": name,
                        "image": list(image),
                        "figure": key,
                        "ours": ours,
                        "printed": value,
                        "equal": equal,
                    }
                )
                print(
                    f"| {name} | {'x'.join(map(str, image))} | {key} | {ours:.{digits + 1}f} | {value} | "
                    f"{'yes' if equal else 'no'} |"
                )
    print("\ngradient paths, tables 5.2 and 5.3 (64 channels, growth 32)\n")
    print("| block | paths | average length | binary parameters by length |\n|---|---|---|---|")
    for name, block in two_layer_blocks().items():
        counted = path_statistics(block)
        lengths = ", ".join(
            f"{length}: {row['paths']} x {row['average_parameters']:.0f}"
            for length, row in counted["lengths"].items()
        )
        print(f"| {name} | {counted['paths']} | {counted['average_length']:.2f} | {lengths} |")
        results.append({"table": "5.2, 5.3", "network": name, **counted})
    print(
        "\ngenerators, table 8.7\n\n| generator | weights | multiply-accumulates | printed "
        "|\n|---|---|---|---|"
    )
    with torch.device("meta"):
        choice = tuple({"normal": 1, "up": 0, "cross": 2}[edge.kind] for edge in EDGES)
        generators = {
            "human-designed": (HumanImageNetGenerator(), "40.36 M, 3.83e9"),
            "AutoReCon, all edges 3x3": (
                FoundGenerator(choice, classes=1000, image=(3, 224, 224)),
                "40.17 to 40.28 M, 1.43e9 to 3.63e9",
            ),
        }
    for name, (generator, wanted) in generators.items():
        counts = generator_figures(generator)
        print(f"| {name} | {counts['weights']:,} | {counts['macs']:.3g} | {wanted} |")
        results.append({"table": "8.7", "network": name, **counts})
    print("\nlatency of one convolution, table 3.8, n = c_in h w\n\n| model | latency |\n|---|---|")
    for name, formula in latency_table():
        print(f"| {name} | {formula} |")
        results.append({"table": "3.8", "network": name, "latency": formula})
    compared = [row for row in results if "equal" in row]
    print(
        f"\n{sum(row['equal'] for row in compared)} of {len(compared)} figures equal the printed ones at "
        "their precision."
    )
    if json_path is not None:
        Path(json_path).write_text(json.dumps(results, indent=1))
    return results


if __name__ == "__main__":
    run()
