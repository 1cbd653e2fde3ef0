"""Logic joins: values, gradients of an evaluation of their own, and BoolNet from training to the file."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from fermatnet.bench.samples.model_check import check_twin
from fermatnet.model import zoo
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.nn.logic import TABLES, LogicJoin, RealJoin
from fermatnet.model.nn.scheme import scheme

BITS = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]])
G = torch.tensor([0.3, -2.0, 1.5, 0.7])


def gradients(join, a, b):
    a, b = a.clone().requires_grad_(), b.clone().requires_grad_()
    y = join(a, b)
    y.backward(G)
    return y.detach(), a.grad, b.grad


@pytest.mark.parametrize("table", range(16))
def test_the_values_are_the_table(table):
    y, _, _ = gradients(LogicJoin(table), *BITS)
    assert y.tolist() == [table >> k & 1 for k in range(4)]


def test_the_names_are_pythons_operators():
    a, b = (side.bool() for side in BITS)
    wanted = {"and": a & b, "or": a | b, "xor": a ^ b, "xnor": a == b, "nand": ~(a & b), "nor": ~(a | b)}
    assert set(wanted) == set(TABLES)
    for name, bits in wanted.items():
        assert torch.equal(LogicJoin(name)(*BITS), bits.float()), name


@pytest.mark.parametrize("name", ["xor", "xnor", "nand", "nor", 0b1011])
def test_gradients_are_those_of_the_polynomial(name):
    """Against autograd of the multilinear polynomial, written out."""
    join = LogicJoin(name)
    t = [join.table >> k & 1 for k in range(4)]
    found = gradients(join, *BITS)
    want = gradients(
        lambda a, b: t[0] * (1 - a) * (1 - b) + t[1] * (1 - a) * b + t[2] * a * (1 - b) + t[3] * a * b, *BITS
    )
    assert all(torch.equal(x, y) for x, y in zip(found, want, strict=True))


def test_or_and_and_are_sums_that_saturate():
    """Against autograd of torch's clamp, whose gradient passes at its ends."""
    for name, shift in (("or", 0), ("and", -1)):
        want = gradients(lambda a, b, shift=shift: (a + b + shift).clamp(0, 1), *BITS)
        found = gradients(LogicJoin(name), *BITS)
        assert all(torch.equal(x, y) for x, y in zip(found, want, strict=True))


def test_xnor_is_the_product_of_signs():
    product = gradients(lambda a, b: ((2 * a - 1) * (2 * b - 1) + 1) / 2, *BITS)
    assert all(torch.equal(x, y) for x, y in zip(gradients(LogicJoin("xnor"), *BITS), product, strict=True))


@pytest.mark.parametrize("seed", range(10))
def test_random_boolnets_in_four_ways(seed):
    pytest.importorskip("onnxruntime")
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    more = {"joins": "sum"} if seed % 5 == 4 else {"split": bool(seed % 2)}
    sizes = {"width": int(rng.integers(2, 6)), "blocks": int(rng.integers(1, 3)), "stages": 2}
    shape = (1, 8, int(rng.integers(8, 11)))
    model = zoo.build("boolnet", shape=shape, classes=5, **sizes, **more)
    for module in model.modules():
        if isinstance(module, LogicJoin):
            module.table = int(rng.integers(1, 15))
    checked = check_twin(seed, model, shape)
    assert not checked.problem, checked


def test_the_full_precision_twin_sums():
    model = zoo.build("boolnet", how=scheme("float"), shape=(1, 8, 8), stages=2)
    joins = [module for module in model.modules() if isinstance(module, RealJoin)]
    assert len(joins) == 4 and joins[0](torch.ones(2), torch.ones(2)).tolist() == [2, 2]
    images = torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8)
    functional.cross_entropy(model(images), torch.arange(4)).backward()
    with pytest.raises(InputError, match="full precision"):
        export(model, (1, 8, 8))


def test_what_cannot_be_joined_is_refused():
    for table in ("implies", 16, -1, True, 1.0):
        with pytest.raises(InputError, match="one of and, or, xor, xnor, nand, nor, or a truth table"):
            LogicJoin(table)
    with pytest.raises(InputError, match="activations of one bit: use the scheme sign, not pa"):
        scheme("pa").join("or")
    with pytest.raises(InputError, match="use the scheme sign, not int8"):
        scheme("sign").map({"conv": "int8"}).join("or")
    with pytest.raises(InputError, match="joins must be one of logic, sum, not 'or'"):
        zoo.build("boolnet", joins="or")
    with pytest.raises(InputError, match="split is of joins=logic"):
        zoo.build("boolnet", joins="sum", split=True)


@pytest.mark.parametrize("join", [LogicJoin("or"), RealJoin()])
def test_shapes_are_not_broadcast(join):
    """The file has no such join, and bits that are kept for the gradients have no shape of their own."""
    with pytest.raises(InputError, match=r"one shape, not \(2, 3, 4, 4\) and \(2, 3, 1, 1\)"):
        join(torch.ones(2, 3, 4, 4), torch.ones(2, 3, 1, 1))


def test_numbers_that_are_no_bits_are_refused_on_export():
    model = zoo.build("boolnet", shape=(1, 8, 8), stages=1, width=2)
    model.blocks[0].act1[1] = scheme("pa", activations=3).activation()
    model(torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8))
    with pytest.raises(InputError, match="a logic join takes bits of the values 0 and 1"):
        export(model, (1, 8, 8))


def test_names_are_shown():
    assert str(LogicJoin("or")) == "LogicJoin(or)" and str(LogicJoin(11)) == "LogicJoin(table=1011)"
    assert len(set(TABLES.values())) == len(TABLES)
