"""The comparison of two checkouts: one byte is found, a renaming is told apart, a missing file is named."""

from fermatnet.bench.compiler.same_hardware import compare, write_all

VERILOG = "module top(input wire clk);\n  wire old_name;\nendmodule\n"


def _folders(tmp_path, old: dict[str, str], new: dict[str, str]):
    for side, files in (("old", old), ("new", new)):
        for name, text in files.items():
            path = tmp_path / side / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return tmp_path / "old", tmp_path / "new"


def test_one_byte_is_found(tmp_path):
    old, new = _folders(
        tmp_path, {"a/x.v": VERILOG, "m.hex": "00\n01\n"}, {"a/x.v": VERILOG, "m.hex": "00\n03\n"}
    )
    found = compare(old, new, [])
    assert found["equal"] == 1 and found["different"] == {"m.hex": "line 2: '01' is now '03'"}


def test_a_renaming_is_told_apart(tmp_path):
    old, new = _folders(tmp_path, {"x.v": VERILOG}, {"x.v": VERILOG.replace("old_name", "new_name")})
    assert "line 2" in compare(old, new, [])["different"]["x.v"]
    found = compare(old, new, [(r"\bold_name\b", "new_name")])
    assert (found["equal"], found["equal_after_renaming"], found["different"]) == (0, 1, {})


def test_a_missing_file_is_named(tmp_path):
    old, new = _folders(tmp_path, {"x.v": VERILOG, "y.hex": "0\n"}, {"x.v": VERILOG})
    assert compare(old, new, [])["different"] == {"y.hex": "only in OLD"}


def test_a_checkout_equals_itself(tmp_path):
    """A network's files are the same bytes twice, and they are the files that matter."""
    for side in ("old", "new"):
        write_all(tmp_path / side, 1, ["random"])
    found = compare(tmp_path / "old", tmp_path / "new", [])
    assert not found["different"] and found["equal"] == found["files"]
    names = {path.name for path in (tmp_path / "new/random/0").rglob("*")}
    assert {"net.onnx", "outputs.txt", "fermatnet.v", "interface.json"} <= names
