"""``fermatnet synth``."""

import json
from pathlib import Path

import click
from rich.table import Table

from fermatnet.cli.console import line, notes, results
from fermatnet.model.atomic import atomic_file


@click.command(name="synth")
@click.argument("directory")
@click.option("--device", required=True, help="ecp5-85k, ice40-hx8k, ice40-up5k, xc7, asic, ...")
@click.option("--liberty", metavar="FILE", help="Cell library (.lib) for --device asic.")
@click.option("--json", "target", metavar="FILE", help="Write the report as JSON too.")
def command(directory: str, device: str, liberty: str | None, target: str | None) -> None:
    """Synthesise the generated design in DIRECTORY with yosys, place and route it with nextpnr where the
    device has one.

    Prints LUTs, flip-flops, block RAMs and DSPs by layer, Fmax, images per second at that Fmax and the
    critical path.
    """
    from fermatnet.synth.flow import synthesise

    with notes.status("synthesis") as status:
        report = synthesise(Path(directory), device, liberty=liberty, progress=status.update)
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
