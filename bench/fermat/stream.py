"""A block with streams ``i`` and ``o`` as a compiled program: Verilog through Verilator, beats from files,
random stalls, compared in C++."""

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fermatnet.hw.rtl.verilog import emit
from fermatnet.model.errors import InputError
from fermatnet.sim.tools import find

__all__ = ["ZEROS", "StreamRun", "play"]

ZEROS = re.compile(r"^ *\w+\[\d+\] = \d+'h0+;\n", re.MULTILINE)
"""Zero contents of RAMs, one line a word: tools take minutes to read them and they decide nothing, no word is
read before it is written."""

MAIN = r"""
#include "Vblock.h"
#include "verilated.h"
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>
static std::vector<uint64_t> load(const char *path) {
  FILE *f = fopen(path, "rb"); fseek(f, 0, SEEK_END); long n = ftell(f) / 8; rewind(f);
  std::vector<uint64_t> v(n); if (fread(v.data(), 8, n, f) != (size_t)n) exit(3); fclose(f); return v;
}
static uint64_t state = 88172645463325252ull;
static uint64_t draw() { state ^= state << 13; state ^= state >> 7; state ^= state << 17; return state; }
int main(int argc, char **argv) {
  Verilated::randReset(0);
  auto in = load(argv[1]), want = load(argv[2]);
  uint64_t seed = strtoull(argv[3], 0, 10), per = strtoull(argv[4], 0, 10), limit = strtoull(argv[5], 0, 10);
  bool stalls = seed != 0; if (stalls) for (uint64_t k = 0; k < seed + 16; k++) draw();
  Vblock *top = new Vblock;
  top->rst = 1;
  for (int k = 0; k < 4; k++) { top->clk = 0; top->eval(); top->clk = 1; top->eval(); }
  top->rst = 0;
  size_t sent = 0, got = 0; uint64_t clock = 0, first_in = 0, first_out = 0, last = 0, gap = 0;
  uint64_t wrong = 0, moved = 0, held = 0; bool holding = false, offered = false;
  while (got < want.size() && clock < limit) {
    bool offer = sent < in.size() && (offered || !stalls || draw() % 8 < 5);
    bool take = !stalls || draw() % 8 < 5;
    top->i___05Fvalid = offer; if (offer) top->i___05Fpayload = in[sent];
    top->o___05Fready = take;
    top->clk = 0; top->eval();
    if (holding && (!top->o___05Fvalid || top->o___05Fpayload != held)) moved++;
    bool in_fire = offer && top->i___05Fready, out_fire = take && top->o___05Fvalid;
    offered = offer && !in_fire;
    holding = top->o___05Fvalid && !take; held = top->o___05Fpayload;
    if (top->o___05Fvalid && first_out == 0) first_out = clock;
    if (out_fire) {
      if (top->o___05Fpayload != want[got] && wrong++ < 5)
        fprintf(stderr, "beat %zu: %llx, expected %llx\n", got,
                (unsigned long long)top->o___05Fpayload, (unsigned long long)want[got]);
      got++;
      if (got % per == 0) { gap = clock - last; last = clock; }
    }
    if (in_fire) { if (sent == 0) first_in = clock; sent++; }
    top->clk = 1; top->eval();
    clock++;
  }
  uint64_t found[] = {got, wrong, moved, clock, first_out - first_in, gap};
  for (uint64_t v : found) printf("%llu ", (unsigned long long)v);
  return 0;
}
"""


@dataclass(frozen=True)
class StreamRun:
    """What a run found: beats taken, beats that differed, beats that changed while stalled, cycles, latency,
    cycles of the last image."""

    beats: int
    mismatches: int
    unstable: int
    cycles: int
    latency: int
    last_gap: int


def pack(beats: np.ndarray, bits: int) -> np.ndarray:
    """Rows of lanes to 64-bit words, lane 0 lowest."""
    if beats.shape[1] * bits > 64:
        raise InputError(
            f"a beat of {beats.shape[1]} lanes of {bits} bits does not fit the 64 bits of the harness"
        )
    words = np.zeros(len(beats), np.uint64)
    for lane in range(beats.shape[1]):
        words |= (beats[:, lane].astype(np.int64).view(np.uint64) & np.uint64((1 << bits) - 1)) << np.uint64(
            lane * bits
        )
    return words


def play(
    block,
    beats: np.ndarray,
    expected: np.ndarray,
    *,
    bits_in: int,
    bits_out: int,
    images: int,
    seeds: tuple[int, ...] = (0,),
    optimise: str = "-O1",
) -> list[StreamRun]:
    """Sends ``beats`` and compares with ``expected``, once a seed (0: no stalls); arrays (n, lanes) of
    integers."""
    simulator = find("verilator")
    folder = Path(tempfile.mkdtemp(prefix="fermatnet-stream-"))
    try:
        emit(block, "block", folder)
        verilog = folder / "block.v"
        verilog.write_text(ZEROS.sub("", verilog.read_text()))
        (folder / "main.cpp").write_text(MAIN)
        pack(beats, bits_in).tofile(folder / "in.bin")
        pack(expected, bits_out).tofile(folder / "want.bin")
        environment = {**simulator.environ(), "OBJCACHE": ""}
        subprocess.run(
            [
                "verilator",
                "--cc",
                "--exe",
                "--build",
                "-Wno-fatal",
                "-Wno-lint",
                "-Wno-CASEINCOMPLETE",
                "-O3",
                "--x-assign",
                "fast",
                "--noassert",
                "-CFLAGS",
                optimise,
                "--top-module",
                "block",
                "block.v",
                "main.cpp",
                "-o",
                "run",
            ],
            cwd=folder,
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        runs = []
        for seed in seeds:
            limit = 1 << 40
            done = subprocess.run(
                [
                    str(folder / "obj_dir" / "run"),
                    "in.bin",
                    "want.bin",
                    str(seed),
                    str(len(expected) // images),
                    str(limit),
                ],
                cwd=folder,
                env=dict(os.environ),
                check=True,
                capture_output=True,
                text=True,
            )
            runs.append(StreamRun(*(int(v) for v in done.stdout.split())))
        return runs
    finally:
        shutil.rmtree(folder, ignore_errors=True)
