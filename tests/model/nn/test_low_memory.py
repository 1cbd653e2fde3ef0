"""Low-memory training: gradients against autograd of the formulas, what is kept, and the same network after
it."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from fermatnet.model import zoo
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.network import run
from fermatnet.model.nn.bit_layers import BitConv2d, BitLinear, BitMaxPool2d, BitSign
from fermatnet.model.nn.bit_norm import STEP, BitNorm
from fermatnet.model.nn.bits import pack, unpack
from fermatnet.model.nn.integer import integer_logits
from fermatnet.model.nn.layers import Conv2d, Linear
from fermatnet.model.nn.low_memory import low_memory
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.nn.sign import SignWeight


def kept_bytes(model, x):
    """Bytes that the forward pass saves, parameters left out."""
    found = {}
    own = {p.data_ptr() for p in model.parameters()}

    def keep(t):
        found[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        y = model(x)
    return sum(size for place, size in found.items() if place not in own), y


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("shape", [(1,), (8,), (3, 5), (2, 3, 4, 5)])
def test_codes_come_back(shape, bits):
    codes = torch.randint(0, 1 << bits, shape, dtype=torch.uint8)
    packed = pack(codes, bits)
    assert packed.numel() == -(-codes.numel() * bits // 8)
    assert torch.equal(unpack(packed, codes.shape, torch.uint8, bits), codes)
    assert torch.equal(unpack(packed, codes.shape, torch.float32, bits), codes.float())


@pytest.mark.parametrize("shape", [(37, 3, 4, 5), (40, 3)])
def test_the_norm_is_a_batch_norm(shape):
    """Values are those of torch's, gradients those of the formula with u of 16 levels where it is read, and
    close to torch's."""
    torch.manual_seed(0)
    y, g = torch.randn(shape, dtype=torch.float64) * 3 + 1, torch.randn(shape, dtype=torch.float64)
    plain = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(3).double()
    nn.init.normal_(plain.weight)
    nn.init.normal_(plain.bias)
    norm = BitNorm(3).double()
    norm.load_state_dict(plain.state_dict())
    found = []
    for layer in (plain, norm):
        z = y.clone().requires_grad_()
        x = layer(z)
        x.backward(g)
        found.append((x, layer.running_mean, layer.running_var, layer.bias.grad, z.grad, layer.weight.grad))
    assert all(torch.allclose(a, b) for a, b in zip(*(one[:4] for one in found), strict=True))
    for exact, near, far in zip(*(one[4:] for one in found), (0.1, 0.3), strict=True):
        assert 0 < float((exact - near).norm() / exact.norm()) < far
    axes, view = (0, *range(2, len(shape))), (1, -1) + (1,) * (len(shape) - 2)
    deviation = (y.var(axes, correction=0) + norm.eps).sqrt().view(view)
    u = (y - y.mean(axes, keepdim=True)) / deviation
    levels = torch.arange(-7.5, 8, dtype=torch.float64) * STEP
    u = levels[(u[..., None] - levels).abs().argmin(-1)]
    inner = (g * u).mean(axes, keepdim=True)
    dy = norm.weight.detach().view(view) / deviation * (g - g.mean(axes, keepdim=True) - u * inner)
    assert torch.allclose(found[1][4], dy) and torch.allclose(found[1][5], (g * u).sum(axes))


def test_the_levels_of_the_norm_have_the_least_squared_error():
    x = torch.linspace(-6, 6, 60_001, dtype=torch.float64)
    density = torch.exp(-x * x / 2)

    def error(step):
        kept = ((x / step).floor().clamp(-8, 7) + 0.5) * step
        return float(((x - kept).square() * density).sum())

    assert error(STEP) == min(error(STEP + k / 1000) for k in range(-100, 101))


