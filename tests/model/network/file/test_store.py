"""The network file against onnxruntime, and against damage."""

import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, load, run, save
from fermatnet.model.network.file.model import structure_digest, to_model, weights_digest
from fermatnet.model.network.nodes import Affine, Concat, Conv, Threshold
from tests.model.network.samples import digits_like, everything


def oracle(model: onnx.ModelProto | str, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model if isinstance(model, str) else model.SerializeToString())
    return session.run(None, {session.get_inputs()[0].name: images})[0].reshape(len(images), -1)


def images(net: Network, n: int = 5, seed: int = 1) -> np.ndarray:
    lo, hi = net.input_range
    return np.random.default_rng(seed).integers(lo, hi + 1, (n, *net.input_shape)).astype(np.uint8)


@pytest.mark.parametrize("build", [digits_like, everything])
@pytest.mark.parametrize("seed", [0, 1])
def test_reference_equals_onnxruntime(build, seed, tmp_path):
    net = build(seed)
    x = images(net)
    save(net, tmp_path / "net.onnx")
    expected = oracle(str(tmp_path / "net.onnx"), x)
    again = load(tmp_path / "net.onnx")
    assert np.array_equal(run(net, x), expected)
    assert np.array_equal(run(again, x, batch=2), expected)
    if build is digits_like:
        assert len(np.unique(expected)) > 20
    onnx.checker.check_model(onnx.load(tmp_path / "net.onnx"))


def test_extreme_operands_are_exact_in_onnxruntime():
    """Mixed-sign 8-bit kernels saturate on some machines; ours must not."""
    weight = np.full((2, 16, 3, 3), 127)
    weight[1] = -127
    inner = Conv("c", ("image",), weight, engine="direct")
    net = Network([inner], (16, 3, 3))
    x = np.full((1, 16, 3, 3), 255, np.uint8)
    assert oracle(to_model(net), x).ravel().tolist() == [255 * 127 * 144, -255 * 127 * 144]


@pytest.mark.parametrize("inputs", [("image", "c"), ("c", "image"), ("image", "image", "c")])
def test_the_image_joins_other_integers(inputs, tmp_path):
    """It is uint8 in ONNX, the others are int64."""
    net = Network([Conv("c", ("image",), np.array([[[[3]]], [[[-2]]]])), Concat("j", inputs)], (1, 3, 3))
    save(net, tmp_path / "net.onnx")
    x = images(net)
    assert np.array_equal(run(load(tmp_path / "net.onnx"), x), oracle(str(tmp_path / "net.onnx"), x))


def test_saving_is_deterministic_and_round_trips(tmp_path):
    net = everything()
    save(net, tmp_path / "a.onnx")
    save(load(tmp_path / "a.onnx"), tmp_path / "b.onnx")
    a, b = onnx.load(tmp_path / "a.onnx"), onnx.load(tmp_path / "b.onnx")
    assert a.graph.initializer == b.graph.initializer and list(a.graph.node) == list(b.graph.node)
    save(net, tmp_path / "c.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "c.onnx").read_bytes()


def test_one_flipped_bit_is_named(tmp_path):
    save(digits_like(), tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    codes = next(t for t in model.graph.initializer if t.name == "conv2.codes")
    data = bytearray(codes.raw_data)
    data[5] ^= 1
    codes.raw_data = bytes(data)
    onnx.save(model, tmp_path / "bad.onnx")
    with pytest.raises(InputError, match="SHA-256"):
        load(tmp_path / "bad.onnx")
    blob = bytearray((tmp_path / "net.onnx").read_bytes())
    # anywhere in the file: refused, never half-loaded
    for at in range(200, len(blob), max(1, len(blob) // 60)):
        damaged = bytearray(blob)
        damaged[at] ^= 1 << (at % 8)
        (tmp_path / "bad.onnx").write_bytes(damaged)
        with pytest.raises(InputError):
            load(tmp_path / "bad.onnx")


def test_foreign_and_truncated_files(tmp_path):
    save(digits_like(), tmp_path / "net.onnx")
    blob = (tmp_path / "net.onnx").read_bytes()
    (tmp_path / "short.onnx").write_bytes(blob[: len(blob) // 2])
    (tmp_path / "text.onnx").write_text("hello")
    (tmp_path / "empty.onnx").write_bytes(b"")
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    info = [onnx.helper.make_tensor_value_info(name, 1, [1]) for name in "xy"]
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph([node], "g", info[:1], info[1:])),
        tmp_path / "foreign.onnx",
    )
    for name in ("short", "text", "empty", "foreign", "absent"):
        with pytest.raises(InputError) as caught:
            load(tmp_path / f"{name}.onnx")
        assert "\n" not in str(caught.value) and f"{name}.onnx" in str(caught.value)
        assert name != "foreign" or "`fermatnet import FILE --out net.onnx`" in str(caught.value)


def signed_again(model: onnx.ModelProto) -> bytes:
    """A changed model with the hashes of what it holds now, as one who means to deceive would write it."""
    entries = {entry.key: entry for entry in model.metadata_props}
    entries["fermatnet.sha256"].value = weights_digest(model)
    entries["fermatnet.sha256_structure"].value = structure_digest(model)
    return model.SerializeToString(deterministic=True)


def _node(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.name == name)


def _array(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def _retyped(model: onnx.ModelProto, name: str, kind: type) -> None:
    _array(model, name).CopyFrom(
        onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(_array(model, name)).astype(kind), name)
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda m: _node(m, "pool").attribute.pop(),
            "'pool': its attributes and arrays are not those of a MaxPoolIndex",
        ),
        (
            lambda m: setattr(_node(m, "act0"), "op_type", "ArgMax"),
            "'act0': its attributes and arrays are not those of a ArgMax",
        ),
        (lambda m: setattr(_node(m, "act0"), "op_type", "Relu"), "unknown op 'Relu'"),
        (
            lambda m: _node(m, "act0").output.__setitem__(0, "elsewhere"),
            "'act0': its attributes, inputs or outputs are not what",
        ),
        (
            lambda m: _node(m, "act0").attribute.append(onnx.helper.make_attribute("axis", 1)),
            "'act0': its attributes, inputs or outputs are not what",
        ),
        (
            lambda m: _retyped(m, "conv1.codes", np.int64),
            "array 'conv1.codes' is read by no layer, or has another type",
        ),
        (
            lambda m: _retyped(m, "conv1.codes", np.float32),
            "array 'conv1.codes' must hold integers, not float32",
        ),
        (
            lambda m: m.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(3, np.int64), "more")),
            "array 'more' is read by no layer",
        ),
        (lambda m: m.graph.input.append(m.graph.input[0]), "input 'image': input_range must be two numbers"),
        (lambda m: m.graph.output.pop(), "a network has inputs and outputs, this file lacks them"),
        (
            lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", onnx.TensorProto.FLOAT),
            "must hold uint8, int8, uint16, int16",
        ),
        (lambda m: m.functions[0].node.pop(), "it defines the op .* in another way"),
        (
            lambda m: setattr(
                next(e for e in m.metadata_props if e.key == "fermatnet.input_range"), "value", "x"
            ),
            "input_range must be two numbers",
        ),
        (
            lambda m: setattr(
                next(e for e in m.metadata_props if e.key == "fermatnet.input_range"), "value", "9,2"
            ),
            "input range 9..2 is empty",
        ),
    ],
)
def test_what_another_reader_would_see_differently_is_refused(change, words, tmp_path):
    model = to_model(digits_like())
    (tmp_path / "same.onnx").write_bytes(signed_again(model))
    load(tmp_path / "same.onnx")
    change(model)
    (tmp_path / "other.onnx").write_bytes(signed_again(model))
    with pytest.raises(InputError, match=words) as caught:
        load(tmp_path / "other.onnx")
    assert "\n" not in str(caught.value)


