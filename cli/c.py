"""``fermatnet c``."""

import click

from fermatnet.cli.console import line


@click.command(name="c")
@click.argument("network")
@click.option("--out", required=True, metavar="DIR", help="Folder to write; must not exist or be empty.")
@click.option(
    "--name",
    default="net",
    show_default=True,
    metavar="WORD",
    help="Prefix of every symbol and of the files.",
)
@click.option(
    "--ram", type=click.IntRange(min=1), metavar="BYTES", help="Refuse if the working memory takes more."
)
@click.option(
    "--flash", type=click.IntRange(min=1), metavar="BYTES", help="Refuse if the constant tables take more."
)
@click.option(
    "--fast",
    is_flag=True,
    help="Layers of many levels as integer products: fewer instructions, more flash and RAM.",
)
@click.option(
    "--checksums",
    is_flag=True,
    help="Also every layer's checksum; make test names the first layer that differs.",
)
@click.option(
    "--vectors",
    default=8,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Images in the test program.",
)
@click.option(
    "--web",
    is_flag=True,
    help="Also a page to draw on, NAME.html, that runs the network as WebAssembly (needs ziglang).",
)
@click.option("--force", is_flag=True, help="Replace a folder that is not empty.")
def command(
    network: str,
    out: str,
    name: str,
    ram: int | None,
    flash: int | None,
    fast: bool,
    checksums: bool,
    vectors: int,
    web: bool,
    force: bool,
) -> None:
    """Generate portable C99 for NETWORK (.onnx): no allocation, no floating point, the integers of the
    reference.

    `make -C DIR` builds DIR/run: raw images (uint8, channel by channel) in, one line of integers an image
    out. `make -C DIR test` runs the vectors, `make -C DIR lib` makes a shared library. CC, CFLAGS and LDFLAGS
    are honoured."""
    from fermatnet.model.network import load
    from fermatnet.runtime.c import generate

    figures = generate(
        load(network),
        out,
        name=name,
        checksums=checksums,
        fast=fast,
        ram=ram,
        flash=flash,
        vectors=vectors,
        web=web,
        force=force,
    )
    line(
        f"{out}: {figures['flash_tables']} bytes of tables, {figures['ram']} bytes of RAM, "
        f"{len(figures['order'])} steps"
    )
