"""The designs that are measured, and one row of figures for each."""

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fermatnet.hw.compiler.generate import generate
from fermatnet.model.errors import InputError
from fermatnet.model.exchange import tflite
from fermatnet.model.result_log import design_digest
from fermatnet.synth import flow

__all__ = ["DESIGNS", "Design", "kept", "measured", "rows"]

XC7, ECP5 = "xc7z020", "ecp5-85k"
CLOCK_MHZ = 100.0


@dataclass(frozen=True)
class Design:
    """``model``: the file's name without .tflite; ``cycles``: an image, at the most; ``placed``: place and
    route after synthesis."""

    model: str
    device: str
    cycles: int
    placed: bool = False


def _of(model: str, fast: int, slow: int, placed: int) -> tuple[Design, ...]:
    return Design(model, XC7, fast), Design(model, XC7, slow), Design(model, ECP5, placed, placed=True)


DESIGNS = (
    *_of("ic_resnet8_int8", 75_000, 600_000, 150_000),
    *_of("kws_dscnn_int8", 20_000, 320_000, 40_000),
    *_of("ad_autoencoder_int8", 2_048, 65_536, 8_192),
    *_of("vww_mobilenet_int8", 100_000, 600_000, 200_000),
)
"""Two speeds on the Zynq-7020 of the published entries' board, and one on the largest ECP5."""


def kept(path: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows of a file of JSON lines, by design and by what was synthesised."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {_key(row): row for row in map(json.loads, lines)}


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["model"], row["device"], row["cycles"], row["verilog_sha256"]


def _described(design: Design, models: Path, folder: Path) -> dict[str, Any]:
    """Generates the design into ``folder``: all of a row that needs no synthesis."""
    path = models / f"{design.model}.tflite"
    if not path.is_file():
        raise InputError(f"{path} is not there: --models names the folder of the four int8 files")
    net = tflite.read(path)
    made = generate(
        net,
        folder,
        cycles=design.cycles,
        device=design.device,
        clock_mhz=CLOCK_MHZ,
        external="none",
        resources=True,
    )
    return {
        **asdict(design),
        "verilog_sha256": design_digest(folder),
        "macs": _macs(net),
        "cycles_per_image": made["cycles_per_image"],
        "latency_cycles": made["latency_cycles"],
        "predicted": made["resources"]["total"],
    }


def measured(
    design: Design, models: Path, known: dict[tuple[Any, ...], dict[str, Any]], synthesis: bool = True
) -> dict[str, Any]:
    """A row: ``cycles_per_image``, ``latency_cycles``, ``predicted`` and ``synthesised`` (luts, ffs, brams,
    dsps), with ``fmax_mhz`` where it was placed, ``images_per_second``, ``versions`` of the tools and
    ``seconds``. A row of ``known`` with the same Verilog is given as it is; without ``synthesis`` others have
    nothing in ``synthesised``.

    Images a second are those of the clock that place and route reached, else of 100 MHz.
    """
    with tempfile.TemporaryDirectory(prefix="fermatnet-tiny-") as scratch:
        folder = Path(scratch) / "design"
        found = _described(design, models, folder)
        if _key(found) in known:
            return {**found, **known[_key(found)]}
        started = time.monotonic()
        report: dict[str, Any] = {}
        if synthesis:
            try:
                report = flow.synthesise(folder, design.device, clock_mhz=CLOCK_MHZ, place=design.placed)
            except InputError as error:
                report = {"refused": str(error)}
    found["synthesised"] = {key: report[key] for key in ("luts", "ffs", "brams", "dsps") if key in report}
    found["seconds"] = round(time.monotonic() - started, 1)
    for key in ("fmax_mhz", "versions", "critical_path", "context", "refused"):
        if key in report:
            found[key] = report[key]
    clock = found.get("fmax_mhz", CLOCK_MHZ)
    return found | {"images_per_second": round(clock * 1e6 / found["cycles_per_image"], 1)}


def _macs(net: Any) -> int:
    from fermatnet.model.network.summary import summary

    return int(summary(net)["macs"])


def rows(models: Path, store: Path | None, only: str, synthesis: bool = True) -> Iterator[dict[str, Any]]:
    """The rows of all designs whose "model device" holds ``only``, each written to ``store`` as it comes;
    without ``synthesis`` those of ``store``, and predictions of the others. A row of ``store`` whose design
    has another Verilog today is given with ``earlier`` then."""
    known = {} if store is None else kept(store)
    earlier = {key[:3]: row for key, row in known.items()}
    for design in DESIGNS:
        if only not in f"{design.model} {design.device}":
            continue
        row = measured(design, models, known, synthesis)
        if not synthesis and _key(row) not in known and _key(row)[:3] in earlier:
            row = {**row, **earlier[_key(row)[:3]], "earlier": True}
        if store is not None and synthesis and _key(row) not in known:
            with store.open("a") as file:
                file.write(json.dumps(row) + "\n")
        yield row
