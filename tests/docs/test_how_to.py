"""The Python blocks of the how-to pages run, each page's in its order, in one process."""

import re
import subprocess
import sys
from pathlib import Path

PAGES = sorted(
    page
    for page in (Path(__file__).parent.parent.parent / "docs" / "how-to").glob("*.md")
    if page.name != "own-layer.md"  # it has a test of its own: it adds to tables that others read
)


def test_python_blocks_run(tmp_path):
    program = "import os\n"
    count = 0
    for page in PAGES:
        blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
        count += len(blocks)
        code = compile("\n".join(blocks), page.name, "exec")  # a syntax error names the page
        assert code is not None
        program += f"os.makedirs({page.stem!r}); os.chdir({page.stem!r})\n"
        program += (
            f"exec(compile({chr(10).join(blocks)!r}, {page.name!r}, 'exec'), {{'__name__': '__main__'}})\n"
        )
        program += "os.chdir('..')\n"
    assert count >= 8
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "two-accelerators" / "left_hw" / "left.v").is_file()
