"""Counters of tables of six inputs with a carry chain: their Verilog, and all chains worth having."""

from fermatnet.hw.piecewise.compressor.counter import Counter, header, input_names, weighted_sum

__all__ = ["chains", "verilog"]


def _majority(names: list[str]) -> str:
    if len(names) == 2:
        return f"{names[0]} & {names[1]}"
    a, b, c = names
    return f"({a} & {b}) | ({a} & {c}) | ({b} & {c})"


def verilog(counter: Counter, gates: tuple[str, ...]) -> str:
    """The module of one counter: plain additions that yosys maps to its tables and one carry chain."""
    lines, columns = header(counter, gates), input_names(counter)
    if not counter.positions:
        if counter.bits == (6,):  # a sum would become a chain; as truth tables it is one table an output
            for k in range(3):
                truth = sum((row.bit_count() >> k & 1) << row for row in range(64))
                lines += [f"    wire [63:0] t{k} = 64'h{truth:016x};", f"    assign o[{k}] = t{k}[x0];"]
        else:
            lines.append(f"    assign o = {weighted_sum(counter)};")
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


def chains(longest: int) -> list[Counter]:
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
