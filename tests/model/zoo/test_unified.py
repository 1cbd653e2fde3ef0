"""Chapter 5 from the real modules: tables 5.2 to 5.5, the shortcut counts of table 5.1, and what a block
computes."""

import pytest
import torch

from fermatnet.model.errors import InputError
from fermatnet.model.zoo import build
from fermatnet.model.zoo.analysis.complexity import report
from fermatnet.model.zoo.analysis.paths import gradient_paths, path_statistics, two_layer_blocks
from fermatnet.model.zoo.binary import BinaryConv2d, ConvUnit, Join
from fermatnet.model.zoo.fractal import DenseFractalBlock, ResidualFractalBlock

IMAGENET = [  # storage Mbit, 1e8 Flops, MB (table 5.4)
    ("bireal-resnet18", "33.18", "1.64", "154.14"),
    ("bireal-resnet34", "43.28", "1.93", "154.14"),
    ("ua-resnet21-53", "32.63", "1.46", "170.20"),
    ("ua-resnet37-41", "32.24", "1.28", "164.58"),
    ("ua-resnet69-31", "32.16", "1.14", "149.32"),
    ("ua-resnet41-48", "42.61", "1.64", "154.14"),
    ("ua-resnet77-35", "41.53", "1.44", "140.49"),
    ("binarydensenet51-32", "34.80", "2.70", "359.66"),
    ("binarydensenet69-32", "41.95", "2.82", "359.66"),
    ("ua-densenet51-53", "34.52", "2.97", "306.68"),  # printed 34.53
    ("ua-densenet69-48", "41.52", "3.06", "282.59"),
]
CIFAR = [  # storage Mbit, 1e7 Flops, MB (table 5.5)
    ("bireal-resnet18", "18.18", "1.67", "50.33"),
    ("bireal-resnet34", "28.28", "2.61", "50.33"),
    ("ua-resnet21-50", "18.07", "1.53", "52.43"),
    ("ua-resnet37-36", "17.57", "1.42", "47.19"),
    ("ua-resnet69-26", "17.63", "1.38", "40.89"),
    ("ua-resnet41-45", "27.64", "2.28", "47.19"),
    ("ua-resnet77-32", "27.94", "2.24", "41.94"),
    ("ua-resnet149-22", "26.35", "2.08", "34.60"),
    ("binarydensenet51-32", "17.65", "5.13", "117.44"),
    ("binarydensenet69-32", "23.70", "5.50", "117.44"),
    ("ua-densenet51-48", "17.51", "5.33", "92.27"),  # printed 5.32
    ("ua-densenet69-44", "23.33", "5.67", "85.98"),
]


@pytest.mark.parametrize(("name", "storage", "flops", "memory"), IMAGENET)
def test_table_5_4(name, storage, flops, memory):
    row = report(name, (3, 224, 224), 1000)
    assert (f"{row['storage_mbit']:.2f}", f"{row['flops'] / 1e8:.2f}", f"{row['memory_mb']:.2f}") == (
        storage,
        flops,
        memory,
    )


@pytest.mark.parametrize(("name", "storage", "flops", "memory"), CIFAR)
def test_table_5_5(name, storage, flops, memory):
    row = report(name, (3, 32, 32), 100)
    assert (f"{row['storage_mbit']:.2f}", f"{row['flops'] / 1e7:.2f}", f"{row['memory_mb']:.2f}") == (
        storage,
        flops,
        memory,
    )


@pytest.mark.parametrize(
    ("name", "storage"), [("binarydensenet51-32", 34.587456), ("binarydensenet69-32", 41.650944)]
)
def test_dense_networks_also_report_their_true_sum(name, storage):
    assert report(name, (3, 224, 224), 1000)["storage_mbit_true_sum"] == pytest.approx(storage, abs=1e-9)


def test_depth_in_the_name_is_the_depth_of_the_network():
    with torch.device("meta"):
        for depth in (21, 37, 69, 41, 77, 149):
            network = build(f"ua-resnet{depth}-4")
            assert network.depth == depth
            transitions = 3
            convolutions = sum(isinstance(m, BinaryConv2d) for m in network.modules())
            assert convolutions == (2**network.columns - 1) * (
                (depth - 2 - transitions) // 2 ** (network.columns - 1)
            )
        for depth in (51, 69):
            assert build(f"binarydensenet{depth}-8").depth == build(f"ua-densenet{depth}-8").depth == depth
        assert build("enhanced-binarydensenet51-32").depth == 97


def test_shortcuts_of_table_5_1():
    with torch.device("meta"):
        assert build("binary-resnet18").identity_shortcuts() == 5
        assert build("bireal-resnet18").identity_shortcuts() == 13
        assert build("enhanced-bireal-resnet18").identity_shortcuts() == 18


