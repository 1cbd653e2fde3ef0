"""The demonstration page in a real browser: every test image, computed in the page, gives the reference's
integers."""

import base64
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from fermatnet.model.network import run
from fermatnet.runtime.c.source import make_source
from fermatnet.runtime.c.web import page

from ...model.network.samples import digits_like

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCRIPT = """<script>
const given = Uint8Array.from(atob("IMAGES"), c => c.charCodeAt(0)), size = HEIGHT * WIDTH, found = [];
for (let k = 0; k < given.length / size; ++k)
  found.push(infer(given.slice(k * size, (k + 1) * size)).map(Number));
const told = document.createElement("pre");
told.id = "found";
told.textContent = JSON.stringify(found);
document.body.append(told);
</script></body>"""

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome on PATH"),
    pytest.mark.skipif(
        pytest.importorskip("ziglang", reason="zig's C compiler (pip install ziglang) makes the page")
        is None,
        reason="",
    ),
]


def digits_images():
    pytest.importorskip("sklearn")
    from fermatnet.model.train.data import digits

    return digits().test.images  # the 360 that are never trained on


def in_the_page(net, images, tmp_path):
    """Outputs int64 (n, K) that the page's own module gives in the browser."""
    text = page(make_source(net, "digits"))
    path = tmp_path / "page.html"
    path.write_text(
        text.replace("</body>", SCRIPT.replace("IMAGES", base64.b64encode(images.tobytes()).decode())),
        encoding="utf-8",
    )
    command = [
        BROWSER,
        *FLAGS,
        f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=20000",
        "--dump-dom",
        path.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    match = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.S)
    assert match, done.stderr[-2000:]
    return np.array(json.loads(match.group(1)), np.int64)


def test_every_digit_gives_the_reference_integers(tmp_path):
    net, images = digits_like(width=16), digits_images()
    np.testing.assert_array_equal(in_the_page(net, images, tmp_path), run(net, images))
