"""Table 3.8: the latency of one convolution on hardware that is parallel throughout, as gate delays.

A sum of n products costs n x (gate + popcount) one after the other in the table, or n products and n - 1
additions in full precision. A piecewise layer of M x N planes has all of them beside each other, and pays
once for N comparisons in parallel, N scales and N - 1 additions.
"""

from dataclasses import dataclass

__all__ = ["Delays", "latencies", "table"]

MODELS = ("Bi-Real Net", "PA-Net", "full precision")


@dataclass(frozen=True)
class Delays:
    """Of one operation, in any unit of time; XNOR and AND are those of table 3.2 in picoseconds."""

    xnor: float = 10.87
    gate_and: float = 9.62
    popcount: float = 0.0
    multiply: float = 0.0
    add: float = 0.0
    compare: float = 0.0


def latencies(channels: int, kernel: tuple[int, int], delays: Delays, activations: int = 5) -> list[float]:
    """Latency of Bi-Real Net, PA-Net with N = ``activations`` and full precision by table 3.8."""
    n = channels * kernel[0] * kernel[1]
    d = delays
    return [
        n * (d.xnor + d.popcount) + d.multiply,
        n * (d.gate_and + d.popcount) + activations * d.multiply + (activations - 1) * d.add + d.compare,
        n * d.multiply + (n - 1) * d.add,
    ]


def table(activations: int = 5) -> list[tuple[str, str]]:
    """(model, formula) of table 3.8, n = c_in h w."""
    return [
        (MODELS[0], "n (T_XNOR + T_pop) + T_mul"),
        (
            MODELS[1],
            f"n (T_AND + T_pop) + {activations} T_mul + {activations - 1} T_add + T_com",
        ),
        (MODELS[2], "n T_mul + (n - 1) T_add"),
    ]
