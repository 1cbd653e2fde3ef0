"""Boxes in fixed point: against the float functions, and the generated C against Python, box for box."""

import shutil
import subprocess

import numpy as np
import pytest
import torch

from fermatnet.model.detect.boxes.priors import Level, priors
from fermatnet.model.detect.boxes.suppression import Rule, detections
from fermatnet.model.detect.host.decode import boxes_of, decoded
from fermatnet.model.detect.host.plan import Map, Plan, read_plan
from fermatnet.model.detect.host.program import write_program
from fermatnet.model.errors import InputError

RULE = Rule(score=0.05, overlap=0.45, candidates=30, most=25)


def plan(rule=RULE):
    levels = [Level((8, 8), (12.0, 20.0)), Level((16, 16), (28.0,), (2.0,))]
    found = priors(levels, [(6, 8), (3, 4)], (48, 64)).double().numpy()
    maps = (
        Map("classes0", "boxes0", (6, 8), 2, 5, 4, (-512, 511), (-512, 511)),
        Map("classes1", "boxes1", (3, 4), 3, 4, 6, (-512, 511), (-512, 511)),
    )
    whole = np.floor(found * 65536 + 0.5).astype(np.int64)
    return Plan((3, 48, 64), ("a", "b", "c"), maps, whole, rule)


def outputs(rng, made, spread=1.0):
    found = {}
    for one in made.maps:
        for name, numbers, bits in ((one.classes, 4, one.score_bits), (one.boxes, 4, one.box_bits)):
            count = one.shapes * numbers * one.size[0] * one.size[1]
            drawn = rng.normal(0, spread * 2**bits * 2, count)
            found[name] = np.clip(drawn.round(), -512, 511).astype(np.int64)
    return found


def real_rows(found, made):
    """The same maps as the float functions take them."""
    scores, codes = [], []
    for one in made.maps:
        for name, bits, rows in ((one.classes, one.score_bits, scores), (one.boxes, one.box_bits, codes)):
            maps = torch.from_numpy(found[name].reshape(one.shapes, -1, *one.size)) * 2.0**-bits
            rows.append(maps.permute(2, 3, 0, 1).reshape(-1, maps.shape[1]))
    return torch.cat(scores), torch.cat(codes)


def test_scores_and_corners_are_those_of_real_numbers():
    made, rng = plan(), np.random.default_rng(0)
    found = outputs(rng, made)
    scores, corners = decoded(found, made)
    real_scores, codes = real_rows(found, made)
    assert np.abs(scores / 32768 - real_scores.softmax(1).numpy()).max() < 2 / 32768
    from fermatnet.model.detect.boxes.geometry import decode

    wanted = decode(codes.double(), torch.from_numpy(made.priors / 65536)).clamp(0, 1).numpy()
    small = (codes[:, 2:].abs() < 15).all(1).numpy()
    assert small.sum() > 50 and np.abs(corners / 65536 - wanted)[small].max() < 3e-4


def test_the_detections_are_those_of_real_numbers():
    made, agreed = plan(), 0
    for seed in range(10):
        found = outputs(np.random.default_rng(seed), made, 0.5)
        whole = boxes_of(found, made)
        real = detections(*real_rows(found, made), torch.from_numpy(made.priors / 65536).float(), RULE)
        theirs = [(int(label), round(float(s), 3)) for label, s in zip(real.labels, real.scores, strict=True)]
        ours = [(int(row[0]), round(row[1] / 32768, 3)) for row in whole]
        agreed += len(whole) == len(real) and all(
            a == c and abs(b - d) <= 0.0011
            for (a, b), (c, d) in zip(sorted(ours), sorted(theirs), strict=True)
        )
    assert agreed >= 8  # an overlap or a score may lie within the last bit of its bound


@pytest.mark.skipif(shutil.which("cc") is None or shutil.which("make") is None, reason="needs cc and make")
def test_generated_c_gives_the_same_boxes(tmp_path):
    made, seen = plan(), 0
    write_program(made, tmp_path / "c")
    subprocess.run(["make", "-s", "-C", tmp_path / "c", "CFLAGS=-O1 -Werror"], check=True)
    images = [outputs(np.random.default_rng(seed), made, 0.2 + seed / 10) for seed in range(12)]
    images.append({name: np.zeros_like(values) for name, values in images[0].items()})  # all scores equal
    images.append({name: np.full_like(values, 511) for name, values in images[0].items()})
    images.append({name: np.full_like(values, -512) for name, values in images[0].items()})
    order = [name for one in made.maps for name in (one.classes, one.boxes)]
    sent = b"".join(one[name].astype("<i4").tobytes() for one in images for name in order)
    got = subprocess.run([tmp_path / "c" / "run"], input=sent, capture_output=True, check=True).stdout
    rows = np.array([line.split() for line in got.decode().splitlines()], np.int64).reshape(-1, 7)
    for number, one in enumerate(images):
        wanted = boxes_of(one, made)
        assert (rows[rows[:, 0] == number][:, 1:] == wanted).all() and len(wanted) == (
            rows[:, 0] == number
        ).sum()
        seen += len(wanted)
    assert seen > 100
    images[0]["boxes0"][0] += 200  # the check can fail
    assert not np.array_equal(
        decoded(images[0], made)[1], decoded(outputs(np.random.default_rng(0), made, 0.2), made)[1]
    )


def test_the_description_comes_back(tmp_path):
    made = plan()
    made.write(tmp_path / "detect.json")
    again = read_plan(tmp_path / "detect.json")
    assert again.maps == made.maps and (again.priors == made.priors).all() and again.rule == made.rule
    text = (tmp_path / "detect.json").read_text()
    (tmp_path / "short.json").write_text(text.replace('"size": [6, 8]', '"size": [6, 9]'))
    (tmp_path / "broken.json").write_text(text[:-20])
    for name, words in (("short", "its 132 priors"), ("broken", "is damaged"), ("none", "is not there")):
        with pytest.raises(InputError, match=words):
            read_plan(tmp_path / f"{name}.json")
    with pytest.raises(InputError, match="no C identifier"):
        write_program(made, tmp_path / "c", name="2x")
