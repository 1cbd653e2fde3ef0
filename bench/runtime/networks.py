"""The networks of the runtime bench: untrained, batch norms measured on random images, exported; and their
full-precision twins.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from fermatnet.model import zoo
from fermatnet.model.exchange.export import export
from fermatnet.model.network import Network
from fermatnet.model.network.nodes import PiecewiseConv
from fermatnet.model.nn.scheme import scheme

__all__ = ["binary", "quantized", "random_images", "twin"]


def random_images(shape: tuple[int, ...], count: int) -> np.ndarray:
    """uint8 (n, C, H, W)."""
    return np.random.default_rng(0).integers(0, 256, (count, *shape)).astype(np.uint8)


def _settled(model: torch.nn.Module, shape: tuple[int, int, int]) -> torch.nn.Module:
    images = torch.from_numpy(random_images(shape, 16 if shape[1] < 100 else 2)).float()
    with torch.no_grad():
        model.train()(images)
    return model.eval()


def quantized(name: str, shape: tuple[int, int, int], weights: int, activations: int) -> Network:
    """A network of the zoo with that many pieces; speed does not ask for training."""
    torch.manual_seed(0)
    options: dict[str, Any] = (
        {}
        if name.startswith("pa-")
        else {"how": scheme("pa", weights=weights, activations=activations), "shape": shape}
    )
    return export(_settled(zoo.build(name, **options), shape), shape, engine="direct")


def twin(name: str, shape: tuple[int, int, int]) -> torch.nn.Module:
    """The same topology in full precision, in evaluation."""
    torch.manual_seed(0)
    options: dict[str, Any] = {} if name == "resnet18" else {"how": scheme("float"), "shape": shape}
    return _settled(zoo.build(name, **options), shape)


def binary(net: Network) -> Network:
    """Zero weights become one of the two others: +-1 weights and one-bit activations, as binary networks have
    them.
    """
    rng = np.random.default_rng(0)
    nodes = []
    for node in net.nodes:
        if isinstance(node, PiecewiseConv):
            signs = 2 * rng.integers(0, 2, node.codes.shape).astype(np.uint8)
            node = replace(
                node, codes=np.where(node.codes == 1, signs, node.codes), levels_w=np.array([-64, 0, 64])
            )
        nodes.append(node)
    return Network(nodes, net.input_shape, net.input_range, output=net.output)
