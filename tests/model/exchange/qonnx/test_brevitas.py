"""Models that the real Brevitas writes, against Brevitas' own forward pass."""

import numpy as np
import pytest
import torch
from torch import nn

from fermatnet.model.exchange.qonnx.importer import import_qonnx
from fermatnet.model.network import run
from fermatnet.model.network.nodes import Add, PiecewiseConv


def imported(net, bias, tmp_path):
    """The network of a model that Brevitas has calibrated and written; every logit is compared with Brevitas'
    own.

    Brevitas works in float32; its logits are integers times one scale, plus the last bias: compared as
    integers, so that noise is no excuse.
    """
    from brevitas.export import export_qonnx

    images = torch.randint(0, 256, (64, 1, 8, 8), generator=torch.Generator().manual_seed(1)).float()
    for _ in range(4):
        net(images)
    net.eval()
    with torch.no_grad():
        want = net(images).double().numpy()
    export_qonnx(net, args=images[:1], export_path=str(tmp_path / "net.onnx"))
    found = import_qonnx(tmp_path / "net.onnx")
    scale, bias = float(found.meta["output_scale"]), bias.detach().double().numpy()
    got = run(found, images.numpy().astype(np.uint8)) - np.round(bias / scale).astype(np.int64)
    np.testing.assert_array_equal(got, np.round((want - bias) / scale))
    return found


def test_a_model_written_by_brevitas(tmp_path):
    import brevitas.nn as layers

    torch.manual_seed(0)
    net = nn.Sequential(
        layers.QuantConv2d(1, 4, 3, padding=1, bias=False, weight_bit_width=8),
        nn.BatchNorm2d(4),
        layers.QuantReLU(bit_width=3),
        layers.QuantConv2d(4, 8, 3, padding=1, bias=False, weight_bit_width=3),
        nn.BatchNorm2d(8),
        layers.QuantReLU(bit_width=3),
        nn.MaxPool2d(2),
        nn.Flatten(),
        layers.QuantLinear(8 * 16, 10, bias=True, weight_bit_width=8),
    )
    assert any(isinstance(node, PiecewiseConv) for node in imported(net, net[-1].bias, tmp_path).nodes)


class Residual(nn.Module):
    """Brevitas' way: one quantizer for both branches, so that their scales agree."""

    def __init__(self):
        super().__init__()
        import brevitas.nn as layers

        self.stem = nn.Sequential(
            layers.QuantConv2d(1, 4, 3, padding=1, bias=False, weight_bit_width=8),
            nn.BatchNorm2d(4),
            layers.QuantReLU(bit_width=3),
        )
        self.main = nn.Sequential(
            layers.QuantConv2d(4, 4, 3, padding=1, bias=False, weight_bit_width=3), nn.BatchNorm2d(4)
        )
        self.shared, self.act = layers.QuantIdentity(bit_width=6), layers.QuantReLU(bit_width=3)
        self.last = layers.QuantLinear(4 * 64, 10, bias=True, weight_bit_width=8)

    def forward(self, x):
        x = self.stem(x)
        return self.last(self.act(self.shared(self.main(x)) + self.shared(x)).flatten(1))


def test_a_residual_sum_written_by_brevitas(tmp_path):
    torch.manual_seed(0)
    net = Residual()
    assert any(isinstance(node, Add) for node in imported(net, net.last.bias, tmp_path).nodes)


@pytest.mark.parametrize("options", [{}, {"dynamo": False}])
def test_means_as_both_of_brevitas_exporters_write_them(options, tmp_path):
    """The default one writes AdaptiveAvgPool2d as ReduceMean and Flatten as Reshape to (1, 8)."""
    import brevitas.nn as layers
    from brevitas.export import export_qonnx

    torch.manual_seed(0)
    net = nn.Sequential(
        layers.QuantConv2d(1, 8, 3, bias=False, weight_bit_width=4),
        layers.QuantReLU(bit_width=4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        layers.QuantLinear(8, 10, bias=False, weight_bit_width=8),
    )
    images = torch.randint(0, 256, (32, 1, 8, 8), generator=torch.Generator().manual_seed(1)).float()
    net(images)
    net.eval()
    with torch.no_grad():
        want = net(images).double().numpy()
    export_qonnx(net, args=images[:1], export_path=str(tmp_path / "net.onnx"), **options)
    found = import_qonnx(tmp_path / "net.onnx")
    np.testing.assert_array_equal(
        run(found, images.numpy().astype(np.uint8)), np.round(want / float(found.meta["output_scale"]))
    )
