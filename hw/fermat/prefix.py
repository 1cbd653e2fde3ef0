"""Parallel-prefix carries (Sklansky): log2 b levels of (generate, propagate) pairs."""

from amaranth.hdl import Value

__all__ = ["prefix_carries"]


def prefix_carries(generate: Value, propagate: Value) -> tuple[list[Value], list[Value]]:
    """(G, P) with G[i], P[i] the group generate and propagate of bits i..0. Wires and gates only, minimal
    depth, fan-out up to b/2."""
    g = [generate[i] for i in range(len(generate))]
    p = [propagate[i] for i in range(len(propagate))]
    distance = 1
    while distance < len(g):
        for i in range(len(g)):
            if i & distance:
                j = (i & ~(2 * distance - 1)) + distance - 1
                g[i], p[i] = g[i] | (p[i] & g[j]), p[i] & p[j]
        distance *= 2
    return g, p
