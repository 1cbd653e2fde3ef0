"""Results appear whole or not at all."""

import pytest

from fermatnet.model.atomic import atomic_directory, atomic_file
from fermatnet.model.errors import InputError


@pytest.mark.parametrize("problem", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_file_leaves_nothing(tmp_path, problem):
    target = tmp_path / "y.npy"
    with pytest.raises(problem), atomic_file(target) as temporary:
        temporary.write_text("half")
        raise problem
    assert list(tmp_path.iterdir()) == []
    target.write_text("old")
    with pytest.raises(problem), atomic_file(target) as temporary:
        raise problem
    assert target.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("problem", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_folder_leaves_the_old_one(tmp_path, problem):
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(problem), atomic_directory(target, force=True) as temporary:
        (temporary / "new").write_text("half")
        raise problem
    assert [path.name for path in tmp_path.iterdir()] == ["out"] and (target / "old").read_text() == "old"


def test_a_folder_takes_its_place(tmp_path):
    for content in ("first", "second"):
        with atomic_directory(tmp_path / "out", force=True) as temporary:
            (temporary / content).write_text(content)
        assert [path.name for path in (tmp_path / "out").iterdir()] == [content]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_refusals(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thing").write_text("")
    for path, words in (("file", "is a file"), ("full", "--force")):
        with pytest.raises(InputError, match=words), atomic_directory(tmp_path / path):
            raise AssertionError("not reached")
    with pytest.raises(InputError, match="does not exist"), atomic_file(tmp_path / "no" / "y"):
        raise AssertionError("not reached")
