"""A small hand-written design that looks like a generated network, so that simulation is tested without the
compiler."""

import json
from pathlib import Path

import numpy as np
import pytest

WEIGHTS = np.random.default_rng(5).integers(-128, 128, (2, 8))


@pytest.fixture
def design(tmp_path: Path) -> Path:
    """Folder with ``weighted_sum.v``, its memories and interface.json; one compiled simulator serves all of
    them."""
    folder = tmp_path / "design"
    folder.mkdir()
    (folder / "weighted_sum.v").write_text((Path(__file__).parent / "weighted_sum.v").read_text())
    (folder / "weights.hex").write_text("".join(f"{int(word) & 0xFF:02x}\n" for word in WEIGHTS.reshape(-1)))
    (folder / "fault.hex").write_text("0\n")
    interface = {
        "format": 1,
        "name": "weighted_sum",
        "top": "weighted_sum",
        "clock": "clk",
        "reset": "rst",
        "files": {"verilog": ["weighted_sum.v"], "memories": ["weights.hex", "fault.hex"]},
        "input": {
            "port": "s_axis",
            "tdata_bits": 8,
            "lanes": 1,
            "element_bits": 8,
            "element_signed": False,
            "shape": [2, 2, 2],
            "range": [0, 255],
            "beats_per_image": 8,
        },
        "output": {
            "port": "m_axis",
            "tdata_bits": 24,
            "lanes": 1,
            "element_bits": 20,
            "element_signed": True,
            "shape": [2, 1, 1],
            "beats_per_image": 2,
        },
        "latency_cycles": 8,
        "cycles_per_image": 10,
        "clock_mhz": 100.0,
        "device": "ecp5-85k",
        "layers": [],
    }
    (folder / "interface.json").write_text(json.dumps(interface))
    return folder


@pytest.fixture
def images() -> np.ndarray:
    """uint8 (5, 2, 2, 2), extreme values first."""
    drawn = np.random.default_rng(6).integers(0, 256, (5, 2, 2, 2)).astype(np.uint8)
    drawn[0], drawn[1] = 255, 0
    return drawn


@pytest.fixture
def expected(images: np.ndarray) -> np.ndarray:
    """int64 (5, 2): the weighted sums, pixels in raster order, channels fastest."""
    raster = images.transpose(0, 2, 3, 1).reshape(len(images), 8).astype(np.int64)
    return raster @ WEIGHTS.T
