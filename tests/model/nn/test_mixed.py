"""Schemes of single layers: which layer gets which, and that whatever meets computes the same in torch, in
the network file and in Verilog."""

import numpy as np
import pytest
import torch
from torch import nn

import fermatnet as fn
from fermatnet.hw.network import generate
from fermatnet.model import zoo
from fermatnet.model.errors import InputError
from fermatnet.model.network.nodes import PiecewiseConv
from fermatnet.model.nn.building import plan_of
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.piecewise import PiecewiseActivation, PiecewiseWeight
from fermatnet.model.nn.scheme import method, methods, scheme
from fermatnet.model.nn.sign import SignIndex, SignWeight
from fermatnet.model.nn.uniform import UniformActivation, UniformWeight
from fermatnet.sim.network import simulate


class Block(nn.Module):
    """Two convolutions around a shortcut, as torchvision writes it: one rectifier, called twice."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1, self.bn2, self.relu = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs), nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        same = stride == 1 and inputs == outputs
        self.down = (
            None if same else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
        )

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.down is None else self.down(x)))


class Net(nn.Module):
    """A stem, two blocks, a concatenation with a biased convolution, a hidden dense layer."""

    def __init__(self):
        super().__init__()
        self.stem, self.bn, self.relu = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()
        self.layer1, self.layer2 = Block(4, 4, 1), Block(4, 6, 2)
        self.extra = nn.Conv2d(6, 2, 3, padding=1)
        self.hidden, self.fc = nn.Linear(8 * 9, 6), nn.Linear(6, 3)

    def forward(self, x):
        x = self.layer2(self.layer1(self.relu(self.bn(self.stem(x)))))
        x = torch.cat([x, torch.relu(self.extra(x))], 1)
        return self.fc(torch.relu(self.hidden(torch.flatten(x, 1))))


SHAPE = (1, 6, 6)


@pytest.fixture(scope="module")
def model():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    made = Net()
    with torch.no_grad():
        for norm in (m for m in made.modules() if isinstance(m, nn.BatchNorm2d)):
            norm.running_mean.normal_(0, 0.2), norm.running_var.uniform_(0.5, 2)
            norm.weight.uniform_(0.5, 1.5), norm.bias.normal_(0, 0.3)
    return made


def pixels(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, *SHAPE), generator=generator, dtype=torch.uint8)


MAPS = {
    "all families": ("pa", {"layer1": "int8", "layer2": "sign", "extra": "int8(4,4)", "fc": "int8(8,8,6)"}),
    "a family inside another": ("int8", {"*": "int8(4,4)", "layer2.conv*": "pa(2,3)", "hidden": "sign"}),
    "activations by name": ("sign", {"layer2.relu": "int8", "relu": "pa(4,5)", "layer1.conv2": "int16"}),
    "a shortcut of its own": ("pa", {"layer2.down": "int8(5,3)", "hidden": "pa(6,7)"}),
}


@pytest.mark.parametrize("name", MAPS)
def test_torch_and_network_file_agree(model, name):
    base, patterns = MAPS[name]
    twin = fn.quantize(model, fn.scheme(base).map(patterns), SHAPE, calibration=pixels(32))
    net = fn.export(twin)
    images = pixels(40, seed=1)
    with torch.no_grad():
        wanted = twin.eval()(images).double() / float(net.meta["output_scale"])
    np.testing.assert_array_equal(net.run(images.numpy()), wanted.numpy())


@pytest.mark.parametrize("function", [nn.Sigmoid(), nn.Softplus(), nn.ReLU6()])
@pytest.mark.parametrize("base", ["sign", "lsq"])
def test_signs_of_functions_that_are_never_negative(function, base):
    torch.manual_seed(0)
    first = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), function]
    network = nn.Sequential(*first, nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
    twin = fn.quantize(network, fn.scheme(base).map({"3": "sign"}), SHAPE, calibration=pixels(32))
    net, images = fn.export(twin), pixels(40, seed=1)
    with torch.no_grad():
        wanted = twin.eval()(images).double() / float(net.meta["output_scale"])
    np.testing.assert_array_equal(net.run(images.numpy()), wanted.numpy())
    assert net.run(images.numpy()).std() > 0


def test_verilog_agrees(model, tmp_path):
    base, patterns = MAPS["all families"]
    twin = fn.quantize(model, fn.scheme(base).map(patterns), SHAPE, calibration=pixels(32))
    net = fn.export(twin)
    images = pixels(2, seed=2).numpy()
    generate(net, tmp_path / "hw", cycles=2000)
    result = simulate(tmp_path / "hw", images, simulator="icarus")
    np.testing.assert_array_equal(result.outputs, net.run(images))
    kinds = [type(node) for node in net.nodes]
    assert PiecewiseConv in kinds and len(
        {np.abs(n.weight).max() > 7 for n in net.nodes if hasattr(n, "weight")}
    )


def test_who_gets_which(model):
    how = scheme("pa").map({"layer1.*": "int8", "layer1.conv2": "int8(4,3)", "layer2.conv1": "sign"})
    twin, report = convert(model, how, SHAPE, images=pixels(32))
    weights = {name: layer.quantizer for name, layer in twin.named_modules() if hasattr(layer, "quantizer")}
    assert isinstance(weights["layer1_conv1"], UniformWeight) and weights["layer1_conv1"].bits == 8
    assert weights["layer1_conv2"].bits == 4  # of two patterns the last
    assert isinstance(weights["layer2_conv1"], SignWeight)
    assert type(weights["layer2_conv2"]) is PiecewiseWeight  # the common one
    assert isinstance(weights["stem_q"], UniformWeight)  # the role of a first layer stays
    layers = dict(twin.named_modules())
    assert layers["bn_q"].bits == 8 and layers["bn_q"].lo == 0  # the stem's rectifier by who reads it
    assert isinstance(layers["layer1_relu_again"], UniformActivation)  # its own name comes first
    assert type(layers["layer2_relu"]) is PiecewiseActivation
    assert any("layer1_conv2" == line.name and "int8(4,3)" in line.why for line in report)


def test_rows_and_transposed_convolutions_go_by_their_own_names():
    how = scheme("pa").map({"1.up": "int8(4,4)"})
    up = nn.Sequential()
    up.add_module("up", nn.ConvTranspose2d(4, 4, 2, 2))
    maps = nn.Sequential(nn.Conv2d(1, 4, 3), up, nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 3))
    twin, _ = convert(maps, how, SHAPE)
    assert twin.get_submodule("1_up_turned_q").quantizer.bits == 4
    part = nn.Sequential(nn.Conv1d(4, 4, 3), nn.ReLU())
    rows = nn.Sequential(nn.Conv1d(1, 4, 3), nn.ReLU(), part, nn.Flatten(), nn.Linear(4 * 8, 3))
    twin, _ = convert(rows, scheme("pa").map({"2.*": "int8(4,4)"}), (1, 12))
    assert twin.get_submodule("2_0_rows_q").quantizer.bits == 4
    with pytest.raises(InputError, match=r"there are 0, 2\.0, 4, 1, 2\.1"):
        convert(rows, scheme("pa").map({"nowhere": "int8"}), (1, 12))


def test_readers_that_differ_leave_the_common_scheme(model):
    how = scheme("pa").map({"layer2.conv1": "sign", "layer2.down.0": "int8"})
    twin, report = convert(model, how, SHAPE, images=pixels(32))
    found = dict(twin.named_modules())["layer1_relu_again"]
    assert type(found) is PiecewiseActivation and found.n == 5
    assert any("several schemes" in line.why for line in report)


@pytest.mark.parametrize(
    "patterns, words",
    [
        ({"layr1.*": "int8"}, "'layr1.*'.*did you mean layer1"),
        ({"pool": "int8"}, "there are stem, layer1.conv1"),
        ({"layer1": "int9"}, "no quantization scheme is called 'int9'"),
        ({"layer1": "int8(1,8)"}, "2 to 24 bits"),
        ({"layer1": 8}, "no plain scheme"),
        ({"layer1": "groupnet"}, "several branches"),
        ({"layer1": scheme("pa").map({"x": "int8"})}, "no plain scheme"),
    ],
)
def test_refusals(model, patterns, words):
    with pytest.raises(InputError, match=words):
        convert(model, scheme("pa").map(patterns), SHAPE)


@pytest.mark.parametrize("patterns", [[("layer1", "int8")], "layer1=int8", {1: "int8"}])
def test_no_map_at_all(patterns):
    with pytest.raises(InputError, match="a map gives patterns schemes"):
        scheme("pa").map(patterns)


@pytest.mark.parametrize(
    "counts, words",
    [
        ({"weights": 4.5}, "whole numbers, not 4.5"),
        ({"activations": "4"}, "whole numbers, not '4'"),
        ({"edge_bits": 1}, "2 to 24 bits, not 1"),
        ({"edge_bits": 25}, "2 to 24 bits, not 25"),
    ],
)
def test_counts_that_no_scheme_takes(counts, words):
    with pytest.raises(InputError, match=words):
        scheme("lsq", **counts)


def test_edges_in_full_precision_are_not_made_integers(model):
    twin, _ = convert(model, scheme("xnor", edge_bits=0), SHAPE)
    assert dict(twin.named_modules())["stem_q"].quantizer is None
    with pytest.raises(InputError, match="'fc_q': its weights are not integers"):
        convert(model, scheme("pa").map({"fc": "int8(8,8,0)"}), SHAPE)


def test_what_cannot_be_exported_says_so(model):
    _, report = convert(model, scheme("pa").map({"layer1": "float"}), SHAPE)
    assert any("not exportable" in line.why for line in report)
    assert not scheme("pa").map({"layer1": "xnor"}).method.exportable
    assert scheme("pa").map({"layer1": "int8"}).method.exportable


def test_networks_of_the_zoo():
    how = scheme("pa").map({"block": "int8(4,4)", "conv1": "sign", "block.conv2": "int8(6,4)"})
    torch.manual_seed(3)
    built = zoo.build("digits", how=how)
    assert isinstance(built.act0[1], SignIndex)  # what the convolution of signs reads
    assert isinstance(built.conv1.quantizer, SignWeight)
    assert built.act1[0].bits == 4 and built.block.conv1.quantizer.bits == 4
    assert built.block.conv2.quantizer.bits == 6 and built.dense.quantizer.bits == 8
    torch.manual_seed(3)
    plain = zoo.build("digits", how=scheme("pa"))
    assert torch.equal(plain.block.conv2.weight, built.block.conv2.weight)  # the first run draws nothing
    with pytest.raises(InputError, match="did you mean block"):
        zoo.build("digits", how=scheme("pa").map({"blok": "int8"}))
    with pytest.raises(InputError, match="build the network by"):
        zoo.entry("digits")[0].builder(how=how)


def test_groups_of_layers_that_one_activation_feeds():
    builder = zoo.entry("small-resnet")[0].builder
    groups = plan_of(lambda how: builder(how=how), scheme("pa")).groups()
    assert ["block2.branches.0.conv1", "block2.down.0"] in groups and len(groups) == 6


def test_a_scheme_that_somebody_added(model):
    from dataclasses import replace

    try:
        method(replace(methods()["pa"], name="mine", weights=2, activations=3))
        twin = fn.quantize(model, fn.scheme("int8").map({"layer1": "mine"}), SHAPE, calibration=pixels(32))
        assert dict(twin.named_modules())["layer1_conv1"].quantizer.m == 2
    finally:
        from fermatnet.model.nn import methods as table

        del table._methods["mine"]
