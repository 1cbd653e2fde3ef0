"""Where the ports go: each family's file of constraints."""

from fermatnet.boards.definitions.board import Board

__all__ = ["constraints", "options"]

_FILES = {"ecp5": "board.lpf", "ice40": "board.pcf", "gowin": "board.cst", "xc7": "board.xdc"}
_ICE40 = {"PULLUP": "-pullup yes"}


def constraints(board: Board) -> tuple[str, str]:
    """Name and text of the file that ties the ports of `fermatnet.boards.top.BoardTop` to their pins."""
    lines = {"ecp5": _lpf, "ice40": _pcf, "gowin": _cst, "xc7": _xdc}[board.family](board)
    return _FILES[board.family], "\n".join(lines) + "\n"


def options(board: Board, name: str, routed: str) -> tuple[str, ...]:
    """nextpnr's options for the constraints in file ``name``, and for the result in file ``routed``."""
    return {
        "ecp5": ("--lpf", name, "--textcfg", routed),
        "ice40": ("--pcf", name, "--asc", routed),
        "gowin": ("--vopt", f"cst={name}", "--write", routed),
    }[board.family]


def _lpf(board: Board) -> list[str]:
    lines = ["BLOCK RESETPATHS;", "BLOCK ASYNCPATHS;"]
    for port, pin in board.ports():
        settings = " ".join(f"{key}={value}" for key, value in pin.attributes.items())
        lines += [f'LOCATE COMP "{port}" SITE "{pin.place}";', f'IOBUF PORT "{port}" {settings};']
    return [*lines, f'FREQUENCY PORT "osc" {board.clock_mhz:g} MHZ;']


def _pcf(board: Board) -> list[str]:
    lines = []
    for port, pin in board.ports():
        more = [_ICE40[key] for key, value in pin.attributes.items() if key in _ICE40 and value == "1"]
        lines.append(" ".join(["set_io", *more, port, pin.place]))
    return [*lines, f"set_frequency osc {board.clock_mhz:g}"]


def _cst(board: Board) -> list[str]:
    lines = []
    for port, pin in board.ports():
        lines.append(f'IO_LOC "{port}" {pin.place};')
        if pin.attributes:
            settings = " ".join(f"{key}={value}" for key, value in pin.attributes.items())
            lines.append(f'IO_PORT "{port}" {settings};')
    return lines


def _xdc(board: Board) -> list[str]:
    lines = []
    for port, pin in board.ports():
        settings = {"PACKAGE_PIN": pin.place, **pin.attributes}
        words = " ".join(f"{key} {value}" for key, value in settings.items())
        lines.append(f"set_property -dict {{ {words} }} [get_ports {port}]")
    period = 1000 / board.clock_mhz
    return [*lines, f"create_clock -name osc -period {period:.3f} [get_ports osc]"]
