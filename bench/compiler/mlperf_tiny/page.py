"""The page of the results: tables of our designs beside the published entries."""

from collections.abc import Sequence
from typing import Any

__all__ = ["page"]


def page(rows: Sequence[dict[str, Any]]) -> str:
    """The page as Markdown; empty as yet."""
    return ""
