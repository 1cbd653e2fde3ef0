"""Chapter 4: table 4.1, Bi-Real Net as one point of the space, the gates' gradient (4.6), search, variants,
three stages."""

from fractions import Fraction

import pytest
import torch
from torch.nn import functional

from fermatnet.model.errors import InputError
from fermatnet.model.zoo import build
from fermatnet.model.zoo.analysis.complexity import report
from fermatnet.model.zoo.binary import BinaryConv2d
from fermatnet.model.zoo.nasb.gates import Gate
from fermatnet.model.zoo.nasb.network import NASBNet, bireal_genotype, thesis_genotype
from fermatnet.model.zoo.nasb.search import search, table_cost
from fermatnet.model.zoo.nasb.space import (
    OPERATIONS,
    VARIANTS,
    cell_cost,
    genotype_from_json,
    genotype_to_json,
    make_operation,
)
from fermatnet.model.zoo.nasb.supernet import SearchNet, cut


def test_table_4_1():
    assert [operation.units for operation in OPERATIONS] == [
        0,
        0,
        0,
        0,
        Fraction(1, 9),
        1,
        Fraction(25, 9),
        Fraction(1, 9),
        1,
        Fraction(25, 9),
    ]
    channels = 6
    for index, operation in enumerate(OPERATIONS):
        module = make_operation(index, channels)
        binary = sum(m.weight.numel() for m in module.modules() if isinstance(m, BinaryConv2d))
        assert binary == operation.units * 9 * channels * channels
        x = torch.randn(2, channels, 7, 5)
        assert module(x).shape == x.shape
    assert torch.equal(make_operation(0, 3)(torch.randn(1, 3, 2, 2)), torch.zeros(1, 3, 2, 2))


def test_cost_of_a_cell():
    cost = cell_cost(((((0, 2)),), ((1, 3), (0, 6)), ((0, 4), (1, 8)), ((3, 1),)))
    assert cost == {
        "backbone": 4,
        "found": Fraction(25, 9) + Fraction(1, 9) + 1,
        "total": 4 + Fraction(25, 9) + Fraction(1, 9) + 1,
        "max_pools": 1,
        "average_pools": 1,
        "identities": 1,
        "convolutions": 3,
    }


@pytest.mark.parametrize("depth", [10, 18, 34])
def test_bireal_net_is_one_point_of_the_space(depth):
    """Equal weights give equal outputs, in evaluation and in training."""
    torch.manual_seed(0)
    bireal = build(f"bireal-resnet{depth}", width=4, classes=5, input_shape=(3, 32, 32))
    cells = {10: 2, 18: 4, 34: 8}[depth]
    nasb = NASBNet(depth, 4, classes=5, input_shape=(3, 32, 32), genotype=bireal_genotype(cells, 4))
    convolutions = [m for m in bireal.modules() if isinstance(m, BinaryConv2d)]
    ours = [m for m in nasb.modules() if isinstance(m, BinaryConv2d)]
    assert len(convolutions) == len(ours)
    with torch.no_grad():
        for a, b in zip(ours, convolutions, strict=True):
            a.weight.copy_(b.weight)
        down = [block.down for stage in bireal.stages for block in stage]
        down = [block for block in down if block is not None]
        adapters = [path for cell in nasb.cells for path in cell.adapters[0].paths.values()]
        assert len(adapters) == len(down) == 3
        for a, b in zip(adapters, down, strict=True):
            a.load_state_dict(b.state_dict())
        nasb.stem.load_state_dict(bireal.stem.state_dict())
        nasb.classifier.load_state_dict(bireal.classifier.state_dict())
    x = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(nasb(x), bireal(x), rtol=1e-4, atol=1e-5)
    bireal.eval(), nasb.eval()
    torch.testing.assert_close(nasb(x), bireal(x), rtol=1e-4, atol=1e-5)
    assert (
        report(f"nasb-resnet{depth}", (3, 224, 224), 1000, genotype="bireal")["weights_binary"]
        == report(f"bireal-resnet{depth}", (3, 224, 224), 1000)["weights_binary"]
    )


