"""The iCEBreaker's top level as a netlist of iCE40 cells, simulated from UART pins to UART pins.

Everything behind the pins is what yosys made: look-up tables, flip-flops, block memories and multipliers,
with the models of `fermatnet.synth.netlist`. The line has the fewest clock cycles a bit.
"""

import json
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.bench.boards.link import FAULTS, PATIENCE, FaultyPort, strike
from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.boards.build import build
from fermatnet.boards.definitions.catalogue import find_board
from fermatnet.boards.host.board import Board
from fermatnet.boards.link.uart import LEAST_DIVISOR
from fermatnet.boards.netlist import map_board
from fermatnet.boards.top import TOP
from fermatnet.hw.compiler.generate import load_burst
from fermatnet.model.network import run as reference
from fermatnet.synth.mapping import NETLIST
from fermatnet.synth.netlist.design import CELLS, NETS
from fermatnet.synth.netlist.models import text
from fermatnet.synth.netlist.verilog import read

__all__ = ["netlist_board", "run"]

BOARD, CLOCK = "icebreaker", 24.0
_SIMULATED = ("SB_PLL40_PAD",)  # every simulated board has a model of its own


def netlist_board(folder: Path, scratch: Path) -> None:
    """Puts the netlist of the board in ``folder`` in the place of its Verilog."""
    path = folder / "board.json"
    found = json.loads(path.read_text())
    board = find_board(found["board"])
    mapped = map_board(
        board, folder / "verilog", found["files"]["verilog"], found["files"]["memories"], scratch, "fermatnet"
    )
    circuit = read(scratch / NETLIST, TOP, board.family, _SIMULATED)
    (folder / "verilog" / NETS).write_text(circuit.verilog())
    (folder / "verilog" / CELLS).write_text("`timescale 1ns/1ps\n" + text(board.family, circuit.kinds))
    found["files"]["verilog"] = [NETS, CELLS]
    found["netlist"] = {key: mapped.resources[key] for key in ("luts", "ffs", "brams", "dsps")}
    path.write_text(json.dumps(found))


def run(*, json_path: Path | None = None, seed: int = 1) -> dict[str, Any]:
    """20 images and one fault of each kind; prints and returns what happened."""
    net = pa_resnet((1, 4, 4), (2,), (1,), seed=3, classes=4)
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as name:
        folder, scratch = Path(name) / "board", Path(name) / "scratch"
        scratch.mkdir()
        build(
            net,
            find_board(BOARD),
            folder,
            cycles=600,
            clock_mhz=CLOCK,
            baud=round(CLOCK * 1e6 / LEAST_DIVISOR),
            reloadable=True,
            bitstream=False,
        )
        words = load_burst(net, folder / "verilog")
        netlist_board(folder, scratch)
        cells = json.loads((folder / "board.json").read_text())["netlist"]
        row = {"board": BOARD, **cells, **_driven(net, folder, words, seed)}
    print(json.dumps(row), flush=True)
    if json_path is not None:
        json_path.write_text(json.dumps(row, indent=2) + "\n")
    return row


def _driven(net: Any, folder: Path, words: list[int], seed: int) -> dict[str, Any]:
    images = np.random.default_rng(seed).integers(0, 256, (20, 1, 4, 4)).astype(np.uint8)
    wanted, rng, wrong = reference(net, images), random.Random(seed), 0
    with Board(folder, "sim", baud=115200) as board:
        equal = bool(np.array_equal(board.run(images), wanted))
        session = board._session
        session.port.close()
        port = session.port = FaultyPort(board.simulated.port, 115200)
        port.rng, session.patience = rng, 4 * PATIENCE
        board.load(words)
        for kind in FAULTS:
            strike(board, port, kind, words, rng)
            wrong += int(not np.array_equal(board.run(images[:3]), wanted[:3]))
        return {"images": len(images), "equal": equal, "faults": len(FAULTS), "wrong_results": wrong}
