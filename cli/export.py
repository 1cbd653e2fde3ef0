"""``fermatnet export``."""

import click

from fermatnet.cli.console import line


@click.command(name="export")
@click.argument("run")
@click.option("--out", required=True, metavar="NET.onnx", help="The network file.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "fermat", "direct"]),
    help="Engine of the integer convolutions, instead of the run's.",
)
def command(run: str, out: str, engine: str | None) -> None:
    """Export the finished training run in folder RUN to a network file: ONNX, integers only, checked."""
    from fermatnet.model.network import save
    from fermatnet.model.train.run import export_run

    net = export_run(run, engine=engine)
    save(net, out)
    line(
        f"{run} -> {out}: {len(net.nodes)} layers, input {'x'.join(map(str, net.input_shape))}, "
        f"{net.classes} outputs"
    )
