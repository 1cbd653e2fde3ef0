"""The names of the architectures, without building or importing one: a misspelt name is answered at once.

A test holds this table against what the modules of the package register.
"""

import difflib
import re
from dataclasses import dataclass

from fermatnet.model.errors import InputError

__all__ = ["NAMES", "ONE_BIT", "OWN_FORMS", "Name", "check", "check_detector", "check_scheme", "form"]


@dataclass(frozen=True)
class Name:
    """One line of ``help``, the ``pattern`` of a family's names, and what there is to train.

    form: "scheme", layers from a quantization scheme; "binary", the thesis's one-bit network, pretrained with
    real weights; "real", full precision only; "detector", trained by ``fermatnet detect train``
    unless it is a Faster R-CNN.
    """

    help: str
    pattern: str | None = None
    form: str = "real"


OWN_FORMS = re.compile(r"(ua|a|nasb|reaf)-resnet")
"""Names that with a scheme are built for the hardware and with "thesis" as the thesis has them."""

ONE_BIT = re.compile(r"boolnet|pokebnn")
"""Names whose layers take activations of one bit only: the scheme sign, or float."""

NAMES = {
    "a-densenet51-48": Name(
        "UA-DenseNet without its residuals (ablation of table 5.6)",
        r"a-densenet(?P<depth>\d+)-(?P<growth>\d+)",
        form="binary",
    ),
    "a-resnet21-50": Name(
        "UA-ResNet without its shortcuts (ablation of table 5.6)",
        r"a-resnet(?P<depth>\d+)-(?P<width>\d+)",
        form="scheme",
    ),
    "aa-wideresnet28-10": Name(
        "attention-augmented Wide-ResNet",
        r"aa-wideresnet(?P<depth>\d+)-(?P<widen>\d+)",
    ),
    "aw-aa-wideresnet-0": Name(
        "attention-augmented Wide-ResNet joined with AW-convolutions (0 to 3)",
        r"aw-aa-wideresnet-(?P<join>\d)",
    ),
    "aw-cbam-fasterrcnn-resnet101-fpn": Name(
        "Faster R-CNN on ResNet101-FPN, needs torchvision, AW-convolutions in and CBAM before its pyramid",
        form="detector",
    ),
    "aw-cbam-mobilenet": Name("MobileNet with AW-convolutions and CBAM"),
    "aw-cbam-resnet50": Name(
        "ResNet with AW-convolutions and CBAM",
        r"aw-cbam-resnet(?P<depth>\d+)(?:-(?P<width>\d+))?",
    ),
    "aw-cbam-ssd300-vgg16": Name(
        "SSD300 on VGG16, AW-convolutions in and CBAM before its heads", form="detector"
    ),
    "aw-cbam-ssdlite300-mobilenet": Name(
        "SSDLite300 on MobileNet, AW-convolutions in and CBAM before its heads", form="detector"
    ),
    "aw-fasterrcnn-resnet101-fpn": Name(
        "Faster R-CNN on ResNet101-FPN, needs torchvision, AW-convolutions in its pyramid", form="detector"
    ),
    "aw-mobilenet": Name("MobileNet with AW-convolutions"),
    "aw-resnet50": Name("ResNet with AW-convolutions", r"aw-resnet(?P<depth>\d+)(?:-(?P<width>\d+))?"),
    "aw-se-fasterrcnn-resnet101-fpn": Name(
        "Faster R-CNN on ResNet101-FPN, needs torchvision, AW-convolutions in and SE before its pyramid",
        form="detector",
    ),
    "aw-se-mobilenet": Name("MobileNet with AW-convolutions and squeeze-and-excitation"),
    "aw-se-resnet50": Name(
        "ResNet with AW-convolutions and squeeze-and-excitation",
        r"aw-se-resnet(?P<depth>\d+)(?:-(?P<width>\d+))?",
    ),
    "aw-se-ssd300-vgg16": Name(
        "SSD300 on VGG16, AW-convolutions in and SE before its heads", form="detector"
    ),
    "aw-se-ssdlite300-mobilenet": Name(
        "SSDLite300 on MobileNet, AW-convolutions in and SE before its heads", form="detector"
    ),
    "aw-ssd300-vgg16": Name("SSD300 on VGG16, AW-convolutions in its heads", form="detector"),
    "aw-ssdlite-small": Name(
        "small SSDLite-like detector, 3x3 convolutions to a step of 32 pixels, AW-convolutions in its heads",
        form="detector",
    ),
    "aw-ssdlite300-mobilenet": Name("SSDLite300 on MobileNet, AW-convolutions in its heads", form="detector"),
    "binary-resnet18": Name(
        "ResNet binarized as it is, shortcuts around blocks only (table 5.1)",
        r"binary-resnet(?P<depth>\d+)(?:-(?P<width>\d+))?",
        form="binary",
    ),
    "binarydensenet51-32": Name(
        "binary dense network (depth, growth)",
        r"binarydensenet(?P<depth>\d+)-(?P<growth>\d+)",
        form="binary",
    ),
    "bireal-resnet18": Name(
        "Bi-Real ResNet: a shortcut around every binary convolution",
        r"bireal-resnet(?P<depth>\d+)(?:-(?P<width>\d+))?",
        form="binary",
    ),
    "boolnet": Name(
        "BoolNet, 1-bit shortcuts joined by logic, for 28x28 or 32x32 images; options joins, split",
        form="scheme",
    ),
    "cbam-fasterrcnn-resnet101-fpn": Name(
        "Faster R-CNN on ResNet101-FPN, needs torchvision, CBAM before its pyramid", form="detector"
    ),
    "cbam-mobilenet": Name("MobileNet with CBAM; option form = full, maxpool, spatial"),
    "cbam-resnet50": Name(
        "ResNet with CBAM; option form = full, maxpool, spatial",
        r"cbam-resnet(?P<depth>\d+)(?:-(?P<width>\d+))?",
    ),
    "cbam-ssd300-vgg16": Name("SSD300 on VGG16, CBAM before its heads", form="detector"),
    "cbam-ssdlite300-mobilenet": Name("SSDLite300 on MobileNet, CBAM before its heads", form="detector"),
    "cnv": Name("six 3x3 convolutions and three dense layers for CIFAR-10 (CNV)", form="scheme"),
    "densenet121": Name("DenseNet121; full precision unless `how` says otherwise", form="scheme"),
    "digits": Name(
        "INT8 stem, piecewise convolutions with one residual block; 8x8 digits (the demonstration)",
        form="scheme",
    ),
    "enhanced-binarydensenet51-32": Name(
        "BinaryDenseNet with twice the layers at half the growth (table 5.1)",
        r"enhanced-binarydensenet(?P<depth>\d+)-(?P<growth>\d+)",
        form="binary",
    ),
    "enhanced-bireal-resnet18": Name(
        "Bi-Real ResNet with block shortcuts as well (table 5.1)",
        r"enhanced-bireal-resnet(?P<depth>\d+)(?:-(?P<width>\d+))?",
        form="binary",
    ),
    "fasterrcnn-resnet101-fpn": Name("Faster R-CNN on ResNet101-FPN, needs torchvision", form="detector"),
    "lfc": Name("fully connected 1024-1024-1024 for MNIST (LFC)", form="scheme"),
    "mobilenetv1": Name("MobileNet v1; full precision unless `how` says otherwise", form="scheme"),
    "mobilenetv2": Name("MobileNetV2; option layout = standard, cifar100 (table 6.7)"),
    "nasb-resnet18": Name(
        "NASB ResNet; options variant, genotype",
        r"nasb-resnet(?P<depth>\d+)(?:-(?P<width>\d+))?",
        form="scheme",
    ),
    "pa-densenet121": Name("DenseNet121; piecewise-approximated, M = 4, N = 5", form="scheme"),
    "pa-mobilenetv1": Name("MobileNet v1; piecewise-approximated, M = 4, N = 5", form="scheme"),
    "pa-resnet18": Name(
        "ResNet 18, 34, 50 of chapter 3; piecewise-approximated, M = 4, N = 5",
        r"pa-resnet(?P<depth>\d+)",
        form="scheme",
    ),
    "plain-resnet50": Name(
        "full-precision ResNet, the baseline of chapters 6 and 7",
        r"plain-resnet(?P<depth>\d+)(?:-(?P<width>\d+))?",
    ),
    "pokebnn": Name("PokeBNN's binary blocks with residuals, DPReLU and 4-bit gates, small", form="scheme"),
    "reaf-resnet50": Name(
        "ResNet with REAF convolutions; reaf-resnet50-8-4-70-88-70: template 8-4-70, C=88, C'=70",
        r"reaf-resnet(?P<depth>\d+)(?:-(?P<scheme>\d+-\d+-\d+))?(?:-(?P<inner>\d+))?(?:-(?P<middle>\d+))?",
        form="scheme",
    ),
    "reafplus-mobilenetv2": Name("MobileNetV2 with REAF+ on the projections"),
    "reafplus-resnext50": Name(
        "ResNeXt with REAF+ on the last 1x1 of a block",
        r"reafplus-resnext(?P<depth>\d+)",
    ),
    "resnet18": Name(
        "ResNet 18, 34, 50 of chapter 3; full precision unless `how` says otherwise",
        r"resnet(?P<depth>\d+)",
        form="scheme",
    ),
    "resnet8": Name(
        "the convolutions of MLPerf Tiny's ResNet8, pre-activation, for 32x32 images",
        form="scheme",
    ),
    "resnext50": Name("ResNeXt 32x4d; options groups, inner", r"resnext(?P<depth>\d+)"),
    "se-fasterrcnn-resnet101-fpn": Name(
        "Faster R-CNN on ResNet101-FPN, needs torchvision, SE before its pyramid", form="detector"
    ),
    "se-mobilenet": Name("MobileNet with squeeze-and-excitation"),
    "se-resnet50": Name("ResNet with squeeze-and-excitation", r"se-resnet(?P<depth>\d+)(?:-(?P<width>\d+))?"),
    "se-ssd300-vgg16": Name("SSD300 on VGG16, SE before its heads", form="detector"),
    "se-ssdlite300-mobilenet": Name("SSDLite300 on MobileNet, SE before its heads", form="detector"),
    "sfc": Name("fully connected 256-256-256 for MNIST (SFC)", form="scheme"),
    "small-resnet": Name(
        "pre-activation residual network 16-32-64 of 77k weights for 28x28 or 32x32 images",
        form="scheme",
    ),
    "ssd300-resnet50": Name(
        "SSD300 on ResNet50; full precision unless a scheme says otherwise", form="detector"
    ),
    "ssd300-vgg16": Name("SSD300 on VGG16", form="detector"),
    "ssdlite-small": Name(
        "small SSDLite-like detector, 3x3 convolutions to a step of 32 pixels", form="detector"
    ),
    "ssdlite300-mobilenet": Name("SSDLite300 on MobileNet", form="detector"),
    "tfc": Name("fully connected 64-64-64 for MNIST (TFC)", form="scheme"),
    "ua-densenet51-53": Name(
        "unified architecture: dense, fractal and residual (depth, growth)",
        r"ua-densenet(?P<depth>\d+)-(?P<growth>\d+)",
        form="binary",
    ),
    "ua-resnet37-41": Name(
        "unified architecture: residual fractal blocks (depth, base width)",
        r"ua-resnet(?P<depth>\d+)-(?P<width>\d+)",
        form="scheme",
    ),
}


