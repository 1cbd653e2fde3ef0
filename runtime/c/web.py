"""The generated C as WebAssembly, in one self-contained page on which one draws and sees the network's
integers."""

import base64
import html
import re
import subprocess
import sys
import tempfile
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.runtime.c.folder import write_sources
from fermatnet.runtime.c.source import Source

__all__ = ["check_page", "page", "wasm"]

_GLUE = """
#include "{name}.h"
static uint8_t image[{upper}_INPUTS];
static {name}_out out[{upper}_OUTPUTS];
static {name}_ram ram;
uint8_t *web_image(void);
{name}_out *web_out(void);
void web_run(void);
uint8_t *web_image(void) {{ return image; }}
{name}_out *web_out(void) {{ return out; }}
void web_run(void) {{ {name}_run(image, out, &ram); }}
"""


def check_page(net: Network) -> None:
    """InputError unless the page can draw this network's input and show its output, and a compiler for it is
    there."""
    if net.input_shape[0] != 1:
        raise InputError(
            f"the page draws grey images, the network takes {net.input_shape[0]} channels; leave --web out"
        )
    if net.types[net.output].shape[1:] != (1, 1):
        raise InputError(
            f"the page shows a row of outputs, not a map of shape {net.types[net.output].shape}; "
            "leave --web out"
        )
    if find_spec("ziglang") is None:
        raise InputError(
            "--web needs a C compiler for WebAssembly, the Python package 'ziglang': pip install ziglang"
        )


def wasm(source: Source) -> bytes:
    """The network as a WebAssembly module: exports memory, web_image(), web_out() (addresses) and
    web_run()."""
    with tempfile.TemporaryDirectory(prefix="fermatnet-wasm-") as name:
        folder = Path(name)
        write_sources(source, folder)
        (folder / "glue.c").write_text(_GLUE.format(name=source.name, upper=source.name.upper()))
        exports = [f"-Wl,--export={symbol}" for symbol in ("web_image", "web_out", "web_run")]
        command = [
            sys.executable,
            "-m",
            "ziglang",
            "cc",
            "-target",
            "wasm32-freestanding",
            "-O2",
            "-std=c99",
            "-nostdlib",
            "-s",
            "-Wl,--no-entry",
            *exports,
            "-o",
            "net.wasm",
            f"{source.name}.c",
            "glue.c",
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InputError(f"zig cc: {' '.join(done.stderr.split())[-400:]}")
        return (folder / "net.wasm").read_bytes()


def page(source: Source, title: str = "") -> str:
    """The page as HTML. Raises as `check_page`."""
    net = source.program.net
    check_page(net)
    module = wasm(source)
    lo, hi = net.input_range
    text = (files("fermatnet.runtime.c") / "templates" / "page.html").read_text()
    values = {
        "TITLE": html.escape(title or source.name),
        "ROWS": net.input_shape[1],
        "COLUMNS": net.input_shape[2],
        "LOW": lo,
        "HIGH": hi,
        "WIDE_OUTPUTS": "true" if source.out_type == "int64_t" else "false",
        "OUTPUTS": net.classes,
        "FLASH": f"{source.tables.total:,}",
        "RAM": f"{source.ram:,}",
        "CODE": f"{len(module):,}",
        "MODULE": base64.b64encode(module).decode(),
    }
    return re.sub(r"@(" + "|".join(values) + r")@", lambda match: str(values[match.group(1)]), text)
