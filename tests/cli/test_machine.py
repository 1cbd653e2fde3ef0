"""What a machine can do to a command: a full disk, a home that cannot be written, streams that are closed, an
ASCII terminal.
"""

import errno
import os
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest

from fermatnet.cli import failure, main
from fermatnet.model import atomic
from fermatnet.model.network import save

from ..model.network.samples import digits_like

COMMAND = [sys.executable, "-P", "-m", "fermatnet.cli"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("machine")
    save(digits_like(), folder / "net.onnx")
    np.save(folder / "x.npy", np.zeros((40, 1, 8, 8), np.uint8))
    return folder


def fermatnet(*words: object, **more) -> subprocess.CompletedProcess:
    more = {"capture_output": True, "text": True} | more
    return subprocess.run([*COMMAND, *map(str, words)], timeout=120, check=False, **more)


def refused(done: subprocess.CompletedProcess, words: str) -> None:
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and done.stderr.splitlines()[-1].startswith("fermatnet: ")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 kB, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a small file system here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(files, small_disk):
    (small_disk / "ballast").write_bytes(bytes(60 * 1024))
    for words in (
        ("verilog", files / "net.onnx", "--out", small_disk / "hw"),
        ("ip", "fnt", "--out", small_disk / "ip"),
        ("run", files / "net.onnx", "--input", files / "x.npy", "--output", small_disk / "y.npy"),
    ):
        if words[0] == "run":
            (small_disk / "ballast").write_bytes(bytes(64 * 1024))
        refused(fermatnet(*words), "no space left on device")
        assert [path.name for path in small_disk.iterdir()] == ["ballast"]


@pytest.mark.parametrize(
    "number, words",
    [
        (errno.ENOSPC, "no space left"),
        (errno.EIO, "input/output error"),
        (errno.EROFS, "read-only"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "permission denied"),
    ],
)
def test_a_write_that_fails(files, tmp_path, monkeypatch, capsys, number, words):
    def fail(*_):
        raise OSError(number, os.strerror(number), str(tmp_path / "y.npy"))

    monkeypatch.setattr(atomic.os, "replace", fail)
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "fermatnet",
            "run",
            str(files / "net.onnx"),
            "--input",
            str(files / "x.npy"),
            "--output",
            str(tmp_path / "y.npy"),
        ],
    )
    assert main._run() == 2
    assert words in capsys.readouterr().err.splitlines()[-1].lower() and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error, status, words",
    [
        (MemoryError(), 2, "not enough memory"),
        (RecursionError(), 2, "nested too deeply"),
        (
            RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
            2,
            "not enough memory",
        ),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), 2, "encoding"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 130, "interrupted"),
        (failure.Interrupted("take --resume"), 130, "take --resume"),
        (EOFError(), 2, "too early"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a"), 2, "a: no such file"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), 2, "pip install 'fermatnet[train]'"),
        (ModuleNotFoundError("No module named 'nonsense'", name="nonsense"), 70, "bug in fermatnet"),
        (ZeroDivisionError("division by zero"), 70, "bug in fermatnet"),
        (ValueError("two\nlines"), 70, "two lines"),
    ],
)
def test_whatever_happens_is_one_line(monkeypatch, capsys, error, status, words):
    def burst(**_):
        raise error

    monkeypatch.setattr(main.cli, "main", burst)
    monkeypatch.setattr(sys, "argv", ["fermatnet"])
    monkeypatch.delenv(main.DEBUG, raising=False)
    assert main._run() == status
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and said[0].startswith("fermatnet: ") and words in said[0]


@pytest.mark.parametrize(
    "argv, variable", [(["fermatnet", "--debug", "run"], ""), (["fermatnet", "run"], "1")]
)
def test_a_traceback_only_when_asked_for(monkeypatch, capsys, argv, variable):
    def burst(**_):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(main.cli, "main", burst)
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setenv(main.DEBUG, variable)
    assert main._run() == 70
    assert "Traceback" in capsys.readouterr().err


def test_streams_that_are_full_or_closed(files):
    if Path("/dev/full").exists():
        with open("/dev/full", "w") as full:
            refused(
                fermatnet(
                    "info", files / "net.onnx", capture_output=False, stdout=full, stderr=subprocess.PIPE
                ),
                "no space left",
            )
    quoted = " ".join(f"'{word}'" for word in (*COMMAND, "info", files / "net.onnx"))
    for ending, status in (
        (">&-", 0),
        ("2>&-", 0),
        ("<&-", 0),
        ("| head -c 1 > /dev/null; exit ${PIPESTATUS[0]}", 0),
    ):
        done = subprocess.run(
            ["bash", "-c", f"{quoted} {ending}"], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == status and not done.stderr, done.stderr


def test_any_name_can_be_printed_on_an_ascii_terminal(files, tmp_path):
    plain = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    refused(fermatnet("info", tmp_path / "größe.onnx", env=plain), "no such file")
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.npy")
    done = fermatnet("run", files / "net.onnx", "--input", files / "x.npy", "--output", odd, env=plain)
    assert done.returncode == 0 and np.load(odd).shape == (40, 10), done.stderr
    done = fermatnet("zoo", env=plain)
    assert done.returncode == 0 and "digits" in done.stdout


def test_a_home_that_cannot_be_written(files, tmp_path):
    home = {
        key: value
        for key, value in os.environ.items()
        if key not in ("XDG_CACHE_HOME", "FERMATNET_CACHE", "YOWASP_CACHE_DIR")
    }
    code = "from fermatnet.sim.cache import directory; print(directory())"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**home, "HOME": "/proc/none", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    used = Path(done.stdout.strip())
    assert used.is_dir() and used.is_relative_to(tmp_path / f"fermatnet-{os.getuid()}")
    assert done.stderr.count("\n") == 1 and "FERMATNET_CACHE names another" in done.stderr
    done = fermatnet(
        "verilog",
        files / "net.onnx",
        "--out",
        tmp_path / "hw",
        env={**home, "HOME": "/proc/none", "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0 and (tmp_path / "hw" / "interface.json").is_file(), done.stderr
