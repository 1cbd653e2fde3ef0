"""The three networks of the post-training bench as plain torch, and their training: a recipe that anyone can
run again, resumable.

LeNet-5 on MNIST, a pre-activation residual network of 77k weights on Fashion-MNIST, ResNet8 of MLPerf Tiny on
CIFAR-10. Inputs are pixels / 255 without a mean, so that zero padding means the same before and after
conversion.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.model.errors import InputError
from fermatnet.model.train.batches import augment
from fermatnet.model.train.data import Data, Part

__all__ = ["NETS", "Net", "accuracy", "read_float", "train_float"]

BATCH = 128


class LeNet5(nn.Module):
    """Two 5x5 convolutions with maximum pools, three dense layers; no norms."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


class _PreActivation(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.first = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU())
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        changed = stride != 1 or inputs != outputs
        self.down = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
            if changed
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        a = self.first(x)
        return (x if self.down is None else self.down(a)) + self.branch(a)


class SmallResNet(nn.Module):
    """The zoo's small-resnet in full precision: a stem of 5x5 at stride 2, three blocks of 16, 32 and 64
    channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 5, 2, 2, bias=False), nn.BatchNorm2d(16))
        self.blocks = nn.Sequential(
            _PreActivation(16, 16, 1), _PreActivation(16, 32, 2), _PreActivation(32, 64, 2)
        )
        self.last = nn.Sequential(
            nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.blocks(self.stem(x)))


class _PostActivation(nn.Module):
    """MLPerf Tiny's block: convolutions with biases, a shortcut convolution without a norm."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride) if stride != 1 else None

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.branch(x) + (x if self.shortcut is None else self.shortcut(x)))


class ResNet8(nn.Module):
    """ResNet8 of MLPerf Tiny (Banbury et al., 2021): 78k weights, 12.5 million multiplications."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU())
        self.blocks = nn.Sequential(
            _PostActivation(16, 16, 1), _PostActivation(16, 32, 2), _PostActivation(32, 64, 2)
        )
        self.last = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.blocks(self.stem(x)))


@dataclass(frozen=True)
class Net:
    """A network with its data and recipe: SGD with Nesterov momentum 0.9, one cycle up to ``rate``, weight
    decay 5e-4, batches of 128.

    pad, flip : augmentation;  half : forward pass in bfloat16;  file : what others trained, in the place of
    a recipe
    """

    label: str
    data: str
    make: Callable[[], nn.Module] = nn.Identity
    epochs: int = 0
    rate: float = 0.0
    pad: int = 0
    flip: bool = False
    half: bool = False
    file: str = ""


NETS = {
    "lenet5": Net("LeNet-5", "mnist", LeNet5, 6, 0.05),
    "small-resnet": Net("small residual network", "fashion-mnist", SmallResNet, 8, 0.2, 2, True, True),
    "resnet8": Net("ResNet8 (MLPerf Tiny)", "cifar10", ResNet8, 16, 0.2, 4, True, True),
    "ic-resnet8": Net("ResNet8 as MLPerf Tiny has it", "cifar10", file="ic_resnet8_float.tflite"),
}


def _real(images: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).float() / 255


@torch.no_grad()
def accuracy(model: nn.Module, part: Part, raw: bool, batch: int = 250) -> float:
    """Share of correct answers; ``raw``: the model takes uint8 pixels."""
    model.eval()
    right = 0
    for start in range(0, len(part), batch):
        images = part.images[start : start + batch]
        answer = (
            model(torch.from_numpy(np.ascontiguousarray(images)) if raw else _real(images)).argmax(1).numpy()
        )
        right += int((answer == part.labels[start : start + batch]).sum())
    return right / len(part)


def _checked(state: Any, model: nn.Module, path: Path) -> dict[str, Any]:
    if not isinstance(state, dict) or set(state.get("model", {})) != set(model.state_dict()):
        raise InputError(
            f"{path}: not a checkpoint of this network: give another folder, or delete the file to train anew"
        )
    return state


def read_float(net: Net, path: str | Path) -> nn.Module:
    """The trained network in evaluation mode, from a checkpoint of :func:`train_float`."""
    model = net.make()
    state = _checked(torch.load(path, map_location="cpu", weights_only=True), model, Path(path))
    model.load_state_dict(state["model"])
    return model.eval()


def train_float(
    net: Net, data: Data, path: str | Path, *, epochs: int | None = None, say: Callable[[str], None] = print
) -> nn.Module:
    """Train ``net`` up to its epochs, from the last epoch in the checkpoint ``path``; order and augmentation
    depend on the epoch alone."""
    path, epochs = Path(path), net.epochs if epochs is None else epochs
    torch.manual_seed(1)
    model = net.make().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps = len(data.train) // BATCH
    optimizer = torch.optim.SGD(model.parameters(), net.rate, 0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, net.rate, total_steps=epochs * steps, pct_start=0.25
    )
    first = 0
    if path.exists():
        state = _checked(torch.load(path, map_location="cpu", weights_only=True), model, path)
        if state["epochs"] != epochs:
            raise InputError(
                f"{path}: begun for {state['epochs']} epochs, not {epochs}: give another folder, or delete "
                "the file"
            )
        model.load_state_dict(state["model"])
        if state["epoch"] >= epochs:
            return model.eval()
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        first = state["epoch"]
    for epoch in range(first, epochs):
        started, loss = time.perf_counter(), _epoch(net, model, data.train, optimizer, schedule, epoch)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(
            {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "epoch": epoch + 1,
                "epochs": epochs,
            },
            f"{path}.part",
        )
        os.replace(f"{path}.part", path)
        say(
            f"{net.label}: epoch {epoch + 1} of {epochs}, loss {loss:.4f}, "
            f"{time.perf_counter() - started:.0f} s"
        )
    return model.eval()


def _epoch(
    net: Net, model: nn.Module, part: Part, optimizer: torch.optim.Optimizer, schedule: Any, epoch: int
) -> float:
    rng, total, steps = np.random.default_rng(1000 + epoch), 0.0, len(part) // BATCH
    order = rng.permutation(len(part))
    model.train()
    for step in range(steps):
        chosen = order[step * BATCH : (step + 1) * BATCH]
        images = part.images[chosen]
        if net.pad or net.flip:
            images = augment(images, rng, net.pad, net.flip)
        x = _real(images).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=net.half):
            logits = model(x)
        loss = functional.cross_entropy(logits.float(), torch.from_numpy(part.labels[chosen]))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        total += float(loss.detach())
    return total / steps
