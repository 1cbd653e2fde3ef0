"""The torch operator: gradients against direct sums and against torch's own, exactness where float64
transforms round, the module."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fermatnet.model.errors import InputError
from fermatnet.model.fermat import (
    Conv2dFermat,
    conv2d,
    conv2d_carried,
    conv2d_input_grad,
    conv2d_weight_grad,
    explain,
)

SHAPES = st.fixed_dictionaries(
    {
        "groups": st.sampled_from([1, 1, 2]),
        "kernel": st.tuples(st.integers(1, 5), st.integers(1, 5)),
        "stride": st.sampled_from([(1, 1), (2, 2), (1, 3), (3, 2)]),
        "padding": st.tuples(st.integers(0, 2), st.integers(0, 2)),
        "size": st.tuples(st.integers(5, 19), st.integers(5, 19)),
        "channels": st.integers(1, 5),
        "outputs": st.integers(1, 5),
        "images": st.integers(1, 3),
        "seed": st.integers(0, 2**32),
    }
)


def layer(s, high=127):
    random = np.random.default_rng(s["seed"])
    x = torch.from_numpy(
        random.integers(-high - 1, high + 1, (s["images"], s["channels"] * s["groups"], *s["size"]))
    )
    w = torch.from_numpy(
        random.integers(-high - 1, high + 1, (s["outputs"] * s["groups"], s["channels"], *s["kernel"]))
    )
    return x, w, (s["stride"], s["padding"], s["groups"])


def float64(x, w, call):
    """torch's own convolution: exact here, since every sum stays below 2^53; and it differentiates."""
    return torch.nn.functional.conv2d(x, w, None, call[0], call[1], 1, call[2])


@settings(max_examples=40, deadline=None)
@given(s=SHAPES, method=st.sampled_from(["auto", "fermat"]))
def test_forward_and_both_gradients_equal_float64_where_that_is_exact(s, method):
    x, w, call = layer(s)
    xd, wd = x.double().requires_grad_(), w.double().requires_grad_()
    y = float64(xd, wd, call)
    g = torch.randint(-100, 101, y.shape, generator=torch.Generator().manual_seed(s["seed"]))
    y.backward(g.double())
    assert torch.equal(conv2d(x, w, *call, method=method), y.detach().long())
    assert torch.equal(conv2d_input_grad(tuple(x.shape), w, g, *call, method=method), xd.grad.long())
    assert torch.equal(conv2d_weight_grad(x, tuple(w.shape), g, *call, method=method), wd.grad.long())


@settings(max_examples=15, deadline=None)
@given(s=SHAPES)
def test_carried_gradients_are_the_integer_gradients(s):
    x, w, call = layer(s, 7)
    xd, wd = x.double().requires_grad_(), w.double().requires_grad_()
    y = conv2d_carried(xd, wd, *call, method="fermat")
    xr, wr = x.double().requires_grad_(), w.double().requires_grad_()
    z = float64(xr, wr, call)
    (y * y).sum().backward()
    (z * z).sum().backward()
    assert torch.equal(y, z) and torch.equal(xd.grad, xr.grad) and torch.equal(wd.grad, wr.grad)


def test_gradients_as_sums_beyond_float64():
    # g is so large that the sums pass 2^53: python integers are the oracle
    random = np.random.default_rng(7)
    x, w = random.integers(-128, 128, (2, 2, 6, 7)), random.integers(-128, 128, (3, 2, 3, 2))
    g = random.integers(-(2**45), 2**45, (2, 3, 4, 6))
    big = g.astype(object)
    for_x, for_w = np.zeros(x.shape, object), np.zeros(w.shape, object)
    for n, o, i, j in np.ndindex(*g.shape):
        for c, u, v in np.ndindex(2, 3, 2):
            for_x[n, c, i + u, j + v] += big[n, o, i, j] * int(w[o, c, u, v])
            for_w[o, c, u, v] += big[n, o, i, j] * int(x[n, c, i + u, j + v])
    x, w, g = torch.from_numpy(x), torch.from_numpy(w), torch.from_numpy(g)
    got_x, got_w = conv2d_input_grad((2, 2, 6, 7), w, g), conv2d_weight_grad(x, (3, 2, 3, 2), g)
    assert (got_x.numpy().astype(object) == for_x).all() and (got_w.numpy().astype(object) == for_w).all()
    assert max(abs(v) for v in for_w.flat) > 2**53


