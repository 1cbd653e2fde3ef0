"""Chapter 8 by training: data-free quantization with the human-designed and the searched generator, beside
real data.

    python -m fermatnet.bench.zoo.autorecon --data fashion-mnist:DIR --json results.jsonl

A teacher is trained in full precision, then quantized to w4a4 and w3a3 with images of a generator that saw
the teacher alone, and, for comparison, with real data and with nothing (ranges measured on generated images,
no training).
Images are padded to a multiple of 16 and halved. All of a seed's students start from that seed's teacher.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from fermatnet.bench.zoo.training import Row, arguments, compare, differences, fit, subset, table
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.train.data import Data, Part
from fermatnet.model.train.loop import accuracy
from fermatnet.model.zoo import build
from fermatnet.model.zoo.analysis.complexity import generator_figures
from fermatnet.model.zoo.autorecon import SuperGenerator, search_generator
from fermatnet.model.zoo.datafree import compress, freeze_norms, per_channel
from fermatnet.model.zoo.generator import FoundGenerator, HumanGenerator

__all__ = ["main"]

PIXELS = (100.0, 60.0)
"""Offset and gain from a generator's standard images to pixels: a guess that asks no data."""


def _padded(data: Data) -> Data:
    def pad(part: Part) -> Part:
        extra = -part.images.shape[2] % 16
        images = np.pad(
            part.images, ((0, 0), (0, 0), (extra // 2, extra - extra // 2), (extra // 2, extra - extra // 2))
        )
        n, c, h, w = images.shape
        return Part(
            images.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5)).round().astype(np.uint8), part.labels
        )

    return Data(data.name, pad(data.train), pad(data.test), data.classes)


class _Comparison:
    """The networks of one setting: each seed's teacher, trained once, its students, and generators."""

    def __init__(self, parsed: argparse.Namespace, data: Data) -> None:
        self.given, self.data, self.classes = parsed, data, len(data.classes)
        self.common: dict[str, Any] = {"classes": self.classes, "shape": data.shape, "width": parsed.width}
        self.image: dict[str, Any] = {"classes": self.classes, "image": data.shape}
        self.decided: dict[int, float] = {}
        self.choices: dict[int, tuple[int, ...]] = {}
        self.teachers: dict[int, tuple[nn.Module, float]] = {}

    def teacher(self, seed: int) -> tuple[nn.Module, float]:
        """In full precision, with its accuracy."""
        if seed not in self.teachers:
            torch.manual_seed(seed)
            network = build("small-resnet", how=scheme("float"), **self.common)
            self.teachers[seed] = (
                network,
                fit(network, self.data, epochs=self.given.epochs, rate=4e-3, seed=seed)["accuracy"],
            )
        return self.teachers[seed]

    def student(self, seed: int, bits: int) -> nn.Module:
        network = build("small-resnet", how=scheme("int8", weights=bits, activations=bits), **self.common)
        state = {
            key: value
            for key, value in self.teacher(seed)[0].state_dict().items()
            if key in network.state_dict()
        }
        network.load_state_dict(state, strict=False)
        return per_channel(network, bits)

    def human(self, seed: int) -> nn.Module:
        return HumanGenerator(**self.image, scale=0.25)

    def searched(self, seed: int) -> nn.Module:
        """Of a seed's one search, whose students of all widths share its architecture."""
        if seed not in self.choices:
            self.choices[seed] = self._search(seed)
        return FoundGenerator(self.choices[seed], **self.image, width=self.given.generator_width)

    def _search(self, seed: int) -> tuple[int, ...]:
        network = SuperGenerator(**self.image, width=self.given.generator_width)
        result = search_generator(
            self.teacher(seed)[0],
            network,
            classes=self.classes,
            epochs=self.given.search_epochs,
            training_steps=self.given.search_steps,
            validation_steps=self.given.alpha_steps,
            seed=seed,
            pixels=PIXELS,
        )
        shares = [torch.softmax(alpha.detach(), 0).max() for alpha in network.architecture_parameters()]
        self.decided[seed] = float(torch.stack(shares).mean())
        return result.choice

    def random(self, seed: int) -> nn.Module:
        torch.manual_seed(seed)
        chosen = SuperGenerator(**self.image, width=2)
        for alpha in chosen.architecture_parameters():
            nn.init.normal_(alpha)
        return FoundGenerator(chosen.choice(), **self.image, width=self.given.generator_width)

    def without_data(self, bits: int, make: Callable[[int], nn.Module], seed: int) -> dict[str, Any]:
        """A student trained on what a generator makes."""
        parsed = self.given
        torch.manual_seed(seed)
        network, generator = freeze_norms(self.student(seed, bits)), make(seed)
        history = compress(
            self.teacher(seed)[0],
            network,
            generator,
            classes=self.classes,
            epochs=parsed.student_epochs,
            steps=parsed.steps,
            batch=64,
            seed=seed,
            student_rate=parsed.student_rate,
            pixels=PIXELS,
        )
        figures = generator_figures(generator)
        return {
            "accuracy": accuracy(network, self.data.test),
            "teacher": self.teacher(seed)[1],
            "weights": figures["weights"],
            "macs": figures["macs"],
            "mean_largest_probability": self.decided.get(seed, 0.0) if make == self.searched else 0.0,
            "generator_accuracy": history[-1]["generator_accuracy"],
            "reconstruction": history[-1]["reconstruction"],
        }

    def with_data(self, bits: int, epochs: int, seed: int) -> dict[str, Any]:
        """A student trained on real data; ``epochs`` 0: only its ranges are measured."""
        torch.manual_seed(seed)
        network = self.student(seed, bits)
        if epochs:
            fit(network, self.data, epochs=epochs, rate=1e-3, seed=seed)
        else:
            network.train()
            kept = {key: value.clone() for key, value in network.state_dict().items() if "running" in key}
            network(torch.from_numpy(self.data.train.images[:256].copy()))
            network.load_state_dict(kept, strict=False)
        return {"accuracy": accuracy(network, self.data.test), "teacher": self.teacher(seed)[1]}

    def rows(self) -> list[Row]:
        rows = [Row("teacher, full precision", lambda seed: {"accuracy": self.teacher(seed)[1]}, {})]
        for bits in self.given.bits:
            name = f"w{bits}a{bits}"
            rows += [
                Row(
                    f"{name}: ranges from 256 real images, not trained", partial(self.with_data, bits, 0), {}
                ),
                Row(f"{name}: human-designed generator", partial(self.without_data, bits, self.human), {}),
                Row(
                    f"{name}: random generator of the space",
                    partial(self.without_data, bits, self.random),
                    {},
                ),
                Row(f"{name}: AutoReCon", partial(self.without_data, bits, self.searched), {}),
                Row(f"{name}: real data", partial(self.with_data, bits, 2), {}),
            ]
        return rows


