"""What one would use instead of the Fermat convolution, each prepared outside the timed part: weights
converted, transformed or packed in advance.

Every rival takes the same integers and returns the result in its own type. Exactness is as stated: `direct`
always, `float64` while sums stay below 2^53 (all layers here), `fft` has no proof, `int_mm` always (32-bit
sums, INT8 only), `int8` computes exactly inside but hands out eight requantised bits (INT8 only).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fermatnet.model.fermat.software.build import library
from fermatnet.model.fermat.software.convolution import convolve
from fermatnet.model.fermat.software.weights import address

__all__ = ["NAMES", "Layer", "rivals", "worst_int8_error"]

NAMES = {
    "dfnt": "this, Fermat transforms",
    "loops": "direct loops, compiled the same way",
    "blocked": "direct loops, hand-blocked in registers",
    "float64": "torch conv2d float64",
    "fft": "float64 FFT, rounded",
    "int_mm": "im2col + torch._int_mm",
    "int8": "oneDNN int8 (result requantised to 8 bits)",
}
QUANTUM = 2.0**15  # one step of the requantised output


@dataclass(frozen=True)
class Layer:
    """A layer of table 2.3 with data: x (s, f, n, n), w (f', f, k, k), both int8 or int16, same padding."""

    x: np.ndarray
    w: np.ndarray

    @classmethod
    def random(
        cls, batch: int, k: int, n: int, channels: int, outputs: int, kind: type, seed: int = 0
    ) -> "Layer":
        """A layer of the whole range of its type, from a seed."""
        random, limits = np.random.default_rng(seed), np.iinfo(kind)
        x: np.ndarray = random.integers(limits.min, limits.max + 1, (batch, channels, n, n)).astype(kind)
        return cls(x, random.integers(limits.min, limits.max + 1, (outputs, channels, k, k)).astype(kind))

    @property
    def pad(self) -> int:
        """Zeros on each side that keep the map's size."""
        return self.w.shape[2] // 2

    @property
    def result(self) -> type:
        """INT32+ for INT8, INT64+ for INT16."""
        return np.int32 if self.x.dtype == np.int8 else np.int64


def rivals(layer: Layer, names: tuple[str, ...], threads: int = 1) -> dict[str, Callable[[], Any]]:
    """Callables by name; those that do not apply to the layer are left out."""
    torch.set_num_threads(threads)
    makers: dict[str, Callable[[Layer, int], Any]] = {
        "dfnt": _dfnt,
        "loops": _loops,
        "blocked": _blocked,
        "float64": _float64,
        "fft": _fft,
        "int_mm": _int_mm,
        "int8": _int8,
    }
    found = {name: makers[name](layer, threads) for name in names}
    return {name: call for name, call in found.items() if call is not None}


def _dfnt(layer: Layer, threads: int) -> Callable[[], np.ndarray]:
    return lambda: convolve(
        layer.x, layer.w, 1, layer.pad, method="fermat", threads=threads, dtype=layer.result
    )


def _loops(layer: Layer, threads: int) -> Callable[[], np.ndarray]:
    (s, f, n, _), (o, _, k, _), p = layer.x.shape, layer.w.shape, layer.pad
    run = library().direct_planes32 if layer.result is np.int32 else library().direct_planes64
    x: np.ndarray = np.pad(layer.x.astype(layer.result), ((0, 0), (0, 0), (p, p), (p, p + 16)))
    w: np.ndarray = layer.w.astype(layer.result)
    out: np.ndarray = np.empty((s, o, n, n), layer.result)

    def call() -> np.ndarray:
        run(address(x), address(w), address(out), s, 1, f, *x.shape[2:], o, k, k, n, threads)
        return out

    return call


def _blocked(layer: Layer, threads: int) -> Callable[[], np.ndarray]:
    (s, f, n, _), (o, _, k, _), p = layer.x.shape, layer.w.shape, layer.pad
    run = library().direct_blocked32 if layer.result is np.int32 else library().direct_blocked64
    x: np.ndarray = np.ascontiguousarray(
        np.pad(layer.x.astype(layer.result), ((0, 0), (0, 0), (p, p), (p, p))).transpose(0, 2, 3, 1)
    )
    w: np.ndarray = np.ascontiguousarray(
        layer.w.astype(layer.result).reshape(o // 16, 16, f, k, k).transpose(0, 3, 4, 2, 1)
    )
    out: np.ndarray = np.empty((s, n, n, o), layer.result)

    def call() -> np.ndarray:
        run(address(x), address(w), address(out), s, f, *x.shape[1:3], o, k, k, n, threads)
        return out.transpose(0, 3, 1, 2)

    return call


def _float64(layer: Layer, threads: int) -> Callable[[], torch.Tensor]:
    x, w = torch.from_numpy(layer.x).double(), torch.from_numpy(layer.w).double()
    return lambda: torch.nn.functional.conv2d(x, w, padding=layer.pad)


def _fft(layer: Layer, threads: int) -> Callable[[], torch.Tensor]:
    (s, f, n, _), (o, _, k, _) = layer.x.shape, layer.w.shape
    # n + k - 1 is enough: pocketfft and MKL do any even length well
    size = next(v for v in range(n + k - 1, 2 * (n + k)) if v % 2 == 0)
    half = size // 2 + 1
    x = torch.from_numpy(layer.x).double()
    kernels = torch.fft.rfft2(torch.from_numpy(layer.w).double(), s=(size, size)).conj().resolve_conj()
    kernels = kernels.permute(2, 3, 1, 0).reshape(size * half, f, o).contiguous()

    def call() -> torch.Tensor:
        spectra = (
            torch.fft.rfft2(torch.nn.functional.pad(x, (layer.pad,) * 4), s=(size, size))
            .permute(2, 3, 0, 1)
            .reshape(size * half, s, f)
        )
        product = torch.bmm(spectra, kernels).reshape(size, half, s, o).permute(2, 3, 0, 1)
        return (
            torch.fft.irfft2(product, s=(size, size))[:, :, :n, :n]
            .round()
            .to(torch.int32 if layer.result is np.int32 else torch.int64)
        )

    return call


def _int_mm(layer: Layer, threads: int) -> Callable[[], torch.Tensor] | None:
    if layer.x.dtype != np.int8:
        return None
    (s, f, n, _), (o, _, k, _), p = layer.x.shape, layer.w.shape, layer.pad
    depth = -(-f * k * k // 8) * 8
    w = torch.zeros(depth, o, dtype=torch.int8)
    w[: f * k * k] = torch.from_numpy(layer.w).permute(2, 3, 1, 0).reshape(f * k * k, o)
    x = torch.from_numpy(layer.x)

    def call() -> torch.Tensor:
        # channels last: a row of the matrix is k runs of memory
        image = torch.nn.functional.pad(x, (p, p, p, p)).permute(0, 2, 3, 1).contiguous()
        height = image.shape[1]
        windows = image.as_strided(
            (s, n, n, k, k, f), (height * height * f, height * f, f, height * f, f, 1)
        ).reshape(s * n * n, f * k * k)
        if depth != windows.shape[1]:
            windows = torch.nn.functional.pad(windows, (0, depth - windows.shape[1]))
        return torch._int_mm(windows, w).reshape(s, n, n, o).permute(0, 3, 1, 2)

    return call


def _int8(layer: Layer, threads: int) -> Callable[[], torch.Tensor] | None:
    if layer.x.dtype != np.int8 or not hasattr(torch.ops.onednn, "qconv2d_pointwise"):
        return None
    (s, f, n, _), (o, *_) = layer.x.shape, layer.w.shape
    x = torch.from_numpy((layer.x.astype(np.int16) + 128).astype(np.uint8)).contiguous(
        memory_format=torch.channels_last
    )
    scales, zeros = torch.ones(o), torch.zeros(o, dtype=torch.int64)
    sides = ([1, 1], [layer.pad] * 2, [1, 1], 1)
    packed = torch.ops.onednn.qconv_prepack(torch.from_numpy(layer.w), scales, 1.0, 128, *sides, [s, f, n, n])
    return lambda: torch.ops.onednn.qconv2d_pointwise(
        x, 1.0, 128, packed, scales, zeros, None, *sides, QUANTUM, 128, torch.uint8, "none", [], ""
    )  # fmt: skip


def worst_int8_error(got: torch.Tensor, exact: np.ndarray) -> float:
    """Largest error of the requantised result, in units of the exact integers, where it is not clamped."""
    wide = exact.astype(np.float64)
    inside = np.abs(wide) < 126 * QUANTUM
    return float(np.abs((got.numpy().astype(np.float64) - 128) * QUANTUM - wide)[inside].max())
