"""Bad command lines: exit status 2, one line, nothing left behind, at once."""

import hashlib
import os
import resource
import signal
import stat
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

from fermatnet.cli.main import entry
from fermatnet.model.network import save

from ..model.network.samples import digits_like
from .bad_commands import COMMANDS

LIMIT = 2.0
"""Seconds of processor time: those of the wall say how busy the machine is."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("bad")
    save(digits_like(), place / "net.onnx")
    images = np.random.default_rng(0).integers(0, 17, (3, 1, 8, 8)).astype(np.uint8)
    np.save(place / "x.npy", images)
    np.save(place / "float.npy", images.astype(float))
    np.save(place / "shape.npy", images[:, :, :5])
    np.save(place / "objects.npy", np.array([{}]), allow_pickle=True)
    (place / "same.npy").symlink_to("x.npy")
    (place / "text.onnx").write_text("no network")
    (place / "short.onnx").write_bytes((place / "net.onnx").read_bytes()[:500])
    for name, inside, text in (("full", "thing", "keep me"), ("run", "config.json", "{}")):
        (place / name).mkdir()
        (place / name / inside).write_text(text)
    (place / "hw").mkdir()
    (place / "hw" / "interface.json").write_text(
        '{"format": 1, "name": "n", "top": "t", "files": {"verilog": ["t.v"], "memories": []}}'
    )
    (place / "hw" / "t.v").write_text("module t; endmodule\n")
    (place / "empty").mkdir()
    (place / "file").write_text("keep me")
    os.mkfifo(place / "fifo")
    (place / "away").symlink_to("fifo")
    (place / "loop").symlink_to("loop")
    return place


def contents(place) -> dict[str, str]:
    """Every path below ``place`` with what is in it."""
    by_path = {}
    for path in sorted(place.rglob("*")):
        mode = path.lstat().st_mode
        regular = stat.S_ISREG(mode)
        by_path[str(path)] = (
            f"{mode} {hashlib.sha256(path.read_bytes()).hexdigest()}" if regular else str(mode)
        )
    return by_path


@pytest.fixture
def call(monkeypatch, capsys):
    """Calls the console script in this process; (exit status, lines on stderr)."""

    def run(*words: str) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "argv", ["fermatnet", *words])
        kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            with warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
                entry()
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)
        return ended.value.code, capsys.readouterr().err.splitlines()

    return run


def test_there_are_two_hundred():
    assert len({words for words, _ in COMMANDS}) == len(COMMANDS) >= 200


@pytest.mark.parametrize("words, say", COMMANDS, ids=[" ".join(words)[:60] for words, _ in COMMANDS])
def test_refused_in_one_line(words, say, folder, call, monkeypatch):
    monkeypatch.chdir(folder)
    before, started = contents(folder), time.process_time()
    status, lines = call(*words)
    assert time.process_time() - started < LIMIT
    assert status == 2 and len(lines) == 1, lines
    assert lines[0].startswith("fermatnet: ") and say in lines[0]
    assert contents(folder) == before and stat.S_ISCHR(os.stat("/dev/null").st_mode)


# the same without this process' imports: one of each kind
ALONE = [
    words
    for words, _ in COMMANDS
    if words[-2:]
    in (
        ("--device", "nope"),
        ("--out", "full"),
        ("--lr", "nan"),
        ("zoo", "lenet9000"),
        ("--output", "net.onnx"),
        ("--engine", "nope"),
    )
]


@pytest.mark.parametrize("words", ALONE, ids=" ".join)
def test_refused_at_once_by_a_fresh_process(words, folder):
    before, spent = contents(folder), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "fermatnet.cli", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and not done.stdout
    assert used.ru_utime + used.ru_stime - spent.ru_utime - spent.ru_stime < LIMIT
    assert contents(folder) == before


@pytest.mark.parametrize(
    "words",
    [
        ("train", "digits", "--data", "digits", "--out", "out", "--device", "nope"),
        ("zoo",),
        ("zoo", "lenet9000"),
        ("train", "lenet9000", "--data", "digits", "--out", "out"),
        ("demo", "--out", "full"),
        ("export", "full", "--out", "n.onnx"),
        ("bench", "accuracy", "--json", "nodir/y"),
    ],
    ids=" ".join,
)
def test_torch_is_not_imported_to_say_no(words, folder):
    code = f"import sys; sys.argv = ['fermatnet', *{words!r}]\nfrom fermatnet.cli.main import entry\n"
    code += "try: entry()\nexcept SystemExit: pass\n"
    code += "sys.exit(3 if {'torch', 'sklearn', 'amaranth', 'onnx'} & set(sys.modules) else 4)"
    assert (
        subprocess.run(
            [sys.executable, "-P", "-c", code], cwd=folder, capture_output=True, check=False
        ).returncode
        == 4
    )
