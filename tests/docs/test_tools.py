"""The extension that turns the sources' short docstrings into numpy's style."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("griffe", reason="the pages need fermatnet[docs]")

TOOLS = Path(__file__).parent.parent.parent / "docs" / "tools"


def rewritten(text: str) -> str:
    spec = importlib.util.spec_from_file_location("docstrings", TOOLS / "docstrings.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool.rewritten(text)


def test_short_entries_and_the_paragraph_behind_them():
    text = """Adds.

    Parameters
    ----------
    a, b : integers, on
    two lines;  bits : of each
    more : the rest

    Raises InputError.
    """
    assert rewritten(text) == (
        "Adds.\n\nRaises InputError.\n\nParameters\n----------\n"
        "a, b\n    integers, on two lines\nbits\n    of each\nmore\n    the rest\n\n"
    )


def test_numpy_entries_keep_their_types():
    text = "Adds.\n\nParameters\n----------\na : int\n    The first.\n"
    assert rewritten(text) == "Adds.\n\nParameters\n----------\na : int\n    The first.\n\n"


def test_stars_multiply_but_code_and_drawings_stay():
    text = "C*H*W values, ``a * b`` and `c*d`.\n\n    x * y\n\nEnd.\n"
    assert rewritten(text) == "C\\*H\\*W values, ``a * b`` and `c*d`.\n\n    x * y\n\nEnd."
