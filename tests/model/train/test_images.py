"""Image trees: any sizes, corrupt files named, the same batches whatever reads them, and a run over them that
is killed."""

import json
import os

import numpy as np
import pytest
import torch

from fermatnet.model.errors import InputError
from fermatnet.model.train.images.loader import Corrupt, StreamBatches, StreamPart
from fermatnet.model.train.images.transforms import Recipe, decode
from fermatnet.model.train.images.tree import read_tree
from fermatnet.model.train.loop import Phase
from fermatnet.model.train.options import Options
from fermatnet.model.train.parts import Cut
from fermatnet.model.train.run import train
from fermatnet.model.train.source import check_source, open_source

Image = pytest.importorskip("PIL.Image")
MODES = ("RGB", "L", "P", "RGBA", "CMYK", "1")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Two classes, 24 training and 8 test images of every size and mode, one truncated and one of text."""
    root = tmp_path_factory.mktemp("tree")
    rng = np.random.default_rng(0)
    for side, count in (("train", 12), ("val", 4)):
        for label, name in enumerate(("n01", "n02")):
            (root / side / name).mkdir(parents=True)
            for number in range(count):
                high, wide = rng.integers(9, 60, 2)
                pixels = rng.integers(0, 120, (high, wide, 3)) + 120 * label
                picture = Image.fromarray(pixels.astype(np.uint8)).convert(MODES[number % 6])
                ending = "png" if number % 6 in (2, 3, 5) else "JPEG"
                picture.save(root / side / name / f"{number:03}.{ending}")
    (root / "train/n01/notes.txt").write_text("not an image, and not meant to be one")
    (root / "train/n02/900.jpg").write_text("this is no image")
    whole = (root / "train/n01/000.JPEG").read_bytes()
    (root / "train/n01/901.JPEG").write_bytes(whole[: len(whole) // 2])
    return root


def part(tree, workers=0, rule="skip", **recipe):
    index = read_tree(tree)[0]
    return StreamPart(index, Recipe(16, 20, **recipe), workers, Corrupt(rule))


def test_tree(tree):
    train_index, test_index, classes, digest = read_tree(tree)
    assert classes == ("n01", "n02") and len(train_index) == 26 and len(test_index) == 8
    assert np.bincount(train_index.labels).tolist() == [13, 13]
    assert read_tree(tree)[3] == digest != read_tree(tree / "train")[3]
    assert [len(index) for index in read_tree(tree / "train")[:2]] == [20, 6]  # a fifth of each class
    with pytest.raises(InputError, match="0 class folders"):
        read_tree(tree / "train/n01")
    with pytest.raises(InputError, match="no such folder"):
        check_source(f"imagenet:{tree / 'nowhere'}")


@pytest.mark.parametrize("crop", ["centre", "scale", "resized"])
def test_every_mode_and_size_becomes_one_shape(tree, crop):
    recipe = Recipe(16, 20, crop, flip=True, jitter=0.4, lighting=0.1)
    for number, name in enumerate(sorted(os.listdir(tree / "val/n01"))):
        path = tree / "val/n01" / name
        pixels = decode(path, recipe, np.random.default_rng(number))
        assert pixels.shape == (3, 16, 16) and pixels.dtype == np.uint8
        assert np.array_equal(pixels, decode(path, recipe, np.random.default_rng(number)))


def test_the_centre_crop_is_the_middle(tmp_path):
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[10:30, 30:50] = 200  # the middle half of the height
    Image.fromarray(pixels).save(tmp_path / "x.png")
    middle = decode(tmp_path / "x.png", Recipe(16, 32))
    assert (middle[:, 1:-1, 1:-1] == 200).all()
    deep = np.full((8, 8), 40000, np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert abs(int(decode(tmp_path / "deep.png", Recipe(4, 4)).mean()) - 40000 // 256) <= 1


def test_batches_do_not_depend_on_workers_or_processes(tree):
    how = {"crop": "resized", "flip": True, "jitter": 0.2}
    single = list(StreamBatches(part(tree, **how), 8, 3).epoch(1))
    assert len(single) == 3 and sum(len(labels) for _, labels in single) >= 22  # two are corrupt
    many = list(StreamBatches(part(tree, workers=2, **how), 8, 3).epoch(1))
    late = list(StreamBatches(part(tree, **how), 8, 3).epoch(1, 2))
    for (a, x), (b, y) in zip([*single, single[2]], [*many, *late], strict=True):
        assert torch.equal(a, b) and torch.equal(x, y)
    halves = [list(StreamBatches(part(tree, **how), 8, 3, cut=Cut(r, 2)).epoch(1)) for r in (0, 1)]
    for number, (images, _) in enumerate(single):
        both = torch.cat([half[number][0] for half in halves])
        key = lambda x: sorted(image.numpy().tobytes() for image in x)  # noqa: E731
        assert key(both) == key(images)
    assert not torch.equal(single[0][0], next(StreamBatches(part(tree, **how), 8, 3).epoch(2))[0])


def test_parts_lose_their_own_files_whoever_computes_them(tree):
    kept = next(StreamBatches(part(tree), 25, 0, cut=Cut(first=2)).parts_of(0))
    two = [next(StreamBatches(part(tree), 25, 0, cut=Cut(rank, 2)).parts_of(0)) for rank in (0, 1)]
    assert [len(images) for images in kept[0]] == [len(labels) for _, labels in two]
    assert len(kept[1]) < 25 and torch.equal(kept[1], torch.cat([labels for _, labels in two]))
    assert all(torch.equal(one, images[0]) for one, (images, _) in zip(kept[0], two, strict=True))


def test_corrupt_files_are_named_and_counted_or_refused(tree):
    stream = part(tree)
    list(StreamBatches(stream, 13, 0).epoch(0))
    assert sorted(stream.corrupt.names) == ["train/n01/901.JPEG", "train/n02/900.jpg"]
    with pytest.raises(InputError, match=r"90.*cannot be read as an image.*--corrupt skip") as caught:
        list(StreamBatches(part(tree, workers=1, rule="refuse"), 13, 0).epoch(0))
    assert "\n" not in str(caught.value) and " at 0x" not in str(caught.value)
    assert sum(len(labels) for _, labels in stream.chunks(5)) == 24


def test_sizes(tree):
    with pytest.raises(InputError, match="--size N takes images of any size"):
        open_source(f"images:{tree}", Options())
    assert open_source(f"images:{tree}", Options(size=16, workers=0)).shape == (3, 16, 16)
    assert open_source(f"imagenet:{tree}", Options(workers=0)).shape == (3, 224, 224)
    with pytest.raises(InputError, match="shorter edge before a crop"):
        open_source(f"images:{tree}", Options(size=32, resize=30))
    with pytest.raises(InputError, match="has a size of its own"):
        open_source("digits", Options(size=32))


RUN = {"epochs": 2, "float_epochs": 2, "batch": 8, "size": 16, "workers": 1, "corrupt": "skip", "threads": 1}
NET = {"network": {"width": 4}, "progress": False}


def test_a_run_that_stops_in_the_middle_of_an_epoch_goes_on_to_the_same_weights(tree, tmp_path, monkeypatch):
    data = f"images:{tree}"
    train("small-resnet", data, tmp_path / "whole", **RUN, **NET)
    step = Phase._step

    def stops(self, *arguments):
        step(self, *arguments)
        if self.name == "quantized" and (self.epoch, self.step) == (1, 2):
            raise KeyboardInterrupt

    monkeypatch.setattr(Phase, "_step", stops)
    with pytest.raises(KeyboardInterrupt):
        train("small-resnet", data, tmp_path / "cut", **RUN, checkpoint_steps=1, **NET)
    monkeypatch.setattr(Phase, "_step", step)
    state = torch.load(tmp_path / "cut/checkpoint.pt", weights_only=True)["state"]
    assert (state["epoch"], state["step"]) == (1, 1)
    train("small-resnet", data, tmp_path / "cut", resume=True, **RUN | {"workers": 0}, **NET)
    paths = [tmp_path / name for name in ("whole", "cut")]
    runs = [torch.load(path / "quantized.pt", weights_only=True)["model"] for path in paths]
    assert all(torch.equal(runs[0][key], runs[1][key]) for key in runs[0])
    metrics = [(tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("whole", "cut")]
    losses = [[json.loads(line)["loss"] for line in lines] for lines in metrics]
    assert losses[0] == losses[1]
    summary = json.loads((tmp_path / "whole/summary.json").read_text())
    assert summary["corrupt"]["count"] == 2 and summary["test_images"] == 8 and summary["peak_memory_mb"] > 10
