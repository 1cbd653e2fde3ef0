"""``fermatnet soc``."""

import click

from fermatnet.cli.console import line
from fermatnet.cli.kinds import InputDirectory, InputFile, OutputDirectory, judge


@click.command(name="soc")
@click.argument("directory", type=InputDirectory("interface.json", "no generated design"))
@click.option("--out", required=True, type=OutputDirectory(), metavar="DIR", help="Folder to write.")
@click.option(
    "--network",
    type=InputFile(),
    metavar="NET.onnx",
    help="The design's network: adds a test bench, for fusesoc run --target=sim.",
)
@click.option("--force", is_flag=True, help="Replace a folder that is not empty.")
def command(directory: str, out: str, network: str | None, force: bool) -> None:
    """Wrap the generated design in DIRECTORY for a system on a chip: aclk and aresetn, AXI4-Lite registers,
    an interrupt.

    Writes the wrapper, component.xml (IP-XACT), Tcl for Vivado and for Quartus' Platform Designer, a PYNQ
    driver a LiteX module and a FuseSoC core beside copies of the design's files.
    """
    judge(out, directory, network, force=force)
    from fermatnet.hw.bus.package import wrap
    from fermatnet.model.network import load

    description = wrap(directory, out, net=None if network is None else load(network), force=force)
    line(
        f"{out}: module {description['name']}, design {description['design']}; "
        f"{', '.join(description['texts'])}"
    )
