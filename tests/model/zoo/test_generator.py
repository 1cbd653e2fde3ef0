"""Generators of images: the macro-architecture's counts, its operations, and the sizes of table 8.7."""

import pytest
import torch
from torch import nn

from fermatnet.model.zoo.analysis.complexity import generator_figures
from fermatnet.model.zoo.autorecon import SuperGenerator
from fermatnet.model.zoo.datafree import (
    noise,
)
from fermatnet.model.zoo.generator import (
    EDGES,
    OPERATIONS,
    FoundGenerator,
    HumanGenerator,
    HumanImageNetGenerator,
    generator_operation,
)
from tests.model.zoo.choices import choice_of


def test_macro_architecture_has_the_edges_of_figure_8_2():
    assert [sum(edge.kind == kind for edge in EDGES) for kind in ("up", "normal", "cross")] == [6, 15, 12]
    assert [len(OPERATIONS[kind]) for kind in ("normal", "up", "cross")] == [7, 2, 3]
    reached = {(1, 1)}
    for edge in sorted(EDGES, key=lambda edge: edge.target):
        assert edge.source in reached or edge.source in {(2, 1), (3, 1)}
        reached.add(edge.target)
    assert {(block, 5) for block in (1, 2, 3)} <= reached


def test_operations_keep_or_double_the_map():
    labels = torch.tensor([0, 2])
    for kind, factor in (("normal", 1), ("up", 2), ("cross", 2)):
        for index, name in enumerate(OPERATIONS[kind]):
            x = torch.randn(2, 3, 4, 6)
            y = generator_operation(kind, index, 3, 5)(x, labels)
            assert y.shape == (2, 3, 4 * factor, 6 * factor)
            if name == "none":
                assert not y.any()
            if name == "identity":
                assert torch.equal(y, x)


@pytest.mark.parametrize("image", [(1, 8, 8), (3, 32, 24)])
def test_generators_make_images_that_depend_on_the_label(image):
    torch.manual_seed(0)
    for generator in (
        HumanGenerator(classes=4, image=image, scale=0.1),
        FoundGenerator(choice_of(1, 1, 1), classes=4, image=image, width=4),
        SuperGenerator(classes=4, image=image, width=4),
        HumanImageNetGenerator(classes=4, image=image),
    ):
        z, _ = noise(6, 4, torch.Generator().manual_seed(0))
        if isinstance(generator, SuperGenerator):
            generator.sample(1.0)
        images = generator(z, torch.tensor([0, 1, 2, 3, 0, 1]))
        assert images.shape == (6, *image)
        # standardised, not affine
        assert images.detach().mean().abs() < 1e-4 and abs(float(images.detach().var()) - 1) < 0.2
        images.square().mean().backward()
        if not isinstance(generator, HumanGenerator):
            with torch.no_grad():  # new classes differ once the tables do
                for module in generator.modules():
                    if isinstance(module, nn.Embedding):
                        module.weight.normal_()
        assert not torch.equal(
            generator(z, torch.zeros(6, dtype=torch.long)), generator(z, torch.ones(6, dtype=torch.long))
        )


def test_table_8_7():
    with torch.device("meta"):
        human = HumanImageNetGenerator()
        searched = FoundGenerator(choice_of(1), classes=1000, image=(3, 224, 224))
    assert generator_figures(human)["weights"] == 40_363_712
    # z split 33/33/34 over maps of 28, 56, 112 with width 64, then 15 3x3, 6 1x1 and the output layer
    linears = 64 * 28 * 28 * (33 + 33 * 4 + 34 * 16)
    assert generator_figures(searched)["weights"] == linears + 15 * 9 * 64 * 64 + 6 * 64 * 64 + 9 * 64 * 3
