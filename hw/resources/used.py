"""Dead bits: how much of each cell's output anything reads. What lies above is never built."""

from collections.abc import Iterable

from fermatnet.hw.resources.cells import Assigned, Cell, Netlist, Operator, ReadPort, Register, Word

__all__ = ["used_bits"]

CELL = 1 << 16  # nets of a cell, as `fermatnet.hw.resources.cells` numbers them
BITWISE = ("~", "&", "|", "^", "+", "-", "*")  # whose lowest bits are made of the inputs' lowest bits


def used_bits(netlist: Netlist) -> dict[int, int]:
    """Highest bit of each cell that reaches an output, a register that does, or a memory, by the cell's
    index; cells of which nothing is used are left out."""
    top: dict[int, int] = {}
    todo: list[int] = []

    def need(nets: Iterable[int]) -> None:
        for net in nets:
            if net > 1:
                cell, bit = divmod(net, CELL)
                if bit > top.get(cell, -1):
                    top[cell] = bit
                    todo.append(cell)

    for word in netlist.outputs:
        need(word)
    while todo:
        index = todo.pop()
        if index:
            for word in _below(netlist, netlist.cells[index], top[index] + 1):
                need(word)
    return _written_twice(netlist, top)


def _below(netlist: Netlist, cell: Cell, width: int) -> list[Word]:
    """What the lowest ``width`` bits of a cell are made of."""
    match cell:
        case Operator(kind=kind) if kind in BITWISE:
            return [word[:width] for word in cell.inputs]
        case Operator(kind="m"):
            return [cell.inputs[0], *(word[:width] for word in cell.inputs[1:])]
        case Register():
            return [cell.data[:width]]
        case Assigned():
            read = [one for one in cell.assignments if one.start < width]
            values = [one.value[: width - one.start] for one in read]
            return [cell.default[:width], tuple(one.condition for one in read), *values]
        case ReadPort():
            return [port.reads for port in netlist.ports_of(cell.memory)]
        case _:
            return [cell.reads]


def _written_twice(netlist: Netlist, top: dict[int, int]) -> dict[int, int]:
    """Equal sums are one before their dead bits go: as wide as the widest of them is read."""
    first: dict[tuple, int] = {}
    same: dict[int, int] = {}  # cell: the first one that is equal
    moved: dict[int, int] = {}  # nets of the others
    widest: dict[int, int] = {}
    for index, cell in enumerate(netlist.cells):
        if not isinstance(cell, Operator):
            continue
        inputs = [
            word if moved.keys().isdisjoint(word) else tuple([moved.get(net, net) for net in word])
            for word in cell.inputs
        ]
        one = same[index] = first.setdefault((cell.kind, *inputs), index)
        widest[one] = max(widest.get(one, 0), top.get(index, 0))
        if one != index:
            moved.update({index << 16 | bit: one << 16 | bit for bit in range(cell.width)})

    def is_sum(index: int) -> bool:
        cell = netlist.cells[index]
        return isinstance(cell, Operator) and cell.kind in ("+", "-")

    return {index: widest[same[index]] if is_sum(index) else bit for index, bit in top.items()}