def test_weight_gradient_of_a_large_map_is_cut_into_blocks():
    x, g = torch.randint(-128, 128, (2, 3, 70, 45)), torch.randint(-128, 128, (2, 4, 35, 23))
    wd = torch.zeros(4, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    float64(x.double(), wd, ((2, 2), (2, 2), 1)).backward(g.double())
    assert torch.equal(conv2d_weight_grad(x, (4, 3, 5, 5), g, 2, 2, method="fermat"), wd.grad.long())


def test_exact_where_a_float64_transform_errs():
    # INT16, 512 channels, 7x7, all of one sign: results near 2^44.6, so a rounded float64 FFT is off by whole
    # units; ours must hit every one
    random = np.random.default_rng(0)
    x = torch.from_numpy(random.integers(32000, 32768, (1, 512, 10, 10)).astype(np.int16))
    w = torch.from_numpy(random.integers(32000, 32768, (2, 512, 7, 7)).astype(np.int16))
    flat = torch.nn.functional.unfold(x.double(), (7, 7))[0].T.long().numpy()
    # int64 sums: each product below 2^30
    exact = (flat @ w.reshape(2, -1).long().numpy().T).T.reshape(1, 2, 4, 4)
    product = (
        torch.fft.rfft2(x.double(), s=(16, 16)).unsqueeze(1) * torch.fft.rfft2(w.double(), s=(16, 16)).conj()
    )
    by_fft = torch.fft.irfft2(product.sum(2), s=(16, 16))[:, :, :4, :4].round().long().numpy()
    assert np.array_equal(conv2d(x, w, method="fermat").numpy(), exact)
    # at this size float64 may or may not be caught rounding; scaled to 2^52 it must be, and ours still may
    # not
    large = x.long() * 181
    product = (
        torch.fft.rfft2(large.double(), s=(16, 16)).unsqueeze(1)
        * torch.fft.rfft2(w.double(), s=(16, 16)).conj()
    )
    large_fft = torch.fft.irfft2(product.sum(2), s=(16, 16))[:, :, :4, :4].round().long().numpy()
    assert not np.array_equal(large_fft, exact * 181)
    assert np.array_equal(conv2d(large, w, method="fermat").numpy(), exact * 181)
    assert np.abs(by_fft - exact).max() < 64


@pytest.mark.parametrize(
    ("k", "size", "channels", "outputs"),
    [(11, 22, 3, 96), (7, 26, 96, 256), (5, 12, 256, 384), (5, 12, 384, 384), (3, 14, 384, 384)],
)
@pytest.mark.parametrize("kind", [torch.int8, torch.int16])
def test_layers_of_table_2_2(k, size, channels, outputs, kind):
    limits = torch.iinfo(kind)
    generator = torch.Generator().manual_seed(k)
    x = torch.randint(limits.min, limits.max + 1, (1, channels, size, size), generator=generator).to(kind)
    w = torch.randint(limits.min, limits.max + 1, (outputs, channels, k, k), generator=generator).to(kind)
    expected = float64(x.double(), w.double(), (1, k // 2, 1)).long()  # below 2^53: exact
    assert torch.equal(conv2d(x, w, 1, k // 2, method="fermat", cache=False), expected)


@settings(max_examples=15, deadline=None)
@given(s=SHAPES)
def test_array_backend_in_torch(s):
    x, w, call = layer(s)
    assert torch.equal(conv2d(x, w, *call, backend="torch"), float64(x.double(), w.double(), call).long())


def test_integer_dtype_and_padding_names():
    x, w = (
        torch.randint(0, 256, (1, 2, 9, 9), dtype=torch.uint8),
        torch.randint(-8, 8, (3, 2, 3, 3), dtype=torch.int8),
    )
    assert conv2d(x, w, dtype=torch.int32).dtype == torch.int32
    assert torch.equal(conv2d(x, w, padding="same"), conv2d(x, w, padding=1))
    assert torch.equal(conv2d(x, w, padding="valid"), conv2d(x, w))
    assert "every result lies in" in explain(x, w, padding="same")


def test_module_learns_in_integers():
    torch.manual_seed(1)
    target, module = Conv2dFermat(3, 4, 3, padding=1, bits=5), Conv2dFermat(3, 4, 3, padding=1, bits=5)
    x = torch.randint(-8, 8, (4, 3, 9, 9)).double()
    goal = target(x).detach()
    losses = []
    for _ in range(30):
        error = module(x) - goal
        module.weight.grad = None
        error.backward(error.detach())
        losses.append(float((error.detach() ** 2).sum()))
        assert torch.equal(module.weight.grad, module.weight.grad.round())  # exact integers
        with torch.no_grad():
            module.weight -= module.weight.grad / 2**13
    assert losses[-1] < 0.02 * losses[0]
    integer = module(x.to(torch.int8))
    assert integer.dtype == torch.int64 and torch.equal(integer, module(x).detach().long())
    assert set(module.state_dict()) == {"weight"} and "bits=5" in repr(module)


def test_clamped_weights_get_no_gradient():
    module = Conv2dFermat(1, 1, 1, bits=4)
    module.weight.data[...] = 9.0
    module(torch.ones(1, 1, 2, 2, dtype=torch.float64)).sum().backward()
    assert module.weight.grad.item() == 0


ONE = torch.ones(1, 1, 4, 4, dtype=torch.int32)
BAD = [
    (lambda: conv2d(ONE.float(), ONE), "x must hold integers, not torch.float32"),
    (lambda: conv2d(ONE, ONE.bool()), "w must hold integers, not torch.bool"),
    (lambda: conv2d(ONE.numpy(), ONE), "x must be a torch tensor, not ndarray"),
    (lambda: conv2d(ONE, ONE, dtype=torch.float64), "dtype must be torch.int64 or torch.int32"),
    (lambda: conv2d(ONE, ONE, padding="same"), 'padding="same" needs stride 1 and odd kernels'),
    (lambda: conv2d(ONE.float(), ONE, backend="torch"), "x must hold integers"),
    (lambda: conv2d(ONE.long() << 40, ONE.long() << 30, backend="torch"), "may overflow"),
    (lambda: conv2d_carried(ONE.float(), ONE.double()), "x must be float64"),
    (
        lambda: conv2d_carried(ONE.double() / 2, ONE.double()),
        "x carries a value that is not an integer within 2\\^53",
    ),
    (
        lambda: conv2d_carried(ONE.double() * 2**28, ONE.double() * 2**26),
        "the result reaches 288230376151711744: float64 carries|may overflow",
    ),
    (
        lambda: conv2d_input_grad((1, 1, 4, 4), ONE, ONE),
        "the output's gradient must have the output's shape \\(1, 1, 1, 1\\), not \\(1, 1, 4, 4\\)",
    ),
    (lambda: conv2d_weight_grad(ONE, (1, 2, 4, 4), ONE), "channels do not match"),
    (lambda: Conv2dFermat(3, 4, 3, groups=2), "groups=2 must divide 3 and 4 channels"),
    (lambda: Conv2dFermat(3, 4, 3, bits=1), "bits must be 2 to 16, not 1"),
    (lambda: Conv2dFermat(3, 4, 0), "kernel_size must be an integer of at least 1"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_numpy_users_never_import_torch():
    code = (
        "import sys, fermatnet.model.fermat, fermatnet.model.fermat.software.convolution; sys.exit('torch' "
        "in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0
