"""`Engine`: a network planned for this machine, ready to run."""

import ctypes
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.network.graph import Network
from fermatnet.model.network.inputs import DTYPES
from fermatnet.model.network.reference import run as run_reference
from fermatnet.runtime.packed import build
from fermatnet.runtime.packed.emit import Emitter
from fermatnet.runtime.packed.explain import explain
from fermatnet.runtime.packed.plan import Plan, plan_network, unsupported

__all__ = ["Engine"]

CACHE = 1 << 19  # bytes of tensors that a thread's images may take together
MOST_IMAGES, MOST_BATCH = 16, 1 << 12


class Engine:
    """Exact outputs of a network, by fused kernels on packed tensors.

    Parameters
    ----------
    net : Network
    threads : int
        Threads that share a call: images, or, with fewer images than threads, the rows of each layer.
    batch : int or None
        Most images a thread computes at once; by default as many as the second cache holds.
    form : str
        "auto", or the instructions to use: "avx512", "avx2", "neon", "portable", or "numpy" (the reference,
        without a compiler).

    Attributes
    ----------
    form : the instructions that are used. note : why it is "numpy" where nobody asked for that, else empty.

    Raises
    ------
    InputError
        One line: an unknown form, one that this processor lacks, a batch or a number of threads below 1.
    """

    def __init__(
        self, net: Network, threads: int = 1, batch: int | None = None, form: str = "auto", kernel: str = ""
    ):
        if threads < 1 or (batch is not None and batch < 1):
            raise InputError(f"threads and batch must be at least 1, not {threads} and {batch}")
        self.net, self.threads, self.note = net, threads, ""
        self.plan: Plan | None = None
        self.form = self._choose(form)
        if self.form != "numpy":
            self._open(batch, kernel)

    def _choose(self, form: str) -> str:
        if form == "numpy":
            return form
        problem = unsupported(self.net) or build.why_not()
        if problem:
            if form != "auto":
                raise InputError(f"the form {form!r} cannot run here: {problem}")
            self.note = f"the numpy reference runs instead of the packed engine: {problem}"
            return "numpy"
        usable = list(build.forms())
        if form not in ("auto", *usable):
            raise InputError(f"this machine has no form {form!r}; it has {', '.join(usable)}, numpy")
        return usable[0] if form == "auto" else form

    def _open(self, batch: int | None, kernel: str) -> None:
        form = build.forms()[self.form]
        self.plan = plan_network(self.net, form, kernel)
        image_bytes = sum(stored.image for stored in self.plan.stored.values())
        external = any(operation.external for operation in self.plan.operations)
        least = 4 if external else 1  # the spectra of weights are read once for all images of a call
        chunk = (
            min(batch, MOST_BATCH) if batch else max(least, min(MOST_IMAGES, CACHE // max(1, image_bytes)))
        )
        self._emitter = Emitter(self.plan, chunk, max(chunk, self.threads - 1))
        self._library = build.library()
        session = self._library.packed_open(
            ctypes.addressof(self._emitter.program), form.number, self.threads
        )
        if not session:
            raise InputError(
                f"{self.threads} threads of {self._emitter.memory} bytes are more than this machine gives"
            )
        self._session, self._one_call = session, threading.Lock()
        weakref.finalize(self, self._library.packed_close, session)

    @property
    def memory(self) -> int:
        """Bytes of tensors that all threads hold together, planned once; 0 for the numpy reference."""
        return 0 if self.plan is None else self._emitter.memory * self.threads

    @property
    def results(self) -> int:
        """Values of one image's output."""
        return int(np.prod(self.net.types[self.net.output].shape))

    def _checked(self, images: Any) -> np.ndarray:
        net = self.net
        if not isinstance(images, np.ndarray) or images.dtype != np.dtype(net.input_dtype):
            kind = getattr(images, "dtype", type(images).__name__)
            raise InputError(f"images must be {net.input_dtype}, not {kind}")
        fits = images.shape[1:] in (net.input_dims, net.input_shape)
        if images.ndim < 2 or not fits or not len(images):
            wanted = ", ".join(map(str, net.input_dims))
            raise InputError(f"images must have shape (n, {wanted}) with n at least 1, not {images.shape}")
        lo, hi = net.input_range
        if (lo, hi) != DTYPES[net.input_dtype] and (images.min() < lo or images.max() > hi):
            raise InputError(f"pixels must lie within {lo}..{hi}, not {images.min()}..{images.max()}")
        return np.ascontiguousarray(images)

    def __call__(
        self,
        images: np.ndarray | Mapping[str, np.ndarray],
        *,
        batch: int = 64,
        progress: Callable[[int], None] | None = None,
    ) -> Any:
        """Outputs int64 (n, K) of images (n, C, H, W), or (n, *dims), of the network's input type: the
        reference's integers.

        ``progress`` is called with the number of images done, after every ``batch`` of them (of the numpy
        form, which it bounds the memory of, always). InputError for a wrong dtype, shape or range. Two
        callers at once wait for each other. A network of several inputs or outputs runs in the reference: one
        array a name, in and out.
        """
        if self.plan is None and isinstance(images, np.ndarray | Mapping):
            # which takes every input that a network may have, and checks it
            return run_reference(self.net, images, batch=batch, progress=progress)
        images = self._checked(images)
        results = np.empty((len(images), self.results), np.int64)
        each = len(images) if progress is None else batch
        for first in range(0, len(images), each):
            part = images[first : first + each]
            with self._one_call:
                self._library.packed_run(
                    self._session, part.ctypes.data, len(part), results[first:].ctypes.data
                )
            self._raise()
            if progress:
                progress(first + len(part))
        return results

    def _raise(self) -> None:
        """Raises what a layer outside the kernels raised."""
        problems, self._emitter.failed[:] = list(self._emitter.failed), []
        for problem in problems:
            raise problem

    def explain(self, images: np.ndarray | None = None) -> str:
        """Which kernel every layer takes and why, what is fused and what is stored; with images also measured
        times of an image.
        """
        if self.plan is None:
            return f"form numpy: the reference runs, layer by layer{f' ({self.note})' if self.note else ''}"
        return explain(
            self.plan, self._emitter, self.threads, None if images is None else self.profile(images)
        )

    def profile(self, images: np.ndarray, rounds: int = 5) -> list[float]:
        """Seconds of every operation of `plan` (the image's own first), one thread, the least of some rounds,
        an image each.
        """
        images = self._checked(images)
        if self.plan is None:
            raise InputError("the numpy form has no operations to measure")
        count = len(self.plan.operations) + 1
        results, best = np.empty((len(images), self.results), np.int64), np.full(count, np.inf)
        for _ in range(rounds):
            seconds = np.zeros(count)
            with self._one_call:
                self._library.packed_profile(
                    self._session, images.ctypes.data, len(images), results.ctypes.data, seconds.ctypes.data
                )
            best = np.minimum(best, seconds)
        return (best / min(len(images), self._emitter.chunk)).tolist()
