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

__all__ = ["Checked", "check_model", "check_twin", "random_map"]


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


WORDS = ("pa(4,5)", "pa(2,3)", "int8", "int8(4,4)", "int16", "sign", "int8(5,3,6)")


def random_map(model: nn.Module, seed: int) -> dict[str, str]:
    """Schemes of some layers of a model, by the names of modules with weights or of activations."""
    rng = np.random.default_rng(seed)
    kinds = (nn.Conv1d, nn.Conv2d, nn.Linear, nn.ReLU, nn.ReLU6)
    names = [name for name, module in model.named_modules() if isinstance(module, kinds)]
    chosen = [name for name in names if rng.random() < 0.5] or names[:1]
    return {name: str(rng.choice(WORDS)) for name in chosen}


def check_model(seed: int, *, mixed: bool = False) -> Checked:
    """Convert, train two steps, export; then torch's integer mode, its evaluation, the reference and
    onnxruntime, to the last bit. ``mixed``: some layers have schemes of their own."""
    model, shape, how = random_model(seed)
    if mixed:
        how = how.map(random_map(model, seed))
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (24, *shape), generator=generator, dtype=torch.uint8)
    first = next(iter(model))  # type: ignore[call-overload]
    usual = isinstance(first, nn.Conv2d) and seed % 3 == 0  # else more than one layer may read the image
    normal: dict[str, Any] = {"mean": [0.5] * shape[0], "std": [0.25] * shape[0]} if usual else {}
    try:
        twin, _ = convert(model, how, shape, images=images, **normal)
    except InputError as error:
        return Checked(seed, how.describe(), f"refused: {error}")
    return _compared(seed, twin, images, how.describe())


def check_twin(seed: int, twin: nn.Module, shape: tuple[int, int, int]) -> Checked:
    """The same of a network that is quantized already, one of the zoo for instance, on images by the seed."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (24, *shape), generator=generator, dtype=torch.uint8)
    return _compared(seed, twin, images, type(twin).__name__)


def _compared(seed: int, twin: nn.Module, images: Tensor, how: str) -> Checked:
    import onnxruntime

    shape = tuple(images.shape[1:])
    with tempfile.TemporaryDirectory(prefix="fermatnet-model-") as folder:
        file = Path(folder) / "net.onnx"
        try:
            _train(twin, images)
            save(export(twin, shape), file)
        except InputError as error:
            return Checked(seed, how, f"refused: {error}")
        net = load(file)
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        (other,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    integers = integer_logits(twin, images).numpy()
    with torch.no_grad():
        evaluated = twin(images).double().numpy()
    answers = {
        "reference": run(net, images.numpy()),
        "onnxruntime": np.asarray(other).reshape(len(images), -1),
        "evaluation": evaluated / float(net.meta["output_scale"]),
    }
    differ = [name for name, values in answers.items() if not np.array_equal(values, integers)]
    return Checked(
        seed,
        how,
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
