"""Entry point: loads a subcommand when it is called, turns every failure into a line and an exit status."""

import importlib
import importlib.metadata
import os
import signal
import sys
import traceback
from types import FrameType

import click

from fermatnet.cli.failure import explain
from fermatnet.cli.terminal import close, prepare

__all__ = ["DEBUG", "cli", "entry"]

DEBUG = "FERMATNET_DEBUG"
"""Environment variable that asks for tracebacks as ``--debug`` does."""

# subcommand: module and one line of help (kept here so that --help imports nothing else)
_COMMANDS = {
    "demo": "The whole path on bundled digits: train, export, generate, simulate, synthesise, report.",
    "train": "Train a network of the zoo, quantization-aware; writes a run folder.",
    "detect": "Object detection: train, evaluate, run and export SSD detectors.",
    "export": "Export a trained run to a network file (ONNX, integers only).",
    "import": "Turn a quantized model (TensorFlow Lite, ONNX QDQ or QLinear, QONNX) into a network file.",
    "import-qonnx": "The same, under its older name.",
    "info": "Show a network file: layers, engines, bits, operations, memory, bounds, moduli.",
    "run": "Run a network file in the bit-exact reference.",
    "verilog": "Generate Verilog, memory files and interface.json from a network file.",
    "c": "Generate portable C99 from a network file, with a test program and its vectors.",
    "load": "Make the burst that loads a network's weights into a reloadable design.",
    "sim": "Simulate a network's Verilog with cocotb and check it against the reference.",
    "explore": "Show the designs of a network on a device, speed against cost, and generate one.",
    "synth": "Synthesise generated Verilog with yosys and nextpnr; resources by layer, Fmax.",
    "board": "Build a bitstream for a board: the network, a UART link, the clock; --list shows the boards.",
    "host": "Send images to a board over its serial port, or to its simulation.",
    "soc": "Wrap a generated design: AXI4-Lite registers, IP-XACT, Vivado, Quartus, PYNQ, LiteX.",
    "ip": "Generate one stand-alone block: adder, butterfly, transform, popcount, array, ...",
    "zoo": "List the architectures, or show one with its complexity.",
    "search": "Search an architecture (nasb, autorecon), or a scheme for each layer (mixed).",
    "sweep": "Train every combination that a TOML file names; goes on where it was stopped.",
    "bench": "Run a benchmark; prints a table, writes JSON.",
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
@click.option("--debug", is_flag=True, envvar=DEBUG, help="Show tracebacks, for reports of bugs.")
def cli(debug: bool) -> None:
    """Bring a CNN, get Verilog, C or a bitstream that computes, bit for bit, what Python says it computes."""


def _is_debug() -> bool:
    # asked before click has read anything, because reading can fail too
    first = next((at for at, word in enumerate(sys.argv[1:], 1) if not word.startswith("-")), len(sys.argv))
    return "--debug" in sys.argv[1:first] or os.environ.get(DEBUG, "").lower() in ("1", "true", "yes", "on")


_interruptions = 0


def _stop(number: int, frame: FrameType | None) -> None:
    global _interruptions
    _interruptions += 1
    if _interruptions != 2:  # a second Ctrl-C would cut the cleaning up short; a third one means it
        raise KeyboardInterrupt


def _catch_signals() -> None:
    global _interruptions
    _interruptions = 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a polite kill cleans up as Ctrl-C does
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup and background jobs ignore some
            signal.signal(number, _stop)


def _run() -> int:
    """The exit status of the command on ``sys.argv``; prints what there is to say of a failure."""
    try:
        status = cli.main(standalone_mode=False)
        sys.stdout.flush()  # here, not at the interpreter's end: the disk behind it may be full
        return status if isinstance(status, int) else 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except (BrokenPipeError, SystemExit):
        return 0  # the reader of our output went away, which click and rich answer by exiting: nothing to say
    except BaseException as error:
        if _is_debug():
            traceback.print_exc()
        message, status = explain(error)
        print(f"fermatnet: {' '.join(message.split())}", file=sys.stderr)
        return status


def entry() -> None:
    """The console script.

    Exit status: 0 well, 1 a check failed, 2 bad input, 70 a bug in fermatnet, 130 interrupted.
    """
    # Threads of torch that wait for each other sleep, unless the user says otherwise: beside other work on 2
    # cores those that spin, OpenMP's default, took more than ten times as long to train the digits.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    prepare(_is_debug())
    _catch_signals()
    status = _run()
    close()
    sys.exit(status)
