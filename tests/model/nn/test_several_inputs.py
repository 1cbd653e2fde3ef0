"""Models with several inputs: converted, trained, exported; every way to compute them gives the same
integers, and what does not fit is refused by name."""

import numpy as np
import pytest
import torch
from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.network import load, run, save
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.integer import integer_logits
from fermatnet.model.nn.samples import Samples
from fermatnet.model.nn.scheme import scheme

SHAPES = {"image": (3, 8, 8), "sensors": (5,)}


class Fused(nn.Module):
    """An image and a vector of readings; ``turned`` is never given."""

    def __init__(self):
        super().__init__()
        self.a, self.norm, self.b = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3)
        self.sensors, self.last = nn.Linear(5, 6), nn.Linear(12, 4)

    def forward(self, image, sensors, turned=False):
        x = torch.relu(self.b(torch.relu(self.norm(self.a(image))))).mean((2, 3))
        y = torch.relu(self.sensors(-sensors if turned else sensors))
        return self.last(torch.cat([x, y], 1))


def samples(count=40):
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (count, 3, 8, 8), generator=generator, dtype=torch.uint8)
    readings = torch.randint(-2048, 2048, (count, 5), generator=generator, dtype=torch.int16)
    return {"image": image, "sensors": readings}


@pytest.mark.parametrize("how", ["int8", "pa"])
def test_two_inputs(how, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    given, bits = samples(), {"image": 8, "sensors": 12}
    made, report = convert(Fused(), scheme(how), SHAPES, bits=bits, images=given)
    assert report.compared and "argument 'turned'" in {line.name for line in report}
    optimizer = torch.optim.SGD(made.parameters(), 1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        made.train()(**given).square().mean().backward()
        optimizer.step()
    net = export(made.eval(), SHAPES)
    assert [(one.name, one.dims, one.lo, one.hi) for one in net.inputs] == [
        ("image", (3, 8, 8), 0, 255),
        ("sensors", (5,), -2048, 2047),
    ]
    assert "equal, integer for integer" in net.meta["compared"]
    save(net, tmp_path / "net.onnx")
    arrays = {name: x.numpy() for name, x in given.items()}
    wanted = run(load(tmp_path / "net.onnx"), arrays)
    np.testing.assert_array_equal(integer_logits(made, Samples(given)).numpy(), wanted)
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    fed = {one.name: arrays[one.name].reshape(-1, *one.shape) for one in net.inputs}
    (found,) = session.run(None, fed)
    np.testing.assert_array_equal(found.reshape(len(found), -1), wanted)


def test_the_normalisation_of_each_input_moves_into_its_first_layer():
    torch.manual_seed(0)
    model, normal = Fused().eval(), {"mean": {"image": [0.4, 0.5, 0.6]}, "std": {"image": [0.2, 0.3, 0.25]}}
    given = {name: x[:6] for name, x in samples().items()}
    told = {"bits": {"image": 8, "sensors": 12}, "signed": {"image": False, "sensors": True}}
    made, _ = convert(model, scheme("float"), SHAPES, **normal, **told)
    mean, std = (torch.tensor(normal[key]["image"]).view(1, 3, 1, 1) for key in ("mean", "std"))
    want = model((given["image"] / 255 - mean) / std, given["sensors"] / 4096)
    torch.testing.assert_close(made.eval()(**given).float(), want, rtol=1e-4, atol=1e-5)


REFUSED = [
    ((3, 8, 8), {}, r"takes 2 inputs \(image, sensors\), and no shape of 'sensors' is given"),
    ({"image": (3, 8, 8)}, {}, "no shape of 'sensors' is given"),
    ({**SHAPES, "more": (1,)}, {}, "shape names the input 'more', but forward takes image, sensors, turned"),
    ({}, {}, "shape names no input"),
    (SHAPES, {"images": torch.zeros(2, 3, 8, 8)}, "images of 2 inputs must be a dict"),
    (SHAPES, {"images": {"image": samples()["image"]}}, "'sensors' has none"),
    (SHAPES, {"images": {**samples(), "sensors": samples(7)["sensors"]}}, "as many of one as of another"),
    (SHAPES, {"bits": {"depth": 8}}, "bits names the input 'depth', shape has image, sensors"),
    (SHAPES, {"bits": {"sensors": 17}}, "input 'sensors': bits must be"),
    (SHAPES, {"mean": [0.5]}, "mean of 2 inputs must be a dict"),
]


@pytest.mark.parametrize(("shape", "options", "words"), REFUSED)
def test_what_does_not_fit_is_refused(shape, options, words):
    with pytest.raises(InputError, match=words) as caught:
        convert(Fused(), scheme("int8"), shape, **options)
    assert "\n" not in str(caught.value)


def test_export_wants_every_input():
    made, _ = convert(Fused(), scheme("int8"), SHAPES, images=samples())
    with pytest.raises(InputError, match="no shape of 'sensors' is given"):
        export(made, {"image": (3, 8, 8)})
