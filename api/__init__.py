"""Bring a CNN, get Verilog, C or a bitstream that computes, bit for bit, what Python says: the front door.

    import fermatnet as fn

    q = fn.quantize(model, fn.scheme("pa", weights=4), input_shape=(1, 8, 8), calibration=images)
    ...                                                    # train q on, with your own loop
    net = fn.export(q)                                     # integers only
    logits = net.run(images)                               # what the hardware will say
    fn.Engine(net, threads=2)(images)                      # the same, fast, on this processor
    net.save("n.onnx")
    fn.generate(net, "hw", cycles=4000)                    # Verilog, memories, interface.json
    fn.simulate("hw", images)                              # cocotb and Verilator
    fn.synthesize("hw", device="ecp5-85k")                 # yosys and nextpnr
    with fn.Board("DIR", "/dev/ttyUSB0") as board:         # what `fermatnet board` built, on a board
        board.run(images)

Every name is imported when it is first used, so ``import fermatnet`` needs neither torch nor a simulator. Bad
input raises `InputError` with one line that says what to write instead.
"""

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fermatnet.boards.host.board import Board
    from fermatnet.front.hardware import generate, simulate, synthesize
    from fermatnet.front.network import Network, load
    from fermatnet.front.training import export, quantize, scheme
    from fermatnet.model.errors import InputError
    from fermatnet.runtime.packed.engine import Engine

__all__ = [
    "Board",
    "Engine",
    "InputError",
    "Network",
    "export",
    "generate",
    "load",
    "quantize",
    "scheme",
    "simulate",
    "synthesize",
]

_HOMES = {
    "Board": "fermatnet.boards.host.board",
    "Engine": "fermatnet.runtime.packed.engine",
    "InputError": "fermatnet.model.errors",
    "Network": "fermatnet.front.network",
    "load": "fermatnet.front.network",
    "export": "fermatnet.front.training",
    "quantize": "fermatnet.front.training",
    "scheme": "fermatnet.front.training",
    "generate": "fermatnet.front.hardware",
    "simulate": "fermatnet.front.hardware",
    "synthesize": "fermatnet.front.hardware",
}

try:
    __version__ = version("fermatnet")
except PackageNotFoundError:  # used from a source tree that was never installed
    __version__ = "unknown"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fermatnet' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value  # found without this function from now on
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