def test_enhanced_forms_keep_the_binary_weights_of_a_bireal_network():
    plain = report("bireal-resnet18", (3, 32, 32), 100)
    assert report("enhanced-bireal-resnet18", (3, 32, 32), 100)["weights_binary"] == plain["weights_binary"]


def named_paths(block, names):
    """Paths as (sorted labels, length) with the convolutions renamed P1, P2, ..."""
    return sorted(
        ["+".join(names[c] for c in path.convolutions) or "0", path.length] for path in gradient_paths(block)
    )


def test_table_5_2():
    blocks = two_layer_blocks()
    assert named_paths(blocks["Bi-Real ResNet"], {"conv1": "P", "conv2": "P"}) == [
        ["0", 0],
        ["P", 1],
        ["P", 1],
        ["P+P", 2],
    ]
    unified = {"fractal.first.unit.conv": "P", "fractal.second.unit.conv": "P", "fractal.unit.conv": "P"}
    assert named_paths(blocks["UA-ResNet"], unified) == [["0", 0], ["P", 1], ["P", 1], ["P", 1], ["P+P", 2]]
    dense = {"0.unit.conv": "P1", "1.unit.conv": "P2"}
    assert named_paths(blocks["BinaryDenseNet"], dense) == [["0", 0], ["P1", 1], ["P1+P2", 2], ["P2", 1]]
    fractal = {"fractal.first.unit.conv": "P1", "fractal.unit.conv": "P1", "fractal.second.unit.conv": "P2"}
    assert named_paths(blocks["UA-DenseNet"], fractal) == [["0", 0], ["P1", 1], ["P1", 1], ["P1+P2", 2]]
    last = blocks["UA-DenseNet"].fractal
    assert tuple(last.unit.conv.weight.shape) == (32, 64, 3, 3)
    assert tuple(last.second.unit.conv.weight.shape) == (32, 32, 3, 3)


def test_table_5_3():
    blocks = two_layer_blocks()
    assert len(gradient_paths(blocks["Enhanced Bi-Real ResNet"])) == 4
    assert gradient_paths(blocks["Enhanced Bi-Real ResNet"]) == gradient_paths(blocks["Bi-Real ResNet"])
    paths = gradient_paths(blocks["Enhanced BinaryDenseNet"])
    index = {f"{i}.unit.conv": str(i + 1) for i in range(4)}
    assert ["".join(index[c] for c in p.convolutions) for p in paths] == [
        "1234",
        "123",
        "124",
        "134",
        "234",
        "12",
        "13",
        "14",
        "23",
        "24",
        "34",
        "1",
        "2",
        "3",
        "4",
        "",
    ]
    statistics = path_statistics(blocks["Enhanced BinaryDenseNet"])
    each = [blocks["Enhanced BinaryDenseNet"][i].unit.conv.weight.numel() for i in range(4)]
    assert statistics["paths"] == 16 and statistics["average_length"] == 2
    averages = {length: row["average_parameters"] for length, row in statistics["lengths"].items()}
    assert averages == {0: 0, 1: sum(each) / 4, 2: sum(each) / 2, 3: 3 * sum(each) / 4, 4: sum(each)}


def test_counting_agrees_with_listing_and_with_a_closed_form():
    with torch.device("meta"):
        block = ResidualFractalBlock(3, 4)
    listed = gradient_paths(block)
    counted = path_statistics(block)
    assert counted["paths"] == len(listed)
    assert counted["average_length"] == pytest.approx(sum(p.length for p in listed) / len(listed))
    for length, row in counted["lengths"].items():
        weights = [p.parameters for p in listed if p.length == length]
        assert row["paths"] == len(weights) and row["average_parameters"] == pytest.approx(
            sum(weights) / len(weights)
        )
    # f(C): sequences through C columns; one more column squares them and adds one convolution of its own
    expected = {1: 2}
    for columns in (2, 3):
        expected[columns] = expected[columns - 1] ** 2 + 1
    assert len(listed) == expected[3]
    with torch.device("meta"):
        stage = build("binarydensenet51-8").stages[0]
    assert path_statistics(stage)["paths"] == 2**12
    with pytest.raises(InputError, match="too many"), torch.device("meta"):
        gradient_paths(build("enhanced-binarydensenet51-8").stages[0])


def test_fractal_block_equals_the_written_recursion():
    torch.manual_seed(0)
    block = ResidualFractalBlock(3, 5).eval()
    x = torch.randn(2, 5, 6, 6)
    f = block.fractal

    def two(part, value):  # (5.2) for two columns, by hand
        a = part.first.unit.conv(value)
        a = part.first.unit.norm(a) + value
        b = part.second.unit.norm(part.second.unit.conv(a)) + a
        return b, part.unit.norm(part.unit.conv(value)) + value

    middle = sum(two(f.first, x)) / 2
    expected = (sum(two(f.second, middle)) + f.unit.norm(f.unit.conv(x)) + x) / 3
    torch.testing.assert_close(block(x), expected)


