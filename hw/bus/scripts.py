"""Scripts of the vendors' tools that make an IP block of a wrapped design."""

from typing import Any

from amaranth.lib.wiring import In

from fermatnet.hw.bus.accelerator import bus_ports
from fermatnet.hw.bus.axi_lite import BUS

__all__ = ["quartus", "vivado"]


def vivado(name: str, sources: list[str], memories: list[str]) -> str:
    """Tcl for Vivado: ``vivado -mode batch -source NAME_vivado.tcl`` packages the design as an IP."""
    lines = [
        "set here [file dirname [file normalize [info script]]]",
        f"create_project -force -part xc7z020clg400-1 {name} $here/{name}_project",
    ]
    lines += [f"add_files $here/{file}" for file in (*sources, *memories)]
    lines += [
        f"set_property file_type {{Memory Initialization Files}} [get_files {memory}]" for memory in memories
    ]
    lines += [
        f"set_property top {name} [current_fileset]",
        f"ipx::package_project -root_dir $here/{name}_ip -vendor fermatnet -library generated "
        "-import_files -force",
        "ipx::check_integrity [ipx::current_core]",
        "ipx::save_core [ipx::current_core]",
        "close_project",
    ]
    return "\n".join(lines) + "\n"


def quartus(name: str, interface: dict[str, Any], sources: list[str], memories: list[str]) -> str:
    """Tcl for Platform Designer (NAME_hw.tcl): the design as a component with AXI4-Stream and AXI4-Lite."""
    lines = [
        "package require -exact qsys 16.1",
        f"set_module_property NAME {name}",
        "set_module_property VERSION 1.0",
        'set_module_property GROUP "fermatnet"',
        "add_fileset synthesis QUARTUS_SYNTH",
        f"set_fileset_property synthesis TOP_LEVEL {name}",
    ]
    lines += [f"add_fileset_file {file} VERILOG PATH {file}" for file in sources]
    lines += [f"add_fileset_file {file} HEX PATH {file}" for file in memories]
    lines += ["add_interface aclk clock end", "add_interface_port aclk aclk clk Input 1"]
    lines += [
        "add_interface aresetn reset end",
        "set_interface_property aresetn associatedClock aclk",
        "add_interface_port aresetn aresetn reset_n Input 1",
    ]
    for side, kind in (("s_axis", "end"), ("m_axis", "start")):
        lines += _interface(side, "axi4stream", kind, interface)
    lines += _interface("s_axi", "axi4lite", "end", interface)
    lines += [
        "add_interface irq interrupt end",
        "set_interface_property irq associatedClock aclk",
        "add_interface_port irq irq irq Output 1",
    ]
    return "\n".join(lines) + "\n"


def _interface(side: str, kind: str, role: str, interface: dict[str, Any]) -> list[str]:
    lines = [
        f"add_interface {side} {kind} {role}",
        f"set_interface_property {side} associatedClock aclk",
        f"set_interface_property {side} associatedReset aresetn",
    ]
    for port, member in bus_ports(interface).items():
        part = port.removeprefix(f"{side}_")
        if port.startswith(f"{side}_") and (side != "s_axi" or part in BUS):
            way = "Input" if member.flow is In else "Output"
            lines.append(f"add_interface_port {side} {port} {part} {way} {member.shape}")
    return lines
