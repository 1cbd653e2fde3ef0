"""Generated C of everything that imported models bring, under sanitizers and strict warnings."""

import re
import subprocess

import numpy as np
import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, run
from fermatnet.model.network.inputs import Input
from fermatnet.model.network.nodes import Add, Dense
from fermatnet.runtime.c import generate

from .. import grown
from .compiled import SANITIZED, STRICT, build, needs_compiler, outputs

pytestmark = needs_compiler


@pytest.mark.parametrize("name", grown.MAKERS)
def test_equal_to_the_reference(name, tmp_path):
    net = grown.MAKERS[name]()
    generate(net, tmp_path / "c", checksums=name in ("quantized", "joins", "rearranged"))
    build(tmp_path / "c", "run", "check", flags=SANITIZED)
    x = grown.samples(net)
    wanted = run(net, x)
    assert len(np.unique(wanted)) > 10 or name == "joins"
    little = x.astype(x.dtype.newbyteorder("<"))
    np.testing.assert_array_equal(outputs(tmp_path / "c", little), wanted)
    done = subprocess.run([str(tmp_path / "c" / "check")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("old", "new"), [(r"pad = 5;", "pad = 0;"), (r"fn_rounded32\(", "fn_rounded32(8 + ")]
)
def test_a_wrong_constant_is_seen(old, new, tmp_path):
    generate(grown.quantized(), tmp_path / "c")
    source = tmp_path / "c" / "net.c"
    text, count = re.subn(old, new, source.read_text())
    assert count
    source.write_text(text)
    build(tmp_path / "c", "check", flags=STRICT)
    assert subprocess.run([str(tmp_path / "c" / "check")], capture_output=True, check=False).returncode == 1


def test_range_of_signed_inputs_is_checked(tmp_path):
    generate(grown.two_pads(), tmp_path / "c")  # -100..100
    build(tmp_path / "c")
    data = np.full((1, 90), -101, np.int8).tobytes()
    done = subprocess.run([str(tmp_path / "c" / "run")], input=data, capture_output=True, check=False)
    assert done.returncode == 1 and "image 0 holds -101, not -100..100" in done.stderr.decode()


def test_several_inputs_are_refused(tmp_path):
    weight = np.ones((2, 3), np.int64)
    nodes = [Dense("a", ("x",), weight), Dense("b", ("z",), weight), Add("c", ("a", "b"))]
    net = Network(nodes, (3,), input_name="x", more_inputs=(Input("z", (3,)),))
    with pytest.raises(InputError, match="2 inputs and 1 outputs; one of each is handled: there is no C"):
        generate(net, tmp_path / "c")


def test_the_page_wants_bytes(tmp_path):
    with pytest.raises(InputError, match="the page draws images of bytes, the network takes int8"):
        generate(grown.vector(), tmp_path / "c", web=True)
