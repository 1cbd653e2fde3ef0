"""``fermatnet export``."""

import click

from fermatnet.cli.console import line
from fermatnet.cli.kinds import InputDirectory, OutputFile
from fermatnet.cli.phases import phases
from fermatnet.model.outputs import apart


@click.command(name="export")
@click.argument("run", type=InputDirectory("config.json", "no training run"))
@click.option("--out", required=True, type=OutputFile(), metavar="NET.onnx", help="The network file.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "fermat", "direct"]),
    help="Engine of the integer convolutions, instead of the run's.",
)
def command(run: str, out: str, engine: str | None) -> None:
    """Export the finished training run in folder RUN to a network file: ONNX, integers only, checked."""
    apart(
        [
            f"{run}/{name}"
            for name in ("config.json", "summary.json", "checkpoint.pt", "float.pt", "quantized.pt")
        ],
        [out],
    )
    with phases("export") as phase:
        phase("loading torch")
        from fermatnet.model.network import save
        from fermatnet.model.train.finished import export_run

        phase("turning the trained network into integers")
        net = export_run(run, engine=engine)
        save(net, out)
    line(
        f"{run} -> {out}: {len(net.nodes)} layers, input {'x'.join(map(str, net.input_shape))}, "
        f"{net.classes} outputs"
    )
