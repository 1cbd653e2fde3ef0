"""The site builds strictly: no link, anchor or documented name leads nowhere, no page asks other machines."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the pages need fermatnet[docs]")
pytest.importorskip("mkdocstrings", reason="the pages need fermatnet[docs]")
pytest.importorskip("material", reason="the pages need fermatnet[docs]")

ROOT = Path(__file__).parent.parent.parent
QUIET = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}


def build(site: Path, config: Path = ROOT / "mkdocs.yml") -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "-f",
        str(config),
        "-d",
        str(site),
    ]
    return subprocess.run(command, capture_output=True, text=True, env=QUIET, timeout=600, check=False)


class Loads(HTMLParser):
    """What a page loads by itself when it is opened: scripts, styles, pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        source = given.get("href") if tag == "link" else given.get("src")
        if source and (tag != "link" or given.get("rel") in ("stylesheet", "preconnect", "preload", "icon")):
            self.found.append(source)


def test_strict_and_alone(tmp_path):
    done = build(tmp_path / "site")
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        reader = Loads()
        reader.feed(page.read_text())
        away = [source for source in reader.found if re.match(r"(https?:)?//", source)]
        assert not away, f"{page.name} loads {away}"
    commands = (tmp_path / "site" / "reference" / "commands.html").read_text()
    assert "fermatnet verilog" in commands and "--cycles" in commands
    front = (tmp_path / "site" / "reference" / "front-door.html").read_text()
    assert "cycles an image" in front and "InputError" in front


def test_a_broken_link_fails(tmp_path):
    """On a site of two pages with this project's settings."""
    shutil.copytree(ROOT / "docs" / "tools", tmp_path / "docs" / "tools")
    settings = (ROOT / "mkdocs.yml").read_text().partition("nav:\n  -")[0]
    (tmp_path / "mkdocs.yml").write_text(re.sub(r"\nhooks:\n.*?\n\n", "\n\n", settings, flags=re.DOTALL))
    page = tmp_path / "docs" / "index.md"
    page.write_text("# One\n\n[here](#one)\n")
    assert build(tmp_path / "good", tmp_path / "mkdocs.yml").returncode == 0
    for broken in ("[there](two.md)", "[there](#two)", "::: fermatnet.no_such_name"):
        page.write_text(f"# One\n\n{broken}\n")
        assert build(tmp_path / "bad", tmp_path / "mkdocs.yml").returncode != 0, broken
