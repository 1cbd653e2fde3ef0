"""The bit-exact reference of the Fermat convolution engine: same steps, same codes, in numpy.

Equation (1) of the thesis by overlap-save: every tile of the padded image (phase by phase when strided) is
encoded in diminished-1, transformed, multiplied point by point with the spectra of the flipped kernels,
accumulated over the input channels in the transform domain, transformed back, cropped to the outputs that did
not wrap, and decoded;
with several moduli each does this on its own and mixed radix puts the results together.
"""

from collections.abc import Iterator
from math import prod

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.number import Number, Ring
from fermatnet.model.fermat.plan import Geometry, Plan, phases, polyphase
from fermatnet.model.fermat.residue import reconstruct
from fermatnet.model.fermat.transform import forward2d, inverse2d, root_of_order

__all__ = ["convolve2d", "cut_tiles", "encode", "flipped", "join_tiles", "residues", "weight_spectra"]

CHUNK = 1 << 18
"""Points worked on at once: what stays in a second-level cache."""


def encode(ring: Ring, values: np.ndarray) -> Number:
    """Integers of any size (int64) reduced into the ring: code = (v - 1) mod 2^b+1, where 2^b means zero."""
    if ring.b > 62:
        return ring.encode(values)
    code = np.mod(np.asarray(values, np.int64) - 1, ring.modulus)
    zero = code == 1 << ring.b
    return Number(np.where(zero, 0, code).astype(np.uint64), zero)


def residues(ring: Ring, x: Number) -> np.ndarray:
    """Residues 0..2^b, int64 where they fit, python integers above."""
    if ring.b > 62:
        return ring.residues(x)
    return np.where(x.zero, 0, x.value.astype(np.int64) + 1)


def cut_tiles(x: np.ndarray, geometry: Geometry, plan: Plan) -> np.ndarray:
    """Images (n, C, H, W) to overlapping tiles (n, ty, tx, C, phases, Ny, Nx), zeros outside the image."""
    (sy, sx), (top, left) = geometry.stride, geometry.pad[:2]
    (ny, nx), (vy, vx), (ty, tx) = plan.lengths, plan.tile, plan.tiles
    rows, columns = sy * (vy * (ty - 1) + ny), sx * (vx * (tx - 1) + nx)
    canvas = np.zeros((*x.shape[:2], rows, columns), np.int64)
    height, width = min(geometry.height, rows - top), min(geometry.width, columns - left)
    if height > 0 and width > 0:
        canvas[:, :, top : top + height, left : left + width] = x[:, :, :height, :width]
    cut = [
        np.lib.stride_tricks.sliding_window_view(canvas[:, :, a::sy, b::sx], (ny, nx), axis=(2, 3))[
            :, :, ::vy, ::vx
        ]
        for a, b in phases(geometry)
    ]
    return np.stack(cut, axis=4).transpose(0, 2, 3, 1, 4, 5, 6)


def flipped(weight: np.ndarray, geometry: Geometry, lengths: tuple[int, int]) -> np.ndarray:
    """Kernels (O, C, kh, kw) as the filters (O, C, phases, Ny, Nx) of a circular convolution: tap t at index
    -t mod N."""
    taps = polyphase(weight, geometry)
    filters = np.zeros((*taps.shape[:3], *lengths), np.int64)
    rows, columns = (-np.arange(taps.shape[3])) % lengths[0], (-np.arange(taps.shape[4])) % lengths[1]
    filters[..., rows[:, None], columns[None, :]] = taps
    return filters


