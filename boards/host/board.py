"""A board behind a serial port, or its simulation: images in, the network's integers out."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fermatnet.boards.host.port import Port, SerialPort
from fermatnet.boards.host.run import Run
from fermatnet.boards.host.session import LinkError, Session
from fermatnet.boards.host.statistics import Statistics
from fermatnet.boards.link.protocol import VERSION, Info
from fermatnet.model.errors import InputError
from fermatnet.model.json_shape import SIZE, validate
from fermatnet.sim import packing
from fermatnet.sim.stimulus import checked_images

__all__ = ["SIMULATED", "Board", "read_description"]

SIMULATED = "sim"
"""Name of the port behind which the board is simulated."""

SLOWEST_SIMULATED = 16
"""How far patience with a simulated board is stretched: its machine may be busy with other things."""

_PORT = {"lanes": SIZE, "element_bits": range(1, 65), "shape": [SIZE, SIZE, SIZE], "tdata_bits": SIZE}
_SHAPE = {
    "format": int,
    "board": str,
    "family": str,
    "network": str,
    "design": str,
    "clock_mhz": float,
    "cycles_per_image": SIZE,
    "latency_cycles": SIZE,
    "input": _PORT,
    "output": _PORT | {"element_signed": bool},
    "link": {"baud": SIZE, "divisor": SIZE, "window": SIZE, "weights": int, "reloadable": bool},
    "files": {"verilog": [str]},
}


def read_description(directory: str | Path) -> dict[str, Any]:
    """``board.json`` of a folder that ``fermatnet board`` wrote; InputError where there is none."""
    path = Path(directory) / "board.json"
    try:
        found = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{directory} holds no board's files: {path}: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{path} is not JSON") from None
    validate(found, _SHAPE, path)
    return found


class Board:
    """A network on a board, as a context manager:

        with fermatnet.Board("DIR", "/dev/ttyUSB0") as board:
            logits = board.run(images)

    Every result belongs to its image and to the weights that are loaded, or there is none: damaged frames are
    repeated, a reset or a pulled plug is outlived, weights that a reset has lost are loaded again.

    Parameters
    ----------
    directory : path
        What ``fermatnet board`` wrote.
    port : str or Port
        Name of the serial port; "sim" simulates the board.
    baud : int or None
        Bits a second; the design's when None. Another one makes sense only with another oscillator.
    patience : float or None
        Seconds after which a frame is sent again; None: chosen by the line's speed, and for a simulated board
        by how fast it answers.

    Raises InputError for a folder without ``board.json``, a port that is not there, a board that does not
    answer or holds another design.
    """

    def __init__(
        self,
        directory: str | Path,
        port: "str | Port",
        *,
        baud: int | None = None,
        patience: float | None = None,
    ):
        self.directory, self.description = Path(directory), read_description(directory)
        self.link = self.description["link"]
        self.simulated: Any = None
        if port == SIMULATED:
            from fermatnet.boards.simulated.process import SimulatedBoard

            self.simulated = SimulatedBoard(self.directory, self.description)
        try:
            self._session = self._open(port, baud, patience)
            self.info = self._check(self._first_info(patience))
        except BaseException:
            self.close()
            raise
        self._weights = self.info.weights
        self._burst: tuple[int, ...] | None = None if self.info.weights_lost else ()

    def _open(self, port: "str | Port", baud: int | None, patience: float | None) -> Session:
        name = self.simulated.port if self.simulated else port
        opened = SerialPort(name, baud or self.link["baud"]) if isinstance(name, str) else name
        frame = (
            self.description["input"]["beats_per_image"] * self.description["input"]["tdata_bits"] / 8
        ) + 64
        line, about = 10 * frame / self.link["baud"], self.description
        core = about["latency_cycles"] + self.link["window"] * about["cycles_per_image"]
        usual = 0.2 + 2 * self.link["window"] * line + core / (1e6 * max(1.0, about["clock_mhz"]))
        if self.simulated:
            return Session(opened, patience=patience or 5.0, slowest=SLOWEST_SIMULATED)
        return Session(opened, patience=patience or usual)

    def _first_info(self, patience: float | None) -> Info:
        started = time.monotonic()
        info = self._session.hello()
        if self.simulated and patience is None:
            # a simulated second is longer than a real one: by how much, the first answer tells
            self._session.patience = 1.0 + 20 * (time.monotonic() - started)
        return info

    def _check(self, info: Info) -> Info:
        if info.version != VERSION:
            raise LinkError(
                f"the board speaks version {info.version} of the link, this is version {VERSION}: program it "
                "with the bitstream of this folder"
            )
        wanted = int(self.description["design"], 16)
        if info.design != wanted:
            raise LinkError(
                f"the board holds design {info.design:016x}, {self.directory} is design {wanted:016x}: "
                "program the board with this folder's bitstream, or name the other folder"
            )
        return info

    def run(
        self, images: NDArray[np.integer], *, progress: Callable[[int], None] | None = None
    ) -> NDArray[np.int64]:
        """The network's outputs, int64 (n, K), of images (n, C, H, W) of its input type.

        InputError for images that do not fit, `LinkError` when the board cannot be brought to answer.
        """
        port, out = self.description["input"], self.description["output"]
        images = checked_images(images, port)
        size = port["tdata_bits"] // 8
        beats = packing.pack(images, port["lanes"], port["element_bits"])
        padded = np.zeros((len(beats), size), np.uint8)
        padded[:, : beats.shape[1]] = beats
        whole = padded.reshape(len(images), -1)
        started = time.monotonic()
        results = Run(
            self._session,
            [image.tobytes() for image in whole],
            window=self.info.window,
            weights=self._weights,
            reload=self._reload,
        ).run(progress)
        self.statistics.seconds += time.monotonic() - started
        return self._unpacked(results, out)

    def _unpacked(self, results: list[bytes], out: dict[str, Any]) -> NDArray[np.int64]:
        beats = np.frombuffer(b"".join(results), np.uint8).reshape(-1, out["tdata_bits"] // 8)
        used = out["lanes"] * packing.field_bits(out["element_bits"]) // 8
        bits = out.get("value_bits", out["element_bits"])
        beats = np.ascontiguousarray(beats[:, :used])
        try:
            values = packing.unpack(beats, tuple(out["shape"]), out["lanes"], bits, out["element_signed"])
        except ValueError as error:
            raise LinkError(f"a result is not of this design: {error}") from None
        return values.reshape(len(results), -1)

    def load(self, words: Sequence[int], *, progress: Callable[[int], None] | None = None) -> None:
        """Loads other weights: the burst of `fermatnet.hw.compiler.generate.load_burst` for the folder's
        ``verilog``. `LinkError` when the board refuses it; the old weights then go on."""
        if not self.link["reloadable"]:
            raise InputError(
                f"{self.directory} holds weights that cannot be loaded: build it with --reloadable"
            )
        self._session.load(words, progress)
        self._burst, self._weights = tuple(words), words[-1]

    def _reload(self) -> None:
        """After a reset: the weights as they were when this object last knew them."""
        if self._burst:
            self._session.load(self._burst)
            return
        info = self._check(self._session.hello())
        if info.weights_lost or info.weights != self._weights:
            raise LinkError(
                "the board has lost its weights (by a reset, or a load that did not end): load them again "
                "(--load)"
            )

    def restart(self) -> None:
        """Resets the network and the link. Loaded weights are lost; they are loaded again when needed."""
        self._session.restart()

    def ask(self) -> Info:
        """What the board says of itself now, its counters among it."""
        return self._check(self._session.hello())

    @property
    def statistics(self) -> Statistics:
        """What happened on the link so far."""
        return self._session.statistics

    @property
    def patience(self) -> float:
        """Seconds after which a frame is sent again."""
        return self._session.patience

    def close(self) -> None:
        """Gives the port back; ends the simulation."""
        session = getattr(self, "_session", None)
        if session is not None:
            session.port.close()
        if self.simulated is not None:
            self.simulated.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
