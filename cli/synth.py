"""``fermatnet synth``."""

import json
from pathlib import Path

import click
from rich.table import Table

from fermatnet.cli.console import line, results
from fermatnet.cli.kinds import InputDirectory, InputFile, OutputFile, device_choice
from fermatnet.cli.phases import phases
from fermatnet.model.atomic import atomic_file
from fermatnet.model.outputs import apart


@click.command(name="synth")
@click.argument("directory", type=InputDirectory("interface.json", "no generated design"))
@click.option("--device", required=True, type=device_choice(), help="Device to synthesise for.")
@click.option("--liberty", type=InputFile(), metavar="FILE", help="Cell library (.lib) for --device asic.")
@click.option("--json", "target", type=OutputFile(), metavar="FILE", help="Write the report as JSON too.")
def command(directory: str, device: str, liberty: str | None, target: str | None) -> None:
    """Synthesise the generated design in DIRECTORY with yosys, place and route it with nextpnr where the
    device has one.

    Prints LUTs, flip-flops, block RAMs and DSPs by layer, Fmax, images per second at that Fmax and the
    critical path.
    """
    apart([liberty, f"{directory}/interface.json"], [target])
    from fermatnet.synth.flow import synthesise

    with phases("synth") as phase:
        report = synthesise(Path(directory), device, liberty=liberty, progress=phase, detail=phase.detail)
    if target:
        with atomic_file(target) as temporary:
            temporary.write_text(json.dumps(report, indent=2) + "\n")
    table = Table(title=f"{directory} on {device}")
    table.add_column("layer")
    columns = [key for key in ("luts", "ffs", "brams", "dsps", "gates", "area") if key in report]
    for key in columns:
        table.add_column(key.upper(), justify="right")
    for layer in report["layers"]:
        table.add_row(layer["instance"], *(f"{layer.get(key, 0):,}" for key in columns))
    table.add_section()
    table.add_row("all", *(f"{report[key]:,}" for key in columns))
    results.print(table)
    if report.get("fmax_mhz"):
        line(
            f"Fmax {report['fmax_mhz']:.1f} MHz"
            + (f": {report['images_per_second']:,.0f} images/s" if report.get("images_per_second") else "")
        )
    path = report.get("critical_path")
    if path:
        line(
            "critical path: "
            + ", ".join(f"{key} {value}" for key, value in path.items() if not isinstance(value, list | dict))
        )
