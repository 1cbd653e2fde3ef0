"""Every layer of a network file against onnxruntime, which executes the bodies that the file carries, and
through the file and back."""

import numpy as np
import onnxruntime
import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, load, run, save
from fermatnet.model.network.inputs import DTYPES, Input
from fermatnet.model.network.nodes import (
    Add,
    AddConstant,
    Affine,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    Levels,
    LogicJoin,
    Lookup,
    MaxPool,
    Multiply,
    Pad,
    PiecewiseConv,
    Requantize,
    SelectChannels,
    Slice,
    SumPool,
    Threshold,
    TopK,
    Upsample,
)

RNG = np.random.default_rng(7)
SHAPE = (4, 6, 5)


def ints(lo: int, hi: int, *shape: int) -> np.ndarray:
    return RNG.integers(lo, hi + 1, shape)


def corrections(channels: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    return ints(-128, 127, channels, count), ints(-1, 1, channels, count)


ONE_LAYER = {
    "conv padded with a zero point": Conv(
        "y", ("image",), ints(-127, 127, 3, 4, 3, 3), pad=(1, 0, 2, 1), pad_value=-17
    ),
    "wide conv padded with a zero point": Conv(
        "y", ("image",), ints(-32767, 32767, 2, 4, 3, 2), 16, stride=(2, 1), pad=(1, 1, 0, 1), pad_value=9
    ),
    "affine of 31 bits": Affine(
        "y", ("image",), ints(1 - 2**31, 2**31 - 1, 4), ints(-(2**40), 2**40, 4), 33, -128, 127
    ),
    "two roundings": Requantize(
        "y",
        ("image",),
        ints(2**30, 2**31 - 1, 4),
        np.full(4, 1 << 30),
        31,
        np.array([0, 1, 2, 3]),
        5,
        -60,
        60,
        *corrections(4, 0),
    ),
    "corrections": Requantize(
        "y",
        ("image",),
        ints(-900, 900, 4),
        ints(-900, 900, 4),
        9,
        np.array([1, 0, 4, 2]),
        -3,
        -20,
        31,
        *corrections(4, 3),
    ),
    "table": Lookup("y", ("image",), ints(-1000, 1000, 256), -128),
    "sums over windows": SumPool("y", ("image",), (3, 2), (2, 1), (1, 1, 0, 1), -17),
    "sums over windows that overlap": SumPool("y", ("image",), (3, 3), (1, 1)),
    "pad": Pad("y", ("image",), (1, 0, 2, 3), -100),
    "slice": Slice("y", ("image",), (1, 0), (6, 5), (2, 3)),
    "nearest": Upsample("y", ("image",), (2, 3)),
    "insert": Upsample("y", ("image",), (3, 2), "insert", -17),
    "channels": SelectChannels("y", ("image",), np.array([3, 0, 0, 2, 1])),
    "pixel shuffle": DepthToSpace("y", ("image",), 2),
    "constant": AddConstant("y", ("image",), ints(-(2**20), 2**20, *SHAPE)),
    "sum with itself": Add("y", ("image", "image")),
    "square": Multiply("y", ("image", "image"), (-17, 4)),
    "rows joined": Concat("y", ("image", "image"), 2),
    "columns joined": Concat("y", ("image", "image", "image"), 3),
}


def extremes(net_input: Input, count: int = 6) -> np.ndarray:
    """Random samples, and all lowest, all highest."""
    samples = RNG.integers(net_input.lo, net_input.hi + 1, (count, *net_input.dims))
    samples[0], samples[1] = net_input.lo, net_input.hi
    return samples.astype(net_input.dtype)


def through_onnxruntime(net: Network, path, samples: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path)
    shaped = {
        net_input.name: samples[net_input.name].reshape(-1, *net_input.shape) for net_input in net.inputs
    }
    results = session.run(list(net.outputs), shaped)
    return {
        name: value.reshape(len(value), -1).astype(np.int64)
        for name, value in zip(net.outputs, results, strict=True)
    }


def check(net: Network, tmp_path) -> None:
    samples = {net_input.name: extremes(net_input) for net_input in net.inputs}
    path = tmp_path / "net.onnx"
    save(net, path)
    again = load(path)
    assert again.inputs == net.inputs and again.outputs == net.outputs
    for this in (net, again):
        got = run(this, samples)
        got = got if isinstance(got, dict) else {this.output: got}
        want = through_onnxruntime(net, path, samples)
        assert list(got) == list(want)
        for name, value in want.items():
            assert np.array_equal(got[name], value), name
            assert net.types[name].lo <= value.min() and value.max() <= net.types[name].hi


@pytest.mark.parametrize("what", ONE_LAYER)
def test_a_layer_is_what_onnxruntime_computes_from_its_file(what, tmp_path):
    check(Network([ONE_LAYER[what]], SHAPE, (-128, 127)), tmp_path)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dims", [(6,), (3, 8), (2, 3, 4)])
def test_inputs_of_every_type_and_shape(dtype, dims, tmp_path):
    size = int(np.prod(dims))
    lo, hi = DTYPES[dtype]
    net = Network(
        [Dense("y", ("image",), ints(-50, 50, 3, size), weight_bits=16)], dims, (lo, hi), input_dtype=dtype
    )
    assert net.input_dims == dims
    check(net, tmp_path)


def test_indices_are_moved_as_indices(tmp_path):
    steps = np.sort(ints(-100, 100, 4, 3), axis=1)
    levels_w, levels_a = np.array([-3, 0, 5]), np.array([0, 2, 3, 9])
    nodes = [
        Threshold("index", ("image",), steps, np.array([1, -1, 1, 1], np.int8)),
        Upsample("up", ("index",), (2, 2)),
        SelectChannels("shuffled", ("up",), np.array([2, 0, 3, 1])),
        Slice("cut", ("shuffled",), (1, 1), (11, 9)),
        Pad("around", ("cut",), (1, 1, 0, 0)),
        Concat("joined", ("around", "around"), 3),
        MaxPool("pool", ("joined",), (2, 2), (2, 2)),
        DepthToSpace("shuffle", ("pool",), 2),
        PiecewiseConv("y", ("shuffle",), ints(0, 2, 2, 1, 3, 3).astype(np.uint8), levels_w, levels_a),
    ]
    net = Network(nodes, SHAPE, (-128, 127))
    assert all(net.is_index(node.name) for node in nodes[:-1])
    check(net, tmp_path)


@pytest.mark.parametrize("table", range(16))
def test_bits_are_joined_by_every_table(table, tmp_path):
    signs = np.array([1, -1, 1, 1], np.int8)
    nodes = [
        *(Threshold(name, ("image",), ints(-90, 90, 4, 1), signs) for name in "ab"),
        LogicJoin("joined", ("a", "b"), table),
        Levels("y", ("joined",), np.array([-2, 7])),
    ]
    net = Network(nodes, SHAPE, (-128, 127))
    assert net.is_index("joined") and (net.types["joined"].lo, net.types["joined"].hi) == (0, 1)
    check(net, tmp_path)
    a, b = (
        Network([nodes[k], Levels("y", (nodes[k].name,), np.arange(2))], SHAPE, (-128, 127)) for k in (0, 1)
    )
    samples = extremes(net.inputs[0])
    word = f"{table:04b}"
    want = [
        -2 if word[3 - 2 * p - q] == "0" else 7
        for p, q in zip(run(a, samples).flat, run(b, samples).flat, strict=True)
    ]
    assert run(net, samples).ravel().tolist() == want


def test_what_logic_cannot_join_is_refused():
    few, many = (
        (Threshold(name, ("image",), np.sort(ints(-90, 90, 4, n), axis=1), np.ones(4, np.int8)))
        for name, n in (("a", 1), ("b", 2))
    )
    for nodes, why in (
        ([few, many, LogicJoin("y", ("a", "b"), 6)], "takes bits, indices 0 and 1, not up to 2"),
        ([few, LogicJoin("y", ("a", "a"), 16)], "table must be four bits, 0 to 15, not 16"),
        ([LogicJoin("y", ("image", "image"), 6)], "takes piece indices, not integers"),
        ([few, MaxPool("p", ("a",), (2, 2), (1, 1)), LogicJoin("y", ("a", "p"), 6)], "cannot be joined"),
    ):
        with pytest.raises(InputError, match=f"layer 'y': .*{why}"):
            Network(nodes, SHAPE, (-128, 127))


def test_several_inputs_and_outputs(tmp_path):
    gate = Input("gate", (4,), -7, 7, "int8")
    nodes = [
        Conv("a", ("image",), ints(-5, 5, 4, 4, 1, 1)),
        Multiply("b", ("a", "gate"), (0, -1)),
        SumPool("sum", ("b",)),
        TopK("best", ("sum",), 3),
        Affine("scaled", ("b",), np.full(4, 3), np.zeros(4, np.int64), 6, -128, 127),
    ]
    net = Network(nodes, SHAPE, (-128, 127), more_inputs=(gate,), outputs=("scaled", "best", "sum"))
    check(net, tmp_path)
    with pytest.raises(InputError, match="takes image, gate"):
        run(net, extremes(net.inputs[0]))
    with pytest.raises(InputError, match="input 'gate': images must be int8, not uint8"):
        run(net, {"image": extremes(net.inputs[0]), "gate": np.zeros((6, 4), np.uint8)})


def test_ties_in_top_k_go_to_the_lower_index():
    net = Network([TopK("y", ("image",), 4)], (5,), (0, 3))
    assert run(net, np.array([[1, 3, 0, 3, 1]], np.uint8)).tolist() == [[1, 3, 0, 4]]


@pytest.mark.parametrize(
    ("node", "why"),
    [
        (Conv("y", ("image",), ints(-5, 5, 4, 4, 1, 1), pad_value=3), "needs padding"),
        (
            Conv("y", ("image",), ints(-5, 5, 4, 4, 3, 3), pad=(1, 1, 1, 1), pad_value=300),
            "an input that can hold it",
        ),
        (Lookup("y", ("image",), ints(0, 5, 255), -128), "is not within the table's -128..126"),
        (SelectChannels("y", ("image",), np.array([4])), "order names channels 4..4"),
        (Slice("y", ("image",), (0, 0), (7, 5)), "does not lie within 6"),
        (DepthToSpace("y", ("image",), 3), "do not divide 4 channels"),
        (TopK("y", ("image",), 2), "takes shape"),
        (
            Affine("y", ("image",), np.array([2**31] * 4), np.zeros(4, np.int64), 3, 0, 1),
            "multiplier must lie within",
        ),
        (Multiply("y", ("image", "image"), (2**30, 0)), "pass 32 bits"),
        (Concat("y", ("image", "image"), 0), "axis must be 1, 2 or 3"),
        (Upsample("y", ("image",), (2, 2), "linear"), "mode must be"),
    ],
)
def test_what_does_not_fit_is_refused(node, why):
    with pytest.raises(InputError, match=f"layer 'y': .*{why}"):
        Network([node], SHAPE, (-128, 127))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"input_range": (-1, 255)}, None),
        ({"input_range": (-1, 70000)}, "within one of"),
        ({"input_range": (-1, 255), "input_dtype": "uint8"}, "must lie within 0..255"),
        ({"input_dtype": "float32"}, "input type must be"),
        ({"outputs": ("y", "y")}, "must be different.*: give each tensor once"),
        ({"outputs": ("nothing",)}, "not a layer: name layers only"),
        ({"more_inputs": (Input("other", (3,)),)}, "input 'other' is read by nobody"),
    ],
)
def test_inputs_and_outputs_that_do_not_fit(more, why):
    def make() -> Network:
        return Network([SumPool("y", ("image",))], SHAPE, **{"input_range": (0, 255), **more})

    if why is None:
        assert make().input_dtype == "int16"
    else:
        with pytest.raises(InputError, match=why):
            make()
