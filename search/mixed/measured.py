"""Sensitivities: the loss on a calibration set when the layers of one group have another scheme, everything
else being in full precision.

The set is a part of the training data. No step of the search trains on it, but the network that is searched
for was trained with it: increases are meaningful, losses themselves are lower than on new images.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.measure import ENOUGH, learn_from_images, reestimate_norms
from fermatnet.model.nn.scheme import Scheme
from fermatnet.model.train.config import read_config
from fermatnet.model.train.finished import load_run
from fermatnet.model.train.folder import RunFolder
from fermatnet.model.train.optimizer import make_optimizer
from fermatnet.model.train.options import Options, options
from fermatnet.model.train.parts import WHOLE
from fermatnet.model.train.phases import own_form
from fermatnet.model.train.scores import chunks
from fermatnet.model.train.source import make_batches, open_source
from fermatnet.model.train.start import build_for, carry_over
from fermatnet.model.train.targets import targets_of

__all__ = ["Subject", "changed"]

_CHUNK = 256


@dataclass
class Subject:
    """A full-precision network of a run folder, images to measure it on, and the training data without them.

    run : folder of `fermatnet train`; count : images of the training data that are set aside; steps : of
    training after a layer's scheme was changed, before it is measured.
    """

    run: str
    count: int
    seed: int
    steps: int
    device: str

    def __post_init__(self) -> None:
        self.config = read_config(RunFolder(self.run))
        self.options: Options = options(self.config["net"], self.config["data"], self.config["options"])
        if own_form(self.config["net"], self.options):
            raise InputError(f"{self.run} is a run of {self.config['net']}, whose layers come from no scheme")
        self.network = load_run(self.run, "float")[0]
        self.data = open_source(self.config["data"], self.options)
        if self.data.sha256 != self.config["data_sha256"]:
            raise InputError(f"{self.config['data']} is not the data that {self.run} was trained on")
        share = min(0.5, self.count / len(self.data.train))
        rest: Any
        rest, aside = self.data.train.split(share, self.seed)
        if not len(aside):
            raise InputError(f"{self.count} of {len(self.data.train)} images are too few: one a class, say")
        images, labels = zip(*chunks(aside, _CHUNK), strict=True)
        self.images, self.labels = torch.cat(images), torch.cat(labels)
        self.targets = targets_of(self.data)
        self.batches = make_batches(rest, self.options, WHOLE)

    def built(self, how: Scheme) -> nn.Module:
        """The network under a scheme, with the run's weights, steps and norms from the images set aside."""
        torch.manual_seed(self.seed)
        model = build_for(self.config["net"], self.data, how, network=self.config.get("network"))
        carry_over(model, self.network.state_dict())
        learn_from_images(model, self.images)
        if len(self.images) >= ENOUGH:  # of all choices alike, those of 8 bits too
            reestimate_norms(model, self.images.split(_CHUNK))
        return model.to(self.device)

    def loss(self, how: Scheme) -> float:
        """Mean loss on the images set aside, after ``steps`` steps of training."""
        model = self.built(how)
        if self.steps:
            self._tune(model)
        return self.loss_of(model)

    @torch.no_grad()
    def loss_of(self, model: nn.Module) -> float:
        """Mean loss of a network on the images set aside."""
        model.eval()
        total = 0.0
        for images, labels in zip(self.images.split(_CHUNK), self.labels.split(_CHUNK), strict=True):
            outputs = model(images.to(self.device)).float()
            total += float(self.targets.loss(outputs, labels.to(self.device), 0.0)) * len(labels)
        return total / len(self.labels)

    def _tune(self, model: nn.Module) -> None:
        """A few steps at a quarter of the run's rate for quantized networks, without a schedule."""
        optimizer = make_optimizer(model, self.options, self.options.lr / 4)
        model.train()
        for number, (images, labels) in zip(range(self.steps), self._batches(), strict=False):
            torch.manual_seed(self.seed * 1000003 + number)
            optimizer.zero_grad(set_to_none=True)
            outputs = model(images.to(self.device)).float()
            self.targets.loss(outputs, labels.to(self.device), 0.0).backward()
            for group in optimizer.param_groups:
                group["lr"] = group["base"]
            optimizer.step()

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        for epoch in range(1_000_000):
            yield from self.batches.epoch(epoch)


def changed(common: Scheme, group: Sequence[str], how: Scheme) -> Scheme:
    """``common`` with another scheme for the layers of one group."""
    patterns: dict[str, Any] = dict.fromkeys(group, how)
    return common.map(patterns)
