"""PokeBNN's blocks: the rectifier against its formula, and random networks in four ways."""

import pytest
import torch
from torch import nn

from fermatnet.bench.samples.model_check import check_twin
from fermatnet.model import zoo
from fermatnet.model.errors import InputError
from fermatnet.model.nn.bit_layers import BitConv2d
from fermatnet.model.nn.low_memory import low_memory
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.zoo.pokebnn import DPReLU, PokeConv


def test_the_rectifier_is_its_formula():
    torch.manual_seed(0)
    act = DPReLU(3, full_precision=True)
    for parameter in act.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(5, 3, 4, 4)
    shift, above, below = (
        p.detach().view(1, 3, 1, 1) for p in (act.above.shift, act.above.slope, act.below.slope)
    )
    inside = x - shift
    want = torch.where(inside > 0, above.abs() * inside, below.abs() * inside)
    assert torch.allclose(act.train()(x), want, atol=1e-6)
    assert torch.allclose(act.eval()(x).float(), want, atol=1e-6)
    assert len(list(act.parameters())) == 3


def test_a_block_keeps_a_path_around_it():
    """With the norm of the convolution at 0 what reaches the rectifier is the averaged and doubled input."""
    block = PokeConv(2, 4, 2, scheme("float")).train()
    nn.init.zeros_(block.norm1.weight)
    seen = []
    block.act.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    x = torch.randn(3, 2, 6, 6)
    assert block(x).shape == (3, 4, 3, 3)
    averages = x.reshape(3, 2, 3, 2, 3, 2).mean((3, 5))
    assert torch.allclose(seen[0], torch.cat([averages, averages], 1), atol=1e-6)


def test_the_gradient_of_the_sign_reaches_to_three():
    block = PokeConv(2, 2, 1, scheme("sign"))
    x = torch.tensor([-3.1, -2.9, 0.1, 2.9, 3.1], requires_grad=True)
    block.sign(x).sum().backward()
    assert x.grad.tolist() == [0, 0.5, 0.5, 0.5, 0]


@pytest.mark.parametrize("seed", range(3))
def test_random_networks_in_four_ways(seed):
    pytest.importorskip("onnxruntime")
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    shape, sizes = (1, 8, 8 + 4 * (seed % 2)), {"width": 4 + seed, "blocks": 1, "stages": 2 + seed % 2}
    model = zoo.build("pokebnn", shape=shape, classes=5, **sizes)
    if seed == 2:
        assert sum(isinstance(m, BitConv2d) for m in low_memory(model).modules()) == 2
    checked = check_twin(seed, model, shape)
    assert not checked.problem, checked


def test_maps_that_do_not_halve_are_refused():
    with pytest.raises(InputError, match="halves its maps 2 times: sides must be multiples of 4"):
        zoo.build("pokebnn", shape=(1, 30, 28))
