"""One counter: what it takes, gives and costs, and the parts of its Verilog that are the same for every kind
of logic."""

from dataclasses import dataclass

__all__ = ["Counter", "header", "input_names", "weighted_sum"]


@dataclass(frozen=True)
class Counter:
    """One counter shape.

    ``pairs``: products taken in column 0; ``bits``: plain bits taken by column (pairs excluded, carry-in
    included);
    ``outputs``: result bits, one a column; ``cost``: LUT cells (a CCU2C counts 2), or full-adder equivalents;
    ``positions``: how the inputs sit in the chain, () without one (then every output is one table of all
    inputs);
    ``carries``: carry positions used.
    """

    kind: str
    pairs: int
    bits: tuple[int, ...]
    outputs: int
    cost: float
    positions: tuple[tuple[int, ...], ...] = ()
    cin: int = 0

    @property
    def removed(self) -> int:
        """Terms in minus bits out."""
        return self.pairs + sum(self.bits) - self.outputs

    @property
    def carries(self) -> int:
        """Positions of its carry chain."""
        return len(self.positions)

    @property
    def name(self) -> str:
        """Name of its Verilog module: kind and inputs of each column, and where the sum is cut the bits that
        are left of it."""
        shape = (
            "_".join("".join(map(str, p)) for p in self.positions)
            or f"p{self.pairs}_{''.join(map(str, self.bits))}"
        )
        whole = (self.pairs + sum(count << j for j, count in enumerate(self.bits))).bit_length()
        cut = f"_to{self.outputs}" if self.outputs < whole else ""
        return f"fermatnet_{self.kind}_{shape}{'_c' if self.cin else ''}{cut}"

    def module(self, gates: tuple[str, ...]) -> str:
        """Module name for these gates."""
        return self.name + "".join("" if gate == "and" else f"_{gate}{k}" for k, gate in enumerate(gates))


_GATE = {"and": "{0} & {1}", "nand": "~({0} & {1})", "xor": "{0} ^ {1}", "xnor": "~({0} ^ {1})"}


def header(counter: Counter, gates: tuple[str, ...]) -> list[str]:
    """Ports ``p`` (two bits a pair), ``x<column>`` and ``o``; wires q<k> with the pairs' values."""
    ports = [f"input wire [{2 * counter.pairs - 1}:0] p"] if counter.pairs else []
    ports += [f"input wire [{count - 1}:0] x{j}" for j, count in enumerate(counter.bits) if count]
    ports.append(f"output wire [{counter.outputs - 1}:0] o")
    # cell libraries gain from optimising across counters
    kept = [] if counter.kind == "asic" else ["(* keep_hierarchy *)"]
    lines = [*kept, f"module {counter.module(gates)} ({', '.join(ports)});"]
    for k, gate in enumerate(gates):
        lines.append(f"    wire q{k} = {_GATE[gate].format(f'p[{2 * k}]', f'p[{2 * k + 1}]')};")
    return lines


def input_names(counter: Counter) -> list[list[str]]:
    """Names of the inputs by column."""
    columns = [[f"x{j}[{k}]" for k in range(count)] for j, count in enumerate(counter.bits)]
    if counter.pairs:
        columns = columns or [[]]
        columns[0] = [f"q{k}" for k in range(counter.pairs)] + columns[0]
    return columns


def weighted_sum(counter: Counter) -> str:
    """The weighted sum as an expression in the width of the output (one zero of that width sets it)."""
    terms: list[str] = []
    for j, column in enumerate(input_names(counter)):
        terms += [f"({term} << {j})" if j else term for term in column]
    return " + ".join([f"{counter.outputs}'d0", *terms])
