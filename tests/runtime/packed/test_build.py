"""Building: without a compiler the reference runs and says so; refusals are one line; a library is built
once.
"""

import os
import subprocess
import sys

import numpy as np
import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, run
from fermatnet.model.network.nodes import Dense
from fermatnet.runtime import Engine
from fermatnet.runtime.packed import build

from ...model.network import samples
from . import nets

CODE = """
import numpy as np, sys
from fermatnet.model.errors import InputError
from fermatnet.model.network.nodes import Dense
from fermatnet.model.network import Network
from fermatnet.runtime import Engine
net = Network([Dense("d", ("image",), np.ones((2, 4), np.int64))], (1, 2, 2))
engine = Engine(net)
print(engine.form, "|", engine.note, "|", engine(np.ones((1, 1, 2, 2), np.uint8)).tolist())
print(engine.explain())
try:
    Engine(net, form="portable")
except InputError as error:
    print(error)
print(sorted({"torch", "fermatnet.hw", "amaranth"} & set(sys.modules)))
"""


def python(tmp_path, **environment: str) -> list[str]:
    variables = {**os.environ, "FERMATNET_CACHE": str(tmp_path), **environment}
    return subprocess.run(
        [sys.executable, "-P", "-c", CODE], env=variables, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_no_compiler(tmp_path):
    shown = python(tmp_path, PATH="/nowhere", CXX="")
    problem = "no C++ compiler: install g++ or clang++ (or set CXX)"
    assert shown[0] == f"numpy | the numpy reference runs instead of the packed engine: {problem} | [[4, 4]]"
    assert shown[1].startswith("form numpy: the reference runs")
    assert shown[2] == f"the form 'portable' cannot run here: {problem}"
    assert shown[3] == "[]"


def test_a_compiler_that_fails(tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\n[ \"$1\" = --version ] && exit 0\necho 'x.cpp:1: error: no' >&2\nexit 1\n")
    broken.chmod(0o755)
    shown = python(tmp_path / "cache", CXX=str(broken))
    assert "the C++ compiler failed: x.cpp:1: error: no" in shown[0] and shown[0].startswith("numpy")
    assert not list((tmp_path / "cache").iterdir())  # nothing half-built stays


@pytest.mark.skipif(not nets.forms(), reason="no C++ compiler")
def test_built_once():
    path = build._build()
    before = path.stat().st_mtime_ns
    assert build._build() == path and path.stat().st_mtime_ns == before


def test_a_layer_without_a_kernel():
    """A kind of layer that only the reference knows: it runs, with the reason; a form that was asked for is
    refused.
    """

    class Strange(Dense):
        pass

    net = Network([Dense("d", ("image",), np.ones((2, 4), np.int64))], (1, 2, 2))
    net.nodes[0].__class__ = Strange
    engine = Engine(net)
    assert engine.form == "numpy" and engine.note.endswith("layer 'd': a Strange has no packed kernel")
    with pytest.raises(
        InputError,
        match=r"^the form 'portable' cannot run here: layer 'd': a Strange has no packed kernel$",
    ):
        Engine(net, form="portable")


def test_numpy_form():
    net = samples.everything()
    engine = Engine(net, form="numpy")
    assert engine.memory == 0 and not engine.note
    assert np.array_equal(engine(nets.images(net)), run(net, nets.images(net)))
    with pytest.raises(InputError, match="numpy form has no operations"):
        engine.profile(nets.images(net))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 1, 8, 8)), "images must be uint8, not float64"),
        (
            np.zeros((1, 8, 8), np.uint8),
            r"images must have shape \(n, 1, 8, 8\) with n at least 1, not \(1, 8, 8\)",
        ),
        (np.zeros((0, 1, 8, 8), np.uint8), r"with n at least 1, not \(0, 1, 8, 8\)"),
        (np.full((1, 1, 8, 8), 17, np.uint8), r"pixels must lie within 0..16, not 17..17"),
        ([[0]], "images must be uint8, not list"),
    ],
)
def test_bad_images(images, message):
    for form in ("auto", "numpy"):
        with pytest.raises(InputError, match=message):
            Engine(samples.digits_like(), form=form)(images)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "threads and batch must be at least 1, not 0 and None"),
        ({"batch": 0}, "threads and batch must be at least 1, not 1 and 0"),
        ({"form": "quantum"}, "this machine has no form 'quantum'; it has .*portable, numpy"),
    ],
)
def test_bad_options(options, message):
    if "form" in options and not nets.forms():
        pytest.skip("no C++ compiler")
    with pytest.raises(InputError, match=message):
        Engine(samples.digits_like(), **options)
