"""All quantization methods by name: the project's own, and the baselines they are compared with."""

from typing import Any

from fermatnet.model.nn.baselines.catalogue import BASELINES
from fermatnet.model.nn.method import Method
from fermatnet.model.nn.piecewise import PiecewiseActivation, PiecewiseWeight
from fermatnet.model.nn.sign import SignIndex, SignWeight
from fermatnet.model.nn.uniform import UniformActivation, UniformWeight

__all__ = ["method", "methods"]

SHORT = 15  # largest level of a weight of scheme "pa-short"


def _none(*_: Any) -> None:
    return None


def _integers(bits: int) -> Method:
    return Method(
        f"int{bits}",
        f"{bits}-bit integers with learned power-of-two steps, for the Fermat engine",
        lambda bits, shape: UniformWeight(bits),
        lambda bits: UniformActivation(bits, signed=False),
        bits,
        8,
        exportable=True,
        fixed_point=True,
    )


_OWN = (
    Method("float", "full precision", _none, _none, 0, 0),
    Method(
        "pa",
        "piecewise approximation, M weight and N activation pieces (thesis chapter 3)",
        lambda m, shape: PiecewiseWeight(m),
        PiecewiseActivation,
        4,
        5,
        exportable=True,
    ),
    Method(
        "pa-short",
        "piecewise approximation in smaller arrays: levels of weights up to 15, of activations 1 to N",
        lambda m, shape: PiecewiseWeight(m, limit=SHORT),
        lambda n: PiecewiseActivation(n, limit=n),
        4,
        5,
        exportable=True,
    ),
    _integers(8),
    _integers(16),
    Method(
        "sign",
        "one-bit weights and activations with a border of -1 (chapters 4 and 5)",
        lambda count, shape: SignWeight(),
        lambda count: SignIndex(),
        1,
        1,
        exportable=True,
        bits=True,
    ),
)

_methods = {entry.name: entry for entry in (*_OWN, *BASELINES)}


def method(entry: Method) -> None:
    """Adds a method; `fermatnet.model.nn.scheme.scheme` then knows its name, and raises InputError only for
    names that nobody added."""
    _methods[entry.name] = entry


def methods() -> dict[str, Method]:
    """All methods by name."""
    return dict(_methods)
