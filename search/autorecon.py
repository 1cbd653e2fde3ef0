"""``fermatnet search autorecon``: the architecture of a generator for a trained teacher (chapter 8), from the
teacher alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from fermatnet.model.train.finished import load_run
from fermatnet.model.train.processes import need_device
from fermatnet.model.train.start import Standardised
from fermatnet.model.zoo.analysis.complexity import generator_figures
from fermatnet.model.zoo.autorecon import SuperGenerator, search_generator
from fermatnet.model.zoo.generator import EDGES, OPERATIONS, FoundGenerator
from fermatnet.search.record import SearchRecord

__all__ = ["search_autorecon"]

PIXELS = (100.0, 60.0)
"""Offset and gain from standard images to raw pixels, where the teacher brings no statistics of its own: a
guess that asks no data."""


def _pixels(teacher: torch.nn.Module) -> tuple[float, float]:
    if isinstance(teacher, Standardised):
        return float(teacher.mean.mean()), float(teacher.std.mean())
    return PIXELS


def search_autorecon(
    teacher: str | Path,
    out: str | Path,
    *,
    width: int = 64,
    epochs: int = 50,
    weight_steps: int = 100,
    alpha_steps: int = 20,
    batch: int = 64,
    seed: int = 0,
    device: str = "cpu",
    resume: bool = False,
    progress: Callable[[int, dict[str, float]], None] | None = None,
) -> dict[str, Any]:
    """Stage 1 of algorithm 4 for the full-precision network of a run folder.

    Parameters
    ----------
    teacher : run folder of `fermatnet train`; its full-precision network is the teacher, no data is read
    width : of the generator's nodes
    weight_steps, alpha_steps : T_1 and V_1, an epoch
    out, resume : as `fermatnet.search.nasb.search_nasb`

    Returns
    -------
    What result.json holds: settings, choice (an operation an edge, with names), the largest probability of
    every edge and their mean beside the uniform one, weights and multiply-accumulates of the generator,
    history, budget. A mean near the uniform one says that the search has decided nothing yet.
    """
    need_device(device)
    network, config = load_run(teacher, "float")
    network = network.to(device).requires_grad_(False)
    shape, classes = tuple(config["shape"]), len(config["classes"])
    settings = {
        "search": "autorecon",
        "teacher": Path(teacher).name,
        "teacher_data_sha256": config["data_sha256"],
        "width": width,
        "epochs": epochs,
        "weight_steps": weight_steps,
        "alpha_steps": alpha_steps,
        "batch": batch,
        "seed": seed,
    }
    torch.manual_seed(seed)
    image: dict[str, Any] = {"classes": classes, "image": shape, "width": width}
    generator = SuperGenerator(**image).to(device)
    record = SearchRecord(out, settings, resume)
    result = search_generator(
        network,
        generator,
        classes=classes,
        epochs=epochs,
        training_steps=weight_steps,
        validation_steps=alpha_steps,
        batch=batch,
        seed=seed,
        pixels=_pixels(network),
        progress=progress,
        resume=record.state,
        keep=record.keep,
    )
    shares = [functional.softmax(alpha.detach().cpu(), 0) for alpha in generator.architecture_parameters()]
    figures = generator_figures(FoundGenerator(result.choice, **image))
    names = [OPERATIONS[edge.kind][index] for edge, index in zip(EDGES, result.choice, strict=True)]
    summary = {
        "choice": list(result.choice),
        "operations": [getattr(name, "name", str(name)) for name in names],
        "largest_probability": [round(float(share.max()), 4) for share in shares],
        "mean_largest_probability": sum(float(share.max()) for share in shares) / len(shares),
        "mean_uniform_probability": sum(1 / len(share) for share in shares) / len(shares),
        "weights": figures["weights"],
        "macs": figures["macs"],
        "history": result.history,
    }
    budget = {
        "weight_steps": epochs * weight_steps,
        "architecture_steps": epochs * alpha_steps,
        "images": epochs * (weight_steps + alpha_steps) * batch,
        "device": device,
    }
    return record.close(summary, budget)
