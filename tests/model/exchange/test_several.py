"""Quantized ONNX files with several inputs and outputs, as onnxruntime's quantizer writes them."""

import logging

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper

pytest.importorskip("onnxruntime", reason="the judge, and the quantizer that writes the files")

from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from fermatnet.bench.exchange.quantized_files import _Net
from fermatnet.cli.import_file import command
from fermatnet.hw.compiler.generate import generate
from fermatnet.model.errors import InputError
from fermatnet.model.exchange import integers, onnx_quantized
from fermatnet.model.network import load, run
from fermatnet.sim.several import simulate_several

SHAPES = {"left": (2, 6, 6), "right": (3, 6, 6)}


class Samples(CalibrationDataReader):
    def __init__(self):
        rng = np.random.default_rng(1)
        draws = [{name: rng.normal(0, 1, (1, *shape)) for name, shape in SHAPES.items()} for _ in range(12)]
        self.rest = iter([{name: x.astype(np.float32) for name, x in draw.items()} for draw in draws])

    def get_next(self):
        return next(self.rest, None)


def written(path, form="QDQ"):
    """Two images in; a map, and classes of the map's mean, out."""
    n = _Net(0)
    both = n.op("Add", n.conv("left", 4, 2, 3, 3, pad=1), n.conv("right", 4, 3, 1, 1))
    common = n.op("Relu", n.conv(n.op("Relu", both), 4, 4, 3, 3, pad=1))
    out = n.conv(common, 2, 4, 1, 1)
    classes = n.gemm(n.op("Flatten", n.op("GlobalAveragePool", common)), 5, 4)
    classes = n.op("Softmax", classes)
    names = {out: "map", classes: "classes"}
    for node in n.nodes:
        for part in (node.input, node.output):
            part[:] = [names.get(name, name) for name in part]
    constants = [onnx.numpy_helper.from_array(value, name) for name, value in n.constants.items()]
    inputs = [helper.make_tensor_value_info(k, TensorProto.FLOAT, ["n", *s]) for k, s in SHAPES.items()]
    outputs = [helper.make_tensor_value_info(k, TensorProto.FLOAT, None) for k in ("map", "classes")]
    graph = helper.make_graph(n.nodes, "two", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        quantize_static(
            path,
            path,
            Samples(),
            quant_format=QuantFormat[form],
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    finally:
        logging.disable(before)
    return path


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_equal_to_onnxruntime(tmp_path, form):
    reading = onnx_quantized.read(written(tmp_path / "m.onnx", form))
    net = reading.network
    assert [one.name for one in net.inputs] == ["left", "right"] and net.outputs == ("map", "classes")
    assert onnx_quantized.compared(reading, 40).endswith(f"all {40 * (72 + 5)} outputs equal")
    assert "Softmax" in net.meta["taken_off"]
    for key in ("input_scale", "input_scale.right", "output_scale", "output_scale.classes"):
        assert float(net.meta[key]) > 0
    assert net.meta["source_input"].startswith("left") and net.meta["source_input.right"].startswith("right")


def test_the_command_writes_both_by_name(tmp_path):
    written(tmp_path / "m.onnx")
    result = CliRunner().invoke(
        command, [str(tmp_path / "m.onnx"), "--out", str(tmp_path / "net.onnx"), "--compare", "8"]
    )
    assert result.exit_code == 0, result.output
    assert (
        "inputs 'left' uint8 2x6x6, 'right' uint8 3x6x6; outputs 'map' of 72, 'classes' of 5" in result.output
    )
    net = load(tmp_path / "net.onnx")
    samples = integers.samples_of(net, 3)
    reading = onnx_quantized.read(tmp_path / "m.onnx")
    assert {name: value.shape for name, value in run(net, samples).items()} == {
        "map": (3, 72),
        "classes": (3, 5),
    }
    np.testing.assert_array_equal(integers.results_of(net, samples), onnx_quantized.outputs(reading, samples))


def test_in_rtl(tmp_path):
    reading = onnx_quantized.read(written(tmp_path / "m.onnx"))
    generate(reading.network, tmp_path / "design", cycles=3000)
    samples = integers.samples_of(reading.network, 3, seed=2)
    made = simulate_several(tmp_path / "design", samples, stalls=3, simulator="icarus").outputs
    got = np.concatenate([made["map"], made["classes"]], axis=1)
    np.testing.assert_array_equal(got, onnx_quantized.outputs(reading, samples))


def test_a_swapped_input_is_seen(tmp_path):
    """The comparison of several inputs can fail."""
    reading = onnx_quantized.read(written(tmp_path / "m.onnx"))
    conv = next(node for node in reading.network.nodes if "right" in node.inputs)
    conv.weight = np.roll(conv.weight, 1, axis=1)
    with pytest.raises(InputError, match="the network differs from onnxruntime"):
        onnx_quantized.compared(reading, 10)


def test_outputs_that_are_one_tensor_are_refused(tmp_path):
    model = onnx.load(written(tmp_path / "m.onnx"))
    second = helper.make_node("Identity", ["map"], ["again"])
    model.graph.node.append(second)
    model.graph.output.append(helper.make_tensor_value_info("again", TensorProto.FLOAT, None))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(InputError, match="'again'"):
        onnx_quantized.read(tmp_path / "m.onnx")


def test_an_input_that_nothing_reads_is_refused(tmp_path):
    model = onnx.load(written(tmp_path / "m.onnx"))
    model.graph.input.append(helper.make_tensor_value_info("idle", TensorProto.FLOAT, ["n", 3]))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(InputError, match="its input 'idle' is quantized by no QuantizeLinear"):
        onnx_quantized.read(tmp_path / "m.onnx")
