"""``fermatnet sim --netlist``: a small network as cells of a device, under stalls, whole and with a fault."""

import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from fermatnet.cli.sim import command
from fermatnet.hw.compiler.generate import generate
from fermatnet.hw.compiler.interface import read_interface
from fermatnet.hw.devices import device as find_device
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, run, save
from fermatnet.model.network.nodes import Affine, Conv, Dense, Levels, Threshold
from fermatnet.sim.network import compare, simulate
from fermatnet.sim.runner import SimulationError
from fermatnet.synth.netlist import mutants
from fermatnet.synth.netlist.design import circuit_of, netlist_design, put

needs_icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not on PATH")


def network():
    rng = np.random.default_rng(0)
    nodes = [
        Conv("conv", ("image",), rng.integers(-9, 9, (2, 1, 2, 2)), engine="direct"),
        Affine("scale", ("conv",), np.array([5, 9]), np.array([3, -70]), 4, -128, 127),
        Threshold("act", ("scale",), np.sort(rng.integers(-90, 90, (2, 3)), 1), np.ones(2, np.int8)),
        Levels("levels", ("act",), np.array([0, 1, 3, 5])),
        Dense("fc", ("levels",), rng.integers(-9, 9, (3, 8))),
    ]
    return Network(nodes, (1, 3, 3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The network's file, its design, and images with what the reference makes of them."""
    place = tmp_path_factory.mktemp("netlist")
    save(network(), place / "net.onnx")
    generate(network(), place / "hw", cycles=60, device="ecp5-12k")
    images = np.random.default_rng(1).integers(0, 256, (3, 1, 3, 3)).astype(np.uint8)
    np.save(place / "x.npy", images)
    return place, images, run(network(), images)


@needs_icarus
def test_equal_to_the_reference(folder):
    place, _, wanted = folder
    arguments = ["--input", str(place / "x.npy"), "--output", str(place / "y.npy"), "--simulator", "icarus"]
    arguments += ["--verilog", str(place / "hw"), "--netlist", "--stalls", "3"]
    done = CliRunner().invoke(command, [str(place / "net.onnx"), *arguments], standalone_mode=False)
    assert done.return_value == 0, done.output
    said = done.output
    assert "netlist for ecp5-12k: " in said and " LUT4" in said and " TRELLIS_FF" in said
    assert "equal to the reference" in said
    np.testing.assert_array_equal(np.load(place / "y.npy"), wanted)


@needs_icarus
def test_a_folder_of_another_network_is_named(folder, tmp_path):
    place, *_ = folder
    save(
        Network([Conv("conv", ("image",), np.ones((2, 1, 2, 2), np.int64))], (1, 4, 4)),
        tmp_path / "net.onnx",
    )
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 4, 4), np.uint8))
    arguments = ["--input", str(tmp_path / "x.npy"), "--output", str(tmp_path / "y.npy")]
    arguments += ["--verilog", str(place / "hw"), "--simulator", "icarus"]
    done = CliRunner().invoke(command, [str(tmp_path / "net.onnx"), *arguments], standalone_mode=False)
    assert isinstance(done.exception, InputError) and "from another network" in str(done.exception)


@needs_icarus
def test_faults_are_found(folder, tmp_path):
    """Of eight faults of each kind one is seen, and without one the same netlist is right. (What a fault
    changes may never matter: which do is the netlist's.)"""
    place, images, wanted = folder
    (tmp_path / "map").mkdir()
    device = find_device("ecp5-12k")
    circuit = circuit_of(place / "hw", read_interface(place / "hw", "network"), device, tmp_path / "map")
    faults = mutants.draw(circuit, 8, seed=3)
    assert {fault.kind for fault in faults} == {"table", "wire"}
    put(mutants.with_mutants(circuit, faults), place / "hw", tmp_path / "hw", [mutants.CHOICE])

    def wrong(number, trap=False):
        mutants.choose(tmp_path / "hw", number, trap=trap)
        try:
            result = simulate(tmp_path / "hw", images, stalls=3, simulator="icarus")
        except SimulationError:
            return True
        return compare(result, wanted) is not None

    assert not wrong(0)
    for kind in ("table", "wire"):
        numbers = [number for number, fault in enumerate(faults, 1) if fault.kind == kind]
        seen = next((number for number in numbers if wrong(number)), None)
        assert seen, kind
        assert wrong(seen, trap=True)  # the cell of a fault that is seen differs from the whole one


def test_refused_before_anything_begins(folder, tmp_path):
    place, *_ = folder
    base = [str(place / "net.onnx"), "--input", str(place / "x.npy"), "--output", str(tmp_path / "y.npy")]
    for more, words in (
        (["--netlist", "--device", "gw1nr-9"], "no simulation models for the cells of gowin"),
        (["--netlist", "--layers"], "--layers watches the generated Verilog"),
        (["--verilog", str(place / "hw"), "--device", "xc7"], "--device with --verilog is for --netlist"),
    ):
        with pytest.raises(InputError, match=words):
            CliRunner().invoke(command, [*base, *more], standalone_mode=False, catch_exceptions=False)
    (tmp_path / "hw").mkdir()
    for path in (place / "hw").iterdir():
        if path.suffix != ".hex":
            shutil.copyfile(path, tmp_path / "hw" / path.name)
    with pytest.raises(InputError, match=r"is incomplete: fermatnet_.*hex is missing"):
        netlist_design(tmp_path / "hw", tmp_path / "out", "ecp5-12k")
    assert not (tmp_path / "out").exists() and not (tmp_path / "y.npy").exists()
