"""How fast constant matrices run beside da4ml's: both pipelined Verilogs, placed by the same tool."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Module, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.constant.matrix import ConstantMatrix
from fermatnet.hw.rtl import verilog
from fermatnet.model.errors import InputError
from fermatnet.model.result_log import ResultLog, digest
from fermatnet.synth.flow import block

__all__ = ["DEVICE", "rival_verilog", "speed_rows"]

DEVICE, AIM = "ecp5-85k", 150.0
"""MHz that both are placed for."""
CUTOFFS = (4, 2)
"""Adders between two registers that da4ml is asked for; ours has as many stages each time."""


class Flowing(wiring.Component):
    """A constant matrix behind a register, fed in every cycle and never stopped, as da4ml's is.

    Latency: ``latency`` cycles from that register to the last one. Throughput: one vector a cycle.
    """

    def __init__(self, matrix: ConstantMatrix):
        self.matrix, self.latency = matrix, matrix.latency
        super().__init__({"i": In(matrix.i.payload.shape()), "o": Out(matrix.o.payload.shape())})

    def elaborate(self, platform):
        m = Module()
        m.submodules.matrix = matrix = self.matrix
        held = Signal(self.i.shape(), reset_less=True)
        m.d.sync += held.eq(self.i)
        m.d.comb += [matrix.i.payload.eq(held), matrix.i.valid.eq(1), matrix.o.ready.eq(1)]
        m.d.comb += self.o.eq(matrix.o.payload)
        return m


def rival_verilog(
    weight: np.ndarray, shape: Shape, folder: Path, cutoff: float = -1
) -> tuple[list[Path], int]:
    """Verilog files of da4ml for ``weight`` (O, I) times values of ``shape``, top module "rival", and its
    register stages; no registers where ``cutoff`` is -1. InputError where da4ml is missing."""
    try:
        from da4ml.codegen import VerilogModel
        from da4ml.trace import FixedVariableArrayInput, HWConfig, comb_trace, to_pipeline
    except ImportError:
        raise InputError("bench rivals measures beside da4ml: pip install da4ml") from None
    inputs = weight.shape[1]
    x = FixedVariableArrayInput(inputs, hwconf=HWConfig(1, -1, cutoff))
    bits = np.full(inputs, shape.width - int(shape.signed))
    values = x.quantize(np.full(inputs, int(shape.signed)), bits, np.zeros(inputs, int))
    made, stages = comb_trace(x, values @ weight.T.astype(np.float64)), 0
    if cutoff > 0:
        made = to_pipeline(made, cutoff)
        stages = len(made.solutions)
    VerilogModel(made, "rival", folder).write()
    return [path for path in sorted(folder.rglob("*.v")) if "wrapper" not in path.name], stages


def speed_rows(name: str, weight: np.ndarray, shape: Shape, log: ResultLog) -> list[dict[str, Any]]:
    """LUTs, Fmax and nanoseconds of latency of both, with the register stages that da4ml takes at each of
    `CUTOFFS`; ``speed``: our Fmax over its, which is its latency over ours, too."""
    rows = []
    for cutoff in CUTOFFS:
        with tempfile.TemporaryDirectory(prefix="fermatnet-rivals-") as scratch:
            folder = Path(scratch)
            (folder / "rival").mkdir()
            sources, stages = rival_verilog(weight, shape, folder / "rival", cutoff)
            verilog.emit(
                Flowing(ConstantMatrix(weight, [], shape, target="ecp5", stages=stages)), "matrix", folder
            )
            row: dict[str, Any] = {"matrix": name, "stages": stages}
            row |= _placed("", [folder / "matrix.v"], "matrix", stages, log)
            row |= _placed("da4ml_", sources, "rival", stages, log)
        rows.append(row | {"speed": round(row["fmax_mhz"] / row["da4ml_fmax_mhz"], 3)})
    return rows


def _placed(side: str, sources: list[Path], top: str, stages: int, log: ResultLog) -> dict[str, Any]:
    text = "".join(path.read_text() for path in sources)

    def measure() -> dict[str, Any]:
        found = block(sources, top, DEVICE, clock_mhz=AIM)
        return {key: found[key] for key in ("luts", "ffs", "dsps", "fmax_mhz")}

    found = log.row(f"placed {digest(text)} {DEVICE} {AIM:g}", measure)
    return {
        f"{side}luts": found["luts"],
        f"{side}fmax_mhz": found["fmax_mhz"],
        f"{side}latency_ns": round(1000 * stages / found["fmax_mhz"], 2),
    }
