"""joblib's back ends, as sweeps and explorations offer them."""

from collections.abc import Iterator
from contextlib import contextmanager

from fermatnet.model.errors import InputError

__all__ = ["BACKENDS", "check_backend", "parallel"]

BACKENDS = ("loky", "threading", "dask")


def check_backend(name: str) -> None:
    """InputError unless ``name`` is a back end."""
    if name not in BACKENDS:
        raise InputError(f"back ends are {', '.join(BACKENDS)}, not {name!r}")


@contextmanager
def parallel(name: str, scheduler: str | None) -> Iterator[None]:
    """Inside it joblib works on the back end ``name``: processes ("loky") or threads of this machine, or
    "dask" with the address of a ``scheduler``. InputError where dask or the scheduler is missing."""
    import joblib

    check_backend(name)
    if name != "dask":
        with joblib.parallel_config(backend=name):
            yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("the dask back end needs dask: pip install 'fermatnet[sweeps]'") from error
    if scheduler is None:
        raise InputError("the dask back end needs the address of a scheduler: --scheduler tcp://HOST:8786")
    try:
        client = Client(scheduler, timeout=10)
    except OSError as error:
        raise InputError(f"no dask scheduler answers at {scheduler}: {str(error).splitlines()[0]}") from error
    with client, joblib.parallel_config(backend="dask", wait_for_workers_timeout=60):
        yield
