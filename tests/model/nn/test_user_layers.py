"""Layers that users have besides convolutions and rectifiers: as the model computes them, and the same
integers in integer mode, in the reference and in onnxruntime."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from fermatnet.model.export import export
from fermatnet.model.network import load, run, save
from fermatnet.model.network.nodes import Conv, Lookup, PiecewiseConv, Threshold
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.curves import Curve
from fermatnet.model.nn.integer import integer_logits
from fermatnet.model.nn.scheme import scheme
from tests.model.nn.door.forms import SHAPE, Around, Step, conv


def joined(found):
    """All outputs side by side, (n, K)."""
    parts = found.values() if isinstance(found, dict) else found if isinstance(found, tuple) else [found]
    return np.concatenate([np.asarray(one).reshape(len(one), -1) for one in parts], 1)


def same_everywhere(model, how, shape, folder, **options):
    """The network of ``model`` after one training step; every way to compute it gives the same integers."""
    onnxruntime = pytest.importorskip("onnxruntime")
    torch.set_num_threads(1)
    images = options.pop("images", None)
    if images is None:
        images = torch.randint(
            0, 256, (5, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
        )
    made, report = convert(model, how, shape, images=images, **options)
    assert report.compared  # the twin is the model
    made.train()
    outputs = made(images)
    parts = outputs.values() if isinstance(outputs, dict) else outputs
    parts = parts if isinstance(parts, tuple) or isinstance(outputs, dict) else [parts]
    sum(one.double().square().mean() for one in parts).backward()
    torch.optim.SGD(made.parameters(), 1e-3).step()
    net = export(made.eval(), shape, images=images)
    save(net, folder / "net.onnx")
    samples = images.numpy().astype(net.input_dtype)
    wanted = joined(run(load(folder / "net.onnx"), samples))
    np.testing.assert_array_equal(integer_logits(made, images).numpy(), wanted)
    session = onnxruntime.InferenceSession(folder / "net.onnx", providers=["CPUExecutionProvider"])
    found = session.run(None, {"image": samples.reshape(len(samples), *net.input_shape)})
    np.testing.assert_array_equal(joined(tuple(found)), wanted)
    return net


def swapped(x):
    """ShuffleNet's channel shuffle."""
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def zero_channels(x):
    return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))


def squeezed(x):
    """Squeeze and excitation without its dense layers."""
    return x * torch.sigmoid(functional.adaptive_avg_pool2d(x, 1).flatten(1)).view(-1, 4, 1, 1)


def halves(x):
    first, second = x.split([2, 2], 1)
    return torch.cat([second, first + second], dim=1)


def slopes():
    """A slope a channel, one of them negative."""
    made = nn.PReLU(4)
    made.weight.data = torch.tensor([0.25, -0.5, 0.1, 1.5])
    return made


