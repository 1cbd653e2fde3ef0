"""Chapter 8: the macro-architecture's counts, Gumbel-softmax, losses by hand, search and data-free
quantization at toy size."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.network import run
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.zoo import build
from fermatnet.model.zoo.autorecon import SuperGenerator, search_generator
from fermatnet.model.zoo.datafree import (
    Matcher,
    compress,
    freeze_norms,
    per_channel,
    reconstruction_loss,
    student_loss,
)
from fermatnet.model.zoo.generator import (
    FoundGenerator,
    HumanGenerator,
)
from tests.model.zoo.choices import choice_of


def small_teacher():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3),
        nn.BatchNorm2d(6),
        nn.Flatten(),
        nn.Linear(6 * 36, 3),
    )
    network(2 * torch.randn(32, 1, 8, 8) + 1)
    return network.eval()


def test_reconstruction_loss_by_hand():
    teacher = small_teacher()
    images, labels = torch.randn(5, 1, 8, 8), torch.tensor([0, 1, 2, 0, 1])
    with Matcher(teacher) as matcher:
        loss, logits = reconstruction_loss(teacher, matcher, images, labels, 0.1)
    first = teacher[0](images).detach().numpy()
    second = teacher[:4](images).detach().numpy()
    terms = []
    for x, norm in ((first, teacher[1]), (second, teacher[4])):
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
        terms.append(
            ((mean - norm.running_mean.numpy()) ** 2).mean()
            + ((variance - norm.running_var.numpy()) ** 2).mean()
        )
    expected = float(functional.cross_entropy(logits, labels)) + 0.1 * np.mean(terms)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_student_loss_by_hand():
    torch.manual_seed(0)
    student, teacher, labels = (
        torch.randn(4, 3).double(),
        torch.randn(4, 3).double(),
        torch.tensor([0, 1, 2, 0]),
    )
    q, p = torch.softmax(student / 20, 1), torch.softmax(teacher / 20, 1)
    divergence = (p * (p / q).log()).mean()  # of all elements, as GDFQ takes it
    cross = -torch.log_softmax(student, 1)[torch.arange(4), labels].mean()
    torch.testing.assert_close(student_loss(student, teacher, labels), cross + 400 * divergence)


def test_search_moves_weights_and_architecture():
    teacher = small_teacher()
    results = []
    for _ in range(2):
        torch.manual_seed(1)
        network = SuperGenerator(classes=3, image=(1, 8, 8), width=4)
        before = [p.detach().clone() for p in network.architecture_parameters()]
        results.append(
            search_generator(
                teacher, network, classes=3, epochs=2, training_steps=2, validation_steps=2, batch=8
            )
        )
        moved = [
            float((p.detach() - b).abs().max())
            for p, b in zip(network.architecture_parameters(), before, strict=True)
        ]
        assert min(moved) > 0
    assert results[0] == results[1]
    FoundGenerator(results[0].choice, classes=3, image=(1, 8, 8), width=4)
    longer = search_generator(
        teacher,
        SuperGenerator(classes=3, image=(1, 8, 8), width=4),
        classes=3,
        epochs=4,
        training_steps=6,
        validation_steps=1,
        batch=16,
    )
    assert longer.history[-1]["weights"] < longer.history[0]["weights"]


def test_frozen_norms_normalise_by_stored_statistics():
    torch.manual_seed(0)
    student = build(
        "small-resnet", how=scheme("int8", weights=4, activations=4), classes=3, shape=(1, 16, 16), width=4
    )
    student(torch.randint(256, (8, 1, 16, 16), dtype=torch.uint8))
    before = {key: value.clone() for key, value in student.state_dict().items()}
    freeze_norms(student)
    assert all(torch.equal(value, student.state_dict()[key]) for key, value in before.items())
    student.train()(torch.randint(256, (8, 1, 16, 16), dtype=torch.uint8)).sum().backward()
    # running statistics too
    assert all(torch.equal(value, student.state_dict()[key]) for key, value in before.items())
    gains = [p.grad for name, p in student.named_parameters() if "norm" in name and name.endswith("weight")]
    assert gains and all(g is not None for g in gains)


def test_data_free_quantization_end_to_end_and_its_network_file():
    """Teacher from noise of three kinds; w4a4 student without its data; the student exports and runs in
    integers."""
    torch.manual_seed(0)
    labels = torch.arange(90) % 3
    images = (
        (torch.randn(90, 1, 16, 16) * 20 + 60 + 60 * labels.view(-1, 1, 1, 1)).clamp(0, 255).to(torch.uint8)
    )
    teacher = build("small-resnet", how=scheme("float"), classes=3, shape=(1, 16, 16), width=4)
    optimizer = torch.optim.Adam(teacher.parameters(), 1e-2)
    for _ in range(25):
        loss = functional.cross_entropy(teacher.train()(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (teacher.eval()(images).argmax(1) == labels).float().mean() > 0.9
    student = build(
        "small-resnet", how=scheme("int8", weights=4, activations=4), classes=3, shape=(1, 16, 16), width=4
    )
    student.load_state_dict(
        {k: v for k, v in teacher.state_dict().items() if k in student.state_dict()}, strict=False
    )
    freeze_norms(per_channel(student, 4))
    generator = FoundGenerator(choice_of(1), classes=3, image=(1, 16, 16), width=4)
    history = compress(
        teacher,
        student,
        generator,
        classes=3,
        epochs=4,
        steps=6,
        batch=24,
        warmup=2,
        generator_rate=5e-3,
        pixels=(120.0, 55.0),
    )
    assert history[0]["student"] == 0 and history[-1]["student"] > 0
    assert history[-1]["reconstruction"] < history[0]["reconstruction"]
    network = export(student, (1, 16, 16), name="w4a4")
    exact = student.eval()(images[:20]).detach().double()
    integer = run(network, images[:20].numpy())
    scale = float(network.meta["output_scale"])
    assert np.array_equal(integer * scale, exact.numpy())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Matcher(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())), "no batch norm"),
        (
            lambda: search_generator(
                nn.Linear(4, 3),
                SuperGenerator(classes=3, image=(1, 8, 8), width=2),
                classes=3,
                epochs=1,
                training_steps=1,
                validation_steps=1,
            ),
            "no batch norm",
        ),
        (
            lambda: compress(nn.Linear(2, 3), nn.Linear(2, 3), nn.Identity(), classes=3, epochs=4, steps=1),
            "4 of warm-up",
        ),
        (lambda: FoundGenerator((0,) * 10), "33 edges"),
        (lambda: FoundGenerator((9,) * 33), "operations 0 to 1, not 9"),
        (lambda: HumanGenerator(image=(3, 30, 30)), "multiples of 4"),
        (lambda: SuperGenerator(image=(3, 28, 28)), "multiples of 8"),
        (lambda: HumanGenerator(classes=1), "at least 2"),
        (lambda: SuperGenerator(width=2, image=(1, 8, 8)).sample(0.0), "temperature must be positive"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
