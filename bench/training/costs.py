"""What a method costs beside its accuracy, on one network: ACE, bytes, LUTs at one throughput, and the memory
of its training; and the picture of accuracy against LUTs."""

from pathlib import Path
from typing import Any

from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError

__all__ = ["CYCLES", "DEVICE", "costs", "draw"]

DEVICE, CYCLES, BATCH, SHAPE = "ecp5-85k", 100_000, 128, (1, 28, 28)
"""LUTs are predicted for this device at this number of cycles an image; memory is that of this batch."""


def costs(
    network: str, how: Any, *, options: dict[str, Any] | None = None, low_memory: bool = False
) -> dict[str, Any]:
    """Figures of ``network`` of the zoo under a scheme, for 28x28 images, before any training.

    ace_millions: arithmetic computation effort of an image; kilobytes: weights, in the file's coding, or 32
    bits each where the scheme has no file; memory_mb: what the forward pass keeps for the backward one, a
    batch of 128, plus weights, gradients and two moments; luts, brams, dsps: predicted; None where there is
    no hardware.
    """
    import torch

    from fermatnet.bench.training.memory import kept_bytes
    from fermatnet.model import zoo
    from fermatnet.model.nn.low_memory import low_memory as keeping_bits
    from fermatnet.model.zoo.analysis.complexity import summarise

    shape = SHAPE
    torch.manual_seed(0)
    model = zoo.build(network, how=how, shape=shape, **(options or {})).train()
    images = torch.randint(0, 256, (BATCH, *shape), dtype=torch.uint8)
    model(images)
    effort = summarise(model, shape)["ace"]
    if low_memory:
        keeping_bits(model)
    weights = sum(p.numel() for p in model.parameters())
    found: dict[str, Any] = {
        "ace_millions": round(effort / 1e6, 2),
        "kilobytes": round(4 * weights / 1e3, 1),
        "memory_mb": round((kept_bytes(model.train(), images) + 16 * weights) / 1e6, 1),
        **dict.fromkeys(("luts", "brams", "dsps")),
    }
    has_file = how.method.exportable and how.activations  # 0: full precision
    return found | (_hardware(model, shape) if has_file else {})


def _hardware(model: Any, shape: tuple[int, int, int]) -> dict[str, Any]:
    """Bytes of the file's weights, and the compiler's prediction; only the bytes where it has no design."""
    import tempfile

    from fermatnet.hw.compiler.generate import generate
    from fermatnet.model.exchange.export import export
    from fermatnet.model.network.summary import summary

    net = export(model.eval(), shape, check=False)
    found: dict[str, Any] = {"kilobytes": round(summary(net)["weight_bits"] / 8e3, 1)}
    try:
        with tempfile.TemporaryDirectory(prefix="fermatnet-costs-") as scratch:
            made = generate(net, Path(scratch) / "hw", cycles=CYCLES, device=DEVICE, resources=True)
    except InputError:
        return found
    total = made["resources"]["total"]
    return found | {key: round(total[key]) for key in ("luts", "brams", "dsps")}


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Accuracy against LUTs of all rows that have both, as SVG; the front of those that no other one beats is
    joined, names stand at the right, one below the other."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    matplotlib.rcParams |= {"svg.hashsalt": "fermatnet", "svg.fonttype": "none"}
    shown = sorted((row for row in rows if row.get("luts")), key=lambda row: row["luts"])
    figure, axes = pyplot.subplots(figsize=(7.2, 4.2), layout="constrained")
    axes.set(
        xlabel=f"LUTs, predicted for {DEVICE} at {CYCLES:,} cycles an image", ylabel="accuracy, per cent"
    )
    front: list[dict[str, Any]] = []
    for row in shown:
        axes.plot(row["luts"], row["accuracy"], "o", color="#1b5e9e", markersize=4)
        if not front or row["accuracy"] > front[-1]["accuracy"]:
            front.append(row)
    axes.plot([row["luts"] for row in front], [row["accuracy"] for row in front], "-", color="#8a8a8a", lw=1)
    axes.grid(alpha=0.3)
    low, high = axes.get_ylim()
    place = high
    for row in sorted(shown, key=lambda row: -row["accuracy"]):
        place = min(row["accuracy"], place - (high - low) / 24)
        axes.annotate(
            row["label"],
            (row["luts"], row["accuracy"]),
            (1.03, place),
            textcoords=("axes fraction", "data"),
            fontsize=7,
            verticalalignment="center",
            arrowprops={"arrowstyle": "-", "color": "#b0b0b0", "linewidth": 0.5},
        )
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    pyplot.close(figure)
