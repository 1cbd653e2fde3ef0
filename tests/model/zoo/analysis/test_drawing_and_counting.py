"""Pictures are written; chapter 3's convention; what `fermatnet zoo` prints."""

import json

import pytest
import torch
from click.testing import CliRunner

from fermatnet.model.errors import InputError
from fermatnet.model.nn.layers import Conv2d
from fermatnet.model.nn.piecewise import PiecewiseActivation, PiecewiseWeight
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.zoo import build, names
from fermatnet.model.zoo.analysis.complexity import CONVENTIONS, report, summarise
from fermatnet.model.zoo.analysis.drawing import draw_architecture, draw_block, draw_cell, draw_paths
from fermatnet.model.zoo.analysis.measure import measure
from fermatnet.model.zoo.analysis.paths import two_layer_blocks
from fermatnet.model.zoo.fractal import ResidualFractalBlock


def test_pictures(tmp_path):
    draw_architecture("ua-resnet21-8", tmp_path / "a.svg", (3, 32, 32), 10)
    draw_architecture("digits", tmp_path / "d.svg", (1, 8, 8), 10)
    draw_architecture("ua-resnet149-4", tmp_path / "long.svg", (3, 32, 32), 10)
    draw_cell((((0, 2),), ((1, 8), (0, 1)), ((2, 5),), ((3, 3), (1, 4))), tmp_path / "c.svg", "cell")
    draw_block(ResidualFractalBlock(3, 4), tmp_path / "b.svg")
    draw_paths(two_layer_blocks(), tmp_path / "p.png")
    for name in "adcb":
        assert b"<svg" in (tmp_path / f"{name}.svg").read_bytes()[:600]
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert b"ua-resnet21-8" in (tmp_path / "a.svg").read_bytes()
    with pytest.raises(InputError, match="svg"):
        draw_cell((((0, 2),),), tmp_path / "c.txt")


def test_a_cell_is_drawn_the_same_twice(tmp_path):
    torch.manual_seed(0)
    for name in ("one.png", "two.png"):
        draw_cell((((0, 2),), ((1, 3),)), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


@pytest.mark.parametrize(("m", "n"), [(4, 5), (8, 7), (2, 1)])
def test_chapter_3_counts_pieces(m, n):
    """Storage = 32 bit a real weight and norm parameter + M bit a piecewise one; Flops = real MACs + M N MACs
    / 64."""
    network = build("small-resnet", how=scheme("pa", weights=m, activations=n))
    figures = summarise(network, (1, 28, 28))
    real = 25 * 16 + 64 * 10
    piecewise = 9 * (16 * 16 + 16 * 16 + 16 * 32 + 32 * 32 + 32 * 64 + 64 * 64) + 16 * 32 + 32 * 64
    norms = 2 * sum([16, 16, 16, 16, 16, 32, 32, 32, 32, 64, 64, 64, 64])
    assert (figures["weights_real"], figures["weights_binary"]) == (real, piecewise)
    assert figures["storage_mbit"] == pytest.approx((32 * (real + norms) + m * piecewise) / 1e6)
    assert figures["flops"] == figures["macs_real"] + m * n * figures["macs_binary"] / 64


def test_full_precision_anchors_of_chapter_3():
    for depth, parameters, macs in (
        (18, 11_689_512, 1.814),
        (34, 21_797_672, 3.664),
        (50, 25_557_032, 3.858),
    ):
        figures = report(f"plain-resnet{depth}", (3, 224, 224), 1000)
        assert figures["parameters"] == parameters and f"{figures['flops'] / 1e9:.3f}" == f"{macs:.3f}"


def test_counting_leaves_the_network_as_it_was():
    network = build("bireal-resnet10-4", classes=3, input_shape=(1, 16, 16)).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    measure(network, (1, 16, 16))
    assert network.training and all(
        torch.equal(value, network.state_dict()[key]) for key, value in before.items()
    )
    assert not any(module._forward_hooks for module in network.modules())


def test_every_architecture_of_chapters_4_to_8_is_listed_and_counted():
    listed = names()
    for name in (
        "ua-resnet37-41",
        "ua-densenet51-53",
        "binarydensenet51-32",
        "bireal-resnet18",
        "enhanced-bireal-resnet18",
        "a-resnet21-50",
        "a-densenet51-48",
        "nasb-resnet18",
        "reaf-resnet50",
        "reafplus-mobilenetv2",
        "aw-resnet50",
        "se-resnet50",
        "aw-cbam-resnet50",
    ):
        assert name in listed
        figures = report(name, (3, 32, 32), 10)
        assert (
            figures["parameters"] > 0
            and figures["flops"] > 0
            and figures["memory_mb"] > 0
            and figures["convention"] in CONVENTIONS
        )


def test_zoo_command_prints_the_table_entry():
    from fermatnet.cli.zoo import command

    result = CliRunner().invoke(
        command, ["ua-resnet37-41", "--input", "3x224x224", "--classes", "1000", "--json"]
    )
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert (
        f"{figures['storage_mbit']:.2f}",
        f"{figures['flops'] / 1e8:.2f}",
        f"{figures['memory_mb']:.2f}",
    ) == ("32.24", "1.28", "164.58")


def test_an_image_that_is_too_small_is_an_input_error():
    with pytest.raises(InputError, match="cannot take"):
        report("ua-resnet21-4", (1, 1, 1), 10, how=scheme("sign"))


class _ShapesOnly(PiecewiseWeight):
    def forward(self, w):
        return w

    def integers(self, w):
        return torch.ones(1, 1, device="cpu"), torch.zeros(1, device="cpu")


class _ShapesOnlyActivation(PiecewiseActivation):
    def forward(self, x):
        return x


@pytest.mark.parametrize(
    ("depth", "storage", "flops"),
    [(18, "61.622", 6.484e8), (34, "102.26", 1.2264e9), (50, "161.319", 1.2882e9)],
)
def test_piecewise_resnets_of_chapter_3(depth, storage, flops):
    """M = 4, N = 5: every convolution but the first is piecewise, 1x1 ones too; printed 61.6, (85.0), 161.3
    Mbit."""
    with torch.device("meta"):
        network = build(f"plain-resnet{depth}", classes=1000, input_shape=(3, 224, 224))
        for module in list(network.modules()):
            for name, child in list(module.named_children()):
                if type(child) is torch.nn.Conv2d and child.in_channels != 3:
                    setattr(
                        module,
                        name,
                        Conv2d(
                            child.in_channels,
                            child.out_channels,
                            child.kernel_size,
                            child.stride,
                            child.padding,
                            bias=False,
                            quantizer=_ShapesOnly(4),
                        ),
                    )
                elif type(child) is torch.nn.ReLU:
                    setattr(module, name, _ShapesOnlyActivation(5))
    network.convention = "chapter3"
    figures = summarise(network, (3, 224, 224))
    assert f"{figures['storage_mbit']:.{len(storage.partition('.')[2])}f}" == storage
    assert figures["flops"] == pytest.approx(flops, rel=1e-4)


def test_resnet20_of_cifar_has_the_parameters_that_are_known():
    """0.27 M of width 16 (He et al., table 6), 40.8 M multiplications; the map is 8x8 in the end."""
    figures = report("plain-resnet20-16", (3, 32, 32), 10)
    assert figures["parameters"] == 272_474
    assert round(figures["flops"] / 1e6, 1) == 40.8
    network = build("plain-resnet20-16")
    stages = torch.nn.Sequential(network.stem, *(getattr(network, f"layer{n}") for n in (1, 2, 3, 4)))
    assert stages(torch.zeros(1, 3, 32, 32)).shape == (1, 64, 8, 8)
