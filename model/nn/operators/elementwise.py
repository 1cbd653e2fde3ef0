"""Calls that take values one by one: arithmetic of tensors and constants, and activations."""

import operator

import torch
from torch import nn
from torch.nn import functional

from fermatnet.model.nn.operators import names, rewrites
from fermatnet.model.nn.operators.row import CallRow, tensor
from fermatnet.model.nn.operators.rules import flag, number, only, where

__all__ = ["ELEMENTWISE"]

_alpha = only(1, "put the factor into the weights of the layer before, or add twice")
_operand = where(
    "a tensor that a step before made, a number, or a buffer that is one value a channel",
    rewrites.operand,
    "use a tensor of the network, a number or a buffer of shape (1, C, 1, 1)",
)
_pair = {"self": _operand, "input": _operand, "other": _operand}
_number = where("a number", lambda v, s: number.holds(v, s) and v == v, "give a number")
_divisor = where("a number other than 0, or a buffer of such numbers", rewrites.divisor, "multiply instead")

_ARITHMETIC = (
    CallRow(
        "add",
        names.SUMS,
        ("add.Tensor",),
        {**_pair, "alpha": _alpha},
        rewrite=lambda site: rewrites.arithmetic(site, torch.add),
        fits=rewrites.one_a_channel,
    ),
    CallRow(
        "sub",
        names.DIFFERENCES,
        ("sub.Tensor",),
        {**_pair, "alpha": _alpha},
        rewrite=lambda site: rewrites.arithmetic(site, torch.sub),
        fits=rewrites.one_a_channel,
    ),
    CallRow(
        "mul",
        names.PRODUCTS,
        ("mul.Tensor",),
        _pair,
        rewrite=lambda site: rewrites.arithmetic(site, torch.mul),
        fits=rewrites.one_a_channel,
    ),
    CallRow(
        "div",
        (torch.div, torch.divide, operator.truediv, operator.itruediv, "div", "div_", "divide"),
        ("div.Tensor",),
        {**tensor, "other": _divisor},
        rewrite=lambda site: rewrites.arithmetic(site, torch.div),
    ),
    CallRow("neg", (torch.neg, operator.neg, "neg"), ("neg",), tensor, rewrite=rewrites.negate),
    CallRow("square", (torch.square, "square"), ("square",), tensor, rewrite=rewrites.square),
)


def _curve(
    name: str, kind: type[nn.Module], targets: tuple[object, ...], schema: str = "", *arguments: str
) -> CallRow:
    """An activation as a function or a method: the layer of that kind."""
    return CallRow(
        name,
        targets,  # type: ignore[arg-type]
        (schema or name,),
        {**tensor, "inplace": flag, **{key: where("any", lambda v, s: True) for key in arguments}},
        layer=rewrites.made(kind, *arguments),
        note="an exact table of the quantized input",
    )


_CURVES = (
    _curve("sigmoid", nn.Sigmoid, (torch.sigmoid, torch.sigmoid_, functional.sigmoid, "sigmoid", "sigmoid_")),
    _curve("tanh", nn.Tanh, (torch.tanh, torch.tanh_, functional.tanh, "tanh", "tanh_")),
    _curve("leaky_relu", nn.LeakyReLU, (functional.leaky_relu, functional.leaky_relu_), "", "negative_slope"),
    _curve("elu", nn.ELU, (functional.elu, functional.elu_), "", "alpha"),
    _curve("celu", nn.CELU, (functional.celu, torch.celu), "", "alpha"),
    _curve("selu", nn.SELU, (functional.selu, torch.selu)),
    _curve("gelu", nn.GELU, (functional.gelu,), "", "approximate"),
    _curve("silu", nn.SiLU, (functional.silu,)),
    _curve("mish", nn.Mish, (functional.mish,)),
    _curve("hardsigmoid", nn.Hardsigmoid, (functional.hardsigmoid,)),
    _curve("hardswish", nn.Hardswish, (functional.hardswish,)),
    _curve("softplus", nn.Softplus, (functional.softplus,), "", "beta", "threshold"),
    _curve("softsign", nn.Softsign, (functional.softsign,), "abs"),
    _curve("logsigmoid", nn.LogSigmoid, (functional.logsigmoid,), "log_sigmoid"),
)
ELEMENTWISE = (*_ARITHMETIC, *_CURVES)