def test_wrong_images():
    net = digits_like()
    good = images(net)
    for bad, words in (
        (good.astype(np.int64), "uint8"),
        (good[:, :, :7], "shape"),
        (good[:0], "at least 1"),
        (good + 17, "0..16"),
    ):
        with pytest.raises(InputError, match=words):
            run(net, bad)


def broken(name: str, **changes: object) -> Network:
    net = digits_like()
    nodes = [dataclasses.replace(node, **changes) if node.name == name else node for node in net.nodes]
    return Network(nodes, net.input_shape, net.input_range)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("conv1", {"levels_w": np.array([-8, -25, 0, 9, 24])}, "ascend"),
        ("conv1", {"levels_w": np.array([-8, -2, 9, 24])}, "M even"),
        ("conv1", {"levels_a": np.array([1, 3, 6, 9, 13, 17])}, "hold 0"),
        ("conv1", {"levels_a": np.array([0, 3])}, "indices up to 5"),
        ("conv1", {"levels_a": np.array([0, 3, 3, 6, 9, 13])}, "activation levels must ascend"),
        ("dense", {"bias": np.full(10, -(1 << 63))}, "bias must lie within"),
        ("conv1", {"group": 3}, "groups"),
        ("conv1", {"inputs": ("conv0",)}, "takes piece indices"),
        ("conv0", {"weight": np.full((4, 1, 5, 5), 128)}, "within -127..127"),
        ("conv0", {"weight": np.ones((4, 2, 5, 5), int)}, "input channels"),
        ("act0", {"thresholds": np.array([[3, 1, 2, 4, 5]] * 4)}, "ascending"),
        ("act0", {"sign": np.zeros(4, np.int8)}, "sign"),
        ("scale3", {"shift": 63}, "shift"),
        ("scale3", {"lo": 5, "hi": 1}, "clip"),
        ("add", {"inputs": ("scale3", "conv0")}, "cannot be added"),
        ("dense", {"weight": np.ones((10, 5), int)}, "weights for 5"),
        ("pool", {"kernel": (9, 9)}, "does not fit"),
        ("sum", {"kernel": (3, 3)}, "does not divide"),
    ],
)
def test_bad_layers_are_named(name, changes, words):
    with pytest.raises(InputError, match=words) as caught:
        broken(name, **changes)
    assert name in str(caught.value)


def test_graph_errors():
    act = Threshold("a", ("nowhere",), np.zeros((1, 1), int), np.ones(1, np.int8))
    with pytest.raises(InputError, match="nowhere"):
        Network([act], (1, 4, 4))
    twice = [Affine("a", ("image",), np.ones(1, int), np.zeros(1, int), 0, 0, 255)] * 2
    with pytest.raises(InputError, match="twice"):
        Network(twice, (1, 4, 4))


def test_modulus_too_small_is_named_with_one_that_would_do():
    net = digits_like(moduli=(8,))
    with pytest.raises(InputError, match=r"conv0.*16"):
        run(net, images(net))
