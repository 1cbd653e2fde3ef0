"""Networks that are put on boards: the demonstration's, the same one with any levels after fewer epochs, and
one that the smallest chips hold."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fermatnet.model.network import Network, load, save

__all__ = ["NETWORKS", "network"]

DEMO = "pa-short"  # scheme of `fermatnet.report.demo`
EPOCHS = {"digits": 15, "digits-small": 12}


def _small() -> Network:
    """Two convolutions and a dense layer for 8x8 digits, 1,403 look-up tables of six inputs at the least."""
    import torch
    from torch import nn

    from fermatnet.model.exchange.export import export
    from fermatnet.model.nn.convert import convert
    from fermatnet.model.nn.scheme import scheme
    from fermatnet.model.train.data import digits

    data = digits()
    torch.manual_seed(0)
    images = torch.from_numpy(data.train.images)
    labels = torch.from_numpy(data.train.labels).long()
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )
    _fit(model, images, labels, 4e-3)
    how = scheme("pa", weights=2, activations=3)
    twin, _ = convert(model, how, (1, 8, 8), images=images[:256])
    _fit(twin, images, labels, 2e-3)
    return export(twin.eval(), (1, 8, 8), name="digits-small")


def _fit(model, images, labels, rate: float) -> None:
    import torch
    from torch import nn

    optimizer = torch.optim.AdamW(model.parameters(), rate)
    model.train()
    for _ in range(EPOCHS["digits-small"]):
        for part in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[part].float()), labels[part]).backward()
            optimizer.step()
    model.eval()


def _digits(**options: Any) -> Network:
    import tempfile

    from fermatnet.model.train.finished import export_run
    from fermatnet.model.train.run import train

    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as folder:
        train("digits", "digits", Path(folder) / "run", **(options or {"epochs": EPOCHS["digits"]}))
        return export_run(Path(folder) / "run")


NETWORKS: dict[str, Callable[[], Network]] = {
    "demo": partial(_digits, scheme=DEMO),
    "digits": _digits,
    "digits-small": _small,
}


def network(name: str, folder: Path | None) -> Network:
    """The network of that name: from ``folder`` where it lies there, else trained (a minute), and kept
    there."""
    path = None if folder is None else folder / f"{name}.onnx"
    if path is not None and path.is_file():
        return load(path)
    made = NETWORKS[name]()
    if path is not None:
        save(made, path)
    return made
