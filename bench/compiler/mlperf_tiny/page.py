"""The page of the results: our designs, and the published entries beside them."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["page"]

_NAMES = {
    "ic_resnet8_int8": ("ResNet8", "image classification, CIFAR-10", "85 %"),
    "kws_dscnn_int8": ("DS-CNN", "keyword spotting", "90 %"),
    "ad_autoencoder_int8": ("autoencoder", "anomaly detection", "AUC 0.85"),
    "vww_mobilenet_int8": ("MobileNetV1 0.25", "visual wake words", "80 %"),
}
"""Model, task, and the quality that the benchmark's closed division asks of it."""
_PUBLISHED = (
    ("image classification", "CNV-W1A1 (FINN), v0.7", "84.5 %", "PYNQ-Z2", "661"),
    ("image classification", "RN07 (hls4ml), v0.7", "83.5 %", "PYNQ-Z2", "36.6"),
    ("image classification", "RN08 (hls4ml), v1.0", "-", "PYNQ-Z2", "130.8"),
    ("keyword spotting", "KWS-W3A3 (FINN), v0.7", "82.5 %", "PYNQ-Z2", "57,268"),
    ("anomaly detection", "AD08 (hls4ml), v0.7", "AUC 0.83", "PYNQ-Z2", "53,365"),
)
"""Open-division results of hls4ml and FINN: task, entry, quality, board, samples a second."""

_HEAD = """# Results: MLPerf Tiny

The four reference models of MLPerf Tiny, int8 TensorFlow Lite files of the benchmark's closed division,
become open Verilog that gives LiteRT's integers ([imports](../importing.md), [what was
compared](imports.md)). So their quality is that of the files themselves:

| model | task | products | quality that the closed division asks | measured here |
|---|---|---|---|---|
"""

_DESIGNS = """
## Designs

```text
python -m fermatnet.bench.compiler.mlperf_tiny --models DIR --rows rows.jsonl --page mlperf-tiny.md
```

DIR holds the four files; finished rows are kept, so a run that was stopped goes on. All weights are in
the design. Each column of resources is predicted / counted by yosys; a dash was not synthesised.
Inferences a second on xc7z020 (the device of the PYNQ-Z2) are **at 100 MHz, a clock that is assumed**:
no open tool places and routes it. On ecp5-85k they are at the clock that nextpnr reached, speed grade 6.

| model | device | cycles | latency, cycles | LUT | FF | BRAM | DSP | clock, MHz | inferences a second |
|---|---|---|---|---|---|---|---|---|---|
"""

_EARLIER = """
\\* Predicted and counted on an earlier version of the hardware's arrays, whose flow control was another:
fewer registers, a slower clock. The command without `--stored` counts them anew.
"""

_PUBLISHED_HEAD = """
## Beside published entries

hls4ml and FINN entered the open division with networks of their own, trained for few bits, through the
vendor's high-level synthesis and place and route, measured on the board. The networks above are others,
at 8 bits, and their clock on the xc7z020 is assumed: two ways to do one task, and no race.

| task | entry | quality | board | inferences a second |
|---|---|---|---|---|
"""


def page(rows: Sequence[Mapping[str, Any]], quality: Mapping[str, str]) -> str:
    """Markdown of the rows of `fermatnet.bench.compiler.mlperf_tiny.designs.measured`.

    ``quality``: by model, what was measured of its accuracy.
    """
    macs = {row["model"]: row["macs"] for row in rows}
    text = _HEAD
    for model, (name, task, asked) in _NAMES.items():
        text += f"| {name} | {task} | {macs[model]:,} | {asked} | {quality.get(model, 'no data at hand')} |\n"
    text += _DESIGNS + "".join(_row(row) for row in rows)
    versions = sorted({number for row in rows for number in row.get("versions", {}).values()})
    text += f"\nTools: {', '.join(versions)}.\n" if versions else ""
    if any("earlier" in row for row in rows):
        text += _EARLIER
    text += _missing(rows)
    text += _PUBLISHED_HEAD
    return text + "".join(f"| {' | '.join(entry)} |\n" for entry in _PUBLISHED)


def _missing(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line that names the designs which yosys has not counted on the hardware of today."""
    names = [
        f"{_NAMES[row['model']][0]} on {row['device']}, {row['cycles_per_image']:,} cycles"
        for row in rows
        if "earlier" in row or not row["synthesised"]
    ]
    if not names:
        return ""
    return f"\nNot counted on the hardware of today, {len(names)} of {len(rows)}: {'; '.join(names)}.\n"


def _row(row: Mapping[str, Any]) -> str:
    real = row["synthesised"]
    pairs = [
        f"{row['predicted'][key]:,g} / {f'{real[key]:,g}' if key in real else '-'}"
        for key in ("luts", "ffs", "brams", "dsps")
    ]
    clock, rate = "100, assumed", f"{row['images_per_second']:,.0f}"
    if row["placed"]:
        clock = f"{row['fmax_mhz']:.1f}" if "fmax_mhz" in row else row.get("refused", "not placed")
        rate = rate if "fmax_mhz" in row else "-"
    cells = [_NAMES[row["model"]][0] + (" *" if "earlier" in row else ""), row["device"]]
    cells += [f"{row['cycles_per_image']:,}", f"{row['latency_cycles']:,}", *pairs, clock, rate]
    return f"| {' | '.join(cells)} |\n"