def weight_spectra(weight: np.ndarray, geometry: Geometry, lengths: tuple[int, int], b: int) -> Number:
    """Spectra (O, C, phases, Ny, Nx) of the kernels modulo 2^b+1, positions bit-reversed in both directions,
    1/(Ny Nx) inside."""
    ring = Ring(b)
    filters = flipped(weight, geometry, lengths)
    per = max(1, CHUNK // max(1, prod(filters.shape[1:])))
    parts = [forward2d(ring, encode(ring, filters[at : at + per])) for at in range(0, len(filters), per)]
    return ring.shift(Number.concatenate(parts), -(prod(lengths).bit_length() - 1))


def join_tiles(tiles: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Cropped tiles (n, ty, tx, O, Vy, Vx) to images (n, O, OH, OW)."""
    n, ty, tx, o, vy, vx = tiles.shape
    image = tiles.transpose(0, 3, 1, 4, 2, 5).reshape(n, o, ty * vy, tx * vx)
    return np.ascontiguousarray(image[:, :, : geometry.out[0], : geometry.out[1]])


def convolve2d(
    x: np.ndarray,
    weight: np.ndarray,
    plan: Plan,
    stride: tuple[int, int] = (1, 1),
    pad: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    group: int = 1,
) -> np.ndarray:
    """Convolution (cross-correlation) by diminished-1 Fermat number transforms, exact.

    x: int64 (n, C, H, W); weight: int64 (O, C/group, kh, kw); returns int64 (n, O, OH, OW). ``plan`` comes
    from `fermatnet.model.fermat.plan.choose` for the same layer; outputs outside its [lo, hi] would wrap,
    which the true bound it was made from excludes. Raises InputError if shapes or the plan do not fit each
    other.
    """
    x, weight = np.asarray(x, np.int64), np.asarray(weight, np.int64)
    if x.ndim != 4 or weight.ndim != 4 or x.shape[1] != weight.shape[1] * group or weight.shape[0] % group:
        raise InputError(f"images {x.shape} do not fit weights {weight.shape} in {group} groups")
    geometry = Geometry(x.shape[2], x.shape[3], weight.shape[2:], stride, pad, dilation)
    expected = -(-geometry.out[0] // plan.tile[0]), -(-geometry.out[1] // plan.tile[1])
    if plan.kernel != geometry.phase_kernel or plan.tiles != expected or plan.phases != len(phases(geometry)):
        raise InputError(
            f"the plan was made for another layer: kernel {plan.kernel}, tiles {plan.tiles}, phases "
            f"{plan.phases}"
        )
    for b in plan.widths:
        for n in plan.lengths:
            root_of_order(b, n)
    images = len(x)
    frames = cut_tiles(x, geometry, plan).reshape(images * prod(plan.tiles), group, -1, *plan.lengths)
    remainders = [_convolve_frames(Ring(b), frames, weight, geometry, plan, group) for b in plan.widths]
    outputs = reconstruct(remainders, plan.widths, plan.lo, plan.hi)
    return join_tiles(outputs.reshape(images, *plan.tiles, weight.shape[0], *plan.tile), geometry)


def _convolve_frames(
    ring: Ring, frames: np.ndarray, weight: np.ndarray, geometry: Geometry, plan: Plan, group: int
) -> np.ndarray:
    """Frames (m, group, channels, Ny, Nx) to residues (m, O, Vy, Vx) modulo one modulus."""
    o = len(weight) // group
    remainders = np.zeros((len(frames), len(weight), *plan.tile), object if ring.b > 62 else np.int64)
    for g in range(group):
        spectra = weight_spectra(weight[g * o : (g + 1) * o], geometry, plan.lengths, ring.b).reshape(
            o, -1, *plan.lengths
        )
        for part in _slices(len(frames), max(1, CHUNK // prod(frames.shape[2:]))):
            spectrum = forward2d(ring, encode(ring, frames[part, g]))
            for out in _slices(o, max(1, CHUNK // (spectrum.shape[0] * prod(plan.lengths)))):
                total = _accumulate(ring, spectrum, spectra[out])
                y = inverse2d(ring, total, scale=False)[..., : plan.tile[0], : plan.tile[1]]
                remainders[part, g * o + out.start : g * o + out.stop] = residues(ring, y)
    return remainders


def _accumulate(ring: Ring, x: Number, w: Number) -> Number:
    """Sum over the input channels of the point-wise products, in the order of the hardware: (m, C, ...), (O,
    C, ...) -> (m, O, ...)."""
    total = ring.mul(x[:, None, 0], w[None, :, 0])
    for channel in range(1, x.shape[1]):
        total = ring.add(total, ring.mul(x[:, None, channel], w[None, :, channel]))
    return total


def _slices(length: int, step: int) -> Iterator[slice]:
    for at in range(0, length, step):
        yield slice(at, min(at + step, length))
