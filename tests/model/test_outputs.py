"""Where results may go: links followed, everything else than files and folders left alone, one line for what
cannot be.
"""

import os
import socket
import stat

import pytest

from fermatnet.model.atomic import atomic_directory, atomic_file
from fermatnet.model.errors import InputError
from fermatnet.model.outputs import apart, check_directory, check_file


def test_a_link_to_a_file_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "deep").mkdir()
    target = tmp_path / "deep" / "y.npy"
    target.write_text("old")
    target.chmod(0o640)
    (tmp_path / "link").symlink_to(target)
    with atomic_file(tmp_path / "link") as temporary:
        assert temporary.parent == target.parent
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink() and target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_dangling_link_gets_its_target(tmp_path):
    (tmp_path / "link").symlink_to("new")
    with atomic_file(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "new").read_text() == "new"


def test_a_link_to_a_folder_stays_and_is_filled(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with atomic_directory(tmp_path / "link") as temporary:
        (temporary / "a").write_text("a")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "a").read_text() == "a"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_a_pipe_a_socket_and_a_device_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    os.mkfifo("fifo")
    server = socket.socket(socket.AF_UNIX)
    server.bind("socket")
    kept = {name: os.lstat(name).st_mode for name in ("fifo", "socket", "/dev/null")}
    for name, words in (("fifo", "a pipe"), ("socket", "a socket"), ("/dev/null", "a device")):
        with pytest.raises(InputError, match=f"is {words}, not a file"), atomic_file(name):
            raise AssertionError("not reached")
        with pytest.raises(InputError, match=f"is {words}, not a folder"), atomic_directory(name, force=True):
            raise AssertionError("not reached")
    assert {name: os.lstat(name).st_mode for name in kept} == kept
    server.close()


def test_the_longest_name_is_written_and_a_longer_one_refused(tmp_path):
    with atomic_file(tmp_path / ("a" * 251 + ".npy")) as temporary:
        temporary.write_text("")
    with pytest.raises(InputError, match="name too long"):
        check_file(tmp_path / ("a" * 252 + ".npy"))
    with pytest.raises(InputError, match="name too long"):
        check_directory(tmp_path / ("a" * 256))
    with pytest.raises(InputError, match="no name of a file"):
        check_file("a\0b")


def test_folders_made_on_the_way_go_with_a_failure(tmp_path):
    with pytest.raises(RuntimeError), atomic_directory(tmp_path / "a" / "b" / "c"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with atomic_directory(tmp_path / "a" / "b" / "c"):
        pass
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_the_working_folder_and_what_holds_it_are_never_replaced(tmp_path, monkeypatch):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "mine").write_text("")
    monkeypatch.chdir(inner)
    for name in (".", "..", str(tmp_path), "/"):
        with pytest.raises(InputError, match="working folder"):
            check_directory(name, force=True)
    monkeypatch.setenv("HOME", str(inner))
    monkeypatch.chdir("/")
    with pytest.raises(InputError, match="home folder"):
        check_directory(inner, force=True)


@pytest.mark.parametrize(("mark", "what"), [("__init__.py", "a Python package"), (".git", "a repository")])
@pytest.mark.parametrize("force", [False, True])
def test_folders_of_sources_are_never_replaced(tmp_path, mark, what, force):
    """`--out hw` in this project's own folder, for one."""
    (tmp_path / "hw").mkdir()
    (tmp_path / "hw" / mark).write_text("")
    with pytest.raises(InputError, match=f"hw is {what}, which nothing here replaces"):
        check_directory(tmp_path / "hw", force=force)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everything")
def test_write_protection_is_respected(tmp_path):
    (tmp_path / "y").write_text("old")
    (tmp_path / "y").chmod(0o400)
    with pytest.raises(InputError, match="write-protected"):
        check_file(tmp_path / "y")
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="nothing can be written"):
        check_file(tmp_path / "z")
    tmp_path.chmod(0o700)


def test_an_output_is_neither_an_input_nor_another_output(tmp_path):
    (tmp_path / "a").write_text("")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "c").symlink_to("a")
    for name in ("a", "b", "c"):
        with pytest.raises(InputError, match="is the input"):
            apart([tmp_path / "a"], [tmp_path / name])
    with pytest.raises(InputError, match="holds the input"):
        apart([tmp_path / "d" / "e"], [tmp_path / "d"])
    for one, other in (("x", "x"), ("x", "y/../x"), ("d", "d/x"), ("d/x", "d"), ("b", "a")):
        with pytest.raises(InputError, match="same place"):
            apart([], [tmp_path / one, tmp_path / other])
    apart([tmp_path / "a", None], [tmp_path / "x", None, tmp_path / "y"])
