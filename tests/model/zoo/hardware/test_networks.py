"""Networks of chapters 4, 5, 6 from exportable layers: torch, reference, onnxruntime and (one of them) RTL
give equal integers."""

from itertools import product

import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn import functional

from fermatnet.hw.compiler.generate import generate
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.network import run, save
from fermatnet.model.network.nodes import Conv, MaxPool, PiecewiseConv
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.nn.sign import SignIndex, SignWeight
from fermatnet.model.zoo import build
from fermatnet.model.zoo.binary import BinaryConv2d
from fermatnet.model.zoo.hardware.layers import MaskedWeight, MeanWindow, reaf_hardware
from fermatnet.model.zoo.hardware.networks import HardwareNASBNet, HardwareREAFNet, HardwareUAResNet
from fermatnet.model.zoo.reaf import REAFConv2d
from fermatnet.sim.network import simulate

SHAPE = (1, 8, 8)
CELL = ((((0, 2),), ((1, 8), (0, 1)), ((2, 5),), ((3, 3), (1, 4))),)

NETWORKS = {
    "ua": lambda how: HardwareUAResNet(how, columns=3, width=4, blocks=(1, 1), shape=SHAPE),
    "a": lambda how: HardwareUAResNet(how, columns=2, width=4, blocks=(1,), shape=SHAPE, residual=False),
    "nasb": lambda how: HardwareNASBNet(how, CELL, width=4, blocks=(1, 1), shape=SHAPE),
    "reaf": lambda how: HardwareREAFNet(how, width=8, shape=SHAPE),
    "groups": lambda how: HardwareREAFNet(how, scheme="4-1-4", width=8, shape=SHAPE),
}


