"""Exported networks: torch's integer mode, the fake-quantised forward pass, the numpy reference and
onnxruntime give the same integers."""

import numpy as np
import pytest
import torch
from torch import nn

from fermatnet.model import zoo
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.network import load, run, save
from fermatnet.model.network.nodes import Affine, Conv, Dense, PiecewiseConv, Threshold
from fermatnet.model.nn.fixed_point import BatchNorm
from fermatnet.model.nn.integer import integer_logits, integer_values
from fermatnet.model.nn.layers import Conv2d, PixelScale
from fermatnet.model.nn.piecewise import PiecewiseActivation, PiecewiseWeight
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.nn.uniform import UniformActivation, UniformWeight


def shaken(net: nn.Module, shape: tuple[int, int, int], top: int, seed: int = 0) -> torch.Tensor:
    """Give norms odd statistics (negative and zero gammas too), learn a few steps, return test images."""
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, BatchNorm):
            module.weight.data = torch.randn(module.weight.shape, generator=generator)
            module.bias.data = torch.randn(module.bias.shape, generator=generator) * 0.4
            module.weight.data[0] = 0.0
    images = torch.randint(0, top + 1, (48, *shape), generator=generator, dtype=torch.uint8)
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images), torch.arange(48) % 10).backward()
        optimizer.step()
    net.eval()
    return images


def onnxruntime_logits(path, images):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path))
    return session.run(None, {session.get_inputs()[0].name: images})[0].reshape(len(images), -1)


CASES = [
    ("digits", (1, 8, 8), 16, scheme("pa")),
    ("digits", (1, 8, 8), 16, scheme("pa", weights=8, activations=7)),
    ("digits", (1, 8, 8), 16, scheme("pa", weights=2, activations=1)),
    ("digits", (1, 8, 8), 16, scheme("int8")),
    ("digits", (1, 8, 8), 16, scheme("lsq", weights=4, activations=4)),
    ("digits", (1, 8, 8), 16, scheme("pact", weights=4, activations=4)),
    ("tfc", (1, 28, 28), 255, scheme("lsq", weights=8, activations=8)),
    ("small-resnet", (1, 28, 28), 255, scheme("pa")),
    ("small-resnet", (3, 32, 32), 255, scheme("int8")),
    ("tfc", (1, 28, 28), 255, scheme("pa", weights=4, activations=3)),
    ("cnv", (3, 32, 32), 255, scheme("pa", weights=2, activations=3)),
]


@pytest.mark.parametrize("name, shape, top, how", CASES)
def test_four_ways_one_answer(name, shape, top, how, tmp_path):
    torch.manual_seed(1)
    takes = {"bits": top.bit_length()} if top < 255 else {"width": 4} if name == "cnv" else {}
    net = zoo.build(name, how=how, shape=shape, **takes)
    images = shaken(net, shape, top)
    file = export(net, shape, (0, top), name=name)
    save(file, tmp_path / "net.onnx")
    file = load(tmp_path / "net.onnx")
    integers = integer_logits(net, images).numpy()
    assert integers.std() > 0
    np.testing.assert_array_equal(run(file, images.numpy()), integers)
    np.testing.assert_array_equal(onnxruntime_logits(tmp_path / "net.onnx", images.numpy()), integers)
    with torch.no_grad():
        fake = net(images).double().numpy()
    np.testing.assert_array_equal(integers * float(file.meta["output_scale"]), fake)


def test_thresholds_are_the_first_integers_of_their_piece():
    """Brute force over every accumulator value: positive, negative and zero gamma, pieces that are never
    reached."""
    torch.manual_seed(0)
    norm, act = BatchNorm(4), PiecewiseActivation(3)
    norm.weight.data = torch.tensor([0.7, -1.3, 0.0, 1e-4])
    norm.bias.data = torch.tensor([0.1, 0.5, 0.4, -0.2])
    norm.running_mean = torch.tensor([3.0, -2.0, 1.0, 0.0])
    norm.running_var = torch.tensor([40.0, 90.0, 5.0, 1.0])
    net = nn.Sequential(
        PixelScale(4), Conv2d(1, 4, 1, bias=False, quantizer=UniformWeight(8, channels=4)), norm, act
    ).eval()
    file = export(net, (1, 16, 16))
    conv, threshold = file.nodes[0], file.nodes[1]
    assert isinstance(conv, Conv) and isinstance(threshold, Threshold)
    kind = file.types[conv.name]
    n = np.arange(kind.lo, kind.hi + 1)
    _, exponent = net[1].quantizer.integers(net[1].weight)
    for c in range(4):
        x = torch.tensor(n * 2.0 ** -(4 + int(exponent[c])))[None, None].expand(1, 4, -1)
        want = act.index(norm.exact(x))[0, c].numpy()
        got = ((threshold.sign[c] * n)[:, None] >= threshold.thresholds[c]).sum(1)
        np.testing.assert_array_equal(got, want)
    assert threshold.sign.tolist() == [1, -1, 1, 1]


