"""The search for a generator: sums of edges, Gumbel-softmax, weights and architecture in turn."""

import math

import pytest
import torch
from torch.nn import functional

from fermatnet.model.zoo.autorecon import gumbel_softmax, temperature
from fermatnet.model.zoo.datafree import (
    noise,
)
from fermatnet.model.zoo.generator import (
    EDGES,
    FoundGenerator,
)
from tests.model.zoo.choices import choice_of

IDENTITY, NONE = 5, 6


def test_nodes_are_sums_of_their_edges():
    """With identities only and no output layer, the map follows from the graph by hand: node 5 = 4 copies of
    up(node 1)."""
    torch.manual_seed(0)
    network = FoundGenerator(choice_of(IDENTITY), classes=3, image=(1, 8, 8), width=2).eval()
    z, labels = noise(2, 3)
    ups = [module for edge, module in zip(EDGES, network.edges, strict=True) if edge.kind == "up"]
    node = 0
    for block, part in enumerate(z.split((33, 33, 34), dim=1)):
        node = node + network.linears[block](part).reshape(2, 2, 1 << block, 1 << block)
        two, three = ups[2 * block](node, labels), ups[2 * block + 1](node, labels)
        four = two + three
        node = two + three + four
    expected = network.standard(
        torch.tanh(network.conv(functional.leaky_relu(network.norm(node, labels), 0.2)))
    )
    torch.testing.assert_close(network(z, labels), expected)


def test_gumbel_softmax_draws_by_p():
    random = torch.Generator().manual_seed(0)
    p = torch.tensor([0.5, 0.3, 0.15, 0.05])
    count = torch.zeros(4)
    for _ in range(4000):
        m = gumbel_softmax(p.log() + 3.0, 0.05, random)
        assert abs(float(m.sum()) - 1) < 1e-5
        count[m.argmax()] += 1
    assert (count / 4000 - p).abs().max() < 0.03
    alpha = torch.zeros(3, requires_grad=True)
    gumbel_softmax(alpha, 1.0, random)[0].backward()
    assert alpha.grad is not None and alpha.grad.abs().sum() > 0
    assert temperature(0) == 5 and temperature(10) == pytest.approx(5 * math.exp(-0.45))
