"""Readers of the file formats datasets come in: IDX, CIFAR's binary files, folders of images. Each checks
sizes before it believes them."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from fermatnet.model.errors import InputError

__all__ = ["SUFFIXES", "find", "read_cifar", "read_class_folders", "read_idx", "read_image", "unreadable"]

SUFFIXES = (".png", ".ppm", ".pgm", ".bmp", ".jpg", ".jpeg")


def find(folder: Path, *stems: str) -> Path:
    """The first of ``stems`` in the folder, plain or .gz."""
    for stem in stems:
        for name in (stem, f"{stem}.gz"):
            if (folder / name).is_file():
                return folder / name
    raise InputError(f"{folder} has no {stems[0]} (plain or .gz): the data is missing or half-copied")


def _bytes(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read whole: {error}") from error


def read_idx(path: Path) -> np.ndarray:
    """uint8 array of an IDX file (LeCun): magic 0, 0, 8, rank, then big-endian sizes."""
    raw = _bytes(path)
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08" or not 1 <= raw[3] <= 4 or len(raw) < 4 + 4 * raw[3]:
        raise InputError(f"{path} is not an IDX file of bytes")
    shape = tuple(int(size) for size in np.frombuffer(raw, ">u4", raw[3], 4))
    start = 4 + 4 * raw[3]
    if len(raw) - start != int(np.prod(shape, dtype=np.int64)):
        raise InputError(
            f"{path} holds {len(raw) - start} bytes where its header says {'x'.join(map(str, shape))}: "
            "truncated or damaged"
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def read_cifar(
    folder: Path, count: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray], tuple[str, ...]]:
    """((images, labels) of training, of test, class names) of CIFAR-10 or CIFAR-100 in the authors' binary
    version."""
    for inner in ("cifar-10-batches-bin" if count == 10 else "cifar-100-binary", ""):
        if (folder / inner / ("data_batch_1.bin" if count == 10 else "train.bin")).is_file():
            folder = folder / inner
            break
    lead = 1 if count == 10 else 2  # label bytes; CIFAR-100 has coarse, fine
    names = (
        ([f"data_batch_{i}.bin" for i in range(1, 6)], ["test_batch.bin"])
        if count == 10
        else (["train.bin"], ["test.bin"])
    )
    parts = []
    for group in names:
        rows = []
        for name in group:
            path = folder / name
            if not path.is_file():
                raise InputError(f"{folder} has no {name}: the data is missing or half-copied")
            raw = path.read_bytes()
            if not raw or len(raw) % (lead + 3072):
                raise InputError(
                    f"{path} has {len(raw)} bytes, not a multiple of {lead + 3072}: truncated or not "
                    f"CIFAR-{count}"
                )
            rows.append(np.frombuffer(raw, np.uint8).reshape(-1, lead + 3072))
        table = np.concatenate(rows)
        parts.append((table[:, lead:].reshape(-1, 3, 32, 32).copy(), table[:, lead - 1].astype(np.int64)))
    listing = folder / ("batches.meta.txt" if count == 10 else "fine_label_names.txt")
    words = listing.read_text().split() if listing.is_file() else []
    return parts[0], parts[1], tuple(words) if len(words) == count else tuple(str(i) for i in range(count))


def _netpbm(path: Path, raw: bytes) -> np.ndarray:
    fields: list[bytes] = []
    at = 0
    while len(fields) < 4 and at < len(raw):
        while at < len(raw) and raw[at : at + 1].isspace():
            at += 1
        if raw[at : at + 1] == b"#":
            at = raw.find(b"\n", at) + 1 or len(raw)
            continue
        end = at
        while end < len(raw) and not raw[end : end + 1].isspace():
            end += 1
        fields.append(raw[at:end])
        at = end
    channels = {b"P5": 1, b"P6": 3}.get(fields[0] if fields else b"")
    if (
        channels is None
        or len(fields) < 4
        or not all(field.isdigit() for field in fields[1:])
        or fields[3] != b"255"
    ):
        raise InputError(f"{path} is not an 8-bit binary PGM or PPM")
    width, height = int(fields[1]), int(fields[2])
    body = raw[at + 1 :]
    if len(body) != width * height * channels:
        raise InputError(f"{path} holds {len(body)} bytes where its header says {height}x{width}x{channels}")
    return np.frombuffer(body, np.uint8).reshape(height, width, channels).transpose(2, 0, 1)


def unreadable(error: Exception) -> str:
    """Why Pillow cannot read an image, in one line, without the address of an object in memory."""
    if type(error).__name__ == "UnidentifiedImageError":
        return "no format that Pillow knows"
    return (str(error).splitlines() or ["it ends too early"])[0]


def read_image(path: Path) -> np.ndarray:
    """uint8 (C, H, W) of one image, C 1 or 3. PGM and PPM are read here, everything else by Pillow."""
    if path.suffix.lower() in (".ppm", ".pgm"):
        return _netpbm(path, path.read_bytes())
    try:
        from PIL import Image
    except ImportError as error:
        raise InputError(
            f"{path}: reading {path.suffix} files needs Pillow (pip install pillow); PGM and PPM need nothing"
        ) from error
    try:
        with Image.open(path) as picture:
            picture.load()
            pixels = np.asarray(
                picture.convert("L" if picture.mode in ("1", "L", "I;16") else "RGB"), np.uint8
            )
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be read as an image: {unreadable(error)}") from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1).copy()


def read_class_folders(folder: Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], np.ndarray | None]:
    """(images, labels, classes, mask of test images or None).

    Either DIR/CLASS/IMAGE, or DIR/train/CLASS/IMAGE and DIR/test/CLASS/IMAGE (``val`` is taken too). All
    images of one size.
    """
    train, test = (
        folder / "train",
        next((folder / name for name in ("test", "val") if (folder / name).is_dir()), None),
    )
    sides = [(train, False), (test, True)] if train.is_dir() and test is not None else [(folder, False)]
    folders = [child for side, _ in sides for child in side.iterdir()]  # type: ignore[union-attr]
    classes = sorted({child.name for child in folders if child.is_dir()})
    if len(classes) < 2:
        raise InputError(f"{folder} has {len(classes)} class folders; at least two are needed")
    images: list[np.ndarray] = []
    labels: list[int] = []
    split: list[bool] = []
    for side, is_test in sides:
        for label, name in enumerate(classes):
            paths = sorted(path for path in (side / name).glob("*") if path.suffix.lower() in SUFFIXES)  # type: ignore[operator]
            if not paths:
                raise InputError(f"{side / name} has no images")  # type: ignore[operator]
            for path in paths:
                image = read_image(path)
                if images and image.shape != images[0].shape:
                    raise InputError(
                        f"{path} is {'x'.join(map(str, image.shape))}, the images before it are "
                        f"{'x'.join(map(str, images[0].shape))}: --size N takes images of any size"
                    )
                images.append(image)
                labels.append(label)
                split.append(is_test)
    mask = np.array(split)
    return np.stack(images), np.array(labels, np.int64), tuple(classes), mask if mask.any() else None
