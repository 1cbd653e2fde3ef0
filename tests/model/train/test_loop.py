"""Epochs: bad numbers stop with batch and layer, the loss falls, schedules of the learning rate."""

import pytest
import torch

from fermatnet.model import zoo
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.train.batches import Batches
from fermatnet.model.train.data import digits
from fermatnet.model.train.loop import Diverged, Phase, accuracy
from fermatnet.model.train.optimizer import learning_rate
from fermatnet.model.train.options import Options, options


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
