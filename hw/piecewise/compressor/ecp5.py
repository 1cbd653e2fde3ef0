"""Counters of CCU2C cells: their Verilog, and all chains worth having."""

from fermatnet.hw.piecewise.compressor.counter import Counter, header, input_names, weighted_sum

__all__ = ["chains", "verilog"]


def _slots(counter: Counter) -> list[list[tuple[str, str, str]]]:
    """Half-slots (function, A, B) of every position. positions[j] = (products, half adders, bits)."""
    columns, slots = input_names(counter), []
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


def verilog(counter: Counter, gates: tuple[str, ...]) -> str:
    """The module of one counter: CCU2C cells with computed INIT words, or its plain sum under a simulator."""
    lines = header(counter, gates)
    if not counter.positions:
        return "\n".join([*lines, f"    assign o = {weighted_sum(counter)};", "endmodule", ""])
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
    for own in _slots(counter):
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
        f"    assign o = {weighted_sum(counter)};",
        "`endif",
    ]
    return "\n".join([*lines, "endmodule", ""])


def chains(longest: int) -> list[Counter]:
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