def test_a_moved_threshold_is_noticed():
    """The move is chosen from the values that occur, so that what three steps of training gave on this
    machine does not matter."""
    from fermatnet.model.network import activations

    net = zoo.build("digits", how=scheme("pa"))
    images = shaken(net, (1, 8, 8), 16)
    file = export(net, (1, 8, 8), (0, 16))
    node, sums = file.node("act0"), dict(activations(file, images.numpy()))["conv0"]
    moved = False
    for c in range(sums.shape[1]):
        values = np.unique(node.sign[c] * sums[:, c])
        for piece, threshold in enumerate(node.thresholds[c]):
            if not moved and values[0] < threshold <= values[-1]:
                node.thresholds[c, piece] = values[values < threshold][-1]
                moved = True
    assert moved
    kept: dict = {}
    integer_values(net, images, kept)
    want = kept["act0.1"].index.numpy()
    assert (dict(activations(file, images.numpy()))["act0"].reshape(want.shape) != want).any()


def test_every_layer_agrees_not_just_the_logits():
    from fermatnet.model.network import activations

    net = zoo.build("small-resnet", how=scheme("pa"))
    images = shaken(net, (1, 28, 28), 255)[:4]
    file = export(net, (1, 28, 28))
    kept: dict = {}
    integer_values(net, images, kept)
    mine = {name.replace(".", "_"): value for name, value in kept.items()}
    checked = 0
    for name, value in activations(file, images.numpy()):
        if name in mine:
            other = mine[name].index if hasattr(mine[name], "index") else mine[name].n
            np.testing.assert_array_equal(value.reshape(other.shape), other.numpy())
            checked += 1
    assert checked >= 10


class Average(nn.Module):
    """Depthwise INT8, concatenation, INT8 activations, average over 4 x 4, INT16 weights."""

    def __init__(self):
        super().__init__()
        how = scheme("int8")
        self.pixels = PixelScale(8)
        self.stem = how.stem(2, 6, 3)
        self.act = how.norm_activation(6)
        self.deep = how.conv(6, 6, 3, groups=6)
        self.act1 = how.norm_activation(6)
        self.wide = Conv2d(6, 6, 3, 2, 1, bias=False, quantizer=UniformWeight(16))
        self.act2 = how.norm_activation(6)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.narrow = UniformActivation(8, signed=False)
        self.dense = how.dense(12, 10)

    def forward(self, image):
        x = self.act(self.stem(self.pixels(image)))
        x = self.act1(self.deep(x))
        x = torch.cat([self.act2(self.wide(x)), self.pool(x)], 1)
        return self.dense(torch.flatten(self.narrow(self.mean(x)), 1))


def test_integer_layers_of_other_kinds():
    torch.manual_seed(0)
    net = Average()
    images = shaken(net, (2, 8, 8), 255)
    file = export(net, (2, 8, 8), engine="direct")
    np.testing.assert_array_equal(run(file, images.numpy()), integer_logits(net, images).numpy())
    with torch.no_grad():
        np.testing.assert_array_equal(
            net(images).double().numpy(),
            integer_logits(net, images).numpy() * float(file.meta["output_scale"]),
        )
    assert {node.weight_bits for node in file.nodes if isinstance(node, Conv)} == {8, 16}
    assert any(isinstance(node, Affine) for node in file.nodes) and any(
        isinstance(node, Dense) for node in file.nodes
    )


def test_dense_layers_become_convolutions_with_the_kernel_of_the_whole_map():
    net = zoo.build("tfc")
    shaken(net, (1, 28, 28), 255)
    kernels = [node.codes.shape for node in export(net, (1, 28, 28)).nodes if isinstance(node, PiecewiseConv)]
    assert kernels == [(64, 1, 28, 28), (64, 64, 1, 1), (64, 64, 1, 1)]


class Odd(nn.Module):
    def __init__(self, layer, first=None):
        super().__init__()
        self.pixels, self.layer = PixelScale(8), layer
        self.first = first or nn.Identity()

    def forward(self, x):
        return self.layer(self.first(self.pixels(x)))


@pytest.mark.parametrize(
    "layer, words",
    [
        (nn.Sigmoid(), "layer 'layer': the hardware has no Sigmoid"),
        (Conv2d(1, 2, 3), "layer 'layer': its weights are not integers (full precision)"),
        (nn.Sequential(BatchNorm(1), nn.MaxPool2d(2)), "batch norm in full precision"),
        (nn.Sequential(PiecewiseActivation(3), nn.AvgPool2d(3)), "an average over 9 values is not exact"),
        (nn.MaxPool2d(3, 2, 1, dilation=2), "dilation"),
    ],
)
def test_what_cannot_be_exported_is_refused_by_name(layer, words):
    with pytest.raises(InputError, match=words.replace("(", "\\(").replace(")", "\\)")):
        export(Odd(layer), (1, 9, 9))


def test_rivals_are_refused_with_the_reason():
    with pytest.raises(InputError, match=r"layer 'act0\.1': the hardware has no SignActivation"):
        export(zoo.build("digits", how=scheme("xnor")), (1, 8, 8), (0, 16))


class Control(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


def test_control_flow_on_values_is_refused():
    with pytest.raises(InputError, match="Control cannot be traced"):
        export(Control(), (1, 8, 8))


def test_weights_of_piecewise_layers_on_integers_become_integer_layers():
    net = nn.Sequential(PixelScale(8), Conv2d(1, 3, 3, bias=False, quantizer=PiecewiseWeight(4))).eval()
    node = export(net, (1, 6, 6)).nodes[0]
    assert isinstance(node, Conv) and len(np.unique(node.weight)) <= 5