MIDDLE = {
    "leaky": nn.LeakyReLU(0.2),
    "one slope": nn.PReLU(),
    "slopes": slopes(),
    "relu6 and more": nn.Hardtanh(-0.5, 0.75),
    "clamp": lambda x: x.clamp(max=0.5),
    "threshold": nn.Threshold(0.1, 0.05),
    "sigmoid": torch.sigmoid,
    "tanh": lambda x: x.tanh(),
    "hardsigmoid": nn.Hardsigmoid(),
    "hardswish": functional.hardswish,
    "silu": nn.SiLU(),
    "own silu": lambda x: x * torch.sigmoid(x),
    "gelu": nn.GELU("tanh"),
    "elu": nn.ELU(0.5),
    "softplus": nn.Softplus(2.0),
    "mish": nn.Mish(),
    "average": nn.AvgPool2d(3, 2, 1),
    "average of all": nn.AvgPool2d((3, 2), 1),
    "divisor": nn.AvgPool2d(3, 2, 1, divisor_override=4),
    "ceil": nn.MaxPool2d(3, 2, 1, ceil_mode=True),
    "average of what there is": nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "average to the end": nn.AvgPool2d(5, ceil_mode=True),
    "padded average to the end": nn.AvgPool2d((3, 4), (2, 3), 1, ceil_mode=True),
    "average of what there is, to the end": nn.AvgPool2d((3, 4), (2, 3), 1, True, count_include_pad=False),
    "divisor to the end": nn.AvgPool2d(5, 3, ceil_mode=True, divisor_override=7),
    "averages of columns": nn.AvgPool2d((12, 3), (1, 2), (0, 1), count_include_pad=False),
    "zeros": nn.ZeroPad2d((1, 0, 2, 1)),
    "zeros before a pool": nn.Sequential(nn.ZeroPad2d(1), nn.MaxPool2d(2)),
    "reflected": nn.ReflectionPad2d(1),
    "nearest": nn.Upsample(scale_factor=(2, 3)),
    "size": lambda x: functional.interpolate(x, size=(24, 24)),
    "bilinear": nn.Upsample(scale_factor=(3, 2), mode="bilinear"),
    "bilinear rows": lambda x: functional.interpolate(x, size=(12, 48), mode="bilinear"),
    "transposed": nn.ConvTranspose2d(4, 4, 3, 2, 1, 1, groups=2),
    "transposed 4": nn.ConvTranspose2d(4, 4, 4, 2, 1, bias=False),
    "transposed 1": nn.ConvTranspose2d(4, 4, 3, padding=1, dilation=1),
    "shuffle": nn.ChannelShuffle(2),
    "own shuffle": swapped,
    "flip": lambda x: x.flip(1),
    "chunks": lambda x: torch.cat([x.chunk(2, 1)[1], x[:, :2]], 1),
    "split": halves,
    "slice": lambda x: x[:, :, 1::2, :-1],
    "pixels": (nn.PixelShuffle(2), 1),
    "unpixels": (nn.PixelUnshuffle(2), 16),
    "zero channels": (zero_channels, 8),
    "rows": (lambda x: torch.cat([x, -x], 2), 4),
    "columns": (lambda x: torch.cat([x, x.relu()], -1), 4),
    "difference": lambda x: functional.max_pool2d(x, 3, 1, 1) - x,
    "constants": lambda x: 1 - 2 * x / 3,
    "product": lambda x: x * x.relu(),
    "square": torch.square,
    "excitation": squeezed,
    "everywhere": lambda x: x + x.mean((2, 3), keepdim=True),
}


@pytest.mark.parametrize("name", MIDDLE)
def test_layers_in_the_middle(name, tmp_path):
    torch.manual_seed(0)
    function, channels = MIDDLE[name] if isinstance(MIDDLE[name], tuple) else (MIDDLE[name], 4)
    how = scheme(("int8", "pa")[sum(map(ord, name)) % 2])
    same_everywhere(Around(function, channels), how, SHAPE, tmp_path)


@pytest.mark.parametrize("how", ["int8", "pa"])
def test_rows_between_pixels_and_slopes(how, tmp_path):
    torch.manual_seed(0)
    rows = [nn.Conv1d(2, 4, 3), slopes(), nn.Upsample(scale_factor=2, mode="linear"), nn.Conv1d(4, 4, 3)]
    rows += [nn.BatchNorm1d(4), slopes(), nn.AvgPool1d(4, 3, 2, ceil_mode=True, count_include_pad=False)]
    head = [nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 4), slopes(), nn.Linear(4, 2)]
    same_everywhere(nn.Sequential(*rows, *head), scheme(how), (2, 12), tmp_path)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5])
