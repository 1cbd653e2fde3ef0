"""Data: the fixed split, formats read and checked, bad folders refused in one line, augmentation."""

import gzip
import hashlib

import numpy as np
import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.train.batches import Batches, augment
from fermatnet.model.train.data import HELD_OUT, Data, Part, digits, load
from fermatnet.model.train.parts import Cut


def test_digits_split_is_fixed_and_stratified():
    data = digits()
    assert (
        data.shape == (1, 8, 8) and len(data.test) == HELD_OUT and len(data.train) == 1437 and data.bits == 5
    )
    assert np.bincount(data.test.labels).tolist() == [36, 37, 35, 37, 36, 36, 36, 36, 35, 36]
    held = {image.tobytes() for image in data.test.images}
    assert not any(image.tobytes() in held for image in data.train.images)
    assert hashlib.sha256(data.test.images.tobytes()).hexdigest()[:16] == SPLIT


SPLIT = "ae40b2fbb3604c9f"


def write_idx(path, array, gz=False):
    raw = (
        bytes([0, 0, 8, array.ndim])
        + np.array(array.shape, ">u4").tobytes()
        + array.astype(np.uint8).tobytes()
    )
    path.write_bytes(gzip.compress(raw) if gz else raw)


def mnist_folder(tmp_path, gz=True):
    rng = np.random.default_rng(0)
    for stem, count in (("train", 30), ("t10k", 10)):
        write_idx(
            tmp_path / f"{stem}-images-idx3-ubyte{'.gz' if gz else ''}",
            rng.integers(0, 256, (count, 28, 28)),
            gz,
        )
        write_idx(tmp_path / f"{stem}-labels-idx1-ubyte{'.gz' if gz else ''}", np.arange(count) % 10, gz)
    return tmp_path


@pytest.mark.parametrize("gz", [True, False])
def test_idx(tmp_path, gz):
    data = load(f"mnist:{mnist_folder(tmp_path, gz)}")
    assert data.train.images.shape == (30, 1, 28, 28) and data.test.labels.tolist() == list(range(10))


def test_damaged_idx_is_one_line(tmp_path):
    folder = mnist_folder(tmp_path)
    path = folder / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    for damaged, words in (
        (whole[:200], "cannot be read whole"),
        (gzip.compress(gzip.decompress(whole)[:-5]), "truncated or damaged"),
        (gzip.compress(b"not idx at all"), "not an IDX file"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=words) as caught:
            load(f"mnist:{folder}")
        assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(InputError, match="half-copied"):
        load(f"mnist:{folder}")


def test_labels_out_of_range_and_counts_that_differ(tmp_path):
    folder = mnist_folder(tmp_path)
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", np.array([10] * 10), True)
    with pytest.raises(InputError, match="labels run from 10 to 10, there are 10 classes"):
        load(f"mnist:{folder}")
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", np.arange(9), True)
    with pytest.raises(InputError, match="10 t10k images but 9 labels"):
        load(f"mnist:{folder}")


@pytest.mark.parametrize("count, lead", [(10, 1), (100, 2)])
def test_cifar(tmp_path, count, lead):
    rng = np.random.default_rng(1)
    names = (
        [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
        if count == 10
        else ["train.bin", "test.bin"]
    )
    rows = {}
    for name in names:
        rows[name] = rng.integers(0, 256, (12, lead + 3072)).astype(np.uint8)
        rows[name][:, :lead] = rng.integers(0, 10, (12, lead))
        (tmp_path / name).write_bytes(rows[name].tobytes())
    data = load(f"cifar{count}:{tmp_path}")
    assert data.shape == (3, 32, 32) and len(data.classes) == count
    np.testing.assert_array_equal(data.test.labels, rows[names[-1]][:, lead - 1])
    np.testing.assert_array_equal(data.test.images[3, 2, 31, 31], rows[names[-1]][3, -1])
    (tmp_path / names[0]).write_bytes(rows[names[0]].tobytes()[:-1])
    with pytest.raises(InputError, match="truncated"):
        load(f"cifar{count}:{tmp_path}")


def folders(tmp_path, split=False):
    rng = np.random.default_rng(2)
    for side in ("train", "test") if split else ("",):
        for name in ("cat", "dog"):
            (tmp_path / side / name).mkdir(parents=True)
            for i in range(6):
                pixels = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
                (tmp_path / side / name / f"{i}.ppm").write_bytes(
                    b"P6 # a comment\n7 5\n255\n" + pixels.tobytes()
                )
    return tmp_path


@pytest.mark.parametrize("split", [True, False])
def test_class_folders(tmp_path, split):
    data = load(f"images:{folders(tmp_path, split)}")
    assert data.classes == ("cat", "dog") and data.shape == (3, 5, 7)
    assert (len(data.train), len(data.test)) == ((12, 12) if split else (10, 2))


def test_bad_class_folders(tmp_path):
    folder = folders(tmp_path)
    (folder / "cat" / "x.pgm").write_bytes(b"P5 7 5 255\n" + bytes(35))
    with pytest.raises(InputError, match=r"x\.pgm is 1x5x7, the images before it are 3x5x7"):
        load(f"images:{folder}")
    (folder / "cat" / "x.pgm").write_bytes(b"P5 7 5 255\n" + bytes(3))
    with pytest.raises(InputError, match="holds 3 bytes"):
        load(f"images:{folder}")
    with pytest.raises(InputError, match="at least two"):
        load(f"images:{folder / 'cat'}")


def test_png_is_read_by_pillow(tmp_path):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(5):
            image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    np.testing.assert_array_equal(load(f"images:{tmp_path}").train.images[0], pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("what", ["nothing", "mnist", "mnist:/no/such/folder", "cifar10:/"])
def test_unknown_data(what):
    with pytest.raises(InputError):
        load(what)


def test_pixels_out_of_range_are_refused():
    part = Part(np.full((3, 1, 4, 4), 20, np.uint8), np.zeros(3, np.int64))
    with pytest.raises(InputError, match="pixels lie outside"):
        Data("x", part, part, ("a",), (0, 16))


def test_batches_depend_on_seed_and_epoch_alone_and_split_by_process():
    data = digits().train
    batches = [(x.numpy().copy(), y.numpy()) for x, y in Batches(data, 64, 7, pad=1, flip=True).epoch(3)]
    again = list(Batches(data, 64, 7, pad=1, flip=True).epoch(3))
    other = list(Batches(data, 64, 7, pad=1, flip=True).epoch(4))
    assert all((a == b.numpy()).all() for (a, _), (b, _) in zip(batches, again, strict=True))
    assert any((a != b.numpy()).any() for (a, _), (b, _) in zip(batches, other, strict=True))
    halves = [list(Batches(data, 64, 7, pad=1, flip=True, cut=Cut(r, 2)).epoch(3)) for r in (0, 1)]
    joined = np.empty_like(batches[0][0])
    joined[0::2], joined[1::2] = halves[0][0][0], halves[1][0][0]
    np.testing.assert_array_equal(joined, batches[0][0])


def test_augmentation_shifts_and_flips():
    images = np.zeros((200, 1, 5, 5), np.uint8)
    images[:, 0, 2, 1] = 9
    moved = augment(images, np.random.default_rng(0), 1, True)
    places = {tuple(np.argwhere(image[0] == 9)[0]) for image in moved}
    assert (
        places
        == {(y, x) for y in (1, 2, 3) for x in (0, 1, 2, 3, 4)} - {(y, x) for y in (1, 2, 3) for x in ()}
        and (moved.sum((1, 2, 3)) == 9).all()
    )
