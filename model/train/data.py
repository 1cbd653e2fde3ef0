"""Datasets as two arrays of raw integers with labels, checked before anything starts; nothing is ever
unpickled.

``load("digits")``, ``load("mnist:DIR")``, ``load("fashion-mnist:DIR")``, ``load("cifar10:DIR")``,
``load("cifar100:DIR")``, ``load("images:DIR")``, ``load("arrays:FILE.npz")``.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.train import files
from fermatnet.model.train.arrays import read
from fermatnet.model.train.targets import Targets

__all__ = ["HELD_OUT", "Data", "Part", "check_name", "digits", "load"]

HELD_OUT = 360  # of the bundled digits: never trained or selected on


@dataclass(frozen=True)
class Part:
    """images (n, C, H, W) of raw integers, uint8 for pictures; labels int64 (n,) or (n, H, W) of classes, or
    float32 (n, K) or (n, C, H, W) of values."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def split(self, fraction: float, seed: int) -> tuple["Part", "Part"]:
        """(rest, part of ``fraction``), stratified by label where that is one class, fixed by the seed."""
        rng = np.random.default_rng(seed)
        mask = np.zeros(len(self), bool)
        strata = self.labels if self.labels.ndim == 1 else np.zeros(len(self), np.int64)
        for label in np.unique(strata):
            where = np.flatnonzero(strata == label)
            mask[rng.permutation(where)[: round(fraction * len(where))]] = True
        return Part(self.images[~mask], self.labels[~mask]), Part(self.images[mask], self.labels[mask])


@dataclass(frozen=True)
class Data:
    """A dataset with its fixed test part. ``mean`` and ``std`` a channel are of the training pixels, in raw
    units."""

    name: str
    train: Part
    test: Part
    classes: tuple[str, ...]
    value_range: tuple[int, int] = (0, 255)
    sha256: str = field(default="")

    def __post_init__(self) -> None:
        for what, part in (("training", self.train), ("test", self.test)):
            if part.images.dtype.kind not in "iu" or part.images.dtype.itemsize > 2 or part.images.ndim != 4:
                raise InputError(
                    f"{self.name}: {what} images must be uint8, int8, uint16 or int16 (n, C, H, W), not "
                    f"{part.images.dtype} {part.images.shape}"
                )
            if len(part.images) != len(part.labels) or len(part) == 0:
                raise InputError(
                    f"{self.name}: {len(part.images)} {what} images with {len(part.labels)} labels"
                )
            low, high = (0, 0) if self.real else (int(part.labels.min()), int(part.labels.max()))
            if low < 0 or high >= len(self.classes):
                raise InputError(
                    f"{self.name}: {what} labels run from {low} to {high}, there are {len(self.classes)} "
                    "classes"
                )
            if part.images.min() < self.value_range[0] or part.images.max() > self.value_range[1]:
                raise InputError(f"{self.name}: {what} pixels lie outside {self.value_range}")
        if self.train.images.shape[1:] != self.test.images.shape[1:]:
            raise InputError(
                f"{self.name}: training images are {self.train.images.shape[1:]}, test images "
                f"{self.test.images.shape[1:]}"
            )
        digest = hashlib.sha256()
        for part in (self.train, self.test):
            digest.update(np.ascontiguousarray(part.images).data)
            digest.update(part.labels.astype("<f4" if self.real else "<i8").tobytes())
        object.__setattr__(self, "sha256", digest.hexdigest())

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of an image."""
        return tuple(self.train.images.shape[1:])  # type: ignore[return-value]

    @property
    def real(self) -> bool:
        """Whether values are learned, not classes."""
        return self.train.labels.dtype.kind == "f"

    @property
    def targets(self) -> Targets:
        """What the training part's labels are."""
        return Targets.of(self.train.labels, len(self.classes))

    @property
    def signed(self) -> bool:
        """Whether samples below 0 may come in."""
        return self.value_range[0] < 0

    @property
    def bits(self) -> int:
        """Width of a pixel, its sign included."""
        low, high = self.value_range
        return max((-low - 1).bit_length(), high.bit_length()) + 1 if low < 0 else high.bit_length()


