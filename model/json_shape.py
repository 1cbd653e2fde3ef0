"""What a JSON document must hold: a damaged or edited one is refused in one line that names the place."""

from typing import Any

from fermatnet.model.errors import InputError

__all__ = ["SIZE", "validate"]

SIZE = range(1, 1 << 31)  # a count of something


def validate(value: Any, shape: Any, where: Any, at: str = "") -> None:
    """`InputError` unless ``value`` has ``shape``; ``where`` is the file, for the message.

    A shape is a type (float takes integers too), a union of types, a ``range`` of integers, a dictionary of
    shapes by key (more keys may be there), a list of one shape (of any length), or a list of several (of just
    that length).
    """
    if isinstance(shape, dict):
        _need_type(value, dict, where, at)
        for key, part in shape.items():
            if key not in value:
                raise InputError(f"{where} is damaged: it has no {at}{key}")
            validate(value[key], part, where, f"{at}{key}.")
    elif isinstance(shape, list):
        _need_type(value, list, where, at)
        if len(shape) > 1 and len(value) != len(shape):
            raise InputError(
                f"{where} is damaged: {at.removesuffix('.')} must hold {len(shape)} values, not {len(value)}"
            )
        for place, item in enumerate(value):
            validate(item, shape[place] if len(shape) > 1 else shape[0], where, f"{at}{place}.")
    elif isinstance(shape, range):
        _need_type(value, int, where, at)
        if value not in shape:
            raise InputError(
                f"{where} is damaged: {at.removesuffix('.')} must lie within "
                f"{shape.start}..{shape.stop - 1}, not {value}"
            )
    else:
        _need_type(value, shape, where, at)


def _need_type(value: Any, kind: Any, where: Any, at: str) -> None:
    kinds = getattr(kind, "__args__", (kind,))
    fits = (
        bool in kinds
        if isinstance(value, bool)
        else isinstance(value, (*kinds, int) if float in kinds else tuple(kinds))
    )
    if not fits:
        words = " or ".join("nothing" if one is type(None) else one.__name__ for one in kinds)
        raise InputError(
            f"{where} is damaged: {at.removesuffix('.') or 'it'} must be {words}, not {str(value)[:40]!r}"
        )
