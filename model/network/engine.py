"""Which engine computes an integer convolution, and with what: one decision for reference, report and generator."""

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.plan import Plan, choose
from fermatnet.model.network.graph import Network
from fermatnet.model.network.nodes import Conv

__all__ = ["conv_plan"]

_FERMAT_FROM = 5  # kernels below this cost the transform engine more than they save


def conv_plan(net: Network, node: Conv) -> Plan | None:
    """The Fermat plan of an integer convolution, or None where a direct engine computes it.

    ``engine="auto"`` takes the transform for kernels of 5 x 5 and larger and no dilation. Raises InputError naming the layer
    when a forced modulus is too small for the bound of its weights (with the modulus that would do).
    """
    kernel = node.weight.shape[2:]
    auto = min(kernel) >= _FERMAT_FROM and node.dilation == (1, 1) and node.group == 1
    if node.engine == "direct" or (node.engine == "auto" and not auto):
        return None
    x = net.types[node.inputs[0]]
    try:
        return choose(node.weight, x.lo, x.hi, stride=node.stride, pad=node.pad, dilation=node.dilation, group=node.group,
                      height=x.shape[1], width=x.shape[2], moduli=node.moduli, length=node.length)
    except InputError as error:
        raise InputError(f"layer {node.name!r}: {error}") from error
