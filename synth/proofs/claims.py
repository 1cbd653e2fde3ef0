"""What the proofs of diminished-1 arithmetic claim, in SMT-LIB: sums and differences of residues, at a
latency."""

from collections.abc import Callable

from amaranth.lib import wiring

from fermatnet.hw.fermat.negate import Negate
from fermatnet.synth.formal import Block, Proof, constant, residue, valid_number

__all__ = ["all_of", "difference_modulo", "negation", "operands", "sum_modulo", "two_operands"]


def all_of(*terms: str) -> str:
    """Conjunction of any number of terms."""
    return f"(and true {' '.join(terms)})"


def sum_modulo(x: str, y: str, b: int, width: int) -> str:
    """x + y modulo 2^b + 1 for residues of ``width`` > b + 1 bits."""
    total, f = f"(bvadd {x} {y})", constant((1 << b) + 1, width)
    return f"(ite (bvuge {total} {f}) (bvsub {total} {f}) {total})"


def difference_modulo(x: str, y: str, b: int, width: int) -> str:
    """x - y modulo 2^b + 1 for residues of ``width`` > b + 1 bits."""
    return f"(ite (bvuge {x} {y}) (bvsub {x} {y}) (bvsub (bvadd {x} {constant((1 << b) + 1, width)}) {y}))"


def operands(
    block: Block, b: int, latency: int, outputs: dict[str, Callable[..., str]]
) -> tuple[str, list[str]]:
    """(claim, assumptions): outputs equal functions of the residues of x and y, `latency` enabled edges
    later, and are well-formed."""
    width = b + 3
    x, y = (residue(block.port(name, 0), b, width) for name in ("x", "y"))
    claims = []
    for name, function in outputs.items():
        word = block.port(name, latency)
        claims += [valid_number(word, b), f"(= {residue(word, b, width)} {function(x, y, b, width)})"]
    assumptions = [valid_number(block.port(name, 0), b) for name in ("x", "y")] + [
        block.high("en", t) for t in range(latency)
    ]
    return f"(and {' '.join(claims)})", assumptions


def two_operands(
    component: wiring.Component, b: int, latency: int, outputs: dict[str, Callable[..., str]]
) -> Proof:
    """`operands` as a proof about a component with ports x, y, en and those named."""
    block = Block(component)
    claim, assumptions = operands(block, b, latency, outputs)
    return Proof(block, claim, assumptions, latency)


def negation(b: int, component: Negate | None = None) -> Proof:
    """x and its negation (by ``component`` or a `Negate`) add up to zero, and the result is well-formed."""
    block, width = Block(component or Negate(b)), b + 3
    x, o = block.port("x", 0), block.port("o", 0)
    claim = f"(= {sum_modulo(residue(x, b, width), residue(o, b, width), b, width)} {constant(0, width)})"
    return Proof(block, all_of(claim, valid_number(o, b)), [valid_number(x, b)])
