"""Names of designs: the list of reserved words against a parser that others wrote."""

import pytest

from fermatnet.hw.rtl.identifier import KEYWORDS, check_name
from fermatnet.model.errors import InputError

pyslang = pytest.importorskip("pyslang")


def parses(name):
    return not len(pyslang.syntax.SyntaxTree.fromText(f"module {name}; endmodule").diagnostics)


def test_reserved_words_are_all_of_them():
    assert len(KEYWORDS) == sum(kind.endswith("Keyword") for kind in dir(pyslang.parsing.TokenKind))
    assert not [word for word in sorted(KEYWORDS) if parses(word)]


def test_what_is_accepted_parses():
    for name in ("fermatnet", "net0", "_", "Reg", "a_very_long_name_" + "x" * 47):
        assert check_name(name) == name and parses(name)
    for name in ("module", "0net", "a b", "a$b", "é", "a\n", "fermatnet_rom"):
        with pytest.raises(InputError, match="name must"):
            check_name(name)
