"""A random torch model converted, trained for two steps, exported, and compared in every engine."""

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.bench.samples.models import random_model
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.network import load, run, save
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.integer import integer_logits

__all__ = ["Checked", "check_model"]


@dataclass(frozen=True)
class Checked:
    """What one model showed; ``problem`` is "" where all agrees, and begins with "refused: " where a step was
    refused by name."""

    seed: int
    how: str
    problem: str = ""
    layers: int = 0

    def row(self) -> dict[str, Any]:
        """As a line of the results."""
        return asdict(self)


def check_model(seed: int) -> Checked:
    """Convert, train two steps, export; then torch's integer mode, its evaluation, the reference and
    onnxruntime, to the last bit."""
    import onnxruntime

    model, shape, how = random_model(seed)
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (24, *shape), generator=generator, dtype=torch.uint8)
    first = next(iter(model))  # type: ignore[call-overload]
    usual = isinstance(first, nn.Conv2d) and seed % 3 == 0  # else more than one layer may read the image
    normal: dict[str, Any] = {"mean": [0.5] * shape[0], "std": [0.25] * shape[0]} if usual else {}
    with tempfile.TemporaryDirectory(prefix="fermatnet-model-") as folder:
        file = Path(folder) / "net.onnx"
        try:
            made, _ = convert(model, how, shape, images=images, **normal)
            _train(made, images)
            save(export(made, shape), file)
        except InputError as error:
            return Checked(seed, how.describe(), f"refused: {error}")
        net = load(file)
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        (other,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    integers = integer_logits(made, images).numpy()
    with torch.no_grad():
        evaluated = made(images).double().numpy()
    answers = {
        "reference": run(net, images.numpy()),
        "onnxruntime": np.asarray(other).reshape(len(images), -1),
        "evaluation": evaluated / float(net.meta["output_scale"]),
    }
    differ = [name for name, values in answers.items() if not np.array_equal(values, integers)]
    return Checked(
        seed,
        how.describe(),
        f"integer mode differs from {', '.join(differ)}" if differ else "",
        len(net.nodes),
    )


def _train(model: nn.Module, images: Tensor, steps: int = 2) -> None:
    optimizer = torch.optim.Adam(model.train().parameters(), 3e-3)
    labels = torch.arange(len(images)) % 5
    for _ in range(steps):
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    model.eval()
