"""``fermatnet soc``."""

import click

from fermatnet.cli.console import line
from fermatnet.cli.kinds import InputDirectory, OutputDirectory, judge


@click.command(name="soc")
@click.argument("directory", type=InputDirectory("interface.json", "no generated design"))
@click.option("--out", required=True, type=OutputDirectory(), metavar="DIR", help="Folder to write.")
@click.option("--force", is_flag=True, help="Replace a folder that is not empty.")
def command(directory: str, out: str, force: bool) -> None:
    """Wrap the generated design in DIRECTORY for a system on a chip: aclk and aresetn, AXI4-Lite registers,
    an interrupt.

    Writes the wrapper, component.xml (IP-XACT), Tcl for Vivado and for Quartus' Platform Designer, a PYNQ
    driver and a LiteX module beside copies of the design's files.
    """
    judge(out, directory, force=force)
    from fermatnet.hw.bus.package import wrap

    found = wrap(directory, out, force=force)
    line(f"{out}: module {found['name']}, design {found['design']}; {', '.join(found['texts'])}")
