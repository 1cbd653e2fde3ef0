"""component.xml: the wrapped design in IP-XACT (IEEE 1685-2014), as Vivado's catalogue reads it."""

from typing import Any
from xml.etree import ElementTree as ET

from amaranth.lib.wiring import In

from fermatnet.hw.bus.accelerator import bus_ports
from fermatnet.hw.bus.axi_lite import BUS
from fermatnet.hw.bus.map import ADDRESS_BITS, REGISTERS

__all__ = ["NAMESPACE", "component"]

NAMESPACE = "http://www.accellera.org/XMLSchema/IPXACT/1685-2014"
VENDOR, LIBRARY, VERSION = "fermatnet", "generated", "1.0"
_AXIS, _AXI = ("xilinx.com", "interface", "axis", "1.0"), ("xilinx.com", "interface", "aximm", "1.0")
_CLOCK, _RESET = ("xilinx.com", "signal", "clock", "1.0"), ("xilinx.com", "signal", "reset", "1.0")
_INTERRUPT = ("xilinx.com", "signal", "interrupt", "1.0")
_ACCESS = {"r": "read-only", "rw": "read-write", "w": "write-only", "c": "read-write"}


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _add(parent: ET.Element, name: str, text: str | None = None, /, **attributes: str) -> ET.Element:
    found = ET.SubElement(parent, _tag(name), attributes)
    found.text = text
    return found


def _reference(parent: ET.Element, name: str, kind: tuple[str, str, str, str]) -> None:
    vendor, library, short, version = kind
    _add(parent, name, vendor=vendor, library=library, name=short, version=version)


def component(name: str, interface: dict[str, Any], sources: list[str]) -> str:
    """The XML text for module ``name``, with its interfaces, registers, ports and files."""
    ET.register_namespace("ipxact", NAMESPACE)
    ports = bus_ports(interface)
    root = ET.Element(_tag("component"))
    for key, text in (("vendor", VENDOR), ("library", LIBRARY), ("name", name), ("version", VERSION)):
        _add(root, key, text)
    _buses(_add(root, "busInterfaces"), ports)
    _registers(_add(root, "memoryMaps"))
    model = _add(root, "model")
    view = _add(_add(model, "views"), "view")
    _add(view, "name", "rtl")
    _add(view, "envIdentifier", "verilogSource::")
    _add(view, "componentInstantiationRef", "rtl")
    instance = _add(_add(model, "instantiations"), "componentInstantiation")
    _add(instance, "name", "rtl")
    _add(instance, "language", "verilog")
    _add(instance, "moduleName", name)
    _add(_add(instance, "fileSetRef"), "localName", "sources")
    _ports(_add(model, "ports"), ports)
    files = _add(_add(root, "fileSets"), "fileSet")
    _add(files, "name", "sources")
    for source in sources:
        file = _add(files, "file")
        _add(file, "name", source)
        if source.endswith(".v"):
            _add(file, "fileType", "verilogSource")
        else:
            _add(file, "fileType", "user", user="memory initialisation")
    _add(root, "description", f"Streaming CNN accelerator {interface['name']}")
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _bus(
    parent: ET.Element,
    name: str,
    kinds: tuple[tuple[str, str, str, str], tuple[str, str, str, str]],
    wires: dict[str, str],
) -> ET.Element:
    bus = _add(parent, "busInterface")
    _add(bus, "name", name)
    _reference(bus, "busType", kinds[0])
    abstraction = _add(_add(bus, "abstractionTypes"), "abstractionType")
    _reference(abstraction, "abstractionRef", kinds[1])
    maps = _add(abstraction, "portMaps")
    for logical, physical in wires.items():
        pair = _add(maps, "portMap")
        _add(_add(pair, "logicalPort"), "name", logical)
        _add(_add(pair, "physicalPort"), "name", physical)
    return bus


def _rtl(kind: tuple[str, str, str, str]) -> tuple[tuple[str, str, str, str], tuple[str, str, str, str]]:
    vendor, library, name, version = kind
    return kind, (vendor, library, f"{name}_rtl", version)


def _buses(parent: ET.Element, ports: dict[str, Any]) -> None:
    for side, role in (("s_axis", "slave"), ("m_axis", "master")):
        wires = {port.removeprefix(f"{side}_").upper(): port for port in ports if port.startswith(f"{side}_")}
        _add(_bus(parent, side, _rtl(_AXIS), wires), role)
    registers = _bus(parent, "s_axi", _rtl(_AXI), {part.upper(): f"s_axi_{part}" for part in BUS})
    _add(_add(registers, "slave"), "memoryMapRef", memoryMapRef="s_axi")
    for name, kind, logical, role in (
        ("aclk", _CLOCK, "CLK", "slave"),
        ("aresetn", _RESET, "RST", "slave"),
        ("irq", _INTERRUPT, "INTERRUPT", "master"),
    ):
        bus = _bus(parent, name, _rtl(kind), {logical: name})
        _add(bus, role)
        values = {
            "aclk": {"ASSOCIATED_BUSIF": "s_axis:m_axis:s_axi", "ASSOCIATED_RESET": "aresetn"},
            "aresetn": {"POLARITY": "ACTIVE_LOW"},
            "irq": {"SENSITIVITY": "LEVEL_HIGH"},
        }[name]
        parameters = _add(bus, "parameters")
        for key, value in values.items():
            parameter = _add(parameters, "parameter", parameterId=f"{name}_{key}")
            _add(parameter, "name", key)
            _add(parameter, "value", value)


def _registers(parent: ET.Element) -> None:
    memory = _add(parent, "memoryMap")
    _add(memory, "name", "s_axi")
    block = _add(memory, "addressBlock")
    _add(block, "name", "registers")
    _add(block, "baseAddress", "0")
    _add(block, "range", str(1 << ADDRESS_BITS))
    _add(block, "width", "32")
    for k, register in enumerate(REGISTERS):
        entry = _add(block, "register")
        _add(entry, "name", register.name)
        _add(entry, "description", register.what)
        _add(entry, "addressOffset", str(4 * k))
        _add(entry, "size", "32")
        field = _add(entry, "field")
        _add(field, "name", "value")
        _add(field, "bitOffset", "0")
        _add(field, "bitWidth", "32")
        _add(field, "access", _ACCESS[register.mode])
        if register.mode == "c":
            _add(field, "modifiedWriteValue", "oneToClear")


def _ports(parent: ET.Element, ports: dict[str, Any]) -> None:
    for name, member in ports.items():
        port = _add(parent, "port")
        _add(port, "name", name)
        wire = _add(port, "wire")
        _add(wire, "direction", "in" if member.flow is In else "out")
        if member.shape > 1:
            vector = _add(_add(wire, "vectors"), "vector")
            _add(vector, "left", str(member.shape - 1))
            _add(vector, "right", "0")
