"""Faster R-CNN where torchvision is installed for this torch; without it, the refusal, and the pyramid's
convolutions alone."""

import pytest
import torch
from torch import nn

from fermatnet.model.detect.data.augment import Augmentation
from fermatnet.model.detect.data.batches import BoxBatches
from fermatnet.model.detect.data.coco import read_coco
from fermatnet.model.detect.networks.faster_rcnn import faster_rcnn, group_normed, losses, pyramid_convolution
from fermatnet.model.errors import InputError
from fermatnet.model.zoo import build
from fermatnet.model.zoo.awconv import AWConv2d

from .sets import make_coco

try:
    import torchvision.models.detection as found
except (ImportError, RuntimeError) as error:
    found, why = None, str(error).splitlines()[0]
else:
    why = ""


@pytest.mark.skipif(found is not None, reason="torchvision is installed")
def test_it_is_refused_with_the_remedy():
    with pytest.raises(InputError, match="needs torchvision of the same build as torch"):
        build("aw-fasterrcnn-resnet101-fpn")


def test_the_convolutions_of_the_pyramid():
    x = torch.randn(2, 64, 8, 8)
    for module in ("", "se", "cbam"):
        for kernel in (1, 3):
            plain, aw = (pyramid_convolution(64, 32, kernel, aw, module) for aw in (False, True))
            assert plain(x).shape == aw(x).shape == (2, 32, 8, 8)
            assert sum(isinstance(layer, nn.GroupNorm) for layer in aw.modules()) == 2
    norms = [m for m in group_normed(AWConv2d(256, 256)).modules() if isinstance(m, nn.GroupNorm)]
    assert [(m.num_channels, m.num_channels // m.num_groups) for m in norms] == [(16, 16), (256, 16)]


@pytest.mark.skipif(found is None, reason=f"torchvision cannot be used here: {why}")
@pytest.mark.parametrize("aw, module", [(False, ""), (True, ""), (False, "se"), (True, "cbam")])
def test_it_trains_two_steps(aw, module, tmp_path):
    part = read_coco(make_coco(tmp_path / "c", (3, 0)), "train2017")
    batches = BoxBatches(part, (64, 96), 2, 0, Augmentation())
    model = faster_rcnn(3, (3, 64, 96), aw, module, backbone="resnet18").train()
    rule = torch.optim.SGD(model.parameters(), 1e-3)
    for epoch in range(2):
        for pixels, objects in batches.epoch(epoch):
            rule.zero_grad()
            loss = losses(model, pixels, objects)
            loss.backward()
            rule.step()
            assert torch.isfinite(loss)
    with torch.no_grad():
        rows = model.eval()([torch.rand(3, 64, 96)])
    assert set(rows[0]) == {"boxes", "labels", "scores"}