def test_a_norm_that_writes_over_its_input_gives_the_same():
    torch.manual_seed(6)
    w, found = torch.randn(4, 3), []
    for in_place in (False, True):
        norm, x = BitNorm(4), torch.linspace(-1, 2, 15).view(5, 3).requires_grad_()
        norm.in_place = in_place
        y = x @ w.T
        z = norm(y)
        assert (z.data_ptr() == y.data_ptr()) == in_place
        z.square().sum().backward()
        found.append((z, x.grad, norm.weight.grad, norm.running_var))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_only_norms_that_read_alone_write_over_their_input():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            how = scheme("sign")
            self.conv, self.one, self.two = how.stem(1, 2, 3), how.norm_activation(2), how.norm_activation(2)

        def forward(self, x):
            y = self.conv(x)
            return self.one(y) + self.two(y)

    assert not any(m.in_place for m in low_memory(Twice()).modules() if isinstance(m, BitNorm))
    assert all(m.in_place for m in low_memory(zoo.build("boolnet")).modules() if isinstance(m, BitNorm))


def test_a_norm_behind_a_backward_hook_leaves_its_input():
    """What such a hook hands over is a view, which the norm may not write over."""
    gradients = []
    for hooked in (False, True):
        torch.manual_seed(9)
        model = low_memory(zoo.build("boolnet", shape=(1, 8, 8), stages=1, width=2)).train()
        for norm in model.modules():
            if hooked and isinstance(norm, BitNorm):
                norm.register_full_backward_hook(lambda *_: None)
        model(torch.randint(0, 256, (4, 1, 8, 8)).float()).square().sum().backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_trains_with_averages_in_float32(dtype):
    norm = BitNorm(3)
    norm(torch.randn(8, 3, 4, 4).to(dtype)).sum().backward()
    assert norm.running_mean.dtype == norm.running_var.dtype == norm.weight.grad.dtype == torch.float32
    assert norm.running_mean.abs().min() > 0


def test_a_layer_that_is_called_twice_is_changed_where_both_calls_allow_it():
    class Twice(nn.Module):
        def __init__(self, second):
            super().__init__()
            how = scheme("sign")
            self.sign, self.conv, self.second = how.activation(), how.conv(2, 2, 3, padding=1), second

        def forward(self, x):
            y = self.conv(self.sign(x))
            return self.conv(self.sign(y) if self.second else y)

    assert type(low_memory(Twice(True)).conv) is BitConv2d
    assert type(low_memory(Twice(False)).conv) is Conv2d  # it reads real numbers, too


def test_the_norm_in_evaluation_is_that_of_its_averages():
    torch.manual_seed(1)
    norm, y = BitNorm(4), torch.randn(400, 4) * torch.tensor([1.0, 2.0, 3.0, 4.0]) + 5
    norm.momentum = 1.0
    trained = norm(y)
    # torch's running variance is that of B - 1
    assert torch.allclose(norm.eval()(y).float() * (400 / 399) ** 0.5, trained, atol=1e-4)


def test_the_sign_has_the_polynomial_in_steps():
    x = torch.linspace(-1.4, 1.4, 2801, requires_grad=True)
    y = BitSign()(x)
    y.sum().backward()
    assert torch.equal(y, (x >= 0).float())
    inside = x.abs() <= 1
    polynomial = (1 - x.abs()).clamp(min=0)
    assert float((x.grad - polynomial.detach()).abs().max()) <= 1 / 6 + 1e-3 and not x.grad[~inside].any()
    steps = {round(6 * value, 3) for value in x.grad.tolist()}
    assert steps == {0.0, 1.0, 3.0, 5.0}
    assert float(x.grad.sum() - polynomial.detach().sum()) == pytest.approx(0, abs=1)


def test_a_sign_with_a_bound_passes_inside_it():
    sign, x = BitSign(), torch.tensor([-3.5, -3.0, 0.0, 2.9, 3.1], requires_grad=True)
    sign.bound = 3.0
    sign(x).sum().backward()
    assert x.grad.tolist() == [0, 0.5, 0.5, 0.5, 0]


@pytest.mark.parametrize("stride, groups, width", [(1, 1, 8), (2, 1, 9), (1, 2, 7)])
def test_a_convolution_of_bits_has_the_plain_gradients(stride, groups, width):
    torch.manual_seed(2)
    options = {"stride": stride, "padding": 1, "groups": groups, "bias": False, "quantizer": SignWeight()}
    plain, mine = Conv2d(4, 6, 3, **options), BitConv2d(4, 6, 3, **options)
    mine.load_state_dict(plain.state_dict())
    x = (torch.rand(37, 4, 7, width) < 0.5).float()
    found = []
    for layer in (plain, mine):
        a = x.clone().requires_grad_()
        y = layer(a)
        y.backward(torch.linspace(-1, 1, y.numel()).view(y.shape))
        found.append((y, a.grad, layer.weight.grad))
    assert all(torch.allclose(p, q, atol=1e-3) for p, q in zip(*found, strict=True))


