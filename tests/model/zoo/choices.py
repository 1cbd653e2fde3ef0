"""Rows of operations for the macro-architecture of chapter 8."""

from fermatnet.model.zoo.generator import (
    EDGES,
)


def choice_of(normal, up=0, cross=2):
    return tuple({"normal": normal, "up": up, "cross": cross}[edge.kind] for edge in EDGES)
