"""One name, two networks: the thesis's network in torch, or with a quantization scheme the one that the
hardware holds.

`build("ua-resnet21-8")` is chapter 5's network; `build("ua-resnet21-8", how=scheme("sign"))` has the same
blocks from layers that export. `fermatnet train` gives a scheme, so it trains the second one. ``bits`` is the
width of the pixels with a scheme, and the bits of weights and activations (1) without one.
"""

from collections.abc import Sequence
from typing import Any

from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.scheme import Scheme
from fermatnet.model.zoo import register
from fermatnet.model.zoo.bireal import BLOCKS
from fermatnet.model.zoo.hardware.networks import HardwareNASBNet, HardwareREAFNet, HardwareUAResNet
from fermatnet.model.zoo.nasb.network import (
    NASBNet,
    bireal_genotype,
    cells_of,
    check_variant,
    thesis_genotype,
)
from fermatnet.model.zoo.nasb.space import Genotype, genotype_from_json
from fermatnet.model.zoo.reaf_networks import reaf_resnet
from fermatnet.model.zoo.residual import BLOCKS as STAGES
from fermatnet.model.zoo.residual import BOTTLENECK
from fermatnet.model.zoo.unified import DEPTHS, UAResNet

__all__: list[str] = []

Shape = tuple[int, int, int]


def _shape(shape: Shape | None, input_shape: Shape | None) -> Shape:
    return shape or input_shape or (3, 32, 32)


def _ua(
    depth: int = 37,
    width: int = 41,
    *,
    how: Scheme | None = None,
    classes: int = 10,
    shape: Shape | None = None,
    bits: int | None = None,
    input_shape: Shape | None = None,
    blocks: Sequence[int] | None = None,
    columns: int | None = None,
    residual: bool = True,
    **options: Any,
) -> nn.Module:
    image = _shape(shape, input_shape)
    if how is None:
        precision = 1 if bits is None else bits
        return UAResNet(
            depth,
            width,
            classes=classes,
            input_shape=image,
            blocks=blocks,
            columns=columns,
            residual=residual,
            bits=precision,
            **options,
        )
    if (blocks is None or columns is None) and depth not in DEPTHS:
        raise InputError(
            f"depth of a UA-ResNet must be one of {', '.join(map(str, sorted(DEPTHS)))}, not {depth}"
        )
    known = DEPTHS.get(depth, ((1,), 1))
    return HardwareUAResNet(
        how,
        columns=known[1] if columns is None else columns,
        blocks=known[0] if blocks is None else blocks,
        width=width,
        classes=classes,
        shape=image,
        bits=8 if bits is None else bits,
        residual=residual,
        **options,
    )


def _ablated(
    depth: int = 21,
    width: int = 50,
    *,
    how: Scheme | None = None,
    classes: int = 10,
    shape: Shape | None = None,
    bits: int | None = None,
    input_shape: Shape | None = None,
    **options: Any,
) -> nn.Module:
    return _ua(
        depth,
        width,
        how=how,
        classes=classes,
        shape=shape,
        bits=bits,
        input_shape=input_shape,
        residual=False,
        **options,
    )


def _nasb(
    depth: int = 18,
    width: int = 64,
    *,
    how: Scheme | None = None,
    classes: int = 10,
    shape: Shape | None = None,
    bits: int = 8,
    input_shape: Shape | None = None,
    genotype: Genotype | str = "thesis",
    **options: Any,
) -> nn.Module:
    image = _shape(shape, input_shape)
    if how is None:
        return NASBNet(depth, width, classes=classes, input_shape=image, genotype=genotype, **options)
    if depth not in BLOCKS:
        raise InputError(f"depth of a NASB ResNet must be one of {', '.join(map(str, BLOCKS))}, not {depth}")
    rule = check_variant(options.pop("variant", "nasb"))
    plan = cells_of(BLOCKS[depth], width, rule.steps)
    if genotype in ("bireal", "thesis") and (rule.kept > 1 or rule.kept_last > 1):
        raise InputError(
            f"variant {rule.name} keeps several operations a node: give the genotype of a search"
        )
    if isinstance(genotype, str):
        known = {"bireal": bireal_genotype, "thesis": thesis_genotype}
        genotype = (
            known[genotype](len(plan), len(plan[0]) - 1)
            if genotype in known
            else genotype_from_json(genotype)
        )
    return HardwareNASBNet(
        how,
        genotype,
        width=width,
        blocks=BLOCKS[depth],
        steps=rule.steps,
        branches=rule.branches,
        classes=classes,
        shape=image,
        bits=bits,
        **options,
    )


def _reaf(
    depth: int = 50,
    scheme: str = "4-3-4",
    inner: int = 72,
    middle: int | None = None,
    *,
    how: Scheme | None = None,
    classes: int = 10,
    shape: Shape | None = None,
    bits: int = 8,
    input_shape: Shape | None = None,
    **options: Any,
) -> nn.Module:
    image = _shape(shape, input_shape)
    if how is None:
        return reaf_resnet(depth, scheme, inner, middle, classes=classes, input_shape=image, **options)
    if depth not in STAGES:
        raise InputError(f"depth of a REAF ResNet must be one of {', '.join(map(str, STAGES))}, not {depth}")
    outer = options.pop("outer", 256 if depth in BOTTLENECK else inner)
    stem = options.pop("stem_width", None)
    return HardwareREAFNet(
        how,
        scheme=scheme,
        inner=inner,
        middle=inner if middle is None else middle,
        outer=outer,
        width=min(64, outer) if stem is None else stem,
        bottleneck=depth in BOTTLENECK,
        blocks=STAGES[depth],
        classes=classes,
        shape=image,
        bits=bits,
        **options,
    )


register(
    "ua-resnet37-41",
    _ua,
    "unified architecture: residual fractal blocks (depth, base width)",
    pattern=r"ua-resnet(?P<depth>\d+)-(?P<width>\d+)",
)
register(
    "a-resnet21-50",
    _ablated,
    "UA-ResNet without its shortcuts (ablation of table 5.6)",
    pattern=r"a-resnet(?P<depth>\d+)-(?P<width>\d+)",
)
register(
    "nasb-resnet18",
    _nasb,
    "NASB ResNet; options variant, genotype",
    pattern=r"nasb-resnet(?P<depth>\d+)(?:-(?P<width>\d+))?",
)
register(
    "reaf-resnet50",
    _reaf,
    "ResNet with REAF convolutions; reaf-resnet50-8-4-70-88-70: template 8-4-70, C=88, C'=70",
    pattern=r"reaf-resnet(?P<depth>\d+)(?:-(?P<scheme>\d+-\d+-\d+))?"
    r"(?:-(?P<inner>\d+))?(?:-(?P<middle>\d+))?",
)
