"""What the post-training benches share: trained networks, the calibration images that a seed draws, and a
network converted with them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fermatnet.bench.training.float_tflite import read_float_tflite
from fermatnet.bench.training.post_training_nets import NETS, Net, accuracy, read_float, train_float
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.network import run as run_reference
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.integer import integer_logits
from fermatnet.model.nn.scheme import Scheme
from fermatnet.model.result_log import ResultLog, digest
from fermatnet.model.train.data import Data, Part, load

__all__ = ["IMAGES", "Draws", "calibration_images", "converted"]

IMAGES = 256
COMPARED = 20  # images that the reference runs too


def calibration_images(data: Data, seed: int, count: int = IMAGES) -> np.ndarray:
    """uint8 (count, C, H, W): training images drawn by the seed."""
    return data.train.images[
        np.random.default_rng(seed).choice(len(data.train), min(count, len(data.train)), replace=False)
    ]


def converted(model: nn.Module, images: np.ndarray, part: Part, how: Scheme) -> tuple[nn.Module, float]:
    """The network converted with those uint8 images, and its accuracy on ``part``; InputError if the network
    file's reference gives other integers."""
    shape = images.shape[1:]
    quantized, _ = convert(
        model,
        how,
        shape,
        mean=[0.0] * shape[0],
        std=[1.0] * shape[0],
        images=torch.from_numpy(images),
    )
    some = np.ascontiguousarray(part.images[:COMPARED])
    mine = integer_logits(quantized, torch.from_numpy(some)).numpy()
    if not np.array_equal(run_reference(export(quantized, shape), some), mine):
        raise InputError("the network file computes other integers than the model")
    return quantized, accuracy(quantized, part, raw=True)


@dataclass(frozen=True)
class Draws:
    """Rows of a bench for some networks of `NETS` by name and the first ``count`` seeds, each kept in ``log``
    under ``prefix``; InputError for names that are none and without data.

    ``data``: folder with mnist/, fashion-mnist/ and cifar10/; ``models``: folder of trained networks, those
    that it lacks are trained into it, resumable; files of others lie in it.
    """

    names: list[str]
    count: int
    data: str | None
    models: str | None
    log: ResultLog
    prefix: str = ""

    def __post_init__(self) -> None:
        if self.data is None:
            raise InputError("this bench needs data: --data DIR with mnist/, fashion-mnist/ and cifar10/")
        if unknown := [name for name in self.names if name not in NETS]:
            raise InputError(f"no network is called {unknown[0]!r}; there are {', '.join(NETS)}")
        if self.count < 1:
            raise InputError(f"seeds must be 1 or more, not {self.count}")

    def rows(
        self, row: Callable[[Net, nn.Module, Data, int], dict[str, Any]], say: Callable[[str], None]
    ) -> Iterator[list[dict[str, Any]]]:
        """Network after network, what ``row`` measured with each seed. ``say`` hears of trainings."""
        for name in self.names:
            net, folder = NETS[name], Path(self.models or "post-training-models")
            loaded = load(f"{net.data}:{Path(str(self.data)) / net.data}")
            if net.file:
                model = read_float_tflite(folder / net.file)
            else:
                train_float(net, loaded, folder / f"{name}.pt", say=say)
                model = read_float(net, folder / f"{name}.pt")
            keys = [f"{self.prefix}{name}/{seed}/{_weights(model)}" for seed in range(self.count)]
            yield [self.log.row(key, partial(row, net, model, loaded, seed)) for seed, key in enumerate(keys)]


def _weights(model: nn.Module) -> str:
    """A digest of a network's numbers, so that a result is found again for the same weights only."""
    return digest(
        "".join(f"{name}{value.double().sum().item()!r}" for name, value in model.state_dict().items())
    )
