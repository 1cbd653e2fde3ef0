"""A simulated board of each family under faults of its line: no wrong result, and always back.

The whole top level runs in Verilator, from UART pins to UART pins, and the host's own class drives it through
a pseudo-terminal. Faults strike at random moments: on either way a bit flips, a byte is lost or doubled,
garbage comes in, a frame is cut, its CRC is wrong; the reset button is pressed, a restart is asked for, a
load stops half-way, the board stands still for longer than the host's patience.
"""

import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.bench.samples.weights import reshuffled
from fermatnet.boards.build import build
from fermatnet.boards.clock.settings import best
from fermatnet.boards.definitions.catalogue import find_board
from fermatnet.boards.host.board import Board
from fermatnet.boards.host.port import SerialPort
from fermatnet.boards.host.session import LinkError
from fermatnet.boards.link.protocol import FLAG, Kind, body, wire
from fermatnet.hw.compiler.generate import load_burst
from fermatnet.model.network import Network
from fermatnet.model.network import run as reference

__all__ = ["BOARDS", "FAULTS", "FaultyPort", "prepared", "run", "strike"]

BOARDS = ("ulx3s-85f", "icebreaker", "tangnano9k", "arty-a7-35")
"""One of each family."""
FAULTS = (
    "flip",
    "lose",
    "double",
    "garbage",
    "cut",
    "crc",
    "answer",
    "reset",
    "restart",
    "half load",
    "pause",
)
DIVISOR = 8
PATIENCE = 0.25
BAUD = 115200  # of the pseudo-terminal, where it means nothing


class FaultyPort(SerialPort):
    """A port that does once to the next frame, or to the next answer, what `fault` says."""

    fault = ""
    rng = random.Random(0)

    def write(self, data: bytes) -> None:
        kind, at = self.fault, self.rng.randrange(len(data))
        if kind in ("flip", "lose", "double", "garbage", "cut", "crc"):
            self.fault = ""
        data = {
            "flip": data[:at] + bytes([data[at] ^ 1 << self.rng.randrange(8)]) + data[at + 1 :],
            "lose": data[:at] + data[at + 1 :],
            "double": data[:at] + data[at : at + 1] + data[at:],
            "garbage": data[:at] + self.rng.randbytes(self.rng.randrange(1, 40)) + data[at:],
            "cut": data[:at],
            "crc": wire(body(Kind.IMAGE, at, bytes(64))[:-2] + b"\0\0"),
        }.get(kind, data)
        super().write(data)

    def read(self, seconds: float) -> bytes:
        data = super().read(seconds)
        if self.fault != "answer" or not data:
            return data
        self.fault, at = "", self.rng.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << self.rng.randrange(8)]) + data[at + 1 :]


def strike(board: Board, port: FaultyPort, kind: str, words: Sequence[int], rng: random.Random) -> None:
    """Lets a fault of ``kind`` happen now, or to what passes next."""
    if kind == "reset" and board.simulated.has_reset:
        board.simulated.press_reset()
    elif kind in ("reset", "restart"):
        board.restart()
    elif kind == "half load":
        _half_load(board, words, rng)
    elif kind == "pause":
        board.simulated.pause(rng.uniform(1, 4) * board.patience)
    else:
        port.fault = kind


def _half_load(board: Board, words: Sequence[int], rng: random.Random) -> None:
    """A load of other weights that stops after some of its chunks: at a word, as if its host had died."""
    chunks = rng.randrange(1, max(2, len(words) // 32))
    session = board._session
    for number in range(chunks):
        part = b"".join(word.to_bytes(4, "little") for word in words[32 * number : 32 * number + 32])
        sent = wire(body(Kind.LOAD, session.next_sequence(), number.to_bytes(2, "little") + b"\0" + part))
        last = number == chunks - 1
        session.port.write(sent[: rng.randrange(9, len(sent))] + bytes([FLAG]) if last else sent)


def prepared(net: Network, name: str, folder: Path, *, cycles: int | None = 4000) -> dict[str, Any]:
    """The folder of a board for simulation, weights reloadable, at a bit of `DIVISOR` cycles."""
    board = find_board(name)
    kind = board.device if board.family == "gowin" else board.family
    clock = best(kind, board.clock_mhz, 30.0, BAUD).mhz
    return build(
        net,
        board,
        folder,
        cycles=cycles,
        clock_mhz=clock,
        baud=round(clock * 1e6 / DIVISOR),
        reloadable=True,
        bitstream=False,
        force=True,
    )


def _row(name: str, images: int, faults: int, seed: int, folder: Path) -> dict[str, Any]:
    net = pa_resnet((1, 8, 8), (4,), (1,), seed=3, classes=4)
    other = reshuffled(net, 1)
    prepared(net, name, folder)
    words = {id(one): load_burst(one, folder / "verilog") for one in (net, other)}
    samples = np.random.default_rng(seed).integers(0, 256, (images, 1, 8, 8)).astype(np.uint8)
    wanted = {id(one): reference(one, samples) for one in (net, other)}
    with Board(folder, "sim", baud=BAUD) as board:
        started = time.monotonic()
        right = bool(np.array_equal(board.run(samples), wanted[id(net)]))
        plain = time.monotonic() - started
        session = board._session
        session.port.close()
        port = session.port = FaultyPort(board.simulated.port, BAUD)
        asked = time.monotonic()
        board.ask()
        # a busy machine simulates slowly: patience has to be that of the simulated second
        port.rng, session.patience = random.Random(seed), max(PATIENCE, 40 * (time.monotonic() - asked))
        found = _struck(board, port, faults, (net, other), words, samples, wanted)
        statistics = dict(vars(board.statistics))
    return {
        "board": name,
        "images": images,
        "equal": right,
        "images_per_second_simulated": round(images / plain, 1),
        **found,
        "statistics": statistics,
        "seed": seed,
    }


def _struck(board, port, faults, nets, words, samples, wanted) -> dict[str, Any]:
    """Faults one after another, three images at each; what came of them.

    A result is judged by the weights that the host holds: those of the last load that went well.
    """
    rng, counts, wrong, lost = port.rng, Counter[str](), [], []
    loaded, idle = nets
    for k in range(faults):
        kind = FAULTS[k % len(FAULTS)]
        counts[kind] += 1
        try:
            if rng.random() < 0.1 or k == 0:
                board.load(words[id(idle)])
                loaded, idle = idle, loaded
            at = rng.randrange(len(samples) - 4)
            strike(board, port, kind, words[id(idle)], rng)
            got = board.run(samples[at : at + 3])
        except LinkError as error:
            lost.append(f"{k} {kind}: {error}")
            continue
        if not np.array_equal(got, wanted[id(loaded)][at : at + 3]):
            wrong.append(f"{k} {kind}")
    return {
        "faults": dict(counts),
        "wrong_results": len(wrong),
        "not_recovered": len(lost),
        "trouble": wrong + lost,
    }


def run(
    *,
    json_path: Path | None = None,
    only: str | None = None,
    count: int | None = None,
    quick: bool | None = None,
    seed: int = 1,
) -> list[dict[str, Any]]:
    """100 images and ``count`` faults (default 250, so 1,000 on four families) a board; prints and returns a
    row each. ``only``: one board; ``quick``: 20 faults."""
    rows = []
    for name in (only,) if only else BOARDS:
        with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
            row = _row(name, 100, count or (20 if quick else 250), seed, Path(scratch) / "board")
        print(json.dumps(row), flush=True)
        rows.append(row)
    if json_path is not None:
        json_path.write_text(json.dumps(rows, indent=2) + "\n")
    return rows