def _found(name: str) -> Name | None:
    return NAMES.get(name) or next(
        (item for item in NAMES.values() if item.pattern and re.fullmatch(item.pattern, name)), None
    )


def form(name: str) -> str:
    """ "scheme", "binary", "detector" or "real" (`Name.form`); "real" for a name that is not in the table."""
    item = _found(name)
    return "real" if item is None else item.form


def check(name: str) -> None:
    """InputError that lists near names unless ``name`` is an architecture."""
    if _found(name) is None:
        near = difflib.get_close_matches(name, NAMES, 3, 0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(NAMES)}"
        raise InputError(f"no architecture is called {name!r}; {hint}")


def check_detector(name: str) -> None:
    """InputError unless ``fermatnet detect train`` can train ``name``."""
    check(name)
    if form(name) != "detector":
        raise InputError(f"{name} is no detector: train it with fermatnet train")
    if "fasterrcnn" in name:
        raise InputError(
            f"{name} is not trained by fermatnet, only single-shot detectors are: take an ssd300 or "
            "ssdlite300 one, or train fermatnet.model.detect.networks.faster_rcnn in a loop of your own"
        )


def check_scheme(name: str, scheme: str) -> None:
    """InputError unless ``fermatnet train`` can train ``name`` with a scheme of that name."""
    check(name)
    kind = form(name)
    if kind == "detector":
        check_detector(name)
        raise InputError(f"{name} is a detector: train it with fermatnet detect train")
    if kind == "real" and scheme != "float":
        raise InputError(
            f"{name} is trained in full precision, its layers take no scheme {scheme}: leave --scheme out"
        )
    if kind == "binary" and scheme not in ("float", "thesis"):
        raise InputError(
            f"{name} has one-bit layers of its own, not those of scheme {scheme}: leave --scheme out, or "
            "take --scheme float"
        )
    if ONE_BIT.match(name) and scheme not in ("sign", "float"):
        raise InputError(
            f"{name} has activations of one bit, not those of scheme {scheme}: take --scheme sign"
        )
    if kind == "scheme" and scheme == "thesis" and not OWN_FORMS.match(name):
        raise InputError(
            f"{name} has no form of its own beside its schemes: take pa, int8, float or another scheme"
        )
