"""``fermatnet info``."""

import json

import click
from rich.table import Table

from fermatnet.cli.console import results


@click.command(name="info")
@click.argument("network")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(network: str, as_json: bool) -> None:
    """Show what NETWORK (.onnx) holds: layers, engines, bits, operations, memory, bounds and the chosen moduli."""
    from fermatnet.model.network import load
    from fermatnet.model.network.summary import summary

    info = summary(load(network))
    if as_json:
        print(json.dumps(info, indent=2))
        return
    table = Table(title=f"{network}: {info['input']} -> {info['output']}")
    for column in ("layer", "op", "engine", "output"):
        table.add_column(column)
    for column in ("range", "bits", "MACs", "weight bits"):
        table.add_column(column, justify="right")
    for layer in info["layers"]:
        low, high = layer["range"]
        shape = "x".join(map(str, layer["shape"]))
        numbers = f"{low}..{high}", str(layer["bits"]), f"{layer['macs']:,}", f"{layer['weight_bits']:,}"
        table.add_row(layer["name"], layer["op"], layer["engine"], shape, *numbers)
    table.add_section()
    table.add_row("all", "", "", "", "", "", f"{info['macs']:,}", f"{info['weight_bits']:,}")
    results.print(table)
    for layer in info["layers"]:
        if layer["reasons"]:
            results.print(f"{layer['name']}: {layer['reasons']}")
    for key, value in info["meta"].items():
        results.print(f"{key}: {value}")