def test_dense_layers_and_pools_of_bits_have_the_plain_gradients():
    torch.manual_seed(3)
    plain, mine = (kind(7, 5, bias=False, quantizer=SignWeight()) for kind in (Linear, BitLinear))
    mine.load_state_dict(plain.state_dict())
    bits = (torch.rand(9, 7) < 0.5).float()
    maps = (torch.rand(2, 3, 6, 6) < 0.5).float()
    for one, other, x in (
        (plain, mine, bits),
        (nn.MaxPool2d(2), BitMaxPool2d(2), maps),
        (nn.MaxPool2d(3, 2, 1), BitMaxPool2d(3, 2, 1), maps),
    ):
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        g = torch.randn_like(one(a))
        one(a).backward(g)
        other(b).backward(g)
        assert torch.equal(one(x), other(x)) and torch.allclose(a.grad, b.grad, atol=1e-6)
    assert torch.allclose(plain.weight.grad, mine.weight.grad, atol=1e-6)


def test_gradients_of_one_bit():
    torch.manual_seed(4)
    layer = BitConv2d(4, 6, 3, bias=False, quantizer=SignWeight())
    layer.gradient_bits = 1
    layer((torch.rand(5, 4, 7, 8) < 0.5).float()).square().sum().backward()
    assert torch.allclose(layer.weight.grad.abs(), torch.full((6, 4, 3, 3), 1 / 6))


@pytest.mark.parametrize(
    "net, shape", [("boolnet", (1, 12, 12)), ("cnv", (3, 32, 32)), ("digits", (1, 8, 8))]
)
def test_a_network_keeps_bits_and_stays_the_same(net, shape):
    torch.manual_seed(5)
    how, small = scheme("sign"), {} if net == "digits" else {"width": 4}
    plain, mine = (zoo.build(net, how=how, shape=shape, bits=8, **small) for _ in range(2))
    mine.load_state_dict(plain.state_dict())
    assert low_memory(mine) is mine and any(isinstance(m, BitConv2d) for m in mine.modules())
    assert list(plain.state_dict()) == list(mine.state_dict())
    images = torch.randint(0, 256, (16, *shape), dtype=torch.uint8)
    (before, _), (after, y) = kept_bytes(plain.train(), images), kept_bytes(mine.train(), images)
    assert after < 0.3 * before, (before, after)
    functional.cross_entropy(y, torch.arange(16) % 10).backward()
    assert all(p.grad is not None for p in mine.parameters() if p.requires_grad)
    plain.load_state_dict(mine.state_dict())
    exported = export(mine.eval(), shape)
    assert torch.equal(integer_logits(plain.eval(), images), integer_logits(mine, images))
    assert (run(exported, images.numpy()) == integer_logits(mine, images).numpy()).all()


def test_what_has_no_bits_is_refused():
    with pytest.raises(InputError, match="has no layer of bits, low-memory training is of the scheme sign"):
        low_memory(zoo.build("digits", how=scheme("pa")))
    with pytest.raises(InputError, match="gradient_bits must be 1 or 32, not 4"):
        low_memory(zoo.build("boolnet"), gradient_bits=4)
    with pytest.raises(InputError, match="of a torch network, not of int"):
        low_memory(3)
    with pytest.raises(ValueError, match="more than one value a channel"):
        BitNorm(3)(torch.randn(1, 3))


def test_twice_is_once_and_the_gradients_bits_are_the_last():
    model = low_memory(low_memory(zoo.build("boolnet")), gradient_bits=1)
    assert {m.gradient_bits for m in model.modules() if isinstance(m, BitConv2d)} == {1}


def test_no_second_derivative():
    """Of what is kept none can be formed: torch says so in place of giving a wrong one."""
    x = torch.randn(4, 3, requires_grad=True)
    (slope,) = torch.autograd.grad(BitNorm(3)(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        slope.sum().backward()
