"""Fractal blocks with shortcuts: F^R of (5.1), (5.2) and F^D of (5.3) to (5.6).

A block of C columns has 2^C - 1 convolutions and a longest path of 2^(C-1). Written out, both recursions say
the same thing: column 1 is one convolution; C+1 columns are the fractal of C columns twice in a row beside
one convolution that spans both. Columns that end at the same depth meet in one join, so the last join of a
block has C inputs.
"""

from typing import Any

from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.zoo.binary import Concat, ConvUnit, Join

__all__ = ["DenseFractalBlock", "ResidualFractal", "ResidualFractalBlock", "check_columns"]

MAX_COLUMNS = 8


def check_columns(columns: int) -> int:
    """The number of columns itself, 1 to ``MAX_COLUMNS``; else InputError."""
    if not 1 <= columns <= MAX_COLUMNS:
        raise InputError(f"a fractal block has 1 to {MAX_COLUMNS} columns, not {columns}")
    return columns


class ResidualFractal(nn.Module):
    """F_C^R before its last join: a list of C tensors, one a column. ``width`` -> ``width`` channels, 3x3,
    stride 1.

    ``residual`` False takes the shortcuts away (the A- networks of table 5.6).
    """

    def __init__(
        self,
        columns: int,
        width: int,
        *,
        join: str = "mean",
        residual: bool = True,
        bits: int = 1,
        padding_value: int = 0,
    ) -> None:
        super().__init__()
        check_columns(columns)
        self.unit = ConvUnit(width, width, bits=bits, padding_value=padding_value, residual=residual)
        if columns > 1:
            options: dict[str, Any] = {
                "join": join,
                "residual": residual,
                "bits": bits,
                "padding_value": padding_value,
            }
            self.first = ResidualFractal(columns - 1, width, **options)
            self.join = Join(join) if columns > 2 else None
            self.second = ResidualFractal(columns - 1, width, **options)
        self.columns = columns

    def forward(self, x: Tensor) -> list[Tensor]:
        beside = [self.unit(x)]
        if self.columns == 1:
            return beside
        middle = self.first(x)
        return self.second(middle[0] if self.join is None else self.join(*middle)) + beside


class ResidualFractalBlock(nn.Module):
    """The block of UA-ResNet: F_C^R with its last join (figure 5.1 left, c3d4 for C = 3)."""

    def __init__(
        self,
        columns: int,
        width: int,
        *,
        join: str = "mean",
        residual: bool = True,
        bits: int = 1,
        padding_value: int = 0,
    ) -> None:
        super().__init__()
        self.fractal = ResidualFractal(
            columns, width, join=join, residual=residual, bits=bits, padding_value=padding_value
        )
        self.join = Join(join) if columns > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        columns = self.fractal(x)
        return columns[0] if self.join is None else self.join(*columns)


class DenseFractal(nn.Module):
    """F_C^D before its last join: ``channels`` -> ``growth``, F^D first and then F^R, a wide convolution
    beside both."""

    def __init__(
        self,
        columns: int,
        channels: int,
        growth: int,
        *,
        join: str = "mean",
        residual: bool = True,
        bits: int = 1,
        padding_value: int = 0,
    ) -> None:
        super().__init__()
        check_columns(columns)
        self.unit = ConvUnit(channels, growth, bits=bits, padding_value=padding_value)
        if columns > 1:
            options: dict[str, Any] = {
                "join": join,
                "residual": residual,
                "bits": bits,
                "padding_value": padding_value,
            }
            self.first = DenseFractal(columns - 1, channels, growth, **options)
            self.join = Join(join) if columns > 2 else None
            self.second = ResidualFractal(columns - 1, growth, **options)
        self.columns = columns

    def forward(self, x: Tensor) -> list[Tensor]:
        beside = [self.unit(x)]
        if self.columns == 1:
            return beside
        middle = self.first(x)
        return self.second(middle[0] if self.join is None else self.join(*middle)) + beside


class DenseFractalBlock(nn.Module):
    """The block of UA-DenseNet (5.6): the input and ``growth`` new channels from F_C^D, one after the
    other."""

    def __init__(
        self,
        columns: int,
        channels: int,
        growth: int,
        *,
        join: str = "mean",
        residual: bool = True,
        bits: int = 1,
        padding_value: int = 0,
    ) -> None:
        super().__init__()
        self.fractal = DenseFractal(
            columns, channels, growth, join=join, residual=residual, bits=bits, padding_value=padding_value
        )
        self.join = Join(join) if columns > 1 else None
        self.concat = Concat()

    def forward(self, x: Tensor) -> Tensor:
        columns = self.fractal(x)
        return self.concat(x, columns[0] if self.join is None else self.join(*columns))
