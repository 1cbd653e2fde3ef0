"""onnxruntime as a witness: runs the network file without any code of ours."""

from pathlib import Path

import numpy as np
import onnxruntime

__all__ = ["onnxruntime_outputs", "onnxruntime_outputs_by_name"]


def _session(path: str | Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def onnxruntime_outputs(path: str | Path, images: np.ndarray, batch: int = 64) -> np.ndarray:
    """Outputs int64 (n, K) of images uint8 (n, C, H, W), computed by onnxruntime from the function bodies in
    the file."""
    session = _session(path)
    name = session.get_inputs()[0].name
    parts = [
        session.run(None, {name: images[start : start + batch]})[0] for start in range(0, len(images), batch)
    ]
    return np.concatenate([part.reshape(len(part), -1) for part in parts]).astype(np.int64)


def onnxruntime_outputs_by_name(path: str | Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """The same of a file of one input and several outputs, one image at a time: int64 (n, K) by each
    output's name."""
    session = _session(path)
    source, names = session.get_inputs()[0].name, [output.name for output in session.get_outputs()]
    rows = [session.run(names, {source: image[None]}) for image in images]
    return {
        name: np.stack([np.asarray(row[at]).reshape(-1) for row in rows]).astype(np.int64)
        for at, name in enumerate(names)
    }
