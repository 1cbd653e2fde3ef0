"""``fermatnet load``."""

import click

from fermatnet.cli.console import line
from fermatnet.cli.kinds import InputDirectory, InputFile, OutputFile
from fermatnet.cli.phases import phases
from fermatnet.model.outputs import apart


@click.command(name="load")
@click.argument("network", type=InputFile())
@click.option(
    "--verilog",
    "directory",
    required=True,
    type=InputDirectory("interface.json", "no generated design"),
    metavar="DIR",
    help="The design: a folder of `fermatnet verilog --reloadable`.",
)
@click.option(
    "--out",
    required=True,
    type=OutputFile(),
    metavar="FILE.hex",
    help="The words for s_load in hexadecimal, one a line; tlast goes with the last.",
)
def command(network: str, directory: str, out: str) -> None:
    """Make the burst that loads NETWORK's weights into the reloadable design in DIR.

    The network must be one that the design was made for: the same layers and shapes, with other weights and
    thresholds.
    """
    apart([network, f"{directory}/interface.json"], [out])
    from fermatnet.hw.compiler.generate import load_burst
    from fermatnet.model.atomic import atomic_file
    from fermatnet.model.network import load

    with phases("load") as phase:
        phase("building the design again to find its memories")
        words = load_burst(load(network), directory)
    with atomic_file(out) as temporary:
        temporary.write_text("".join(f"{word:08x}\n" for word in words))
    line(f"{network} -> {out}: {len(words)} words of 32 bits for s_load of {directory}")
