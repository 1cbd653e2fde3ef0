"""Training of one-bit networks in little memory: which layers of a network keep bits
(`fermatnet.model.nn.bit_layers` says how)."""

import torch
from torch import fx, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.bit_layers import BitConv2d, BitLinear, BitMaxPool2d, BitSign
from fermatnet.model.nn.bit_norm import BitNorm
from fermatnet.model.nn.fixed_point import BatchNorm
from fermatnet.model.nn.layers import Conv2d, Linear
from fermatnet.model.nn.logic import LogicJoin
from fermatnet.model.nn.moves import Move
from fermatnet.model.nn.sign import SignIndex, SignWeight
from fermatnet.model.nn.walk import trace

__all__ = ["low_memory"]

_TWINS: dict[type[nn.Module], type[nn.Module]] = {
    BatchNorm: BitNorm,
    SignIndex: BitSign,
    Conv2d: BitConv2d,
    Linear: BitLinear,
    nn.MaxPool2d: BitMaxPool2d,
}


def low_memory(model: nn.Module, *, gradient_bits: int = 32) -> nn.Module:
    """``model``, its layers changed in place to those of `fermatnet.model.nn.bit_layers` where they do the
    same: norms before a sign, signs, convolutions, dense layers and max-pools of bits.

    gradient_bits : of the weights' gradients, 32 or 1 (their signs)

    Raises InputError for other bits, and for a network without one layer of bits.
    """
    if gradient_bits not in (1, 32):
        raise InputError(f"gradient_bits must be 1 or 32, not {gradient_bits!r}")
    if not isinstance(model, nn.Module):
        raise InputError(f"low-memory training is of a torch network, not of {type(model).__name__}")
    graph, bits, modules = trace(model), set[fx.Node](), dict(model.named_modules())
    fits, alone = dict[str, bool](), dict[str, bool]()  # of a layer that is called more than once: everywhere
    for node in graph.nodes:
        name = str(node.target)
        layer = modules.get(name) if node.op == "call_module" else None
        read = all(source in bits for source in node.all_input_nodes)
        if isinstance(layer, SignIndex | LogicJoin) or (read and _moves(node, layer)):
            bits.add(node)
        if layer is not None:
            fits[name] = fits.get(name, True) and _fits(layer, read, node, modules)
        if isinstance(layer, BatchNorm):
            alone[name] = alone.get(name, True) and _alone(node, modules)
    found = [_changed(modules[name], gradient_bits, alone.get(name, False)) for name in fits if fits[name]]
    if all(isinstance(layer, nn.MaxPool2d) for layer in found):
        raise InputError(
            f"{type(model).__name__} has no layer of bits, low-memory training is of the scheme sign: build "
            "it with that scheme"
        )
    return model


def _changed(layer: nn.Module, gradient_bits: int, alone: bool) -> nn.Module:
    """``layer`` as its twin of `fermatnet.model.nn.bit_layers`, in place."""
    layer.__class__ = _TWINS.get(type(layer), type(layer))
    if isinstance(layer, BitNorm):
        layer.in_place = alone
    if isinstance(layer, BitConv2d | BitLinear):
        layer.gradient_bits = gradient_bits
    return layer


def _moves(node: fx.Node, layer: nn.Module | None) -> bool:
    """Whether a step hands bits on as bits."""
    if node.op == "call_module":
        return isinstance(layer, Move | nn.MaxPool2d | nn.Identity | nn.Flatten)
    return node.target in (torch.cat, torch.flatten, "flatten")


def _alone(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether a norm alone reads what a layer with weights has just written."""
    (source,) = node.all_input_nodes
    return isinstance(modules.get(str(source.target)), Conv2d | Linear) and len(source.users) == 1


def _fits(layer: nn.Module, read: bool, node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether a layer has a twin here that computes the same, or is one."""
    if type(layer) in (BatchNorm, BitNorm):
        assert isinstance(layer, BatchNorm)
        readers = [modules.get(str(user.target)) for user in node.users]
        return layer.affine and layer.track_running_stats and all(isinstance(r, SignIndex) for r in readers)
    if isinstance(layer, Conv2d | Linear):
        known = type(layer) in _TWINS or type(layer) in _TWINS.values()
        return read and known and layer.bias is None and type(layer.quantizer) is SignWeight
    return type(layer) in (SignIndex, BitSign) or (type(layer) in (nn.MaxPool2d, BitMaxPool2d) and read)
