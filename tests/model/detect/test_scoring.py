"""Average precision: by hand, and our own against pycocotools on random boxes."""

import numpy as np
import pytest

from fermatnet.model.detect.scoring.coco import coco_precision, coco_scores
from fermatnet.model.detect.scoring.voc import Found, Truth, average_precision, voc_ap, voc_map


def test_a_hand_worked_example():
    """Three objects; right, false, right, false, right at falling scores."""
    truths = [
        Truth(np.array([[0, 0, 10, 10], [20, 20, 30, 30]], float), np.array([1, 1]), np.zeros(2, bool)),
        Truth(np.array([[5, 5, 15, 15]], float), np.array([1]), np.zeros(1, bool)),
    ]
    founds = [
        Found(
            np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 31]], float),
            np.array([1, 1, 1]),
            np.array([0.9, 0.8, 0.7]),
        ),
        Found(np.array([[40, 40, 50, 50], [5, 5, 15, 16]], float), np.array([1, 1]), np.array([0.6, 0.5])),
    ]
    # precision 1 to a recall of 1/3, 2/3 to 2/3, 3/5 to 1
    by_points = (4 * 1 + 3 * 2 / 3 + 4 * 3 / 5) / 11
    assert voc_ap(truths, founds, 1) == pytest.approx(by_points, abs=1e-12)
    assert voc_ap(truths, founds, 1, points=False) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3, abs=1e-12)
    mean, each = voc_map(truths, founds, 2)
    assert mean == each[0] and np.isnan(each[1])
    # 101 recalls: 0 to 0.33, to 0.66, to 1
    assert coco_scores(truths, founds, 1)["ap50"] == pytest.approx((34 + 33 * 2 / 3 + 34 * 0.6) / 101)


def test_difficult_objects_count_for_nothing():
    truth = Truth(
        np.array([[0, 0, 10, 10], [20, 20, 30, 30]], float), np.array([1, 1]), np.array([True, False])
    )
    found = Found(truth.boxes, truth.labels, np.array([0.9, 0.8]))
    assert voc_ap([truth], [found], 1) == 1.0
    assert coco_scores([truth], [found], 1)["ap50"] == pytest.approx(1.0)


def drawn(rng, images=12, classes=3):
    """Objects on a grid, which no detection can take for each other, and detections near and far of them."""
    truths, founds = [], []
    for _ in range(images):
        cells = rng.permutation(16)[: rng.integers(0, 7)]
        corner = np.stack([cells % 4, cells // 4], 1) * 50.0
        boxes = np.concatenate([corner, corner + rng.integers(15, 45, (len(cells), 2))], 1)
        labels = rng.integers(1, classes + 1, len(cells))
        truths.append(Truth(boxes, labels, rng.random(len(cells)) < 0.1))
        near = np.repeat(boxes, 2, 0) + rng.integers(-6, 7, (2 * len(cells), 4))
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 5)
        wrong = rng.random(2 * len(cells)) < 0.2
        given = np.where(wrong, rng.integers(1, classes + 1, 2 * len(cells)), np.repeat(labels, 2))
        founds.append(Found(near, given, rng.permutation(2 * len(cells)) / 100 + rng.random() / 200))
    return truths, founds


@pytest.mark.parametrize("seed", range(6))
def test_eleven_points_are_those_of_pycocotools(seed):
    truths, founds = drawn(np.random.default_rng(seed))
    truths = [Truth(t.boxes, t.labels, np.zeros(len(t.labels), bool)) for t in truths]
    theirs = coco_precision(truths, founds, 3, np.arange(11) / 10).mean(0)
    ours = [voc_ap(truths, founds, label) for label in (1, 2, 3)]
    assert ours == pytest.approx(theirs.tolist(), abs=1e-12) and 0 < min(ours) < 1


def test_the_area_is_the_mean_of_many_points():
    truths, founds = drawn(np.random.default_rng(9))
    truths = [Truth(t.boxes, t.labels, np.zeros(len(t.labels), bool)) for t in truths]
    theirs = coco_precision(truths, founds, 3, (np.arange(4000) + 0.5) / 4000).mean(0)
    ours = [voc_ap(truths, founds, label, points=False) for label in (1, 2, 3)]
    assert ours == pytest.approx(theirs.tolist(), abs=2e-3)


def test_ends():
    assert average_precision(np.ones(4, int), 4) == 1.0 == average_precision(np.ones(4, int), 4, points=False)
    assert average_precision(np.zeros(0, int), 4) == 0.0
    empty = Truth(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0, bool))
    nothing = Found(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))
    assert np.isnan(voc_map([empty], [nothing], 2)[0])
    assert coco_scores([empty], [nothing], 2)["ap"] == 0.0
