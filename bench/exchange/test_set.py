"""An int8 TensorFlow Lite classifier on a whole test set: the network's integers beside LiteRT's reference
kernels, and the accuracy of both.

``python -m fermatnet.bench.exchange.test_set --model FILE.tflite --data cifar10:DIR --count 1000``. The
images go in as LiteRT's own uint8 input would take them: pixel + zero point, for a model whose input scale is
1 or 1/255.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
from rich.progress import track

from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError
from fermatnet.model.exchange import tflite
from fermatnet.model.network import Network, run
from fermatnet.model.train import data as datasets

__all__ = ["Score", "pixels", "score"]

_AT_A_TIME = 100


@dataclass(frozen=True)
class Score:
    """``different``: integers among ``outputs`` that are not LiteRT's. The accuracies are shares of
    ``images``; ties go to the first class."""

    model: str
    data: str
    images: int
    outputs: int
    different: int
    network_accuracy: float
    litert_accuracy: float


def pixels(net: Network, images: np.ndarray) -> np.ndarray:
    """uint8 images (n, C, H, W) as the integers that ``net`` takes. InputError where its input is not made
    for pixels 0..255, or not of their shape."""
    zero = int(net.meta["input_zero"])
    if round(float(net.meta["input_scale"]) * 255) not in (1, 255) or net.input_range != (zero, zero + 255):
        raise InputError("the model's input does not stand for pixels of 0 to 255, a scale of 1 or 1/255")
    if images.shape[1:] != net.input_dims:
        raise InputError(f"the model takes {net.input_dims}, the data are {images.shape[1:]}")
    return (images.astype(np.int16) + zero).astype(net.input_dtype)


def score(path: Path, data: str, count: int) -> Score:
    """The first ``count`` test images of ``data`` through the network of ``path`` and through LiteRT; all of
    them where there are fewer."""
    net, test = tflite.read(path), datasets.load(data).test
    images, labels = pixels(net, test.images[:count]), test.labels[:count]
    different, right = 0, np.zeros(2, np.int64)
    for start in track(range(0, len(images), _AT_A_TIME), description="images", transient=True):
        part = slice(start, start + _AT_A_TIME)
        own, theirs = run(net, images[part]), tflite.outputs(path, net, images[part])
        different += int((own != theirs).sum())
        right += [int((answer.argmax(1) == labels[part]).sum()) for answer in (own, theirs)]
    accuracy = (right / len(images)).tolist()
    name = data.partition(":")[0]
    return Score(path.stem, name, len(images), len(images) * net.classes, different, *accuracy)


@click.command()
@click.option("--model", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--data", required=True, help="cifar10:DIR, for instance")
@click.option("--count", default=1000, show_default=True, help="images")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="write the score here")
def main(model: Path, data: str, count: int, file: Path | None) -> None:
    """A test set through an int8 model: equal to LiteRT? and how often right?"""
    found = score(model, data, count)
    print(
        f"{found.model}, {found.images} test images of {found.data}: {found.different} of {found.outputs} "
        f"outputs differ from LiteRT; accuracy {found.network_accuracy:.2%}, "
        f"LiteRT {found.litert_accuracy:.2%}"
    )
    if file is not None:
        with atomic_file(file) as temporary:
            temporary.write_text(json.dumps(asdict(found), indent=1) + "\n")
    raise SystemExit(1 if found.different else 0)


if __name__ == "__main__":
    main()
