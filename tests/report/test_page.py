"""The page of the demo: all figures of the report on it, foreign text escaped, nothing from outside."""

import copy
import re
from typing import Any

import jinja2
import pytest

from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.model.network.summary import summary
from fermatnet.report import page
from tests.report.test_figures import EPOCHS, LAYERS, PART


def report() -> dict[str, Any]:
    net = pa_resnet((1, 4, 4), (2,), (1,), seed=3, classes=4)
    accuracy = dict.fromkeys(("float", "reference", "torch", "onnxruntime"), 0.9) | {"rtl": 0.8765}
    return {
        "images": 360,
        "command": "make demo --with <angle>",
        "accuracy": accuracy,
        "exact": dict.fromkeys(("torch", "onnxruntime", "rtl", "rtl_stalled"), True),
        "network": summary(net) | {"name": "demo & co"},
        "synth": {
            "device": "ecp5-85k",
            "images_per_second": 12_345.6,
            "fmax_mhz": 65.43,
            "cycles_per_image": 4321,
            "luts": 11_222,
            "ffs": 9,
            "brams": 3,
            "dsps": 1,
            "layers": LAYERS,
        },
        "mistakes": [],
        "versions": {"python": "3.11"},
        "seconds": {"train": 12.34},
        "confusion": [[7, 0], [1, 9]],
        "histograms": {"weights": PART},
        "curves": {"full precision": EPOCHS, "quantized": EPOCHS},
    }


def test_a_board_is_on_the_page():
    """Its own accuracy, on the images that went through it, and a link to its page."""
    about = {"title": "My <board>", "bitstream": "bitstream.bit", "clock_mhz": 48.0, "uart": 1333.3}
    found = report() | {"board": about | {"images": 20, "accuracy": 0.95}}
    found["exact"]["board"] = True
    text = page.render(found)
    for words in (
        "20 images",
        "95.00 %",
        "My &lt;board&gt;",
        "48 MHz",
        "1,333",
        'href="board/report.html"',
        "Five",
    ):
        assert words in text, words
    found["exact"]["board"] = False
    assert "DIFFERENT" in page.render(found)
    assert "Five" not in page.render(report()) and "board/report.html" not in page.render(report())


def test_figures_of_the_report_are_on_the_page():
    text = page.render(report())
    for words in ("87.65 %", "12,346", "65.4 MHz", "4,321", "11,222", "ecp5-85k", "12.3 s", "equal"):
        assert words in text, words
    assert text.count("<svg") == 5 and "DIFFERENT" not in text


def test_a_difference_is_told():
    told = report()
    told["exact"]["rtl"] = False
    assert "DIFFERENT" in page.render(told)


def test_foreign_text_is_escaped_and_nothing_is_fetched():
    text = page.render(report())
    assert "--with &lt;angle&gt;" in text and "<angle>" not in text and "demo & co" not in text
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text) and "<script" not in text


def test_a_report_without_a_part_makes_no_page():
    for part in ("accuracy", "synth", "versions"):
        cut = copy.deepcopy(report())
        del cut[part]
        with pytest.raises((KeyError, jinja2.UndefinedError)):
            page.render(cut)