def main(argv: Sequence[str] | None = None) -> str:
    """The command: trains what its options name and returns the table as text."""
    parser = arguments(
        "Data-free quantization: AutoReCon against the human-designed generator",
        training=12000,
        test=4000,
        epochs=4,
    )
    parser.add_argument("--bits", type=int, nargs="+", default=[4, 3])
    parser.add_argument("--width", type=int, default=16, help="of the teacher")
    parser.add_argument("--generator-width", type=int, default=16)
    parser.add_argument("--search-epochs", type=int, default=30)
    parser.add_argument("--search-steps", type=int, default=40, help="for weights, an epoch of the search")
    parser.add_argument("--alpha-steps", type=int, default=20, help="for alpha, an epoch; 600 in all")
    parser.add_argument("--student-epochs", type=int, default=14)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--student-rate", type=float, default=1e-3)
    parsed = parser.parse_args(argv)
    torch.set_num_threads(parsed.threads)
    data = _padded(subset(parsed.data, parsed.training, parsed.test))
    settings = {
        "data": data.name,
        "shape": data.shape,
        "epochs": parsed.epochs,
        "student": [parsed.student_epochs, parsed.steps, parsed.student_rate],
        "search": [parsed.search_epochs, parsed.search_steps, parsed.alpha_steps],
        "width": parsed.width,
        "test": parsed.test,
    }
    results = compare("zoo_autorecon", _Comparison(parsed, data).rows(), parsed.seeds, parsed.json, settings)
    text = table(results, ("weights", "macs"))
    for bits in parsed.bits:
        mine = [entry for entry in results if entry["label"].startswith(f"w{bits}a{bits}: ")]
        text += "\n\n" + differences(mine, f"w{bits}a{bits}: human-designed generator")
    print(text)
    return text


if __name__ == "__main__":
    main()
