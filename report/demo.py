"""The whole path in one call: train, export, run, generate, simulate, synthesise, report. Every step's result
is a file of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fermatnet.hw.compiler.generate import generate
from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, load, run, save
from fermatnet.model.network.summary import summary
from fermatnet.model.nn.integer import integer_logits
from fermatnet.model.train.data import Data, digits
from fermatnet.model.train.finished import export_run, load_run
from fermatnet.model.train.run import train
from fermatnet.report import evidence, on_board, page
from fermatnet.report.oracle import onnxruntime_outputs
from fermatnet.report.progress import Steps
from fermatnet.sim.network import SimulationResult, simulate
from fermatnet.synth.flow import synthesise

__all__ = ["CLOCK_MHZ", "CYCLES", "SCHEME", "check_scheme", "run_demo"]

CYCLES, CLOCK_MHZ = 4608, 150.0
"""Default goals, cycles an image and the clock: the design then takes a tenth of the default device and is
placed in minutes."""

SCHEME = "pa-short"
"""Levels of few signed digits: as accurate on the digits as any levels (98.6 % both), in two thirds of the
tables, whatever levels training ends with."""


def _classes(logits: np.ndarray) -> np.ndarray:
    return logits.argmax(axis=1)


def _write(out: Path, report: dict[str, Any]) -> None:
    with atomic_file(out / "report.html") as temporary:
        temporary.write_text(page.render(report))
    with atomic_file(out / "report.json") as temporary:
        temporary.write_text(json.dumps(report, indent=2) + "\n")


def _in_order(layers: list[dict[str, Any]], interface: dict[str, Any]) -> list[dict[str, Any]]:
    """Resources in the order of the network, what lies around the layers after them."""
    place = {layer["instance"]: at for at, layer in enumerate(interface["layers"])}
    return sorted(layers, key=lambda layer: place.get(layer["instance"], len(place)))


def _evidence(out: Path, data: Data, computed: np.ndarray) -> dict[str, Any]:
    model, _ = load_run(out / "run")
    epochs = [json.loads(line) for line in (out / "run" / "metrics.jsonl").read_text().splitlines()]
    return {
        "confusion": evidence.confusion(data.test.labels, computed, len(data.classes)),
        "mistakes": evidence.mistakes(data.test.images, data.test.labels, computed),
        "histograms": evidence.histograms(model, data.train.images),
        "curves": {
            phase: [entry for entry in epochs if entry["phase"] == phase] for phase in ("float", "quantized")
        },
        "versions": evidence.versions(),
    }


def _accuracies(
    trained: dict[str, Any], logits: dict[str, np.ndarray], labels: np.ndarray
) -> dict[str, float]:
    exact = {name: float((_classes(values) == labels).mean()) for name, values in logits.items()}
    return {
        "float": float(trained["accuracy"]["float"]),
        **{name: exact[name] for name in ("torch", "reference", "onnxruntime", "rtl")},
    }


def check_scheme(out: Path) -> None:
    """InputError where ``out`` holds a run of another scheme than the demo's, as earlier versions left it."""
    config = out / "run" / "config.json"
    if config.is_file():
        scheme = str(json.loads(config.read_text())["scheme"])
        if scheme.partition("(")[0] != SCHEME:
            raise InputError(
                f"{out} holds a network of scheme {scheme}, the demo's is {SCHEME}: --force begins anew"
            )