def digits() -> Data:
    """scikit-learn's 1797 real 8x8 digits in 0..16; a fixed stratified split with 360 held out."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError("the digits data needs scikit-learn: pip install 'fermatnet[train]'") from error
    raw = load_digits()
    images, labels = raw.images.astype(np.uint8)[:, None], raw.target.astype(np.int64)
    # The split is our own rule, not a library's, so that no version changes it: of each class a share by
    # largest remainder, drawn by PCG64.
    counts = np.bincount(labels)
    exact = counts * HELD_OUT / len(labels)
    share = np.floor(exact).astype(int)
    share[np.argsort(share - exact, kind="stable")[: HELD_OUT - share.sum()]] += 1
    rng = np.random.Generator(np.random.PCG64(20201121))
    held = np.zeros(len(labels), bool)
    for label, count in enumerate(share):
        held[rng.permutation(np.flatnonzero(labels == label))[:count]] = True
    return Data(
        "digits",
        Part(images[~held], labels[~held]),
        Part(images[held], labels[held]),
        tuple("0123456789"),
        (0, 16),
    )


FASHION = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


def _idx_data(name: str, folder: Path, classes: tuple[str, ...]) -> Data:
    parts = []
    for stem in ("train", "t10k"):
        images = files.read_idx(files.find(folder, f"{stem}-images-idx3-ubyte", f"{stem}-images.idx3-ubyte"))
        labels = files.read_idx(files.find(folder, f"{stem}-labels-idx1-ubyte", f"{stem}-labels.idx1-ubyte"))
        if images.ndim != 3 or labels.ndim != 1:
            raise InputError(
                f"{folder}: {stem} files hold {images.ndim}- and {labels.ndim}-dimensional arrays, not "
                "images and labels"
            )
        if len(images) != len(labels):
            raise InputError(f"{folder}: {len(images)} {stem} images but {len(labels)} labels")
        parts.append(Part(images[:, None], labels.astype(np.int64)))
    return Data(name, parts[0], parts[1], classes)


def _cifar(name: str, folder: Path, count: int) -> Data:
    train, test, classes = files.read_cifar(folder, count)
    return Data(name, Part(*train), Part(*test), classes)


def _images(folder: Path) -> Data:
    images, labels, classes, split = files.read_class_folders(folder)
    whole = Part(images, labels)
    if split is not None:
        return Data(
            "images", Part(images[~split], labels[~split]), Part(images[split], labels[split]), classes
        )
    train, test = whole.split(0.2, 0)
    return Data("images", train, test, classes)


def _arrays(path: Path) -> Data:
    held = read(path)
    return Data("arrays", Part(*held.train), Part(*held.test), held.classes, held.value_range)


_LOADERS: dict[str, Callable[[Path], Data]] = {
    "mnist": lambda folder: _idx_data("mnist", folder, tuple("0123456789")),
    "fashion-mnist": lambda folder: _idx_data("fashion-mnist", folder, FASHION),
    "cifar10": lambda folder: _cifar("cifar10", folder, 10),
    "cifar100": lambda folder: _cifar("cifar100", folder, 100),
    "images": _images,
}


def check_name(what: str) -> None:
    """InputError unless ``what`` names a kind of data and, where that needs one, a folder that is there;
    nothing is read."""
    if what == "digits":
        return
    name, _, folder = what.partition(":")
    if name not in _LOADERS and name != "arrays":
        folders = ", ".join(f"{key}:DIR" for key in _LOADERS)
        raise InputError(f"no data is called {what!r}; there are digits, {folders}, arrays:FILE.npz")
    if name == "arrays":
        if not Path(folder).expanduser().is_file():
            raise InputError(f"{folder or 'arrays:'}: no such file: write arrays:FILE.npz")
        return
    if not folder:
        raise InputError(f"{name} needs a folder: {name}:DIR")
    if not Path(folder).expanduser().is_dir():
        raise InputError(f"{folder}: no such folder")


def load(what: str) -> Data:
    """The dataset that ``what`` names; InputError in one line when it is missing, half-copied or damaged."""
    check_name(what)
    if what == "digits":
        return digits()
    name, _, folder = what.partition(":")
    if name == "arrays":
        return _arrays(Path(folder).expanduser())
    return _LOADERS[name](Path(folder).expanduser())
