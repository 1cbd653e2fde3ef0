"""The report's charts: whole SVG with what they were given, the same each time."""

import xml.etree.ElementTree as ET

import pytest

from fermatnet.report import figures

EPOCHS = [{"epoch": 0, "loss": 2.0, "accuracy": 0.5}, {"epoch": 1, "loss": 1.0, "accuracy": 0.75}]
PART = {
    "layer": "conv1",
    "edges": [-1.0, 0.0, 1.0],
    "counts": [3, 5],
    "endpoints": [-0.5, 0.5],
    "levels": [-1.0, 0.0, 1.0],
    "level_counts": [2, 4, 2],
    "integers": [-1, 0, 1],
}
LAYERS = [{"instance": "first", "luts": 1200, "ffs": 40}, {"instance": "second", "luts": 34, "brams": 2}]
CHARTS = {
    "curves": (figures.curves, {"full precision": EPOCHS, "quantized": EPOCHS}, ["training loss", "epoch"]),
    "histograms": (
        figures.histograms,
        {"weights": PART, "activations": PART},
        ["weights of conv1, full precision", "3 pieces, levels -1, 0, 1"],
    ),
    "resources": (figures.resources, LAYERS, ["LUT  1,234", "BRAM  2", "first", "second", "1,200"]),
    "confusion": (figures.confusion, [[7, 0], [1, 9]], ["7", "9", "1", "label"]),
}


@pytest.mark.parametrize("name", CHARTS)
def test_what_is_given_is_shown(name):
    chart, data, words = CHARTS[name]
    text = chart(data)
    svg = ET.fromstring(text)
    shown = {"".join(element.itertext()).strip() for element in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert set(words) <= shown, shown
    assert chart(data) == text  # no dates, no random names


def test_of_a_confusion_only_what_happened_is_written():
    svg = ET.fromstring(figures.confusion([[7, 0], [0, 9]]))
    shown = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert "0" not in [text for text in shown if text not in ("0", "1")] and shown.count("0") == 2  # two axes
