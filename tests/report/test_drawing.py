"""The drawing of a network: a box a layer, a wire an edge, branches in columns of their own."""

import xml.etree.ElementTree as ET

from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.model.network.summary import summary
from fermatnet.report.drawing import draw

SVG = "{http://www.w3.org/2000/svg}"


def drawn(net):
    return ET.fromstring(draw(summary(net), "a <b> & c"))


def test_a_box_a_layer_and_a_wire_an_edge():
    net = pa_resnet((1, 4, 4), (2, 4), (1, 1), seed=3, classes=4)
    svg = drawn(net)
    titles = [text.text for text in svg.iter(f"{SVG}text") if text.get("font-weight")]
    assert len(titles) == len(net.nodes) + 1  # and the image
    assert [title.split(":")[0] for title in titles[1:]] == [node.name for node in net.nodes]
    wires = [path for path in svg.iter(f"{SVG}path") if path.get("marker-end")]
    assert len(wires) == sum(len(node.inputs) for node in net.nodes)
    assert svg.get("aria-label") == "drawing of a <b> & c"


def test_boxes_do_not_overlap_and_lie_inside():
    svg = drawn(pa_resnet((1, 4, 4), (2, 4), (1, 1), seed=3, classes=4))
    boxes = [box for box in svg.iter(f"{SVG}rect") if box.get("fill") == "#fff"]
    spots = [tuple(float(box.get(side)) for side in ("x", "y", "width", "height")) for box in boxes]
    for at, (x, y, width, height) in enumerate(spots):
        assert x + width <= float(svg.get("width")) and y + height <= float(svg.get("height"))
        for other_x, other_y, *_ in spots[:at]:
            assert abs(x - other_x) >= width or abs(y - other_y) >= height
    assert len({x for x, *_ in spots}) > 1  # the residual branch
