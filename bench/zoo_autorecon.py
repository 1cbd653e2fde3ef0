"""Chapter 8 by training: data-free quantization with the human-designed and the searched generator, beside real data.

    python -m fermatnet.bench.zoo_autorecon --data fashion-mnist:DIR --json results.jsonl

A teacher is trained in full precision, then quantized to w4a4 and w3a3 with images of a generator that saw the teacher
alone, and, for comparison, with real data and with nothing (ranges measured on generated images, no training).
Images are padded to a multiple of 16 and halved. All of a seed's students start from that seed's teacher.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from fermatnet.bench.zoo_training import Row, arguments, compare, fit, subset, table
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.train.data import Data, Part
from fermatnet.model.train.loop import accuracy
from fermatnet.model.zoo import build
from fermatnet.model.zoo.autorecon import SuperGenerator, search_generator
from fermatnet.model.zoo.complexity import generator_figures
from fermatnet.model.zoo.datafree import compress, freeze_norms, per_channel
from fermatnet.model.zoo.generator import FoundGenerator, HumanGenerator

__all__ = ["main"]

PIXELS = (100.0, 60.0)
"""Offset and gain from a generator's standard images to pixels: a guess that asks no data."""


def _padded(data: Data) -> Data:
    def pad(part: Part) -> Part:
        extra = -part.images.shape[2] % 16
        images = np.pad(part.images, ((0, 0), (0, 0), (extra // 2, extra - extra // 2), (extra // 2, extra - extra // 2)))
        n, c, h, w = images.shape
        return Part(images.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5)).round().astype(np.uint8), part.labels)

    return Data(data.name, pad(data.train), pad(data.test), data.classes)


def main(argv: Sequence[str] | None = None) -> str:
    parser = arguments("Data-free quantization: AutoReCon against the human-designed generator", training=12000, test=4000, epochs=4)
    parser.add_argument("--bits", type=int, nargs="+", default=[4, 3])
    parser.add_argument("--width", type=int, default=16, help="of the teacher")
    parser.add_argument("--generator-width", type=int, default=16)
    parser.add_argument("--student-epochs", type=int, default=14)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--student-rate", type=float, default=1e-3)
    given = parser.parse_args(argv)
    torch.set_num_threads(given.threads)
    data = _padded(subset(given.data, given.training, given.test))
    classes = len(data.classes)
    common = {"classes": classes, "shape": data.shape, "width": given.width}
    teachers: dict[int, tuple[nn.Module, float]] = {}

    def teacher(seed: int) -> tuple[nn.Module, float]:
        if seed not in teachers:
            torch.manual_seed(seed)
            network = build("small-resnet", how=scheme("float"), **common)
            teachers[seed] = network, fit(network, data, epochs=given.epochs, rate=4e-3, seed=seed)["accuracy"]
        return teachers[seed]

    def student(seed: int, bits: int) -> nn.Module:
        network = build("small-resnet", how=scheme("int8", weights=bits, activations=bits), **common)
        state = {key: value for key, value in teacher(seed)[0].state_dict().items() if key in network.state_dict()}
        network.load_state_dict(state, strict=False)
        return per_channel(network, bits)

    def searched(seed: int) -> nn.Module:
        network = SuperGenerator(classes=classes, image=data.shape, width=given.generator_width)
        found = search_generator(teacher(seed)[0], network, classes=classes, epochs=8, training_steps=12, validation_steps=6, seed=seed,
                                 pixels=PIXELS)
        return FoundGenerator(found.choice, classes=classes, image=data.shape, width=given.generator_width)

    def random(seed: int) -> nn.Module:
        chosen = SuperGenerator(classes=classes, image=data.shape, width=2)
        for alpha in chosen.architecture_parameters():
            nn.init.normal_(alpha)
        return FoundGenerator(chosen.choice(), classes=classes, image=data.shape, width=given.generator_width)

    def without_data(bits: int, make: Callable[[int], nn.Module]) -> Callable[[int], dict[str, Any]]:
        def run(seed: int) -> dict[str, Any]:
            torch.manual_seed(seed)
            network, generator = freeze_norms(student(seed, bits)), make(seed)
            history = compress(teacher(seed)[0], network, generator, classes=classes, epochs=given.student_epochs, steps=given.steps, seed=seed,
                               student_rate=given.student_rate, pixels=PIXELS)
            figures = generator_figures(generator)
            return {"accuracy": accuracy(network, data.test), "teacher": teacher(seed)[1], "weights": figures["weights"], "macs": figures["macs"],
                    "generator_accuracy": history[-1]["generator_accuracy"], "reconstruction": history[-1]["reconstruction"]}

        return run

    def with_data(bits: int, epochs: int) -> Callable[[int], dict[str, Any]]:
        def run(seed: int) -> dict[str, Any]:
            torch.manual_seed(seed)
            network = student(seed, bits)
            if epochs:
                fit(network, data, epochs=epochs, rate=1e-3, seed=seed)
            else:
                network.train()
                kept = {key: value.clone() for key, value in network.state_dict().items() if "running" in key}
                network(torch.from_numpy(data.train.images[:256].copy()))
                network.load_state_dict(kept, strict=False)
            return {"accuracy": accuracy(network, data.test), "teacher": teacher(seed)[1]}

        return run

    human = HumanGenerator
    rows = [Row("teacher, full precision", lambda seed: {"accuracy": teacher(seed)[1]}, {})]
    for bits in given.bits:
        name = f"w{bits}a{bits}"
        rows += [
            Row(f"{name}: ranges from 256 real images, not trained", with_data(bits, 0), {}),
            Row(f"{name}: human-designed generator", without_data(bits, lambda _: human(classes=classes, image=data.shape, scale=0.25)), {}),
            Row(f"{name}: random generator of the space", without_data(bits, random), {}),
            Row(f"{name}: AutoReCon", without_data(bits, searched), {}),
            Row(f"{name}: real data", with_data(bits, 2), {}),
        ]
    settings = {"data": data.name, "shape": data.shape, "epochs": given.epochs, "student": [given.student_epochs, given.steps, given.student_rate],
                "width": given.width, "test": given.test}
    results = compare("zoo_autorecon", rows, given.seeds, given.json, settings)
    text = table(results, ("weights", "macs"))
    print(text)
    return text


if __name__ == "__main__":
    main()
