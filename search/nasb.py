"""``fermatnet search nasb``: the searching stage of chapter 4 on any data and device."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fermatnet.model.train.options import Options
from fermatnet.model.train.parts import WHOLE
from fermatnet.model.train.processes import need_device
from fermatnet.model.train.source import make_batches, open_source, pixel_statistics
from fermatnet.model.zoo.nasb.search import search, table_cost
from fermatnet.model.zoo.nasb.space import cell_cost, genotype_to_json
from fermatnet.model.zoo.nasb.supernet import SearchNet
from fermatnet.search.prices import hardware_cost
from fermatnet.search.record import SearchRecord

__all__ = ["search_nasb"]

PRICES = {"none": None, "bits": lambda: table_cost, "luts": hardware_cost}


class _Loader:
    """Standardised batches of half of the training data, another order every time it is gone through."""

    def __init__(self, part: Any, options: Options, statistics: tuple[Tensor, Tensor]) -> None:
        self.batches = make_batches(part, options, WHOLE)
        self.mean, self.std = (value.view(1, -1, 1, 1) for value in statistics)
        self.number = 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self.number += 1
        for images, labels in self.batches.epoch(self.number):
            yield (images.float() - self.mean) / self.std.clamp(min=1e-3), labels

    def __len__(self) -> int:
        return len(self.batches)


def search_nasb(
    data: str,
    out: str | Path,
    *,
    depth: int = 18,
    width: int = 64,
    variant: str = "nasb",
    epochs: int = 100,
    batch: int = 64,
    steps: int = 0,
    warmup: int = 0,
    price: str = "none",
    price_weight: float = 0.0,
    seed: int = 0,
    device: str = "cpu",
    resume: bool = False,
    size: int = 0,
    progress: Callable[[int, dict[str, float]], None] | None = None,
) -> dict[str, Any]:
    """Search the cells of a NASB ResNet; defaults are those of section 4.4.1 (100 epochs, batch 64, half of
    the training data for validation).

    Parameters
    ----------
    out : folder of config.json, checkpoint.pt (written every epoch) and result.json
    steps : an epoch; 0: as many as half of the data has batches
    price : "none", "bits" (table 4.1) or "luts" (the compiler's), times ``price_weight`` in the loss of the
        architecture
    resume : go on with the search in ``out``; on the CPU it ends as if it had never stopped

    Returns
    -------
    What result.json holds: settings, genotype (for ``--option genotype=...`` of a nasb-resnet),
    probabilities, cost of each cell, history, budget.
    """
    need_device(device)
    options = Options(batch=batch, seed=seed, size=size, flip=True, device=device)
    dataset = open_source(data, options)
    training, validation = dataset.train.split(0.5, seed)
    statistics = pixel_statistics(dataset)
    loaders = [_Loader(part, options, statistics) for part in (training, validation)]
    steps = steps or len(loaders[0])
    settings = {
        "search": "nasb",
        "data": data,
        "data_sha256": dataset.sha256,
        "depth": depth,
        "width": width,
        "variant": variant,
        "epochs": epochs,
        "batch": batch,
        "steps": steps,
        "warmup": warmup,
        "price": price,
        "price_weight": price_weight,
        "seed": seed,
    }
    torch.manual_seed(seed)
    image: dict[str, Any] = {"classes": len(dataset.classes), "input_shape": dataset.shape}
    network = SearchNet(depth, width, variant=variant, **image).to(device)
    record = SearchRecord(out, settings, resume)
    make = PRICES[price]
    result = search(
        network,
        loaders[0],
        loaders[1],
        epochs=epochs,
        steps=steps,
        seed=seed,
        warmup=warmup,
        cost=make() if make and price_weight else None,
        cost_weight=price_weight,
        progress=progress,
        resume=record.state,
        keep=record.keep,
    )
    budget = {
        "weight_steps": epochs * steps,
        "architecture_steps": (epochs - warmup) * steps,
        "images": 2 * epochs * steps * batch,
        "device": device,
    }
    costs = [{key: float(value) for key, value in cell_cost(cell).items()} for cell in result.genotype]
    return record.close(
        {
            "genotype": json.loads(genotype_to_json(result.genotype)),
            "cells": costs,
            "probabilities": result.probabilities,
            "history": result.history,
        },
        budget,
    )
