"""joblib's back ends, as sweeps and explorations offer them."""

from collections.abc import Iterator
from contextlib import contextmanager

from fermatnet.model.errors import InputError

__all__ = ["BACKENDS", "check_backend", "parallel"]

BACKENDS = ("loky", "threading", "dask")


def check_backend(name: str, scheduler: str | None = None) -> None:
    """InputError unless ``name`` is a back end, and the address of a ``scheduler`` is there for "dask" and
    for nothing else."""
    if name not in BACKENDS:
        raise InputError(f"back ends are {', '.join(BACKENDS)}, not {name!r}")
    if name == "dask" and not scheduler:
        raise InputError("the dask back end needs the address of a scheduler: --scheduler tcp://HOST:8786")
    if name != "dask" and scheduler is not None:
        raise InputError(f"a scheduler is for the dask back end, not for {name!r}: --backend dask")


@contextmanager
def parallel(name: str, scheduler: str | None) -> Iterator[None]:
    """Inside it joblib works on the back end ``name``: processes ("loky") or threads of this machine, or
    "dask" with the address of a ``scheduler``. InputError where dask or the scheduler is missing."""
    import joblib

    check_backend(name, scheduler)
    if name != "dask":
        with joblib.parallel_config(backend=name):
            yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("the dask back end needs dask: pip install 'fermatnet[sweeps]'") from error
    assert scheduler is not None
    try:
        client = Client(scheduler, timeout=10)
    except OSError as error:
        raise InputError(f"no dask scheduler answers at {scheduler}: {str(error).splitlines()[0]}") from error
    with client, joblib.parallel_config(backend="dask", wait_for_workers_timeout=60):
        yield
