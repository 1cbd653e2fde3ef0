"""What mkdocs calls while it builds: the folders under their import names, and the reference of the commands.

The commands come from click's own help, so the page cannot be out of date.
"""

import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from fermatnet.cli.main import cli

ROOT = Path(__file__).parent.parent.parent
MARK = "<!-- commands -->"


def link_packages() -> None:
    """Links in build/tree: mkdocstrings reads sources, and finds packages by their folders' names."""
    folders = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    package = ROOT / "build" / "tree" / "fermatnet"
    package.mkdir(parents=True, exist_ok=True)
    named = {name.partition(".")[2]: ROOT / folder for name, folder in folders.items() if "." in name}
    inner = {path.name: path for path in (ROOT / folders["fermatnet"]).iterdir() if path.name[0] not in "_."}
    for name, target in {
        **inner,
        **named,
        "__init__.py": ROOT / folders["fermatnet"] / "__init__.py",
    }.items():
        link = package / name
        if link.is_symlink() and link.readlink() != target:  # the tree was moved
            link.unlink()
        if not link.is_symlink():
            with suppress(FileExistsError):  # another build was faster
                link.symlink_to(target)


def _sections(group: click.Group, path: str, level: int, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=f"{path} {name}", max_content_width=88, terminal_width=88)
        yield f"{'#' * level} {path} {name}\n\n```text\n{command.get_help(inner)}\n```\n"
        if isinstance(command, click.Group) and level < 3:
            yield from _sections(command, f"{path} {name}", level + 1, inner)


def commands() -> str:
    """All commands with their help, as Markdown."""
    top = click.Context(cli, info_name="fermatnet")
    return "\n".join(_sections(cli, "fermatnet", 2, top))


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in the page of the commands."""
    return markdown.replace(MARK, commands()) if MARK in markdown else markdown


link_packages()  # when mkdocs imports this file: before mkdocstrings looks for the folder
