"""The example of the page about a new layer runs, whole, as a reader would run it."""

import re
import subprocess
import sys
from pathlib import Path

HOW_TO = Path(__file__).parent.parent.parent / "docs" / "how-to"


def test_own_layer(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (HOW_TO / "own-layer.md").read_text(), re.DOTALL)
    done = subprocess.run(  # a process of its own: the example registers a layer for good
        [sys.executable, "-P", "-c", "\n".join(blocks)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Absolute ")
    assert (tmp_path / "absolute_hw" / "interface.json").is_file()
