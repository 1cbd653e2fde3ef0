"""Generated C against the reference: every layer type, random networks, extreme images, under sanitizers and
strict warnings."""

import json
import re
import subprocess

import numpy as np
import pytest
from click.testing import CliRunner

from fermatnet.bench.samples.networks import random_network
from fermatnet.cli.c import command
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, run, save
from fermatnet.model.network.nodes import Affine, Conv, Dense, MaxPool, PiecewiseConv, SumPool, Threshold
from fermatnet.runtime.c import generate
from fermatnet.runtime.c.program import KNOWN
from fermatnet.runtime.c.vectors import images

from ...model.network.samples import digits_like, everything, piecewise, thresholds
from .compiled import SANITIZED, STRICT, build, needs_compiler, outputs

pytestmark = needs_compiler


def compare(net, folder, flags=SANITIZED, **more):
    generate(net, folder, **more)
    build(folder, "run", "check", flags=flags)
    pictures = images(net, 9, seed=4)
    np.testing.assert_array_equal(outputs(folder, pictures), run(net, pictures))
    done = subprocess.run([str(folder / "check")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def odd_places():
    """A wide accumulator, an output that a layer reads too, sums of negative numbers, a pool that leaves a
    column out."""
    rng = np.random.default_rng(3)
    nodes = [
        Conv("stem", ("image",), np.full((2, 1, 3, 3), 32767), 16, engine="direct"),
        Affine("narrow", ("stem",), np.array([5, -7]), np.array([-9, 3]), 9, -30000, 30000),
        Conv("wide", ("narrow",), np.full((3, 2, 3, 3), -32767), 16, pad=(1, 1, 1, 1), engine="direct"),
        Affine("back", ("wide",), np.array([3, -2, 1]), np.array([7, 1 << 40, -5]), 30, -900, 900),
        Affine("again", ("back",), np.array([1, 2, 3]), np.array([0, -7, 9]), 2, -500, 500),
        MaxPool("half", ("again",), (2, 2), (2, 2)),
        SumPool("sum", ("half",)),
        Dense("last", ("sum",), rng.integers(-127, 128, (4, 3)), np.array([5, -(1 << 30), 0, 1])),
    ]
    return Network(nodes, (1, 7, 7))


def map_output():
    """A map of piece indices as the output, which a threshold of 20 pieces wrote."""
    rng = np.random.default_rng(5)
    nodes = [
        Threshold("act", ("image",), *thresholds(rng, 2, 255)),
        piecewise(rng, "conv", "act", 2, 3, pad=(1, 1, 1, 1)),
        Threshold("many", ("conv",), *thresholds(rng, 3, 900, 20)),
    ]
    return Network(nodes, (2, 5, 4))


def long_rows(levels_w, levels_a):
    """Dot products of 2,560 terms: more words than one tree of adders takes, so that they are counted in a
    loop."""
    rng = np.random.default_rng(6)
    codes = rng.integers(0, len(levels_w), (3, 40, 8, 8)).astype(np.uint8)
    nodes = [
        Conv("stem", ("image",), rng.integers(-127, 128, (40, 1, 1, 1)), engine="direct"),
        Threshold("act", ("stem",), *thresholds(rng, 40, 9000, len(levels_a) - 1)),
        PiecewiseConv("conv", ("act",), codes, np.array(levels_w), np.array(levels_a)),
    ]
    return Network(nodes, (1, 8, 8))


@pytest.mark.parametrize(
    "levels_w, levels_a",
    [
        ([-1, 0, 1], [0, 1]),
        ([-7, 0, 5], [0, 3]),
        ([-2, -1, 0, 1, 2], [0, 1, 2, 3]),
        ([-9, -4, 0, 5, 9], [0, 2, 7]),
    ],
)
def test_long_dot_products(levels_w, levels_a, tmp_path):
    compare(long_rows(levels_w, levels_a), tmp_path / "c")
    assert "for (k = 0; k < " in (tmp_path / "c" / "net.c").read_text().split("#else")[1], "a loop is used"


@pytest.mark.parametrize("make", [digits_like, everything, odd_places, map_output])
@pytest.mark.parametrize("checksums", [False, True])
def test_every_layer_type(make, checksums, tmp_path):
    compare(make(), tmp_path / "c", checksums=checksums, name="net" if checksums else "other")


@pytest.mark.parametrize("seed", [*range(6), 115, 198])
def test_random_networks(seed, tmp_path):
    compare(random_network(seed), tmp_path / "c", flags=f"{STRICT} -O0", checksums=bool(seed % 2))


@pytest.mark.parametrize("flags", ["-O3", "-O2 -DFN_POPCOUNT=1", "-O2 -mavx2 -mpopcnt"])
def test_other_kernels_and_optimisation(flags, tmp_path):
    if "avx2" in flags:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            if not re.search(r"\bavx2\b", info.read()):
                pytest.skip("this processor has no AVX2")
    net = digits_like(1)
    compare(net, tmp_path / "c", flags=f"{STRICT} {flags}")


@pytest.mark.parametrize("make", [digits_like, everything, lambda: random_network(2)])
def test_products_in_the_place_of_planes(make, tmp_path):
    compare(make(), tmp_path / "c", fast=True, checksums=True)
    if make is digits_like:
        stored = json.loads((tmp_path / "c" / "memory.json").read_text())["stored"]
        assert stored["act2"] == "Integers", "five levels a side pay as products"


def test_flags_reach_the_linker(tmp_path):
    """Objects made for coverage do not link without the flag."""
    generate(digits_like(), tmp_path / "c")
    build(tmp_path / "c", flags="-std=c99 --coverage")
    assert (tmp_path / "c" / "run").exists()


def test_a_changed_weight_is_found_and_its_layer_named(tmp_path):
    generate(digits_like(), tmp_path / "c", checksums=True)
    source = tmp_path / "c" / "net.c"
    text = source.read_text()
    table = re.search(r"dot\d+\(p\d+, (planes\d+)", text[text.index("/* act1") if "/* act1" in text else 0 :])
    assert table
    start = text.index(f"{table.group(1)}[")
    word = re.compile(r"0x[0-9a-f]{8}u").search(text, start)
    source.write_text(text[: word.start()] + "0xffffffffu" + text[word.end() :])
    build(tmp_path / "c", "check")
    done = subprocess.run([str(tmp_path / "c" / "check")], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and re.search(r"the first layer that differs is conv\d", done.stdout), (
        done.stdout
    )


def test_bad_images_end_the_program(tmp_path):
    net = digits_like()  # pixels 0..16
    generate(net, tmp_path / "c")
    build(tmp_path / "c")
    for data, words in (
        (bytes(64 + 10), "image 1 ends after 10 of 64 bytes"),
        (bytes([17] * 64), "image 0 holds 17, not 0..16"),
    ):
        done = subprocess.run([str(tmp_path / "c" / "run")], input=data, capture_output=True, check=False)
        assert done.returncode == 1 and words in done.stderr.decode()
    assert (
        subprocess.run([str(tmp_path / "c" / "run")], input=b"", capture_output=True, check=False).stdout
        == b""
    )


def test_figures_are_those_of_the_compiler(tmp_path):
    """Bytes of RAM and of tables as stated are what the compiler lays out."""
    figures = generate(digits_like(), tmp_path / "c")
    main = 'int main(void) { printf("%lu", (unsigned long)sizeof(net_ram)); return 0; }'
    program = f'#include <stdio.h>\n#include "net.c"\n{main}\n'
    (tmp_path / "c" / "size.c").write_text(program)
    subprocess.run(
        ["cc", "-std=c99", "-o", str(tmp_path / "size"), str(tmp_path / "c" / "size.c")], check=True
    )
    assert (
        int(subprocess.run([str(tmp_path / "size")], capture_output=True, text=True, check=True).stdout)
        == figures["ram"]
    )
    widths = {"8": 1, "16": 2, "32": 4, "64": 8}
    tables = re.findall(
        r"^static const u?int(\d+)_t \w+\[(\d+)\]", (tmp_path / "c" / "net.c").read_text(), re.M
    )
    assert sum(widths[bits] * int(count) for bits, count in tables) == figures["flash_tables"]
    assert json.loads((tmp_path / "c" / "memory.json").read_text()) == figures


def test_the_same_network_gives_the_same_files(tmp_path):
    for name in ("a", "b"):
        generate(everything(), tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize(
    "more, words",
    [
        ({"ram": 100}, "bytes of RAM are needed, 100 are allowed; 'act0' takes most: 256 bytes"),
        (
            {"flash": 200},
            "flash are needed for tables alone, 200 are allowed; layer 'conv1' takes most: 384 bytes",
        ),
        ({"name": "int"}, "'int' is no C identifier"),
        ({"name": "a-b"}, "no C identifier"),
        ({"name": "run"}, "taken"),
        ({"vectors": 0}, "at least one vector"),
    ],
)
def test_refusals_leave_nothing(more, words, tmp_path):
    with pytest.raises(InputError, match=re.escape(words)) as told:
        generate(digits_like(), tmp_path / "c", **more)
    assert "\n" not in str(told.value) and not list(tmp_path.iterdir())


def test_what_c_does_not_know_is_refused(tmp_path, monkeypatch):
    """A layer of another type, and a known one that says something new: its usual value changes nothing, any
    other is refused."""
    monkeypatch.setitem(KNOWN, "Conv", KNOWN["Conv"] - {"dilation"})
    generate(digits_like(), tmp_path / "same")
    monkeypatch.setitem(KNOWN, "Conv", KNOWN["Conv"] - {"pad"})
    words = "layer 'conv0': pad = (2, 2, 2, 2) of a Conv: there is no C for that; use another engine"
    with pytest.raises(InputError, match=re.escape(words)):
        generate(digits_like(), tmp_path / "c")
    monkeypatch.delitem(KNOWN, "Conv")
    with pytest.raises(InputError, match="layer 'conv0': a Conv: there is no C for that; use another engine"):
        generate(digits_like(), tmp_path / "c")


def test_odd_names_are_only_comments(tmp_path):
    net = digits_like()
    odd = "*/ #error ??/ \\ é"
    net.nodes[-1].name = odd
    net = Network(net.nodes, net.input_shape, net.input_range)
    compare(net, tmp_path / "c", flags=STRICT, checksums=True)


def test_command(tmp_path):
    save(digits_like(), tmp_path / "net.onnx")
    runner = CliRunner()
    done = runner.invoke(
        command,
        [str(tmp_path / "net.onnx"), "--out", str(tmp_path / "c"), "--name", "tiny"],
        catch_exceptions=False,
    )
    assert done.exit_code == 0 and (tmp_path / "c" / "tiny.c").is_file()
    with pytest.raises(InputError, match="not empty"):
        runner.invoke(
            command, [str(tmp_path / "net.onnx"), "--out", str(tmp_path / "c")], catch_exceptions=False
        )
