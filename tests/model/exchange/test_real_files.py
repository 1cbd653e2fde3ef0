"""Models that others have published, where they lie on this machine: set FERMATNET_MODELS to their folder."""

import os
from pathlib import Path

import pytest

from fermatnet.model.exchange.importer import Options, imported

FOLDER = os.environ.get("FERMATNET_MODELS")
pytestmark = pytest.mark.skipif(not FOLDER, reason="FERMATNET_MODELS names no folder of published models")
TINY = ("ad_autoencoder_int8", "ic_resnet8_int8", "kws_dscnn_int8", "vww_mobilenet_int8")
ZOO = {
    "TFC_1W1A": {"input_scale": 1 / 255},
    "TFC_1W2A": {"input_scale": 1 / 255},
    "TFC_2W2A": {"input_scale": 1 / 255},
    "kwsmlp_w3a3": {"input_scale": 1.0, "value_range": (-128, 127)},
    "qkeras_jettagging": {"input_scale": 1 / 1024, "value_range": (-32768, 32767)},
    "unsw_nb15-mlp-w2a2": {},
}


def path(folder, name):
    found = Path(FOLDER) / folder / name
    if not found.is_file():
        pytest.skip(f"{found} is not there")
    return found


@pytest.mark.parametrize("name", TINY)
def test_mlperf_tiny(name):
    pytest.importorskip("ai_edge_litert", reason="the judge of TensorFlow Lite files")
    made = imported(path("mlperf-tiny", f"{name}.tflite"), Options(compare=12))
    assert made.notes[-1].endswith("outputs equal") and made.network.input_dtype == "int8"


@pytest.mark.parametrize("name", ZOO)
def test_the_qonnx_model_zoo(name):
    made = imported(path("qonnx-zoo", f"{name}.onnx"), Options(compare=12, **ZOO[name]))
    assert "outputs equal" in made.notes[-1]
    low = made.network.input_range[0]
    assert made.network.input_dtype == {0: "uint8", -128: "int8", -32768: "int16"}[low]