def test_dense_fractal_keeps_its_input_and_adds_growth():
    block = DenseFractalBlock(3, 7, 5).eval()
    x = torch.randn(2, 7, 4, 4)
    y = block(x)
    assert y.shape == (2, 12, 4, 4)
    assert torch.equal(y[:, :7], x)
    wide = [m for m in block.modules() if isinstance(m, BinaryConv2d) and m.in_channels == 7]
    assert len(wide) == 3 and sum(isinstance(m, BinaryConv2d) for m in block.modules()) == 7


def test_ablated_networks_have_no_residuals():
    with torch.device("meta"):
        network = build("a-resnet21-50")
        assert not any(unit.sum for unit in network.modules() if isinstance(unit, ConvUnit))
        assert any(unit.sum for unit in build("ua-resnet21-50").modules() if isinstance(unit, ConvUnit))
    assert (
        report("a-resnet21-50", (3, 32, 32), 100)["weights_binary"]
        == report("ua-resnet21-50", (3, 32, 32), 100)["weights_binary"]
    )


@pytest.mark.parametrize("bits", [1, 2, 32])
@pytest.mark.parametrize(
    "name", ["bireal-resnet10-4", "ua-resnet21-4", "a-resnet21-4", "binarydensenet51-4", "ua-densenet51-4"]
)
def test_every_network_learns_at_every_width(name, bits):
    torch.manual_seed(0)
    options = (
        {"layers": (1, 1)}
        if name.startswith("binarydense")
        else {"blocks": (1, 1)}
        if "dense" in name
        else {}
    )
    network = build(name, classes=3, input_shape=(1, 16, 16), bits=bits, **options)
    x = torch.randn(4, 1, 16, 16)
    loss = torch.nn.functional.cross_entropy(network(x), torch.tensor([0, 1, 2, 0]))
    loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert any(isinstance(m, BinaryConv2d) for m in convolutions)
    assert all(m.weight.grad.abs().sum() > 0 for m in convolutions)


def test_gradients_of_the_sign():
    x = torch.tensor([-1.5, -1.0, -0.5, -0.25, 0.0, 0.5, 0.99, 1.0, 2.0], requires_grad=True)
    conv = BinaryConv2d(1, 1, 1)
    y = conv.activation(x)
    assert y.tolist() == [-1, -1, -1, -1, 1, 1, 1, 1, 1]
    y.sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([0, 0, 1, 1.5, 2, 1, 0.02, 0, 0]))
    weight = conv.weight
    conv.quantized_weight().sum().backward()
    torch.testing.assert_close(weight.grad, weight.detach().abs())


def test_padding_value_of_minus_one_is_a_sign_at_the_border():
    conv = BinaryConv2d(2, 3, 3, padding_value=-1)
    x = torch.randn(1, 2, 4, 4)
    signs = torch.nn.functional.pad(torch.where(x >= 0, 1.0, -1.0), (1, 1, 1, 1), value=-1.0)
    torch.testing.assert_close(conv(x), torch.nn.functional.conv2d(signs, conv.quantized_weight()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ResidualFractalBlock(0, 4), "1 to 8 columns"),
        (lambda: build("ua-resnet22-8"), "depth of a UA-ResNet"),
        (lambda: build("ua-resnet21-8", columns=0), "columns, not 0"),
        (lambda: build("ua-resnet21-0"), "width must be positive"),
        (lambda: build("ua-resnet21-8", bits=9), "bits must be"),
        (lambda: build("ua-resnet21-8", join="max"), "'mean' or 'sum'"),
        (lambda: build("bireal-resnet50"), "must be one of"),
        (lambda: build("enhanced-binarydensenet51-33"), "even"),
        (lambda: build("binarydensenet51-8", transitions=(4,)), "transitions"),
        (lambda: ConvUnit(3, 4, residual=True), "equal shapes"),
        (lambda: BinaryConv2d(1, 1, padding_value=1), "padding_value"),
        (lambda: Join("median"), "join must"),
        (lambda: report("ua-resnet21-8", (3, 0, 8), 10), "three positive sizes"),
        (lambda: report("no-such-net", (3, 8, 8), 10), "no architecture"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("name", ["a-resnet21-8", "ua-resnet21-8", "bireal-resnet18-8"])
def test_the_first_signs_depend_on_the_image(name):
    """Behind a rectifier every sign would be +1, and a network without shortcuts would see nothing of its
    image."""
    torch.manual_seed(0)
    network = build(name, classes=4, input_shape=(1, 12, 12)).train()
    with torch.no_grad():
        spread = network(torch.randn(16, 1, 12, 12)).std(0)
    assert (spread > 1e-3).all()
