"""The networks of chapter 7 by name: SE-, CBAM- and AW- ResNets, all their joins, and the MobileNet of table
7.2."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.zoo import register
from fermatnet.model.zoo.attention import CBAM, SqueezeExcitation
from fermatnet.model.zoo.awconv import aw_convolution
from fermatnet.model.zoo.residual import BOTTLENECK, ConvFactory, ResidualNetwork, plain_convolution
from fermatnet.model.zoo.stem import SMALL_IMAGE, Classifier, check_input

__all__ = ["MobileNet", "attention_resnet"]


def _attention(kind: str | None, form: str, reduction: int) -> Callable[[int], nn.Module] | None:
    if kind is None:
        return None
    return (
        partial(SqueezeExcitation, reduction=reduction)
        if kind == "se"
        else partial(CBAM, reduction=reduction, form=form)
    )


def attention_resnet(
    depth: int = 50,
    width: int = 64,
    *,
    aw: bool = False,
    module: str | None = None,
    form: str = "full",
    reduction: int = 16,
    stages: Sequence[int] = (2, 3, 4, 5),
    expand_in: int | str | None = None,
    expand_out: int | str = 1,
    expand_kernel: bool = False,
    aw_reduction: int = 16,
    residual: bool = True,
    **options: Any,
) -> ResidualNetwork:
    """A ResNet with SE or CBAM at the end of each block (``module``) and AW in its last 3x3 convolution
    (``aw``).

    The options of the AW-convolution are those of table 7.1: expand_in = r_C1 and expand_out = r_C2, each a
    number or "half" (C/2); stages which have it; residual False for AK = A*K.
    """
    if module not in (None, "se", "cbam"):
        raise InputError(f"module must be se or cbam, not {module!r}")
    if not set(stages) <= {2, 3, 4, 5}:
        raise InputError(f"stages must be among 2, 3, 4, 5, not {tuple(stages)}")
    widths = {width << stage for stage in range(4) if stage + 2 in stages}

    def attended(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Module:
        if channels_out not in widths:
            return plain_convolution(channels_in, channels_out, kernel, stride)
        return aw_convolution(
            channels_in,
            channels_out,
            kernel,
            stride,
            reduction=aw_reduction,
            residual=residual,
            expand_kernel=expand_kernel,
            expand_in=max(1, channels_in // 2) if expand_in == "half" else expand_in,
            expand_out=max(1, channels_out // 2) if expand_out == "half" else expand_out,
        )

    spatial: ConvFactory = attended if aw else plain_convolution
    return ResidualNetwork(
        depth,
        inner=width,
        outer=width * (4 if depth in BOTTLENECK else 1),
        spatial=spatial,
        first=plain_convolution,
        attention=_attention(module, form, reduction),
        **options,
    )


SEPARABLE = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""Of MobileNet: output channels and stride of each depthwise separable convolution."""


class MobileNet(nn.Module):
    """MobileNet with attention (table 7.2): SE or CBAM after every depthwise and every pointwise convolution,
    AW in the pointwise ones. (The thesis writes "every two" separable convolutions; its 0.45 M are those of
    all thirteen.)
    """

    convention = "plain"

    def __init__(
        self,
        width: float = 1.0,
        *,
        classes: int = 10,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        aw: bool = False,
        module: str | None = None,
        form: str = "spatial",
        reduction: int = 16,
    ) -> None:
        super().__init__()
        if width <= 0:
            raise InputError(f"width multiplier must be positive, not {width}")
        shape = check_input(input_shape, classes)
        small = min(shape[1:]) <= SMALL_IMAGE
        make = _attention(module, form, reduction)
        channels = max(8, int(32 * width))
        layers: list[nn.Module] = [
            nn.Conv2d(shape[0], channels, 3, stride=1 if small else 2, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        ]
        for index, (base, stride) in enumerate(SEPARABLE):
            out = max(8, int(base * width))
            depthwise = nn.Conv2d(
                channels,
                channels,
                3,
                stride=1 if small and index == 1 else stride,
                padding=1,
                groups=channels,
                bias=False,
            )
            pointwise = (aw_convolution if aw else plain_convolution)(channels, out, 1)
            for conv, size in ((depthwise, channels), (pointwise, out)):
                layers += [conv, nn.BatchNorm2d(size), nn.ReLU()]
                if make is not None:
                    layers.append(make(size))
            channels = out
        self.features = nn.Sequential(*layers)
        self.classifier = Classifier(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


for _prefix, _options, _help in (
    ("se", {"module": "se"}, "squeeze-and-excitation"),
    ("cbam", {"module": "cbam"}, "CBAM; option form = full, maxpool, spatial"),
    ("aw", {"aw": True}, "AW-convolutions"),
    ("aw-se", {"aw": True, "module": "se"}, "AW-convolutions and squeeze-and-excitation"),
    ("aw-cbam", {"aw": True, "module": "cbam"}, "AW-convolutions and CBAM"),
):
    register(
        f"{_prefix}-resnet50",
        partial(attention_resnet, **_options),
        f"ResNet with {_help}",
        pattern=rf"{_prefix}-resnet(?P<depth>\d+)(?:-(?P<width>\d+))?",
    )
    register(f"{_prefix}-mobilenet", partial(MobileNet, **_options), f"MobileNet with {_help}")
