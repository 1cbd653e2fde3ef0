"""Explanations stay explanations: what was measured, with which seed and when, stands under results."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent.parent / "docs"
EXPLANATIONS = sorted(
    path.relative_to(DOCS).as_posix()
    for path in (*DOCS.glob("*.md"), *(DOCS / "architectures").glob("*.md"), *(DOCS / "how-to").glob("*.md"))
    if path.name not in ("changelog.md", "tutorial.md")
)
# a seed with its number, a date, a machine's name
DIARY = re.compile(r"\bseeds? \d|\b20[0-3]\d-[01]\d|\b(?:EPYC|Xeon|Ryzen)\b|\bidle machine\b", re.IGNORECASE)


def found(text: str) -> list[str]:
    """Lines that tell of one measurement, code aside."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [line for line in prose.splitlines() if DIARY.search(line)]


@pytest.mark.parametrize("page", EXPLANATIONS)
def test_an_explanation_holds_no_diary(page):
    assert found((DOCS / page).read_text()) == []


def test_a_diary_is_noticed():
    assert found("Of 1200 (seeds 0 to 1199) 1196 convert.\n```\nseed 1\n```\nMeasured on 2026-05-01.\n") == [
        "Of 1200 (seeds 0 to 1199) 1196 convert.",
        "Measured on 2026-05-01.",
    ]


@pytest.mark.parametrize("question", ["add a layer", "data set", "on a board", "add a quantizer"])
def test_one_click_from_the_first_page(question):
    """The row of the question leads to a page, or to a heading on one, that exists."""
    (row,) = [
        line for line in (DOCS / "index.md").read_text().splitlines() if question in line and "|" in line
    ]
    target, _, heading = re.search(r"\]\(([^)]+)\)", row)[1].partition("#")
    page = (DOCS / target).read_text()
    headings = [
        re.sub(r"[^a-z0-9]+", "-", line.strip("# ").lower()) for line in page.splitlines() if line[:1] == "#"
    ]
    assert not heading or heading in headings
