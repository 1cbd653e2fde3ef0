"""Counters: the small exact adders that compressor trees are made of, one family for each kind of logic.

A counter takes bits (and two-input products, called pairs) of a few neighbouring columns and gives their
weighted sum in binary.
Everything a tree needs to know of it is here: what it takes, what it costs, its Verilog.

*lut6* (7-series and everything with six-input tables and a carry chain behind them). Position j of the chain
has one table for its propagate signal and one plain wire x_j for its generate signal; raw inputs go through
the tables only, and what they carry over is computed again from the raw inputs in the next position's table,
so that no table is spent on a generate signal::

      raw_0 (3 bits, or 2 pairs + 1 bit)          raw_1 (2 bits)
        |            '--- again ----------.--------'   '-- again --.
     [ LUT6 ]<- x_0                    [ LUT6 ]<- x_1           [ LUT6 ]<- x_2
        |                                 |                        |
  cin --+-- carry ------------------------+------------------------+---- o_3
       o_0                               o_1                      o_2

  Three tables take (5, 3, 1) bits of three columns and leave 4: 5/3 of a bit removed by each. With two pairs
  in the first column, two tables absorb two products and four bits and leave three.

*ecp5* (CCU2C). Position j adds two half-slots f(A, B) + g(C, D), any f and any g with g(0, 0) = 0: a product,
a bit, or one half of a half adder whose other half sits in the next position. Chains start at 0 and end
inside, so that nothing enters or leaves through the carry pins.

*asic*: full and half adders.
"""

from dataclasses import dataclass
from functools import cache

__all__ = ["Counter", "family"]


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
        return len(self.positions)

    @property
    def name(self) -> str:
        shape = (
            "_".join("".join(map(str, p)) for p in self.positions)
            or f"p{self.pairs}_{''.join(map(str, self.bits))}"
        )
        return f"fermatnet_{self.kind}_{shape}{'_c' if self.cin else ''}"

    def verilog(self, gates: tuple[str, ...]) -> str:
        """Module text; ``gates`` names the function of each pair: "and", "nand", "xor" or "xnor"."""
        return _VERILOG[self.kind](self, gates)

    def module(self, gates: tuple[str, ...]) -> str:
        """Module name for these gates."""
        return self.name + "".join("" if gate == "and" else f"_{gate}{k}" for k, gate in enumerate(gates))


_GATE = {"and": "{0} & {1}", "nand": "~({0} & {1})", "xor": "{0} ^ {1}", "xnor": "~({0} ^ {1})"}


def _header(counter: Counter, gates: tuple[str, ...]) -> list[str]:
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


def _terms(counter: Counter) -> list[list[str]]:
    """Names of the inputs by column."""
    columns = [[f"x{j}[{k}]" for k in range(count)] for j, count in enumerate(counter.bits)]
    if counter.pairs:
        columns = columns or [[]]
        columns[0] = [f"q{k}" for k in range(counter.pairs)] + columns[0]
    return columns


def _sum(counter: Counter) -> str:
    """The weighted sum as an expression in the width of the output (one zero of that width sets it)."""
    terms = [f"({term} << {j})" if j else term for j, column in enumerate(_terms(counter)) for term in column]
    return " + ".join([f"{counter.outputs}'d0", *terms])


# --- tables of six inputs with a carry chain ----------------------------------------------------------------


def _majority(names: list[str]) -> str:
    if len(names) == 2:
        return f"{names[0]} & {names[1]}"
    a, b, c = names
    return f"({a} & {b}) | ({a} & {c}) | ({b} & {c})"


