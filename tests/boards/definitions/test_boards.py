"""Definitions of boards: those that are known, a user's own, and what is wrong with one in one line."""

import re
from pathlib import Path

import pytest

from fermatnet.boards.constraints import constraints
from fermatnet.boards.definitions.catalogue import ALIASES, BOARDS, find_board
from fermatnet.boards.definitions.file import read_board
from fermatnet.model.errors import InputError

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "own-board.md"
OWN = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)[0]
"""The example of the page: whoever follows it gets what is tested here."""


@pytest.mark.parametrize("name", BOARDS)
def test_every_board(name):
    board = find_board(name)
    assert board.name == name and board.source
    places = [pin.place for _, pin in board.ports()]
    assert len(set(places)) == len(places) and all(places)
    file, text = constraints(board)
    assert file.startswith("board.") and all(place in text for place in places)
    if board.bitstream:
        assert board.chip.place and board.programmer


def test_pins_that_are_printed_on_the_boards():
    """A few by the vendors' own documents, which nobody here has copied into code."""
    pins = {name: (b := find_board(name), b.clock.place, b.rx.place, b.tx.place)[1:] for name in BOARDS}
    assert pins["ulx3s-85f"] == ("G2", "M1", "L4") and pins["icebreaker"] == ("35", "6", "9")
    assert pins["tangnano9k"] == ("52", "18", "17") and pins["tangnano20k"] == ("4", "70", "69")
    assert pins["colorlight-i5"] == ("P3", "H18", "J17") and pins["arty-a7-35"] == ("E3", "A9", "D10")
    assert [find_board(name).clock_mhz for name in ("ulx3s", "orangecrab", "icebreaker")] == [25, 48, 12]
    assert ALIASES == {"ulx3s": "ulx3s-85f"}


def test_packages_and_speeds_reach_nextpnr():
    assert find_board("orangecrab").chip.place == ("--25k", "--package", "CSFBGA285", "--speed", "8")
    assert find_board("ulx3s-45f").chip.place == ("--45k", "--package", "CABGA381", "--speed", "6")
    assert find_board("icebreaker").chip.place == ("--up5k", "--package", "sg48")


def test_a_board_of_ones_own(tmp_path):
    assert OWN.count("\n") <= 30
    (tmp_path / "mine.toml").write_text(OWN)
    board = find_board(str(tmp_path / "mine.toml"))
    assert (board.name, board.clock_mhz, board.baud) == ("my-board", 25, 1000000)
    assert board.chip.place == ("--25k", "--package", "CABGA256", "--speed", "6")
    assert board.leds[0].inverted and board.reset.inverted and not board.rx.inverted
    text = constraints(board)[1]
    assert 'LOCATE COMP "osc" SITE "P6";' in text and 'IOBUF PORT "led_0" IO_TYPE=LVCMOS33;' in text
    assert 'FREQUENCY PORT "osc" 25 MHZ;' in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('device = "ecp5-25k"', 'device = "ecp5"'), "device must be one of .*ecp5-25k"),
        (
            ('device = "ecp5-25k"', 'device = "asic"'),
            "board my-board: the families are ecp5, ice40, gowin, xc7, not asic",
        ),
        (
            ("clock_mhz = 25", "clock_mhz = 25000000"),
            "an oscillator has 1 to 400 MHz, not 2.5e[+]07: say clock_mhz",
        ),
        (("clock_mhz = 25", ""), "clock_mhz is missing"),
        (('rx = "R7"', ""), r"pins\.rx is missing"),
        (('rx = "R7"', "rx = 7"), r"pins\.rx must be of type str, not 7"),
        (('leds = ["T6"]', "leds = [6]"), "a pin is a place in quotes, not 6"),
        (('title = "My board"', 'title = "My board"\ncolour = "red"'), "colour is unknown; known are name"),
        (("[pins]", "[pins"), "is not TOML"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, change, words):
    (tmp_path / "mine.toml").write_text(OWN.replace(*change))
    with pytest.raises(InputError, match=words):
        read_board(tmp_path / "mine.toml")


def test_unknown_boards():
    with pytest.raises(
        InputError, match=r"board must be one of ulx3s-12f, .*, or a \.toml file of your own, not 'de0'"
    ):
        find_board("de0")
    with pytest.raises(InputError, match=r"none\.toml: no such file"):
        find_board("none.toml")