class _Demo:
    """The steps of one demo; each leaves its result in ``out``."""

    def __init__(self, out: Path, device: str, cycles: int, seed: int, steps: Steps):
        self.out, self.verilog, self.placed = out, out / "verilog", out / "synth.json"
        self.board = out / "board"
        self.device, self.cycles, self.seed = device, cycles, seed
        self.steps, self.data = steps, digits()

    def train(self) -> dict[str, Any]:
        check_scheme(self.out)
        return self.steps.run(
            "train",
            "training the full-precision twin and the quantized network",
            lambda: train(
                "digits",
                "digits",
                self.out / "run",
                resume=(self.out / "run" / "config.json").is_file(),
                seed=self.seed,
                scheme=SCHEME,
            ),
            kept=lambda: json.loads((self.out / "run" / "summary.json").read_text()),
        )

    def export(self) -> Network:
        def work() -> Network:
            save(export_run(self.out / "run"), self.out / "digits.onnx")
            return load(self.out / "digits.onnx")

        return self.steps.run("export", "exporting to digits.onnx", work)

    def compute(self, net: Network) -> dict[str, np.ndarray]:
        """Logits of the held-out images by the three engines that are no hardware."""
        images = self.data.test.images

        def work() -> dict[str, np.ndarray]:
            logits = {
                "reference": run(net, images),
                "onnxruntime": onnxruntime_outputs(self.out / "digits.onnx", images),
            }
            logits["torch"] = integer_logits(load_run(self.out / "run")[0], torch.from_numpy(images)).numpy()
            return logits

        return self.steps.run(
            "compute", f"computing {len(images)} held-out images in torch, numpy and onnxruntime", work
        )

    def generate(self, net: Network) -> dict[str, Any]:
        return self.steps.run(
            "verilog",
            "generating Verilog",
            lambda: generate(
                net, self.verilog, cycles=self.cycles, clock_mhz=CLOCK_MHZ, device=self.device, force=True
            ),
            kept=lambda: json.loads((self.verilog / "interface.json").read_text()),
        )

    def simulate(self) -> tuple[SimulationResult, SimulationResult]:
        """Without stalls, and with."""
        images = self.data.test.images
        return self.steps.run(
            "sim",
            f"simulating {len(images)} images, then again with random stalls (cocotb, Verilator)",
            lambda: (simulate(self.verilog, images), simulate(self.verilog, images, stalls=self.seed + 1)),
        )

    def synthesise(self, net: Network) -> dict[str, Any]:
        """A bitstream where the device is that of a board, and the figures of its placement."""

        def work() -> dict[str, Any]:
            figures = self._placed(net)
            with atomic_file(self.placed) as temporary:
                temporary.write_text(json.dumps(figures, indent=2) + "\n")
            return figures

        return self.steps.run(
            "synth",
            f"synthesising for {on_board.BOARDS.get(self.device, self.device)} (yosys, nextpnr)",
            work,
            kept=lambda: json.loads(self.placed.read_text()),
        )

    def _placed(self, net: Network) -> dict[str, Any]:
        part, detail = self.steps.part, self.steps.detail
        if self.device not in on_board.BOARDS:
            return synthesise(self.verilog, self.device, progress=part, detail=detail)
        return on_board.build_board(net, self.board, self.device, self.cycles, part, detail)

    def through_board(self) -> np.ndarray:
        """Logits of some images by the simulated board."""
        return self.steps.run(
            "board",
            f"sending {on_board.IMAGES} images through the simulated board, UART pins to UART pins",
            lambda: on_board.board_outputs(self.board, self.data.test.images),
        )

    def run(self) -> dict[str, Any]:
        """All steps; the report."""
        trained, net = self.train(), self.export()
        logits = self.compute(net)
        interface, (plain, stalled) = self.generate(net), self.simulate()
        logits |= {"rtl": plain.outputs, "rtl_stalled": stalled.outputs}
        synth, data = self.synthesise(net), self.data
        exact = {
            name: bool(np.array_equal(logits[name], logits["reference"]))
            for name in ("torch", "onnxruntime", "rtl", "rtl_stalled")
        }
        board = None
        if self.board.is_dir():
            outputs = self.through_board()
            exact["board"] = bool(np.array_equal(outputs, logits["reference"][: len(outputs)]))
            board = on_board.summary(self.board, outputs, data.test.labels)
        return {
            "board": board,
            "images": len(data.test.images),
            "accuracy": _accuracies(trained, logits, data.test.labels),
            "exact": exact,
            "synth": {
                **synth,
                "cycles_per_image": interface["cycles_per_image"],
                "layers": _in_order(synth["layers"], interface),
            },
            "simulation": {
                "cycles_per_image": plain.cycles_per_image,
                "first_latency": plain.first_latency,
                "cycles": plain.cycles,
            },
            "seconds": self.steps.seconds,
            "network": {"name": "digits", **summary(net)},
            "command": f"fermatnet demo --device {self.device} --cycles {self.cycles} --seed {self.seed}",
            **_evidence(self.out, data, _classes(logits["rtl"])),
        }


def run_demo(
    out: str | Path,
    *,
    device: str = "ecp5-85k",
    cycles: int | None = None,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Trains, exports, generates, simulates and synthesises the digits network into ``out``; returns the
    report.

    Writes ``run/``, ``digits.onnx``, ``verilog/``, ``board/`` (a bitstream, where the device is that of a
    board), ``report.html``, ``report.json``. ``resume`` keeps the
    steps that an interrupted call finished. Raises InputError when ``out`` is not empty and neither
    ``resume`` nor ``force`` is given.
    """
    out = Path(out)
    report = _Demo(out, device, cycles or CYCLES, seed, Steps(out, resume, force, say)).run()
    _write(out, report)
    accuracy, synth = report["accuracy"], report["synth"]
    exact = ", ".join(f"{key} {value}" for key, value in report["exact"].items())
    say(f"accuracy: float {accuracy['float']:.4f}, hardware {accuracy['rtl']:.4f}; exact: {exact}")
    say(
        f"{synth['luts']} LUTs, {synth['fmax_mhz']:.1f} MHz, {synth['images_per_second']:,.0f} images/s; "
        f"report: {out / 'report.html'}"
    )
    return report
