"""The demo's steps: time left from what the finished ones took, and folders that are left alone."""

import pytest

from fermatnet.model.errors import InputError
from fermatnet.report import progress
from fermatnet.report.progress import EXPECTED, STEPS, Steps, check_folder


def test_the_time_left_follows_the_machine(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    said: list[str] = []
    steps = Steps(tmp_path / "demo", False, False, said.append)

    def work():
        now[0] += 3 * EXPECTED["train"]

    whole = sum(EXPECTED.values())
    steps.run("train", "training", work)
    assert said == [f"training (about {whole / 60:.0f} min left)"]
    steps.run("export", "exporting", lambda: None)
    assert (
        said[-1] == f"exporting (about {3 * (whole - EXPECTED['train']) / 60:.0f} min left)"
    )  # three times as slow as the table
    steps.part("nextpnr: routing")
    left = float(said[-1].partition("about ")[2].split()[0])
    assert left < 3 * EXPECTED["synth"] / 60
    now[0] += 31
    steps.detail("iteration 4")
    steps.detail("iteration 5")
    assert said[-1] == "  nextpnr: routing: 31 s so far, iteration 4"
    again = Steps(tmp_path / "demo", True, False, said.append)
    assert again.seconds["train"] == 3 * EXPECTED["train"]
    assert (
        again.run("train", "training", lambda: 1, kept=lambda: 2) == 2
        and said[-1] == "training: kept from before"
    )


def test_folders_of_others_are_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis").write_text("")
    for force, words in ((False, "is not empty"), (True, "something else than a demo")):
        with pytest.raises(InputError, match=words):
            check_folder(tmp_path / "mine", False, force)
        with pytest.raises(InputError, match=words):
            check_folder(tmp_path / "mine", True, force)
    check_folder(tmp_path / "new", False, False)
    assert not (tmp_path / "new").exists()
    (tmp_path / "mine" / STEPS).write_text("{}")
    with pytest.raises(InputError, match="--resume keeps"):
        check_folder(tmp_path / "mine", False, False)
    check_folder(tmp_path / "mine", True, False)
    check_folder(tmp_path / "mine", False, True)