def trained(network, images, steps=2):
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], 1e-2)
    for _ in range(steps):
        loss = functional.cross_entropy(
            network.train()(images), torch.arange(len(images)) % network.dense.out_features
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


@pytest.mark.parametrize(
    ("name", "method"), [*product(NETWORKS, ["sign", "pa", "int8"]), ("reaf", "lsq"), ("ua", "pact")]
)
def test_four_engines_one_answer(name, method, tmp_path):
    torch.manual_seed(0)
    images = torch.randint(256, (24, *SHAPE), dtype=torch.uint8)
    network = trained(NETWORKS[name](scheme(method)), images)
    file = export(network, SHAPE)
    integers = run(file, images.numpy())
    with torch.no_grad():
        real = network(images).double().numpy()
    assert np.array_equal(integers * float(file.meta["output_scale"]), real)
    # without shortcuts one bit soon says the same of every image
    assert len(np.unique(integers)) > (0 if name == "a" else 50)
    save(file, tmp_path / "network.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx", providers=["CPUExecutionProvider"])
    witness = session.run(None, {session.get_inputs()[0].name: images.numpy()})[0]
    assert np.array_equal(witness.reshape(integers.shape), integers)
    if method in ("sign", "pa"):
        assert any(isinstance(node, PiecewiseConv) for node in file.nodes)


def test_found_cell_keeps_its_pooling_and_dilation():
    torch.manual_seed(0)
    network = trained(NETWORKS["nasb"](scheme("sign")), torch.randint(256, (20, *SHAPE), dtype=torch.uint8))
    nodes = export(network, SHAPE).nodes
    assert any(isinstance(node, MaxPool) for node in nodes)
    assert any(isinstance(node, PiecewiseConv) and node.dilation == (2, 2) for node in nodes)
    assert any(
        isinstance(node, Conv) and node.group == node.weight.shape[0] > 1 and (node.weight == 1).all()
        for node in nodes
    )


@pytest.mark.slow
def test_nasb_cell_in_simulation(tmp_path):
    """Pooling, dilation, a stride inside the cell: generated Verilog with random stalls, logit by logit."""
    torch.manual_seed(0)
    images = torch.randint(256, (20, 1, 4, 4), dtype=torch.uint8)
    cell = ((((0, 2),), ((0, 8),)),)
    network = trained(
        HardwareNASBNet(scheme("sign"), cell, width=2, blocks=(1,), steps=2, classes=3, shape=(1, 4, 4)),
        images,
    )
    file = export(network, (1, 4, 4))
    generate(file, tmp_path / "design")
    result = simulate(tmp_path / "design", images[:4].numpy(), stalls=1)
    assert np.array_equal(result.outputs, run(file, images[:4].numpy()))


def test_one_bit_layers_are_the_xnor_network_with_a_border_of_minus_one():
    """Conv(sign w, sign x) with border -1 = 2 Conv(sign w, index) - sum(sign w)."""
    torch.manual_seed(0)
    x, weight = torch.randn(2, 5, 6, 6), torch.randn(4, 5, 3, 3)
    conv = BinaryConv2d(5, 4, padding_value=-1)
    with torch.no_grad():
        conv.weight.copy_(weight)
    scale = weight.abs().mean((1, 2, 3)).view(1, -1, 1, 1)
    signs, index = SignWeight()(weight), SignIndex()(x)
    assert set(index.unique().tolist()) == {0.0, 1.0} and set(signs.unique().tolist()) == {-1.0, 1.0}
    twice = 2 * functional.conv2d(index, signs, padding=1) - signs.sum((1, 2, 3)).view(1, -1, 1, 1)
    torch.testing.assert_close(conv(x), twice * scale)
    codes, levels, exponent = SignWeight().pieces(weight)
    assert torch.equal(levels[codes.long()].float() * 2.0**-exponent, signs)


@pytest.mark.parametrize("method", ["sign", "pa", "int8", "float"])
@pytest.mark.parametrize(("groups_in", "merged", "out"), [(4, 3, 8), (4, 2, 12), (4, 1, 8)])
def test_reaf_for_the_hardware_reads_what_reaf_reads(method, groups_in, merged, out):
    torch.manual_seed(0)
    layer = reaf_hardware(scheme(method), 8, out, 3, groups_in, merged)
    zoo = REAFConv2d(8, out, 3, groups_in=groups_in, merged=merged)
    x = torch.randn(2, 8, 5, 5)
    quantized = layer.quantized()
    with torch.no_grad():
        if merged == 1:
            zoo.weight.copy_(quantized)
        else:
            mask = layer.quantizer.mask
            assert int(mask.sum()) == zoo.weight.numel() and not quantized[~mask].any()
            zoo.weight.copy_(quantized[mask].reshape(zoo.weight.shape))
    expected = functional.conv2d(x, quantized, padding=1, groups=layer.groups)
    torch.testing.assert_close(zoo(x), expected)
    if isinstance(layer.quantizer, MaskedWeight) and method in ("sign", "pa"):
        codes, levels, exponent = layer.quantizer.pieces(layer.weight)
        assert torch.equal(levels[codes.long()].float() * 2.0**-exponent, quantized)


def test_mean_window_is_nine_times_average_pooling():
    x = torch.randn(2, 3, 6, 5)
    torch.testing.assert_close(MeanWindow(3).eval()(x), 9 * functional.avg_pool2d(x, 3, 1, 1))


def test_one_name_builds_both_networks():
    how = scheme("sign")
    assert isinstance(build("ua-resnet21-4", how=how, shape=SHAPE), HardwareUAResNet)
    assert isinstance(build("a-resnet21-4", how=how, shape=SHAPE), HardwareUAResNet)
    assert isinstance(build("reaf-resnet50-4-3-4-8", how=how, shape=SHAPE), HardwareREAFNet)
    network = build("nasb-resnet10-4", how=how, shape=SHAPE, classes=4)
    assert isinstance(network, HardwareNASBNet)
    assert network(torch.randint(256, (3, *SHAPE), dtype=torch.uint8)).shape == (3, 4)


@pytest.mark.parametrize("name", ["aw-resnet10-8", "aw-se-resnet10-8"])
def test_aw_convolution_is_refused_by_name_with_the_reason(name):
    network = build(name, classes=3, input_shape=(1, 16, 16))
    with pytest.raises(
        InputError,
        match=r"layer 'layer1\.0\.conv2' \(AWConv2d\) cannot be exported: .*computed from every image",
    ):
        export(network, (1, 16, 16))


def test_real_valued_zoo_networks_say_what_to_build_instead():
    with pytest.raises(InputError, match=r"how=scheme\('sign'\)"):
        export(build("ua-resnet21-4", classes=3, input_shape=(1, 16, 16)), (1, 16, 16))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: HardwareUAResNet(scheme("sign"), columns=0), "columns"),
        (lambda: HardwareUAResNet(scheme("sign"), blocks=()), "blocks must be"),
        (lambda: HardwareUAResNet(scheme("sign"), width=0), "make no network"),
        (lambda: HardwareREAFNet(scheme("sign"), scheme="4-3-5"), "so G_O must be 4"),
        (lambda: HardwareREAFNet(scheme("sign"), inner=10), "does not divide"),
        (lambda: HardwareNASBNet(scheme("sign"), CELL, blocks=(1, 1, 1, 1)), "has 1 cells"),
        (lambda: build("ua-resnet22-4", how=scheme("sign")), "depth of a UA-ResNet"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
