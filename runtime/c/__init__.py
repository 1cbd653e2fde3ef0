"""Portable C99 from a network file: no allocation, no floating point, the exact integers of the reference."""

from fermatnet.runtime.c.generate import generate

__all__ = ["generate"]
