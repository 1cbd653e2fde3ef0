"""The two comparisons behind a conversion, each seen to fail: an argument that the table lets pass, a file
that is not the model's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.exchange.exporter import Exporter
from fermatnet.model.network import run
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.operators import calls, row_of
from fermatnet.model.nn.operators.rules import anything
from fermatnet.model.nn.scheme import scheme

SHAPE = (1, 8, 8)
IMAGES = torch.randint(0, 256, (8, *SHAPE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


class Skip(nn.Module):
    def __init__(self, alpha=1.0):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.last = nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 1), nn.Linear(256, 3)
        self.alpha = alpha

    def forward(self, x):
        x = self.a(x).relu()
        return self.last(torch.add(x, self.b(x).relu(), alpha=self.alpha).flatten(1))


def _unseen(monkeypatch, name, argument):
    """The table as if it did not look at an argument."""
    rows = {
        target: replace(row, arguments={**row.arguments, argument: anything}) if row.name == name else row
        for target, row in calls._BY_TARGET.items()
    }
    monkeypatch.setattr(calls, "_BY_TARGET", rows)


def test_a_dropped_argument_is_found_by_the_comparison(monkeypatch):
    with pytest.raises(InputError, match="alpha=2 is not understood"):
        convert(Skip(2), scheme("int8"), SHAPE)
    _unseen(monkeypatch, "add", "alpha")
    assert row_of is not None
    for images in (IMAGES, None):
        with pytest.raises(
            InputError, match=r"step 'add': twin: the twin would compute another function \(outputs apart by"
        ):
            convert(Skip(2), scheme("int8"), SHAPE, images=images)
    convert(Skip(1), scheme("int8"), SHAPE)


class InPlace(Skip):
    def forward(self, x):
        y = self.a(x)
        z = y.relu_()
        return self.last((y + z).flatten(1))


class ReadAgain(Skip):
    def forward(self, x):
        y = self.a(x)
        return self.last((torch.relu_(y) + y).flatten(1))


@pytest.mark.parametrize("kind", [InPlace, ReadAgain])
def test_tensors_changed_in_place_and_read_again(kind):
    with pytest.raises(InputError, match=r"another function .* without changing tensors in place"):
        convert(kind(), scheme("int8"), SHAPE)


def test_the_report_and_the_file_say_what_was_compared():
    model, report = convert(Skip(), scheme("int8"), SHAPE, images=IMAGES)
    assert report.compared == [report.compared[0]] and "on 10 images: within" in report.compared[0]
    net = export(model, SHAPE)
    assert (
        net.meta["compared"]
        == "the network with the model in evaluation on 10 images: equal, integer for integer"
    )
    assert "compared" not in export(model, SHAPE, check=False).meta


def test_a_file_that_differs_in_one_weight_is_refused(monkeypatch):
    model, _ = convert(Skip(), scheme("int8"), SHAPE, images=IMAGES)
    dense = Exporter.linear

    def off_by_one(self, name, module, x):
        made = dense(self, name, module, x)
        self.nodes[-1].weight.flat[0] += 1
        return made

    monkeypatch.setattr(Exporter, "linear", off_by_one)
    with pytest.raises(InputError, match="the exported network differs from the model in evaluation on"):
        export(model, SHAPE)


def test_bits_are_remembered_and_ranges_checked():
    small = IMAGES >> 4
    model, _ = convert(Skip(), scheme("int8"), SHAPE, images=small, bits=4)
    net = export(model, SHAPE)
    assert net.input_range == (0, 15)
    with torch.no_grad():
        np.testing.assert_array_equal(
            run(net, small.numpy()) * float(net.meta["output_scale"]), model(small).double().numpy()
        )
    for value_range, words in (
        ((0, 255), "converted for pixels of 4 bits"),
        ((-1, 15), "pixels of 4 bits, 0..15"),
        ((3, 1), "lowest, highest"),
        ((0, 4095), "pixels of 4 bits, 0..15"),
        ((0.0, 15.0), "whole numbers"),
        ("0..15", "lowest, highest"),
    ):
        with pytest.raises(InputError, match=words):
            export(model, SHAPE, value_range)
    assert export(model, SHAPE, (0, 9)).input_range == (0, 9)


def test_export_before_any_data():
    model, _ = convert(Skip(), scheme("int8"), SHAPE)
    with pytest.raises(InputError, match="has no step yet: give convert some images="):
        export(model, SHAPE)
    with pytest.raises(InputError, match="the hardware has no Conv2d; convert the model first"):
        export(Skip(), SHAPE)


def test_the_normalisation_moves_into_the_first_layer():
    torch.manual_seed(0)
    mine = nn.Sequential(
        nn.MaxPool2d(2), nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)
    ).eval()
    twin, report = convert(mine, scheme("float"), SHAPE, mean=np.array([0.4]), std=torch.tensor([0.3]))
    with torch.no_grad():
        want = mine((IMAGES / 255 - 0.4) / 0.3)
        assert torch.allclose(twin.eval()(IMAGES).float(), want, atol=1e-4, rtol=1e-4)
    assert not any("black" in line.now for line in report)
    _, report = convert(
        nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), *mine[2:4], nn.Linear(256, 3)),
        scheme("int8"),
        SHAPE,
        mean=[0.4],
    )
    assert any(line.now == "padding with black" for line in report)
