"""The host against a board in Python with every fault of the line: right results, or one line."""

import json
import random
import struct
import zlib

import numpy as np
import pytest

import fermatnet as fn
from fermatnet.boards.host.board import Board
from fermatnet.boards.host.session import LinkError, Session
from fermatnet.model.errors import InputError

from .model import ModelBoard, burst, noise

PIXELS, PATIENCE = 6, 0.004


def compute(image, weights):
    """Two 16-bit values of a checksum: another image or other weights give other ones."""
    return zlib.crc32(image, weights).to_bytes(4, "little")


def expected(images, weights):
    words = [compute(image.astype(np.uint8).tobytes(), weights) for image in images]
    return np.frombuffer(b"".join(words), "<i2").reshape(len(images), 2).astype(np.int64)


@pytest.fixture
def folder(tmp_path):
    port = {"lanes": 1, "element_bits": 8, "tdata_bits": 8, "shape": [1, 2, 3], "beats_per_image": 6}
    about = {
        "format": 1,
        "board": "model",
        "title": "a model",
        "family": "ecp5",
        "network": "checksum",
        "design": f"{1:016x}",
        "clock_mhz": 50.0,
        "cycles_per_image": 100,
        "latency_cycles": 200,
        "input": port | {"range": [0, 255], "dtype": "uint8", "dims": [1, 2, 3]},
        "output": port | {"element_bits": 16, "tdata_bits": 16, "shape": [2, 1, 1], "element_signed": True},
        "link": {"baud": 1000000, "divisor": 8, "window": 3, "weights": 5, "reloadable": True},
        "files": {"verilog": []},
    }
    (tmp_path / "board.json").write_text(json.dumps(about))
    return tmp_path


def images_of(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 2, 3)).astype(np.uint8)


def opened(folder, model):
    return Board(folder, model, patience=PATIENCE)


def test_images(folder):
    model, images = ModelBoard(compute, PIXELS), images_of(50)
    with fn.Board(folder, model, patience=PATIENCE) as board:
        np.testing.assert_array_equal(board.run(images), expected(images, 5))
        assert board.statistics.images == 50 and board.statistics.repeated == 0
    assert model.closed


@pytest.mark.parametrize("seed", range(6))
def test_a_bad_line_delivers_no_wrong_result(folder, seed):
    """A quarter of all writes are damaged on either way, the board is reset, the plug is pulled."""
    rng, model, images = random.Random(seed), ModelBoard(compute, PIXELS), images_of(60, seed)
    with opened(folder, model) as board:
        model.to_board, model.to_host = noise(rng, 0.25), noise(rng, 0.25)
        model.resets = {rng.randrange(5, 90) for _ in range(4)}
        model.unplugs = {rng.randrange(5, 90)}
        np.testing.assert_array_equal(board.run(images), expected(images, 5))
        found = board.statistics
        assert found.repeated and found.reopened >= 1 and found.bad + found.refused > 5


def test_late_and_doubled_answers_are_taken_once(folder):
    """Each answer comes twice, the second time one write later: also after the host has gone on."""
    model, images, held = ModelBoard(compute, PIXELS), images_of(40), []

    def late(data):
        held.append(data)
        return data + b"".join(held[-3:])

    with opened(folder, model) as board:
        model.to_host = late
        np.testing.assert_array_equal(board.run(images), expected(images, 5))
        assert board.statistics.stray > 10


def test_an_answer_of_an_earlier_host_is_no_answer(folder):
    """The same sequence numbers with other images: their CRC tells them apart."""
    model, first, second = ModelBoard(compute, PIXELS), images_of(3, 1), images_of(3, 2)
    with opened(folder, model) as board:
        start = board._session._sequence
        board.run(first)
        board._session._sequence = start
        kept = []
        model.to_host = lambda data: kept.append(data) or data
        board.run(first)  # the same questions: these answers would be taken
        board._session._sequence = start
        model.to_host = lambda data: b"".join(kept) + data
        np.testing.assert_array_equal(board.run(second), expected(second, 5))


@pytest.mark.parametrize("seed", range(4))
def test_loads_over_a_bad_line_with_resets(folder, seed):
    rng, model, images = (
        random.Random(seed),
        ModelBoard(compute, PIXELS, reloadable=True),
        images_of(20, seed),
    )
    words = burst(seed, 150)
    with opened(folder, model) as board:
        model.to_board, model.to_host = noise(rng, 0.15), noise(rng, 0.15)
        model.resets = {rng.randrange(3, 12) for _ in range(2)} | {rng.randrange(15, 60) for _ in range(2)}
        board.load(words)
        np.testing.assert_array_equal(board.run(images), expected(images, words[-1]))
        model.reset()  # a reset loses the weights: they are loaded again
        np.testing.assert_array_equal(board.run(images), expected(images, words[-1]))
        assert board.statistics.reloads >= 1


