"""Every line of the tutorial runs, in its order; and so does the notebook."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "tutorial.md"
INSTALL = "pip install"  # the environment is there already


def script(page: str) -> str:
    """The page's blocks as one program; a block of the console becomes a call, a Python block itself."""
    lines = ["import subprocess, sys"]
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        assert language in ("python", "console"), f"a block of {language} is run by nobody"
        if language == "python":
            lines.append(block)
            continue
        for command in block.splitlines():
            assert command.startswith("$ "), f"{command!r} is no command"
            name, *arguments = shlex.split(command[2:])
            if not command[2:].startswith(INSTALL):
                assert name == "fermatnet", f"{name} is not ours to test"
                lines.append(
                    f"subprocess.run([sys.executable, '-P', '-m', 'fermatnet.cli', *{arguments}], check=True)"
                )
    return "\n".join(lines)


def test_every_line_runs(tmp_path):
    program = script(PAGE.read_text()) + "\nassert accuracy > 0.9, accuracy\n"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine_hw" / "interface.json").is_file()


def test_a_wrong_line_is_noticed(tmp_path):
    page = "```python\nx = 1\n```\ntext\n```python\nassert x == 2\n```\n"
    done = subprocess.run([sys.executable, "-c", script(page)], capture_output=True, text=True, check=False)
    assert "AssertionError" in done.stderr