def _lut6_verilog(counter: Counter, gates: tuple[str, ...]) -> str:
    lines, columns = _header(counter, gates), _terms(counter)
    if not counter.positions:
        if counter.bits == (6,):  # a sum would become a chain; as truth tables it is one table an output
            for k in range(3):
                truth = sum((row.bit_count() >> k & 1) << row for row in range(64))
                lines += [f"    wire [63:0] t{k} = 64'h{truth:016x};", f"    assign o[{k}] = t{k}[x0];"]
        else:
            lines.append(f"    assign o = {_sum(counter)};")
        return "\n".join([*lines, "endmodule", ""])
    rest: str | None = None
    wires: list[str] = []
    tables: list[str] = []
    carry_in = columns[0].pop() if counter.cin else "1'b0"
    for j, (pairs, raw, wire) in enumerate(counter.positions):
        own = columns[j] if j < len(columns) else []
        table = own[: pairs + raw] + ([rest] if rest else [])
        wires.append(own[pairs + raw] if wire else "1'b0")
        tables.append(" ^ ".join(table) or "1'b0")
        rest = None
        if len(table) > 1:
            rest = f"r{j}"
            lines.append(f"    wire {rest} = {_majority(table)};")
    length = len(counter.positions)
    lines.append(
        f"    wire [{length - 1}:0] wires = {{{', '.join(reversed(wires))}}};  // generate: plain wires"
    )
    lines.append(f"    wire [{length - 1}:0] tables = {{{', '.join(reversed(tables))}}};")
    lines.append(f"    wire [{length}:0] total = wires + tables + {carry_in};")
    lines.append(f"    assign o = total[{counter.outputs - 1}:0];")
    return "\n".join([*lines, "endmodule", ""])


def _lut6_chains(longest: int) -> list[Counter]:
    """Chain counters of up to ``longest`` positions whose tables fit six inputs and that remove a bit.

    Left out are shapes of which yosys would make more tables than positions: a first position without two
    table inputs (it is split off), one without a wire below the top, a bare bit that is only passed on. The
    rest was synthesised one by one: a table a position and one chain, never more.
    """
    found: list[Counter] = []

    def emit(positions):
        for cin in (0, 1):
            bits = [raw + wire for _, raw, wire in positions]
            bits[0] += cin
            pairs = positions[0][0]
            top = sum(count << j for j, count in enumerate(bits)) + pairs
            counter = Counter(
                "lut6", pairs, tuple(bits), top.bit_length(), len(positions), tuple(positions), cin
            )
            # below three result bits yosys builds no carry chain
            if counter.removed > 0 and max(3, len(positions)) <= counter.outputs <= len(positions) + 1:
                found.append(counter)

    def grow(positions, rest, carried):
        if positions and not rest:
            emit(positions)
        if len(positions) == longest:
            return
        for pairs in range(0 if positions else 3, -1, -1):
            for raw in range(4):
                for wire in (0, 1):
                    table = rest + pairs + raw
                    through = 2 * pairs + raw + (carried if rest else 0)
                    if not 1 <= table <= 3 or through + wire > 6 or (not positions and table < 2):
                        continue
                    if table == 1 and not rest and not wire:
                        continue
                    if positions and not positions[-1][2]:
                        continue
                    over = int(table >= 2)
                    grow((*positions, (pairs, raw, wire)), over, through if over else 0)

    grow((), 0, 0)
    for length in range(2, longest + 1):
        emit(((0, 1, 1),) * length)  # plain adders
    return found


# --- CCU2C --------------------------------------------------------------------------------------------------


def _ecp5_slots(counter: Counter) -> list[list[tuple[str, str, str]]]:
    """Half-slots (function, A, B) of every position. positions[j] = (products, half adders, bits)."""
    columns, slots = _terms(counter), []
    open_pairs: list[tuple[str, str]] = []
    for j, (products, halves, singles) in enumerate(counter.positions):
        names = list(columns[j]) if j < len(columns) else []
        own = [("and", a, b) for a, b in open_pairs]
        own += [("gate", f"p[{2 * k}]", f"p[{2 * k + 1}]") for k in range(products)]
        names = names[products:]
        open_pairs = [(names[2 * k], names[2 * k + 1]) for k in range(halves)]
        own += [("xor", a, b) for a, b in open_pairs]
        own += [("bit", name, "1'b0") for name in names[2 * halves : 2 * halves + singles]]
        slots.append(own)
    return slots


