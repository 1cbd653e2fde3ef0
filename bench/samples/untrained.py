"""Networks of the zoo with the weights that they begin with: their shape matters, not what they know."""

from fermatnet.model.network import Network

__all__ = ["untrained"]

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
    from fermatnet.model.exchange.export import export
    from fermatnet.model.nn.measure import calibrate
    from fermatnet.model.nn.scheme import scheme

    torch.manual_seed(0)
    name, weights, activations = how
    model = zoo.build(net, how=scheme(name, weights=weights, activations=activations), shape=shape)
    channels, height, width = shape
    drawn = torch.randint(0, 256, (images, channels, height // patch, width // patch), dtype=torch.uint8)
    drawn = drawn.repeat_interleave(patch, 2).repeat_interleave(patch, 3)
    model.train()
    for _ in range(passes):
        model(drawn)
    calibrate(model, drawn)
    return export(model.eval(), shape, (0, 255), name=net)
