"""Whole designs of what `convert` makes of users' layers: rows and vectors, tables, moves, products, padding
and pools of every kind, signed and wide inputs."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.bench.samples.rtl import simulate_top
from fermatnet.bench.samples.streams import simulate_streams
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.compiler.top import Top
from fermatnet.model.exchange.export import export
from fermatnet.model.network import Network, run
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.scheme import scheme


class Shuffled(nn.Module):
    """Channel shuffle, chunks, a gate, an average with padding, a transposed convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1, padding_mode="replicate")
        self.gate, self.up = nn.Conv2d(4, 4, 1), nn.ConvTranspose2d(4, 2, 2, 2)
        self.last = nn.Conv2d(3, 2, 2, padding="same")

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.silu(self.first(x))
        y = y.view(-1, 2, 2, 4, 5).transpose(1, 2).reshape(-1, 4, 4, 5)
        y = y * torch.sigmoid(self.gate(y.mean((2, 3), keepdim=True)))
        a, b = functional.avg_pool2d(y, 3, 1, 1).chunk(2, 1)
        up = self.up(torch.cat([a - b, y[:, 2:]], 1))
        return self.last(torch.cat([up, functional.pixel_shuffle(y, 2)], 1))


def rows() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(2, 4, 3, 2, padding=1),
        nn.BatchNorm1d(4),
        nn.LeakyReLU(0.1),
        nn.MaxPool1d(3, 2, ceil_mode=True),
        nn.Upsample(scale_factor=2),
        nn.Conv1d(4, 4, 3, padding=2, dilation=2),
        nn.ReLU6(),
        nn.AvgPool1d(2, 1),
        nn.Flatten(),
        nn.Linear(20, 3),
    )


class Ends(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(self.a(x))
        return self.b(y * y + 0.25).topk(2, 1)[1]


class Between(nn.Module):
    """Averages of what there is, to the end of the map; bilinear upsampling; a slope a channel."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.slopes = nn.Conv2d(1, 2, 2), nn.PReLU(2)
        self.slopes.weight.data = torch.tensor([0.25, -0.5])
        self.up, self.last = nn.Upsample(scale_factor=(2, 3), mode="bilinear"), nn.Conv2d(2, 2, 1)
        self.pool = nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.up(self.pool(self.slopes(self.first(x)))))


def network(
    model: nn.Module, how: str, dims: tuple[int, ...], low: int, high: int
) -> tuple[Network, np.ndarray]:
    """The network of a model on random images, the darkest and the brightest among them."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(low, high + 1, (4, *dims), generator=generator, dtype=torch.int32)
    images[0], images[1] = low, high
    made, _ = convert(model, scheme(how), dims, images=images, bits=(high - low).bit_length())
    net = export(made, dims)
    return net, images.numpy().astype(net.input_dtype)


CASES = [
    (Shuffled, "int8", (2, 4, 5), 0, 255, 400),
    (Shuffled, "pa", (2, 4, 5), 0, 255, 1000),
    (rows, "int8", (2, 12), -2048, 2047, 100),
    (Between, "int8", (1, 4, 5), 0, 255, 600),
    (Ends, "int8", (6,), -128, 127, 40),
]


@pytest.mark.parametrize(("make", "how", "dims", "low", "high", "cycles"), CASES)
def test_hardware_is_the_reference(make, how, dims, low, high, cycles):
    torch.manual_seed(0)
    net, images = network(make(), how, dims, low, high)
    design = plan(net, cycles=cycles)
    for seed in (None, 3):
        got = simulate_top(Top(design), images, seed=seed)
        np.testing.assert_array_equal(got.outputs, run(net, images))
        if seed is None:
            assert np.all(np.diff(got.ends)[1:] == design.cycles_per_image)
            assert got.latency == design.latency


class Fused(nn.Module):
    """A map and a vector of another type, that meet late."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.last = nn.Conv2d(1, 2, 2), nn.Linear(3, 2), nn.Linear(4, 2)

    def forward(self, image: Tensor, readings: Tensor) -> Tensor:
        x = torch.relu(self.a(image)).mean((2, 3))
        return self.last(torch.cat([x, torch.relu(self.b(readings))], 1))


def test_two_inputs_in_hardware():
    torch.manual_seed(0)
    shapes = {"image": (1, 3, 5), "readings": (3,)}
    generator = torch.Generator().manual_seed(1)
    images = {
        "image": torch.randint(0, 256, (5, 1, 3, 5), generator=generator, dtype=torch.uint8),
        "readings": torch.randint(-2048, 2048, (5, 3), generator=generator, dtype=torch.int16),
    }
    made, _ = convert(Fused(), scheme("int8"), shapes, images=images, bits={"image": 8, "readings": 12})
    net = export(made, shapes)
    given = {name: x.numpy() for name, x in images.items()}
    design, wanted = plan(net, cycles=40), run(net, given)
    for seed in (None, 1, 2):
        got = simulate_streams(Top(design), given, seed=seed)
        np.testing.assert_array_equal(got.outputs[net.output], wanted)
        if seed is None:
            assert np.all(np.diff(got.ends[net.output])[2:] == design.cycles_per_image)