def test_published_cost_of_nasb_resnet18():
    """Twelve max poolings and four identities: 0.18 Mbit of norms more than Bi-Real (printed 33.6 and
    33.8)."""
    bireal = report("nasb-resnet18", (3, 224, 224), 1000, genotype="bireal")
    searched = report("nasb-resnet18", (3, 224, 224), 1000)
    genotype = thesis_genotype()
    assert sum(cell_cost(cell)["max_pools"] for cell in genotype) == 12
    assert sum(cell_cost(cell)["identities"] for cell in genotype) == 4
    assert searched["weights_binary"] == bireal["weights_binary"]
    assert searched["storage_mbit"] - bireal["storage_mbit"] == pytest.approx(
        2 * 32 * 3 * (64 + 128 + 256 + 512) / 1e6
    )
    assert f"{searched['storage_mbit']:.1f}" == "33.7" and f"{bireal['storage_mbit']:.1f}" == "33.5"


def test_gradient_of_the_gates_is_4_6():
    torch.manual_seed(0)
    alpha = torch.randn(4, dtype=torch.float64, requires_grad=True)
    outputs = torch.randn(4, 3, 5, dtype=torch.float64)
    direction = torch.randn(3, 5, dtype=torch.float64)
    chosen = 2
    (Gate.apply(alpha, chosen, outputs[chosen], *outputs) * direction).sum().backward()
    p = functional.softmax(alpha.detach(), 0)
    gates = [(direction * output).sum() for output in outputs]
    expected = [sum(gates[j] * p[j] * (float(i == j) - p[i]) for j in range(4)) for i in range(4)]
    torch.testing.assert_close(alpha.grad, torch.stack(expected))


def test_only_the_drawn_operation_runs_while_weights_train():
    torch.manual_seed(0)
    network = SearchNet(10, 4, classes=3, input_shape=(1, 16, 16))
    generator = torch.Generator().manual_seed(1)
    network.draw(generator)
    ran = set()
    edges = list(network.edges())
    for number, edge in enumerate(edges):
        for index, operation in enumerate(edge.operations):
            operation.register_forward_hook(lambda *_, key=(number, index): ran.add(key))
    network(torch.randn(2, 1, 16, 16))
    assert ran == {(number, edge.chosen) for number, edge in enumerate(edges)}
    drawn = set()
    for _ in range(20):
        network.draw(generator)
        drawn |= {edge.chosen for edge in edges}
    assert drawn == set(range(10))


