"""The demo's last steps: a bitstream, whose placement is also the report's, and images through the simulated
board."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.boards.build import build
from fermatnet.boards.definitions.catalogue import find_board
from fermatnet.boards.host.board import Board
from fermatnet.model.network import Network
from fermatnet.report.board import write_page
from fermatnet.synth.watch import Progress

__all__ = ["AIM_MHZ", "BOARDS", "IMAGES", "board_outputs", "build_board", "placed", "summary"]

BOARDS = {"ecp5-85k": "ulx3s"}
"""Boards of the demo's devices: one placement serves the board and the report."""
AIM_MHZ = 112.5
"""Clock that the demo's board is placed for; it becomes what is reached where that is less."""
IMAGES = 20
"""Images through the simulated board; more would only take longer."""


def build_board(
    net: Network, folder: Path, device: str, cycles: int, progress: Progress, detail: Progress
) -> dict[str, Any]:
    """The board's folder, and of it what a report of a synthesis says; see `placed`."""
    description = build(
        net,
        find_board(BOARDS[device]),
        folder,
        cycles=cycles,
        aim_mhz=AIM_MHZ,
        force=True,
        progress=progress,
        detail=detail,
        finish=write_page,
    )
    return placed(description)


def placed(found: dict[str, Any]) -> dict[str, Any]:
    """What ``board.json`` says, in the words of `fermatnet.synth.flow.synthesise`: the link is in
    ``(top)``."""
    chip = found["chip"]
    rate = chip["fmax_mhz"] * 1e6 / found["cycles_per_image"]
    return {
        "device": found["device"],
        "board": found["board"],
        "clock_mhz": found["clock_mhz"],
        **chip,
        "cycles_per_image": found["cycles_per_image"],
        "latency_cycles": found["latency_cycles"],
        "images_per_second": round(rate, 2),
        "uart_images_per_second": found["images_per_second"]["uart"],
    }


def board_outputs(folder: Path, images: np.ndarray) -> np.ndarray:
    """Outputs of the first `IMAGES` of ``images`` by the simulated board, from UART pins to UART pins."""
    with Board(folder, "sim") as board:
        return board.run(images[:IMAGES])


def summary(folder: Path, outputs: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """What the report says of the board in ``folder`` and of the images that went through it: ``outputs``
    (n, K), and the ``labels`` of these and more."""
    about = json.loads((folder / "board.json").read_text())
    right = outputs.argmax(axis=1) == labels[: len(outputs)]
    return {
        "title": about["title"],
        "bitstream": about["bitstream"],
        "clock_mhz": about["clock_mhz"],
        "uart": about["images_per_second"]["uart"],
        "images": len(outputs),
        "accuracy": float(right.mean()),
    }
