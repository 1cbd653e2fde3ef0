"""What a generated program takes in flash and RAM, layer by layer, and whether that fits a budget."""

from typing import Any

from fermatnet.model.errors import InputError
from fermatnet.runtime.c.source import Source

__all__ = ["check_budget", "describe"]


def _plain(name: str) -> str:
    """A buffer's name for people: scratch arrays are called after their layer."""
    return name.rpartition("\0")[2].replace("patch ", "window of ").replace("pool ", "pooled channels of ")


def _alive_most(source: Source) -> list[tuple[str, int]]:
    """Buffers (name, bytes) alive at the step with the most bytes alive, largest first."""
    sizes = {buffer.name: buffer.size for buffer in source.buffers}
    steps = [source.steps[index].plan for index in source.plan.order]
    last = {name: place for place, step in enumerate(steps) for name in step.reads}
    best: list[tuple[str, int]] = []
    held: dict[str, int] = {}
    for place, step in enumerate(steps):
        held |= {name: sizes[name] for name in step.writes}
        now = sorted(
            [*held.items(), *((name, sizes[name]) for name in step.scratch)], key=lambda item: -item[1]
        )
        if sum(size for _, size in now) > sum(size for _, size in best):
            best = now
        held = {name: size for name, size in held.items() if last.get(name, -1) > place}
    return best


def check_budget(source: Source, ram: int | None, flash: int | None) -> None:
    """InputError in one line, naming what takes most, where a budget in bytes is exceeded."""
    if ram is not None and source.ram > ram:
        name, size = (_alive_most(source) or [("nothing", 0)])[0]
        raise InputError(
            f"{source.ram} bytes of RAM are needed, {ram} are allowed; "
            f"{_plain(name)!r} takes most: {size} bytes"
        )
    if flash is not None and source.tables.total > flash:
        layer, size = source.tables.bytes.most_common(1)[0]
        raise InputError(
            f"{source.tables.total} bytes of flash are needed for tables alone, {flash} are allowed; "
            f"layer {layer!r} takes most: {size} bytes"
        )


def describe(source: Source) -> dict[str, Any]:
    """Bytes of tables and RAM, in all and by layer; offsets of the buffers; the order of the steps."""
    plan = source.plan
    return {
        "name": source.name,
        "flash_tables": source.tables.total,
        "ram": source.ram,
        "ram_lower_bound": plan.bound,
        "tables": {name: size for name, size in source.tables.bytes.items() if size},
        "buffers": {
            _plain(b.name): {"bytes": b.size, "offset": plan.offsets[b.name]} for b in source.buffers
        },
        "order": [source.steps[index].step.root for index in plan.order],
        "stored": {name: type(store).__name__ for name, store in source.program.stores.items()},
    }
