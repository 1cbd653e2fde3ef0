"""``fermatnet ip``: one subcommand a block, its options made from the registry."""

from typing import Any

import click

from fermatnet.cli.console import line
from fermatnet.cli.kinds import OutputDirectory, judge
from fermatnet.cli.phases import phases
from fermatnet.model.atomic import atomic_directory


def _option(option: Any) -> click.Option:
    kind: Any = click.Choice(option.type) if isinstance(option.type, tuple) else option.type
    if kind is int:
        kind = click.IntRange(max=option.most)
    flag = f"--{option.name.replace('_', '-')}"
    if kind is bool:
        return click.Option(
            [f"{flag}/--no-{option.name.replace('_', '-')}", option.name],
            default=option.default,
            show_default=True,
            help=option.help,
        )
    return click.Option(
        [flag, option.name], type=kind, default=option.default, show_default=True, help=option.help
    )


def _command(block: Any) -> click.Command:
    def generate(out: str, force: bool, **settings: Any) -> None:
        from fermatnet.hw.ip import registry as ip

        judge(out, force=force)
        with phases(f"ip {block.name}") as phase, atomic_directory(out, force=force) as directory:
            phase("generating Verilog")
            interface = ip.generate(block.name, directory, **settings)
        latency = interface["latency_cycles"]
        line(
            f"{block.name} -> {out}/{block.name}.v"
            + ("" if latency is None else f" (latency {latency} cycles)")
        )

    parameters: list[click.Parameter] = [_option(option) for option in block.options]
    parameters.append(
        click.Option(
            ["--out"],
            required=True,
            type=OutputDirectory(),
            metavar="DIR",
            help="Folder for BLOCK.v and interface.json.",
        )
    )
    parameters.append(click.Option(["--force"], is_flag=True, help="Replace a folder that is not empty."))
    return click.Command(block.name, callback=generate, params=parameters, help=block.help)


class _Blocks(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        from fermatnet.hw.ip import registry as ip

        return sorted(ip.blocks())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from fermatnet.hw.ip import registry as ip

        block = ip.blocks().get(cmd_name)
        return None if block is None else _command(block)


@click.command(name="ip", cls=_Blocks, subcommand_metavar="BLOCK [OPTIONS]")
def command() -> None:
    """Generate one stand-alone block: DIR/BLOCK.v with top module BLOCK, its memory files and
    DIR/interface.json."""
