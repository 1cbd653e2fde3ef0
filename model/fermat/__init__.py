"""Arithmetic modulo Fermat numbers: bit-exact models of the hardware, and the fast software convolution.

`conv2d` and `Conv2dFermat` need torch, so they are looked up when first used (PEP 562): who works on numpy
arrays never imports it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fermatnet.model.fermat.software.autograd import Conv2dFermat, conv2d_carried
    from fermatnet.model.fermat.software.torch_ops import (
        conv2d,
        conv2d_input_grad,
        conv2d_weight_grad,
        explain,
    )

__all__ = ["Conv2dFermat", "conv2d", "conv2d_carried", "conv2d_input_grad", "conv2d_weight_grad", "explain"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from fermatnet.model.fermat.software import autograd, torch_ops

        return getattr(autograd if name in ("Conv2dFermat", "conv2d_carried") else torch_ops, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