def _ecp5_verilog(counter: Counter, gates: tuple[str, ...]) -> str:
    lines = _header(counter, gates)
    if not counter.positions:
        return "\n".join([*lines, f"    assign o = {_sum(counter)};", "endmodule", ""])
    functions = {
        "and": lambda a, b: a & b,
        "xor": lambda a, b: a ^ b,
        "bit": lambda a, b: a,
        "zero": lambda a, b: 0,
        "nand": lambda a, b: 1 - (a & b),
        "xnor": lambda a, b: 1 - (a ^ b),
    }
    length = len(counter.positions)
    lines += [
        "`ifdef SYNTHESIS",
        f"    wire [{length - 1}:0] s;",
        f"    wire [{length // 2}:0] c;",
        "    assign c[0] = 1'b0;",
    ]
    cells = []
    for own in _ecp5_slots(counter):
        named = []
        for function, a, b in own:
            gate = gates[int(a[2:-1]) // 2] if function == "gate" else function
            named.append((gate, a, b))
        named.sort(key=lambda slot: functions[slot[0]](0, 0) == 0)  # the one that is 1 at (0, 0) sits in f
        named += [("zero", "1'b0", "1'b0")] * (2 - len(named))
        (f, a, b), (g, c, d) = named
        assert functions[g](0, 0) == 0, "only one half-slot of a position may be 1 for zeros"
        init = 0
        for row in range(16):
            va, vb, vc, vd = row & 1, row >> 1 & 1, row >> 2 & 1, row >> 3 & 1
            init |= (functions[f](va, vb) ^ functions[g](vc, vd)) << row
        cells.append((f"16'h{init:04x}", a, b, c, d))
    for k in range(0, length, 2):
        ports = ", ".join(f".{pin}{h}({cells[k + h][1 + i]})" for h in (0, 1) for i, pin in enumerate("ABCD"))
        lines.append(
            f'    CCU2C #(.INIT0({cells[k][0]}), .INIT1({cells[k + 1][0]}), .INJECT1_0("NO"), '
            '.INJECT1_1("NO")) '
            f"chain{k // 2} ({ports}, .CIN(c[{k // 2}]), .S0(s[{k}]), .S1(s[{k + 1}]), "
            f".COUT(c[{k // 2 + 1}]));"
        )
    lines += [
        f"    assign o = s[{counter.outputs - 1}:0];",
        "`else",
        f"    assign o = {_sum(counter)};",
        "`endif",
    ]
    return "\n".join([*lines, "endmodule", ""])


def _ecp5_chains(longest: int) -> list[Counter]:
    """Every CCU2C chain of up to ``longest`` cells that neither overflows nor wastes its last cell."""
    found: dict[tuple, Counter] = {}

    def grow(positions, cells):
        length = len(positions)
        if length == 2 * cells:
            columns = [products + 2 * halves + singles for products, halves, singles in positions]
            top = sum(count << j for j, count in enumerate(columns))
            pairs = positions[0][0]
            bits = (columns[0] - pairs, *columns[1:])
            counter = Counter("ecp5", pairs, bits, top.bit_length(), 2 * cells, tuple(positions))
            if 2 * cells - 1 <= counter.outputs <= 2 * cells and (counter.removed > 0 or pairs):
                found.setdefault((pairs, bits), counter)
            return
        over = positions[-1][1] if positions else 0
        for products in range(0 if positions else 2, -1, -1):
            for halves in range(3 if length < 2 * cells - 1 else 1):
                for singles in range(3):
                    if over + products + halves + singles <= 2:
                        grow((*positions, (products, halves, singles)), cells)

    for cells in range(1, longest + 1):
        grow((), cells)
    return list(found.values())


def _plain_verilog(counter: Counter, gates: tuple[str, ...]) -> str:
    return "\n".join([*_header(counter, gates), f"    assign o = {_sum(counter)};", "endmodule", ""])


_VERILOG = {"lut6": _lut6_verilog, "ecp5": _ecp5_verilog, "asic": _plain_verilog}


@cache
def family(target: str) -> tuple[Counter, ...]:
    """All counters of a target, the ones without a chain first."""
    if target == "lut6":
        tables = [
            Counter("lut6", 3, (), 2, 2),
            Counter("lut6", 2, (), 2, 2),
            Counter("lut6", 1, (), 1, 1),
            Counter("lut6", 0, (6,), 3, 3),
            Counter("lut6", 0, (3,), 2, 2),
            Counter("lut6", 0, (2,), 2, 2),
        ]
        return (*tables, *_lut6_chains(3))
    if target == "ecp5":
        return (
            Counter("ecp5", 2, (), 2, 2),
            Counter("ecp5", 1, (), 1, 1),
            Counter("ecp5", 0, (3,), 2, 2),
            Counter("ecp5", 0, (2,), 2, 2),
            *_ecp5_chains(2),
        )
    if target == "asic":
        return (
            Counter("asic", 1, (), 1, 0.25),
            Counter("asic", 0, (3,), 2, 1),
            Counter("asic", 0, (2,), 2, 0.5),
        )
    raise ValueError(f"target must be lut6, ecp5 or asic, not {target!r}")
