"""Networks with the weights that they begin with: their shape matters, not what they know."""

from typing import TYPE_CHECKING

from fermatnet.model.network import Network

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["multilayer", "untrained"]

Scheme = tuple[str, int, int]
"""Name, weight pieces or bits, activation pieces or bits."""


def untrained(
    net: str, how: Scheme, shape: tuple[int, int, int], *, patch: int, images: int = 64, passes: int = 6
) -> Network:
    """Network ``net`` of the zoo for inputs of ``shape`` (channels, height, width), 8 bits, always the same.

    Its norms and steps are set in ``passes`` over as many ``images`` of drawn patches, ``patch`` pixels wide
    and high, so that its outputs differ from image to image.
    """
    import torch

    from fermatnet.model import zoo
    from fermatnet.model.nn.scheme import scheme

    torch.manual_seed(0)
    name, weights, activations = how
    model = zoo.build(net, how=scheme(name, weights=weights, activations=activations), shape=shape)
    channels, height, width = shape
    drawn = torch.randint(0, 256, (images, channels, height // patch, width // patch), dtype=torch.uint8)
    drawn = drawn.repeat_interleave(patch, 2).repeat_interleave(patch, 3)
    return _settled(model, drawn, passes, net)


def multilayer(how: Scheme, images: int = 512, passes: int = 10) -> Network:
    """The multilayer perceptron 16-64-32-32-5 (a jet tagger's size) for 16 values of 8 bits, always the same:
    8-bit integers first and last, ``how`` between.

    Its norms and steps are set in ``passes`` over as many drawn ``images``.
    """
    import torch
    from torch import nn

    from fermatnet.model.nn.scheme import scheme

    torch.manual_seed(0)
    name, weights, activations = how
    made = scheme(name, weights=weights, activations=activations)
    layers: list[nn.Module] = [made.stem(16, 64, 1), made.norm_activation(64)]
    for inputs in (64, 32):
        layers += [made.conv(inputs, 32, 1), made.norm_activation(32)]
    model = nn.Sequential(*layers, nn.Flatten(), made.dense(32, 5))
    drawn = torch.randint(0, 256, (images, 16, 1, 1), dtype=torch.uint8)
    return _settled(model, drawn, passes, "perceptron")


def _settled(model: "nn.Module", drawn: "Tensor", passes: int, name: str) -> Network:
    """A model after ``passes`` over the ``drawn`` images (N, C, H, W), as a network."""
    from fermatnet.model.exchange.export import export
    from fermatnet.model.nn.measure import calibrate

    model.train()
    for _ in range(passes):
        model(drawn)
    calibrate(model, drawn)
    return export(model.eval(), tuple(drawn.shape[1:]), (0, 255), name=name)