def test_weights_that_nobody_knows_are_not_computed_with(folder):
    model = ModelBoard(compute, PIXELS, reloadable=True)
    with opened(folder, model) as board:
        model.touched = True  # somebody else's load, then a reset
        model.reset()
        with pytest.raises(LinkError, match=r"has lost its weights .*: load them again"):
            board.run(images_of(2))


def test_a_board_slower_than_the_hosts_patience(folder):
    """Questions are asked again before their answers come; patience grows, so that this ends."""
    model, images = ModelBoard(compute, PIXELS, reloadable=True), images_of(40)
    words = burst(1, 60)
    with opened(folder, model) as board:
        model.slow = 3 * PATIENCE
        board.load(words)
        np.testing.assert_array_equal(board.run(images), expected(images, words[-1]))
        assert board.statistics.repeated > 0
        assert board._session.wait > model.slow


def test_patience_follows_the_answers():
    session = Session(ModelBoard(compute, PIXELS), patience=1.0, slowest=8)
    session.silence()
    assert session.wait == 1  # a board that never answered
    session.answered(0.1)
    for wait in (2, 4, 8, 8):
        session.silence()
        assert session.wait == wait
    session.answered(1.5)
    assert session.wait == 3
    for _ in range(20):
        session.answered(0.1)
    assert session.wait == 1


def test_a_load_that_the_host_gave_up(folder):
    """The board holds the new weights, but the host has not heard it: results go by what the host knows."""
    images, first, second = images_of(5), burst(1, 60), burst(2, 60)

    def silent(data):
        return b""

    for known in (False, True):
        model = ModelBoard(compute, PIXELS, reloadable=True)
        with opened(folder, model) as board:
            if known:
                board.load(first)
            model.to_host = silent
            for chunk in range(2):  # the board hears the whole load
                model._load(
                    struct.pack("<HB", chunk, chunk) + struct.pack("<31I", *second[31 * chunk :][:31])
                )
            with pytest.raises(LinkError, match="does not answer"):
                board.load(second)
            assert model.weights == second[-1]
            model.to_host = lambda data: data
            if known:
                np.testing.assert_array_equal(board.run(images), expected(images, first[-1]))
            else:  # nobody can bring back what the bitstream held
                with pytest.raises(LinkError, match="has lost its weights"):
                    board.run(images)


def test_a_refused_load(folder):
    with opened(folder, ModelBoard(compute, PIXELS, reloadable=True)) as board:
        words = burst(0, 40)
        with pytest.raises(LinkError, match="the board refused the load"):
            board.load([*words[:-1], words[-1] ^ 1])
        images = images_of(3)
        np.testing.assert_array_equal(board.run(images), expected(images, 5))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"design": 2}, r"holds design 0000000000000002, .* is design 0000000000000001: program"),
        ({"version": 9}, r"speaks version 9 of the link, this is version 1"),
    ],
)
def test_a_board_with_another_design(folder, model, words):
    with pytest.raises(LinkError, match=words):
        opened(folder, ModelBoard(compute, PIXELS, **model))


def test_a_board_that_does_not_answer(folder):
    model = ModelBoard(compute, PIXELS)
    model.to_host = lambda data: b""
    with pytest.raises(LinkError, match=r"does not answer \(12 times asked\)"):
        opened(folder, model)


def test_a_board_that_falls_silent(folder):
    model = ModelBoard(compute, PIXELS)
    with opened(folder, model) as board:
        model.to_host = lambda data: b""
        with pytest.raises(LinkError, match="has not answered for"):
            board.run(images_of(2))


def test_bad_input(folder, tmp_path):
    with pytest.raises(InputError, match=r"port /dev/nothing cannot be opened \(no such file or directory\)"):
        Board(folder, "/dev/nothing")
    with pytest.raises(InputError, match=r"port /dev/null cannot be opened \(it is no serial port\)"):
        Board(folder, "/dev/null")
    with pytest.raises(InputError, match="holds no board's files"):
        Board(tmp_path / "none", "sim")
    with opened(folder, ModelBoard(compute, PIXELS)) as board, pytest.raises(InputError, match="uint8"):
        board.run(np.zeros((1, 1, 2, 3), np.float32))
    about = json.loads((folder / "board.json").read_text())
    about["link"]["reloadable"] = False
    (folder / "board.json").write_text(json.dumps(about))
    with (
        opened(folder, ModelBoard(compute, PIXELS)) as board,
        pytest.raises(InputError, match="--reloadable"),
    ):
        board.load([1, 2])
