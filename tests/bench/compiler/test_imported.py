"""The bench of imported models picks its files by a part of their name."""

from pathlib import Path

from fermatnet.bench.compiler.imported import files


def test_files_are_picked_by_a_part_of_their_name(tmp_path: Path) -> None:
    for name in ("b_two.tflite", "a_one.tflite", "a_one.onnx"):
        (tmp_path / name).touch()
    assert [path.name for path in files(tmp_path, "")] == ["a_one.tflite", "b_two.tflite"]
    assert [path.name for path in files(tmp_path, "two")] == ["b_two.tflite"]
    assert files(tmp_path, "tflite") == []