@pytest.mark.parametrize(("variant", "nodes", "edges"), [("nasb", 5, 10), ("v1", 9, 36)])
def test_edges_of_a_cell(variant, nodes, edges):
    with torch.device("meta"):
        network = SearchNet(18, 4, variant=variant)
    assert [len(cell.nodes) for cell in network.cells] == [nodes] * (16 // (nodes - 1))
    assert all(len(cell.edges) == edges for cell in network.cells)


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_keep_what_section_4_3_3_says(variant):
    torch.manual_seed(0)
    rule = VARIANTS[variant]
    network = SearchNet(18, 4, variant=variant)
    for edge in network.edges():
        torch.nn.init.normal_(edge.alpha)
    genotype = network.genotype()
    for cell in genotype:
        kept = [len(node) for node in cell]
        available = [node * (10 - len(rule.without)) for node in range(1, len(cell) + 1)]
        assert kept == [min(rule.kept, a) for a in available[:-1]] + [min(rule.kept_last, available[-1])]
        assert all(operation not in rule.without for node in cell for _, operation in node)
    discrete = NASBNet(
        18, 4, classes=3, input_shape=(1, 8, 8), variant=variant, genotype=genotype_to_json(genotype)
    )
    discrete(torch.randn(2, 1, 16, 16)).square().mean().backward()
    branches = {m for cell in discrete.cells for m in [len(cell.backbone)]}
    assert branches == {rule.branches}


def test_cut_takes_the_most_probable_pair():
    alphas = {(0, 1): torch.zeros(10), (0, 2): torch.zeros(10), (1, 2): torch.zeros(10)}
    alphas[0, 1][3] = 2.0
    alphas[0, 2][0] = 9.0  # Zero is never kept
    alphas[1, 2][8] = 1.0
    assert cut(alphas, 3, VARIANTS["nasb"]) == (((0, 3),), ((1, 8),))
    assert cut(alphas, 3, VARIANTS["v4"])[0] == tuple((0, index) for index in (1, 2, 4, 5))


def loader(seed, count=2):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(12) % 3
    images = torch.randn(12, 1, 8, 8, generator=generator) + labels.view(-1, 1, 1, 1)
    return [(images, labels)] * count


def test_search_moves_both_and_is_repeatable():
    results = []
    for _ in range(2):
        torch.manual_seed(0)
        network = SearchNet(10, 4, classes=3, input_shape=(1, 8, 8))
        before = [p.detach().clone() for p in network.architecture_parameters()]
        results.append(search(network, loader(0), loader(1), epochs=2, steps=1, architecture_rate=0.1))
        moved = [
            float((p.detach() - b).abs().max())
            for p, b in zip(network.architecture_parameters(), before, strict=True)
        ]
        assert min(moved) > 0.01
    assert results[0] == results[1]
    assert genotype_from_json(genotype_to_json(results[0].genotype)) == results[0].genotype


def test_hardware_cost_makes_the_search_cheap():
    """With a heavy cost term nothing expensive keeps a high probability; the same term with its sign turned
    does the contrary."""
    shares = {}
    for weight in (50.0, -50.0):
        torch.manual_seed(0)
        network = SearchNet(10, 4, classes=3, input_shape=(1, 8, 8))
        result = search(
            network,
            loader(0),
            loader(1),
            epochs=1,
            steps=3,
            architecture_rate=1.0,
            cost=table_cost,
            cost_weight=weight,
        )
        costly = [sum(p[5:7] + p[8:]) for cell in result.probabilities for p in cell.values()]
        shares[weight] = sum(costly) / len(costly)
    assert shares[50.0] < 0.25 < 0.6 < shares[-50.0]


def test_three_stages_share_their_parameters():
    """Pretrain in full precision (tanh, real weights), then binary: the same state, 1x1 convolutions stay
    real."""
    torch.manual_seed(0)
    genotype = ((((0, 4),), ((1, 8),), ((2, 2),), ((3, 3),)),) * 2
    network = NASBNet(10, 4, classes=3, input_shape=(1, 8, 8), genotype=genotype, relu=True)
    x = torch.randn(6, 1, 8, 8)
    network.set_binary(False)
    full = network(x)
    unit = network.cells[0].backbone[0][0]
    y = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(unit.conv(y), functional.conv2d(torch.tanh(y), unit.conv.weight, padding=1))
    state = {key: value.clone() for key, value in network.state_dict().items()}
    network.set_binary(True)
    assert {key for key in state if torch.equal(state[key], network.state_dict()[key])} == set(state)
    assert not torch.allclose(full, network(x))
    point = network.cells[0].found[0][0][0].conv
    assert point.kernel_size == (1, 1) and not point.binary and unit.conv.binary


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: search(SearchNet(10, 4), loader(0), None, epochs=1, steps=1), "needs validation data"),
        (lambda: search(SearchNet(10, 4), loader(0), [], epochs=1, steps=1), "is empty"),
        (lambda: search(SearchNet(10, 4), loader(0), loader(1), epochs=0, steps=1), "must be positive"),
        (lambda: build("nasb-resnet18", variant="v9"), "variants are"),
        (lambda: build("nasb-resnet18", variant="v5"), "give the genotype"),
        (lambda: build("nasb-resnet50"), "must be one of"),
        (lambda: build("nasb-resnet18", genotype="[[1,2]]"), "JSON list"),
        (lambda: build("nasb-resnet18", genotype=bireal_genotype(3)), "has 3 cells"),
        (lambda: build("nasb-resnet18", genotype=bireal_genotype(4, 3)), "has 3 nodes"),
        (lambda: build("nasb-resnet18", genotype=((((1, 3),),) * 4,) * 4), "predecessor 1"),
        (lambda: build("nasb-resnet18", genotype=((((0, 10),),) * 4,) * 4), "no operation 10"),
        (lambda: make_operation(-1, 4), "numbered 0 to 9"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
