"""Short, long and split images, and resets at every beat, in RTL: dropped or marked, the next ones right."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest

from fermatnet.bench.samples.check import random_folds
from fermatnet.bench.samples.networks import drawn
from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.bench.samples.wrong_lengths import beats_of_images, packets, run_packets
from fermatnet.hw.compiler.generate import generate
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.compiler.top import Top
from fermatnet.hw.stream.options import StreamOptions
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, run
from fermatnet.model.network.nodes import Affine, Conv, Dense

WRONG = ("short", "long", "split", "one", "long", "short")
RNG = np.random.default_rng(0)


def residual():
    """Ends in a dense layer: every result needs the last input beat."""
    return pa_resnet((1, 4, 4), (2,), (1,), seed=3, classes=4)


def two_layers():
    """A window and a dense layer, the smallest that needs the whole image."""
    nodes = [
        Conv("conv", ("image",), RNG.integers(-9, 9, (2, 1, 2, 2)), engine="direct"),
        Dense("fc", ("conv",), RNG.integers(-9, 9, (3, 8))),
    ]
    return Network(nodes, (1, 3, 3))


def pixels():
    """A pixel out for a pixel in: most results leave long before the image has ended."""
    return Network([Affine("scale", ("image",), np.array([3, 5]), np.array([0, -2]), 1, 0, 255)], (2, 3, 3))


def convolution():
    return Network(
        [Conv("conv", ("image",), RNG.integers(-9, 9, (3, 2, 3, 3)), pad=(1, 1, 1, 1), engine="direct")],
        (2, 4, 4),
    )


def corners():
    """Every third pixel: no result needs the last input beat."""
    return Network(
        [Conv("conv", ("image",), RNG.integers(-9, 9, (2, 1, 1, 1)), stride=(3, 3), engine="direct")],
        (1, 5, 5),
    )


def vector():
    """One beat an image, a dozen images inside at a time."""
    nodes = [
        Dense("a", ("image",), RNG.integers(-9, 9, (4, 3))),
        Dense("b", ("a",), RNG.integers(-9, 9, (2, 4))),
    ]
    return Network(nodes, (3, 1, 1))


def made(net, **options):
    return Top(replace(plan(net, device="ice40-hx8k", external="none"), options=StreamOptions(**options)))


def images_for(net, count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *net.input_shape)).astype(np.uint8)


def check(top, seed, count=24, wrong=WRONG):
    """The good images come out right and in order; each bad one is counted, and dropped or marked."""
    net = top.design.net
    images = images_for(net, count, seed or 0)
    sent = packets(beats_of_images(top, images), wrong, random.Random(seed or 0))
    bad = sum(not good for _, good in sent)
    result = run_packets(top, sent, seed=seed)
    np.testing.assert_array_equal(result.valid, run(net, images))
    assert (result.error, result.error_count) == (1, bad) and bad >= len(wrong)
    assert result.marked <= bad and result.rest == 0
    return result


def random_top(seed, **options):
    net, choices = drawn(seed)
    design = plan(net, folds=random_folds(net, choices, 100), device="ice40-hx8k", external="none")
    return Top(replace(design, options=StreamOptions(**options)))


@pytest.mark.parametrize("seed", [0, 3])
def test_random_networks(seed):
    check(random_top(seed), seed, count=5, wrong=("short", "long", "split"))


def test_results_that_need_not_wait_are_those_of_the_schedule():
    """An image without its last beat, where nothing is held back: so many results come, and no more."""
    early = []
    for top in (
        *(made(net(), tlast="ignore") for net in (two_layers, pixels, convolution, corners)),
        *(random_top(k, tlast="ignore") for k in (0, 3)),
    ):
        (words,) = beats_of_images(top, images_for(top.design.net, 1))
        result = run_packets(top, [([(word, 0) for word in words[:-1]], False)])
        early.append(top.sink.early)
        assert len(result.beats[0]) == early[-1]
    assert min(early) == 0 < max(early)


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize("net", [two_layers, vector])
def test_dropped_whole_where_no_result_has_left(net, seed):
    top = made(net())
    assert top.sink.early == 0
    assert check(top, seed).marked == 0


@pytest.mark.parametrize("seed", [None, 2, 3])
@pytest.mark.parametrize("net", [pixels, convolution, corners])
def test_marked_where_results_have_begun_to_leave(net, seed):
    top = made(net())
    assert 0 < top.sink.early
    assert (top.sink.early == top.sink.beats) == (net is corners)
    result = check(top, seed)
    assert result.marked > 0
    begun = 0  # once marked, all that follows of the image is
    for _, last, mark in result.beats[0]:
        assert mark >= begun
        begun = mark and not last


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("net", [two_layers, pixels, corners, vector])
def test_a_frame_buffer_lets_no_bad_image_in(net, seed):
    top = made(net(), frame_buffer=True)
    assert check(top, seed).marked == 0


def test_a_residual_network_with_queues():
    top = made(residual())
    assert any(edge.before or edge.after for edge in top.design.schedule.edges.values())
    assert check(top, 7, count=6, wrong=("short", "long", "split")).marked == 0


@pytest.mark.parametrize("net", [two_layers, pixels])
def test_without_tlast(net):
    """Images whose tlast is nowhere, or anywhere, come out as they went in."""
    top = made(net(), tlast="ignore")
    assert not {"error", "m_axis_tuser"} & {*top.signature.members}
    images = images_for(top.design.net, 6)
    rng = random.Random(1)
    sent = [([(word, rng.randrange(2)) for word in image], True) for image in beats_of_images(top, images)]
    np.testing.assert_array_equal(run_packets(top, sent, seed=4).valid, run(top.design.net, images))


@pytest.mark.parametrize(
    ("net", "options", "seed"),
    [
        (two_layers, {}, None),
        (two_layers, {}, 5),
        (pixels, {}, 5),
        (corners, {}, 5),
        (two_layers, {"frame_buffer": True}, 5),
        (pixels, {"tlast": "ignore"}, None),
    ],
)
def test_a_reset_at_any_beat_recovers(net, options, seed):
    """For each number of beats: so many beats, a reset, then a whole image that has to be right."""
    top = made(net(), **options)
    images = images_for(top.design.net, 2)
    first, second = beats_of_images(top, images)
    whole = [(word, k == len(second) - 1) for k, word in enumerate(second)]
    sent, resets, place = [], [], 0
    for some in range(1, len(first) + 1):
        begun = [(word, k == len(first) - 1) for k, word in enumerate(first[:some])]
        if some % 3 == 2:
            begun[-1] = (begun[-1][0], 1)  # reset while the missing beats are filled in
        sent += [(begun, False), (whole, True)]
        resets.append(place + some)
        place += some + len(whole)
    result = run_packets(top, sent, seed=seed, resets=resets)
    expected = run_packets(top, [(whole, True)])
    np.testing.assert_array_equal(expected.valid, run(top.design.net, images[1:]))
    assert (result.error, result.error_count) == (0, 0) and len(result.beats) == len(first) + 1
    for beats in result.beats[1:]:
        assert beats[: top.sink.beats] == expected.beats[0]


def test_a_beat_without_all_its_bytes_is_bad():
    """tkeep of the lanes' bytes decides, that of the bytes that fill up the beat does not."""
    top = made(pixels(), tkeep=True, tdata_width=32)
    assert len(top.s_axis_tdata) == len(top.m_axis_tdata) == 32 and len(top.s_axis_tkeep) == 4
    images = images_for(top.design.net, 5)
    sent = [
        ([(word | 0xA5 << 24, k == 8) for k, word in enumerate(image)], True)
        for image in beats_of_images(top, images)
    ]
    result = run_packets(
        top, sent, seed=2, kept=lambda place: 0b0001 if place == 9 + 4 else 0b1011 if place % 2 else 0b1111
    )
    np.testing.assert_array_equal(result.valid, run(top.design.net, images)[[0, 2, 3, 4]])
    assert (result.error_count, result.marked) == (1, 1)
    for values, _, _ in result.beats[0]:
        assert values[1] < 1 << 8


