"""The multilayer perceptron 16-64-32-32-5 (a jet tagger's size), which da4ml and hls4ml measure on."""

from fermatnet.model.network import Network

__all__ = ["multilayer"]


def multilayer(name: str, weights: int, activations: int, images: int = 512, passes: int = 10) -> Network:
    """The network for 16 values of 8 bits, weights drawn, always the same: 8-bit integers first and last,
    scheme ``name`` with its counts between. Norms and steps are set in ``passes`` over drawn ``images``."""
    import torch
    from torch import nn

    from fermatnet.model.exchange.export import export
    from fermatnet.model.nn.measure import calibrate
    from fermatnet.model.nn.scheme import scheme

    torch.manual_seed(0)
    how = scheme(name, weights=weights, activations=activations)
    layers: list[nn.Module] = [how.stem(16, 64, 1), how.norm_activation(64)]
    for inputs in (64, 32):
        layers += [how.conv(inputs, 32, 1), how.norm_activation(32)]
    model = nn.Sequential(*layers, nn.Flatten(), how.dense(32, 5))
    drawn = torch.randint(0, 256, (images, 16, 1, 1), dtype=torch.uint8)
    model.train()
    for _ in range(passes):
        model(drawn)
    calibrate(model, drawn)
    return export(model.eval(), (16, 1, 1), (0, 255), name="perceptron")