def test_bilinear_is_torchs(factor):
    """By itself, in full precision: gathers, sums and one average."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Upsample(scale_factor=(factor, 2), mode="bilinear"))
    made, report = convert(model, scheme("float"), (1, 3, 5))
    images = torch.randint(0, 256, (4, 1, 3, 5), dtype=torch.uint8)
    want = model.double()(images.double() / 256)
    assert report.compared
    torch.testing.assert_close(made.eval().double()(images), want, rtol=1e-6, atol=1e-6)


PADDINGS = [("same", "zeros", 4), (1, "reflect", 3), ((2, 1), "replicate", 3), ("same", "circular", 2)]


@pytest.mark.parametrize("padding, mode, kernel", PADDINGS)
def test_padding_of_the_first_layer(padding, mode, kernel, tmp_path):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(3, 4, kernel, padding=padding, padding_mode=mode), *list(conv())[1:])
    net = same_everywhere(model, scheme("int8"), SHAPE, tmp_path)
    first = next(node for node in net.nodes if isinstance(node, Conv))
    assert (len(set(first.pad)) > 1) == (mode == "zeros")  # zeros are the convolution's own


def rows(act=nn.ReLU):
    return nn.Sequential(
        nn.Conv1d(2, 6, 5, 2, padding=2, padding_mode="zeros"),
        nn.BatchNorm1d(6),
        act(),
        nn.MaxPool1d(3, 2, ceil_mode=True),
        nn.Conv1d(6, 6, 3, padding="same", dilation=2, groups=2),
        act(),
        nn.Dropout1d(0.1),
        nn.AvgPool1d(3, 2, 1),
        nn.ConvTranspose1d(6, 4, 2, 2),
        act(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


@pytest.mark.parametrize("how", ["int8", "pa"])
def test_rows_and_vectors(how, tmp_path):
    torch.manual_seed(0)
    same_everywhere(rows(), scheme(how), (2, 40), tmp_path)
    first = [nn.Linear(16, 12), nn.BatchNorm1d(12), nn.ReLU()]
    plain = nn.Sequential(*first, nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 4))
    net = same_everywhere(plain, scheme(how), (16,), tmp_path)
    assert net.input_dims == (16,)
    mapped = nn.Sequential(*list(rows())[:3], nn.Conv1d(6, 2, 3))
    made, _ = convert(mapped, scheme(how), (2, 40))
    assert made(torch.zeros(3, 2, 40, dtype=torch.uint8)).shape == (3, 2, 18)  # as the model writes it


ENDS = {
    "argmax": lambda x: x.argmax(1),
    "argmax kept": lambda x: torch.argmax(x, dim=-1, keepdim=True),
    "top": lambda x: x.topk(2, 1)[1],
    "two": lambda x: (x, x[:, :2]),
    "named": lambda x: {"logits": x, "sign": x.tanh()},
}


@pytest.mark.parametrize("name", ENDS)
def test_ends(name, tmp_path):
    torch.manual_seed(0)
    net = same_everywhere(nn.Sequential(*conv(), Step(ENDS[name])), scheme("int8"), SHAPE, tmp_path)
    assert len(net.outputs) == 1 + (name in ("two", "named"))


SENSORS = [
    (torch.int8, None, -128, 127),
    (torch.int16, 12, -2048, 2047),
    (torch.int16, 12, 0, 4095),
    (torch.int16, None, -32768, 32767),
    (torch.int32, 16, 0, 65535),
]


@pytest.mark.parametrize("kind, bits, low, high", SENSORS)
def test_sensors(kind, bits, low, high, tmp_path):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(2)
    images = torch.randint(low, high + 1, (6, 2, 40), generator=generator, dtype=kind)
    images[0], images[1] = low, high
    net = same_everywhere(rows(), scheme("int8"), (2, 40), tmp_path, images=images, bits=bits)
    assert net.input_range == (low, high)


def test_a_table_is_what_evaluation_computes():
    torch.manual_seed(0)
    made, report = convert(Around(nn.SiLU()), scheme("int8"), SHAPE)
    images = torch.randint(0, 256, (4, *SHAPE), dtype=torch.uint8)
    made.train()(images)
    (curve,) = [module for module in made.modules() if isinstance(module, Curve)]
    table, first = curve.eval().table()
    x = torch.arange(first, first + len(table)).double() * 2.0 ** -curve.unit()
    assert len(table) == 256 and torch.equal(curve(x) * 2.0 ** curve.after.exponent(), table.float())
    want = (x * torch.sigmoid(x) * 2.0 ** curve.after.exponent() + 0.5).floor().clamp(-128, 127)
    assert torch.equal(table, want.long())
    (node,) = [node for node in export(made.eval(), SHAPE).nodes if isinstance(node, Lookup)]
    np.testing.assert_array_equal(node.table, table.numpy())
    assert any("table of 8-bit integers" in line.why for line in report)


def test_a_bias_far_above_its_sums(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    with torch.no_grad():
        model[1].weight.mul_(1e-3)
        model[1].bias.copy_(torch.tensor([12.3456789, -7.7654321, 3.1415926]))
    same_everywhere(model, scheme("int16"), (3, 2, 2), tmp_path)


def test_pieces_take_the_shape_of_what_rises_from_zero():
    torch.manual_seed(0)
    images = torch.randint(0, 256, (4, *SHAPE), dtype=torch.uint8)
    for function, pieces in ((nn.Sigmoid(), True), (nn.Tanh(), False)):
        made, _ = convert(Around(function), scheme("pa"), SHAPE, images=images)
        kinds = {type(node) for node in export(made, SHAPE).nodes}
        assert (Lookup in kinds) != pieces and Threshold in kinds
        assert (PiecewiseConv in kinds) == pieces
