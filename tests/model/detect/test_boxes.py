"""Overlaps, priors, coding, matching, hard negatives and suppression against plain Python."""

import math

import pytest
import torch

from fermatnet.model.detect.boxes.geometry import as_centres, as_corners, decode, encode, overlaps
from fermatnet.model.detect.boxes.matching import hard_negatives, match, multibox_loss, targets
from fermatnet.model.detect.boxes.priors import Level, priors, ssd_levels
from fermatnet.model.detect.boxes.suppression import Rule, detections, suppress
from fermatnet.model.errors import InputError


def drawn(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(count, 2, generator=generator) * 0.8
    return torch.cat([low, low + 0.02 + torch.rand(count, 2, generator=generator) * 0.3], 1)


def iou(a, b):
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(wide, 0) * max(high, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def test_overlaps_are_those_of_plain_python():
    a, b = drawn(20), drawn(15, 1)
    wanted = torch.tensor([[iou(x, y) for y in b.double().tolist()] for x in a.double().tolist()])
    assert torch.allclose(overlaps(a, b).double(), wanted.double(), atol=1e-6)
    assert overlaps(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0
    assert overlaps(torch.tensor([[0.5, 0.5, 0.1, 0.1]]), a).max() == 0  # inside out


def test_codes_come_back():
    boxes, against = drawn(50), as_centres(drawn(50, 2))
    assert torch.allclose(as_corners(as_centres(boxes)), boxes, atol=1e-6)
    codes = encode(boxes, against)
    assert torch.allclose(decode(codes, against), boxes, atol=1e-5)
    (cx, cy, w, h), (px, py, pw, ph) = as_centres(boxes)[0].tolist(), against[0].tolist()
    by_hand = [(cx - px) / pw / 0.1, (cy - py) / ph / 0.1, math.log(w / pw) / 0.2, math.log(h / ph) / 0.2]
    assert codes[0].tolist() == pytest.approx(by_hand, rel=1e-3)


def test_the_8732_priors_of_ssd300():
    maps = ((38, 38), (19, 19), (10, 10), (5, 5), (3, 3), (1, 1))
    steps = [(step, step) for step in (8, 16, 32, 64, 100, 300)]
    levels = ssd_levels((300, 300), steps)
    made = priors(levels, maps, (300, 300))
    assert made.shape == (8732, 4)
    assert [len(level.shapes) for level in levels] == [4, 6, 6, 6, 4, 4]
    root = math.sqrt(30 * 60) / 300
    by_hand = [
        [4 / 300, 4 / 300, 0.1, 0.1],
        [4 / 300, 4 / 300, root, root],
        [4 / 300, 4 / 300, 0.1 * math.sqrt(2), 0.1 / math.sqrt(2)],
        [4 / 300, 4 / 300, 0.1 / math.sqrt(2), 0.1 * math.sqrt(2)],
        [12 / 300, 4 / 300, 0.1, 0.1],
    ]
    assert torch.allclose(made[:5], torch.tensor(by_hand))
    clipped = as_corners(priors(levels, maps, (300, 300), clip=True))
    assert clipped.min() >= -1e-6 and clipped.max() <= 1 + 1e-6
    for wrong in ((0, 8), (8, 0)):
        with pytest.raises(InputError, match="positive step"):
            Level(wrong, (8.0,))
    with pytest.raises(InputError, match="ratios"):
        Level((8, 8), (8.0,), (0.5,))


def test_matching_is_that_of_plain_python():
    against = as_centres(drawn(60, 3))
    corners = as_corners(against).double().tolist()
    for count in (0, 1, 7):
        boxes = drawn(count, count + 10)
        found = match(boxes, against, 0.5).tolist()
        wanted = []
        for prior in corners:
            shares = [iou(box, prior) for box in boxes.double().tolist()]
            best = max(range(count), key=shares.__getitem__) if count else -1
            wanted.append(best if count and shares[best] >= 0.5 else -1)
        for number, box in enumerate(boxes.double().tolist()):
            shares = [iou(box, prior) for prior in corners]
            wanted[shares.index(max(shares))] = number
        assert found == wanted


def test_difficult_objects_are_neither_positive_nor_negative():
    against = as_centres(drawn(30, 4))
    boxes = as_corners(against[:2])
    classes, codes = targets(boxes, torch.tensor([2, 1]), torch.tensor([False, True]), against)
    assert classes[0] == 2 and classes[1] == -1 and codes[0].abs().max() < 1e-4
    empty, _ = targets(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0).bool(), against)
    assert (empty == 0).all()


def test_hard_negatives_are_the_worst_three_a_positive():
    loss = torch.rand(3, 40, generator=torch.Generator().manual_seed(5))
    positive = torch.zeros(3, 40).bool()
    positive[0, :4] = positive[1, :20] = True
    ignored = torch.zeros(3, 40).bool()
    ignored[0, 10:20] = True
    chosen = hard_negatives(loss, positive, ignored)
    for image in range(3):
        rows = [(-loss[image, p].item(), p) for p in range(40)]
        rows = [p for _, p in sorted(rows) if not positive[image, p] and not ignored[image, p]]
        wanted = set(rows[: 3 * int(positive[image].sum())])
        assert set(chosen[image].nonzero().flatten().tolist()) == wanted


def test_the_loss_by_hand():
    scores = torch.tensor([[[0.0, 1.0], [2.0, 0.0], [0.0, 3.0], [1.0, 1.0], [5.0, 0.0]]])
    codes = torch.tensor([[[0.5, 0.0, 2.0, 0.0]] + [[9.0] * 4] * 4])
    classes = torch.tensor([[1, 0, 0, -1, 0]])
    found = multibox_loss(scores, codes, classes, torch.zeros(1, 5, 4))
    cross = [math.log(1 + math.exp(x)) for x in (-1.0, -2.0, 3.0, -5.0)]
    assert found.item() == pytest.approx(sum(cross) + 0.125 + 1.5, rel=1e-5)


def simple_suppression(boxes, overlap):
    kept = []
    for place, box in enumerate(boxes):
        if all(iou(box, boxes[other]) <= overlap for other in kept):
            kept.append(place)
    return kept


def test_suppression_is_that_of_plain_python():
    boxes = drawn(80, 6)
    for overlap in (0.1, 0.45, 0.9):
        wanted = simple_suppression(boxes.double().tolist(), overlap)
        assert suppress(boxes, overlap).tolist() == wanted
    assert suppress(boxes[:0], 0.5).tolist() == []


def test_detections_of_an_image():
    generator = torch.Generator().manual_seed(7)
    scores, against = torch.randn(50, 4, generator=generator) * 2, as_centres(drawn(50, 8))
    codes = torch.randn(50, 4, generator=generator)
    rule = Rule(score=0.3, overlap=0.4, candidates=20, most=12)
    found = detections(scores, codes, against, rule)
    shares, boxes = scores.softmax(1), decode(codes, against).clamp(0, 1)
    wanted = []
    for label in (1, 2, 3):
        ranked = sorted(range(50), key=lambda p, label=label: -shares[p, label].item())
        ranked = [p for p in ranked[:20] if shares[p, label] >= 0.3]
        kept = simple_suppression([boxes[p].tolist() for p in ranked], 0.4)
        wanted += [(-shares[ranked[k], label].item(), label, boxes[ranked[k]].tolist()) for k in kept]
    wanted = sorted(wanted)[:12]
    assert found.labels.tolist() == [label for _, label, _ in wanted]
    assert found.boxes.tolist() == [box for _, _, box in wanted]
