"""Epochs: bad numbers stop with batch and layer, the loss falls, schedules of the learning rate."""

import itertools

import pytest
import torch

from fermatnet.model import zoo
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.train import teacher as teachers
from fermatnet.model.train.batches import Batches
from fermatnet.model.train.data import digits
from fermatnet.model.train.loop import Diverged, Phase, accuracy, logits
from fermatnet.model.train.optimizer import learning_rate, make_optimizer
from fermatnet.model.train.options import Options, options
from fermatnet.model.train.parts import Cut
from fermatnet.model.train.scores import chunks, scores
from fermatnet.model.train.teacher import as_teacher


def phase(model, **how):
    chosen = options("digits", "digits", {"batch": 128, **how})
    return Phase("quantized", model, Batches(digits().train, 128, 0), chosen, epochs=1, rate=chosen.lr)


def test_bad_numbers_stop_with_batch_and_layer():
    net = zoo.build("digits", how=scheme("float"))
    run = phase(net)
    with torch.no_grad():
        net.block.conv1.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(Diverged, match=r"epoch 1, batch 1: parameter block.conv1.weight is not finite"):
        run.run_epoch()
    net = zoo.build("digits", how=scheme("float"))
    run = phase(net)
    net.act1[0].forward = lambda x: x / 0.0
    with pytest.raises(Diverged, match=r"batch 1: the output of layer act1.0 is not finite"):
        run.run_epoch()


def test_loss_falls_and_smoothing_distillation_and_optimizers_work():
    teacher = zoo.build("digits", how=scheme("float"))
    for optimizer, rate in (("sgd", 0.05), ("adam", 5e-3), ("adamw", 5e-3)):
        torch.manual_seed(0)
        run = phase(
            zoo.build("digits", how=scheme("pa")), optimizer=optimizer, lr=rate, smoothing=0.1, distill=0.2
        )
        run.teacher, run.epochs = teacher.eval(), 3
        losses = [run.run_epoch()["loss"] for _ in range(3)]
        assert losses[-1] < losses[0]
    assert 0 <= accuracy(run.model, digits().test) <= 1


def test_schedules():
    how = Options(warmup=0.1, schedule="cosine")
    values = [learning_rate(how, step, 100) for step in range(100)]
    assert values[0] == pytest.approx(0.1) and max(values) == pytest.approx(1.0) and values[-1] < 0.01
    step = [learning_rate(Options(schedule="step", warmup=0.0), at, 200) for at in (0, 59, 60, 120, 160, 199)]
    # chapters 6 and 7: x0.2 at 60, 120, 160 of 200
    assert step == pytest.approx([1, 1, 0.2, 0.04, 0.008, 0.008])
    cycle = [learning_rate(Options(schedule="one-cycle"), at, 100) for at in range(100)]
    assert cycle[0] < 0.05 and max(cycle) > 0.999 and cycle[-1] < 0.01


def test_more_schedules():
    poly = Options(schedule="polynomial", power=2.0, warmup=0.0)
    assert [learning_rate(poly, at, 10) for at in (0, 5, 9)] == pytest.approx([1, 0.25, 0.01])
    marks = Options(schedule="step", milestones=(60, 120, 160), step_factor=0.2, warmup=0.0)
    rates = [learning_rate(marks, at, 2000, 200) for at in (0, 599, 600, 1199, 1200, 1600)]
    assert rates == pytest.approx([1, 1, 0.2, 0.2, 0.04, 0.008])
    slow = Options(schedule="constant", warmup_epochs=2, warmup_from=0.001)
    rates = [learning_rate(slow, at, 100, 10) for at in (0, 9, 19, 20, 99)]
    assert rates == pytest.approx([0.001 + 0.999 * 0.05, 0.001 + 0.999 * 0.5, 1, 1, 1])


class Plain(torch.nn.Sequential):
    """Without norms: the gradient of a batch is the mean of its parts' gradients."""

    def __init__(self):
        super().__init__(torch.nn.Flatten(), torch.nn.Linear(64, 10))

    def forward(self, x):
        return super().forward(x.float() / 16)


def after_one_step(accumulate=1, **how):
    torch.manual_seed(0)
    chosen = options("digits", "digits", {"batch": 96, "optimizer": "sgd", "pad": 0, **how})
    batches = Batches(digits().train, 96, 0, cut=Cut(accumulate=accumulate))
    run = Phase("plain", Plain(), batches, chosen, epochs=1, rate=0.1)
    run.run_epoch()
    return run.model[1].weight


def test_accumulation_gives_the_same_step():
    whole = after_one_step()
    torch.testing.assert_close(after_one_step(accumulate=3), whole)
    torch.testing.assert_close(after_one_step(accumulate=7), whole)
    assert not torch.allclose(after_one_step(smoothing=0.3), whole)


def test_decay_on_all_parameters():
    for decay, biases in (("weights", 0), ("all", 1)):
        groups = make_optimizer(Plain(), Options(decay=decay, weight_decay=0.1), 0.1).param_groups
        decaying = [g["params"] for g in groups if g["weight_decay"]]
        assert sum(p.dim() == 1 for p in itertools.chain(*decaying)) == biases


def test_channels_last_and_bfloat16():
    net = zoo.build("small-resnet", how=scheme("pa"), shape=(1, 8, 8), width=4)
    run = phase(net, channels_last=True, precision="bfloat16")
    assert run.run_epoch()["loss"] > 0
    assert net.conv0.weight.is_contiguous(memory_format=torch.channels_last)


def test_top_5():
    part = digits().test
    shares = scores(Plain(), part)
    outputs = logits(Plain(), part)
    assert outputs.shape == (360, 10) and shares["images"] == 360 and shares["top1"] <= shares["top5"] <= 1
    halves = [torch.cat([y for _, y in chunks(part, 50, rank, 2)]) for rank in (0, 1)]
    assert sorted(torch.cat(halves).tolist()) == sorted(part.labels.tolist())
    two = type(part)(part.images[part.labels < 2], part.labels[part.labels < 2])
    assert set(scores(torch.nn.Sequential(Plain(), torch.nn.Linear(10, 2)), two)) == {"top1", "images"}


@pytest.mark.parametrize("short", [False, True])
def test_the_teacher_answers_as_its_twin(monkeypatch, short):
    monkeypatch.setattr(teachers, "multiplies_bfloat16", lambda device: short)
    torch.manual_seed(0)
    for name, width in (("small-resnet", {"width": 4}), ("digits", {}), ("ua-resnet21-4", {})):
        twin = zoo.build(name, how=scheme("float"), shape=(1, 16, 16), **width)
        images = torch.randint(0, 256, (8, 1, 16, 16), dtype=torch.uint8)
        twin.train()(images)  # statistics that are not the first ones
        teacher = as_teacher(twin)
        twin.eval()
        with torch.no_grad():
            answers, wanted = teacher(images), twin(images).float()
        if short:
            assert 0 < (answers.float() - wanted).abs().max() < 0.05 * wanted.std()
        else:
            torch.testing.assert_close(answers, wanted, rtol=1e-4, atol=1e-4)
        assert not any(p.requires_grad for p in teacher.parameters())
