"""Layers of the twin, each from the layer of the source that it stands for."""

from typing import Any

from torch import nn

from fermatnet.model.nn.layers import Conv2d, Linear

__all__ = ["Scaled", "weighted_twin"]


def weighted_twin(
    module: nn.Conv2d | nn.Linear, quantizer: nn.Module | None, input_bits: int
) -> Conv2d | Linear:
    """A convolution or dense layer with the same weights and a quantizer; ``input_bits``: of its inputs."""
    made: Any
    if isinstance(module, nn.Linear):
        made = Linear(
            module.in_features, module.out_features, bias=module.bias is not None, quantizer=quantizer
        )
    else:
        made = Conv2d(
            module.in_channels,
            module.out_channels,
            module.kernel_size,
            module.stride,
            module.padding,
            module.dilation,
            module.groups,
            module.bias is not None,
            quantizer=quantizer,
            input_bits=input_bits,
        )
    made.load_state_dict(module.state_dict(), strict=False)
    return made


class Scaled(nn.Sequential):
    """A layer and the fixed-point factor after it."""