def test_latency_of_the_frame_buffer_is_as_stated():
    from fermatnet.bench.samples.rtl import simulate_top

    for net in (two_layers(), pixels(), vector(), corners()):
        for options in ({}, {"frame_buffer": True}):
            top = made(net, **options)
            images = images_for(net, 6)
            result = simulate_top(top, images)
            np.testing.assert_array_equal(result.outputs, run(net, images))
            assert (result.latency, result.ends[-1] - result.ends[-2]) == (top.latency, top.cycles)


def test_what_interface_json_says(tmp_path):
    dropped = generate(two_layers(), tmp_path / "a", folds={})["stream"]
    assert (
        dropped["early_beats"] == 0
        and dropped["bad_images"].startswith("dropped:")
        and dropped["error"] == "error"
    )
    marked = generate(pixels(), tmp_path / "b")["stream"]
    assert marked["early_beats"] == 8 and "m_axis_tuser" in marked["bad_images"]
    stored = generate(pixels(), tmp_path / "c", frame_buffer=True)["stream"]
    assert stored["bad_images"] == "never enter" and stored["frame_buffer_words"] == 2 * 9
    ignored = generate(pixels(), tmp_path / "d", tlast="ignore")["stream"]
    assert "error" not in ignored and "ignored" in ignored["bad_images"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tlast": "maybe"}, "tlast must be one of check, ignore, not 'maybe'"),
        ({"tlast": "ignore", "frame_buffer": True}, "needs tlast 'check'"),
        ({"tdata_width": 24}, "tdata_width must be auto, padded or one of 8, 16, 32"),
        ({"tdata_width": "wide"}, "tdata_width must be auto"),
        ({"tdata_width": 8}, "s_axis_tdata carries 16 bits a beat: tdata_width must be at least 16, not 8"),
        ({"name": "3d"}, "Verilog identifier"),
        ({"name": "net-0"}, "Verilog identifier"),
        ({"name": "reg"}, "keyword"),
        ({"name": "x" * 65}, "at most 64"),
        ({"name": "fermatnet_harness"}, "must not begin with fermatnet_"),
        ({"name": ""}, "Verilog identifier"),
    ],
)
def test_refusals_before_anything_is_written(tmp_path, options, words):
    with pytest.raises(InputError, match=words) as caught:
        generate(pixels(), tmp_path / "out", **options)
    assert not list(tmp_path.iterdir()) and "\n" not in str(caught.value)


def test_the_command_line_has_the_options(tmp_path):
    from click.testing import CliRunner

    from fermatnet.cli.verilog import command
    from fermatnet.model.network import save

    save(pixels(), tmp_path / "net.onnx")
    words = [
        "--out",
        tmp_path / "hw",
        "--name",
        "mine",
        "--frame-buffer",
        "--tdata-width",
        "32",
        "--tkeep",
        "--tlast",
        "check",
    ]
    done = CliRunner().invoke(command, [str(tmp_path / "net.onnx"), *map(str, words)])
    assert done.exit_code == 0, done.output
    interface = json.loads((tmp_path / "hw" / "interface.json").read_text())
    assert (
        interface["top"] == "mine"
        and interface["input"]["tdata_bits"] == interface["output"]["tdata_bits"] == 32
    )
    assert (
        interface["stream"]["frame_buffer"]
        and interface["stream"]["tkeep"]
        and interface["stream"]["tdata_width"] == 32
    )
    assert all(
        path.name.startswith("mine") or path.name == "interface.json" for path in (tmp_path / "hw").iterdir()
    )
