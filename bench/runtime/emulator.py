"""Generated C on small processors: cross-compiled by zig's C compiler, run by an emulator, instructions
counted.

The unicorn emulator (from pip) has the base sets and counts; qemu's user mode, where it is installed, has the
extensions.

Counts are of instructions executed from the call of NAME_run to its return; memory is ideal, so they are no
cycles. Basic blocks are counted as they run, a block's instructions by decoding their lengths (Thumb and
compressed RISC-V have two)."""

import shutil
import struct
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from fermatnet.model.errors import InputError

__all__ = ["TARGETS", "Result", "Target", "compile_for", "emulate", "missing", "run_user"]

STOP = 0x0F00_0000  # where the program returns to
STACK = 0x3000_0000
STACK_BYTES = 1 << 20
_PAGE = 4096


@dataclass(frozen=True)
class Target:
    """``flags``: of zig cc; ``machine``: arm, riscv or powerpc; ``cpu``: unicorn's name of the ARM core, or
    qemu's of the processor, which runs the target where ``qemu`` names its program."""

    name: str
    flags: tuple[str, ...]
    machine: str
    cpu: str = ""
    qemu: str = ""


TARGETS = {
    target.name: target
    for target in (
        Target("cortex-m0", ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0"), "arm", "CORTEX_M0"),
        Target("cortex-m4", ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m4"), "arm", "CORTEX_M4"),
        Target("rv32imc", ("-target", "riscv32-freestanding", "-mcpu=generic_rv32+m+c"), "riscv"),
        Target(
            "rv32imcb",
            ("-target", "riscv32-freestanding", "-mcpu=generic_rv32+m+c+zba+zbb+zbs"),
            "riscv",
            "rv32,zba=true,zbb=true,zbs=true",
            "qemu-riscv32",
        ),
        Target(
            "rv32imcv",
            ("-target", "riscv32-freestanding", "-mcpu=generic_rv32+m+a+f+d+c+v"),
            "riscv",
            "rv32,v=true,vlen=128",
            "qemu-riscv32",
        ),
        Target(
            "powerpc, big-endian", ("-target", "powerpc-freestanding-eabi"), "powerpc", "7400", "qemu-ppc"
        ),
    )
}

_PROGRAM = """
#include "{name}.h"
uint8_t image[{upper}_INPUTS] = {{{pixels}}};
{name}_out out[{upper}_OUTPUTS];
{name}_ram ram;
void _start(void) {{ {name}_run(image, out, &ram); }}
"""

# Linux calls by hand (user programs without a C library): write(1, out, ...), exit(0)
_CALLS = {
    "riscv": """static void call(long number, long a, long b, long c)
{{
    register long a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c, a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
}}
#define WRITE 64
#define EXIT 93
""",
    "powerpc": """static void call(long number, long a, long b, long c)
{{
    register long r0 __asm__("r0") = number, r3 __asm__("r3") = a, r4 __asm__("r4") = b, r5 __asm__("r5") = c;
    __asm__ volatile("sc" : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5) : :
                     "memory", "cr0", "ctr", "r6", "r7", "r8", "r9", "r10", "r11", "r12");
}}
#define WRITE 4
#define EXIT 1
""",
}
_USER_PROGRAM = """
#include "{name}.h"
uint8_t image[{upper}_INPUTS] = {{{pixels}}};
{name}_out out[{upper}_OUTPUTS];
{name}_ram ram;
CALLvoid _start(void)
{{
    {name}_run(image, out, &ram);
    call(WRITE, 1, (long)out, (long)sizeof out);
    call(EXIT, 0, 0, 0);
}}
"""


def missing(target: Target) -> str:
    """What running a target needs and this machine lacks, or ''."""
    for module in ("ziglang",) if target.qemu else ("ziglang", "unicorn"):
        if find_spec(module) is None:
            return f"the Python package {module}"
    return target.qemu if target.qemu and shutil.which(target.qemu) is None else ""


def compile_for(
    target: Target, folder: Path, name: str, image: np.ndarray, *, options: tuple[str, ...] = ("-O2",)
) -> Path:
    """An ELF file that runs NAME_run once on ``image`` uint8 (C, H, W); InputError with the compiler's words
    where it fails."""
    program = folder / f"emulate_{name}.c"
    pixels = ", ".join(str(int(value)) for value in image.ravel())
    text = _USER_PROGRAM.replace("CALL", _CALLS[target.machine]) if target.qemu else _PROGRAM
    program.write_text(text.format(name=name, upper=name.upper(), pixels=pixels))
    out = folder / f"{name}-{target.name}.elf"
    files = [str(folder / f"{name}.c"), str(program)]
    command = [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        *target.flags,
        "-std=c99",
        *options,
        "-o",
        str(out),
        *files,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"{target.name}: {done.stderr.strip()[-2000:]}")
    return out


@dataclass
class Elf:
    """Segments (address, bytes, size in memory) and symbols of a little-endian 32-bit ELF file."""

    entry: int
    segments: list[tuple[int, bytes, int]] = field(default_factory=list)
    symbols: dict[str, tuple[int, int]] = field(default_factory=dict)
    sections: dict[str, int] = field(default_factory=dict)


def read_elf(path: Path) -> Elf:
    """The parts that a loader needs."""
    data = path.read_bytes()
    entry, phoff, shoff = struct.unpack_from("<III", data, 24)
    phentsize, phnum, shentsize, shnum, shstrndx = struct.unpack_from("<HHHHH", data, 42)
    elf = Elf(entry)
    for index in range(phnum):
        kind, offset, address, _, size, memory = struct.unpack_from(
            "<IIIIII", data, phoff + index * phentsize
        )
        if kind == 1:
            elf.segments.append((address, data[offset : offset + size], memory))
    heads = [struct.unpack_from("<IIIIIIIIII", data, shoff + index * shentsize) for index in range(shnum)]

    def text(at: int) -> str:
        return data[at : data.index(b"\0", at)].decode()

    for head in heads:
        elf.sections[text(heads[shstrndx][4] + head[0])] = head[5]
        if head[1] == 2:
            strings = heads[head[6]][4]
            for at in range(head[4], head[4] + head[5], 16):
                word, value, size = struct.unpack_from("<III", data, at)
                elf.symbols[text(strings + word)] = (value, size)
    return elf


@dataclass(frozen=True)
class Result:
    """``outputs``: int64 (K,); ``instructions`` of one inference; ``by_function``: instructions by symbol;
    ``stack``: bytes used; ``flash``, ``ram``: bytes of code and constants, and of data, in the ELF file."""

    outputs: np.ndarray
    instructions: int
    by_function: Counter
    stack: int
    flash: int
    ram: int


def _thumb(code: bytes) -> int:
    count = at = 0
    while at + 2 <= len(code):
        at += 4 if code[at + 1] >> 3 >= 0b11101 else 2
        count += 1
    return count


def _compressed(code: bytes) -> int:
    count = at = 0
    while at + 2 <= len(code):
        at += 4 if code[at] & 3 == 3 else 2
        count += 1
    return count


def _machine(target: Target):  # type: ignore[no-untyped-def]
    import unicorn
    from unicorn import arm_const, riscv_const

    if target.machine == "arm":
        engine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        engine.ctl_set_cpu_model(getattr(arm_const, f"UC_CPU_ARM_{target.cpu}"))
        return engine, arm_const.UC_ARM_REG_SP, arm_const.UC_ARM_REG_LR, 1
    return (
        unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32),
        riscv_const.UC_RISCV_REG_SP,
        riscv_const.UC_RISCV_REG_RA,
        0,
    )


def run_user(target: Target, path: Path) -> np.ndarray:
    """Outputs int64 (K,) of an ELF file of `compile_for` in qemu's user mode."""
    done = subprocess.run([target.qemu, "-cpu", target.cpu, str(path)], capture_output=True, check=False)
    if done.returncode:
        raise InputError(
            f"{target.qemu}: exit status {done.returncode}: "
            f"{done.stderr.decode(errors='replace').strip()[-300:]}"
        )
    return np.frombuffer(done.stdout, ">i4" if target.machine == "powerpc" else "<i4").astype(np.int64)


def emulate(target: Target, path: Path) -> Result:
    """Run an ELF file of `compile_for` in unicorn."""
    import unicorn

    elf = read_elf(path)
    engine, stack_register, link, thumb = _machine(target)
    low = min(address for address, _, _ in elf.segments) // _PAGE * _PAGE
    high = -(-max(address + memory for address, _, memory in elf.segments) // _PAGE) * _PAGE
    engine.mem_map(low, high - low)
    engine.mem_map(STOP, _PAGE)
    engine.mem_map(STACK - STACK_BYTES, STACK_BYTES)
    for address, content, _ in elf.segments:
        engine.mem_write(address, content)
    engine.mem_write(STACK - STACK_BYTES, b"\xa5" * STACK_BYTES)
    engine.reg_write(stack_register, STACK)
    engine.reg_write(link, STOP | thumb)
    lengths: dict[tuple[int, int], int] = {}
    runs: Counter[tuple[int, int]] = Counter()

    def block(uc, address: int, size: int, _) -> None:  # type: ignore[no-untyped-def]
        runs[address, size] += 1

    engine.hook_add(unicorn.UC_HOOK_BLOCK, block)
    engine.emu_start(elf.entry | thumb, STOP)
    count = _thumb if target.machine == "arm" else _compressed
    for address, size in runs:
        lengths[address, size] = count(bytes(engine.mem_read(address, size)))
    runs = Counter({key: times for key, times in runs.items() if key[0] < STOP or key[0] >= STOP + _PAGE})
    outputs, size = elf.symbols["out"]
    raw = bytes(engine.mem_read(outputs, size))
    used = bytes(engine.mem_read(STACK - STACK_BYTES, STACK_BYTES))
    sections = elf.sections
    return Result(
        np.frombuffer(raw, np.int32).astype(np.int64),
        sum(lengths[key] * times for key, times in runs.items()),
        _by_function(elf, runs, lengths),
        len(used.lstrip(b"\xa5")),
        sum(sections.get(name, 0) for name in (".text", ".rodata", ".data.rel.ro")),
        sections.get(".data", 0) + sections.get(".bss", 0),
    )


def _by_function(elf: Elf, runs: Counter, lengths: dict[tuple[int, int], int]) -> Counter:
    """Instructions by the symbol that a block lies in."""
    spans = sorted((value & ~1, size, name) for name, (value, size) in elf.symbols.items() if size)
    by_symbol: Counter[str] = Counter()
    for (address, size), times in runs.items():
        inside = [name for start, extent, name in spans if start <= address < start + extent]
        by_symbol[inside[-1] if inside else "?"] += lengths[address, size] * times
    return by_symbol
