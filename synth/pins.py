"""A frame of shift registers around a network with more ports than its chip has pins, so that it can be
placed and timed."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

from fermatnet.hw.devices import Device

__all__ = ["FRAME", "frame", "framed", "located", "own_clock"]

FRAME = "fermatnet_frame"
PORTS = ("clk", "rst", "bits[0]", "bits[1]", "bits[2]", "out")
# Pins of the frame's ports where nextpnr chooses none by itself: ordinary inputs and outputs of the package,
# the clock's on boards that have the chip (Tang Nano 9K and 20K). That of CrossLink-NX comes from within.
SITES = {
    "gw1nr-9": ("52", "10", "11", "13", "14", "15"),
    "gw2ar-18": ("4", "15", "16", "17", "18", "19"),
    "lifcl-40": ("", "F16", "F18", "E17", "F13", "G13"),
}
OSCILLATOR_MHZ, BUFFER = 450, "X0/Y28/DCC_L0"  # of CrossLink-NX; the buffer is one of its left side


def framed(device: Device, port_bits: int) -> bool:
    """Whether a network with so many bits of ports is placed on ``device`` in a frame: where they are more
    than its pins, or where nextpnr wants a pin named for every port. An ECP5 design is placed without
    pins."""
    if not device.place or device.family == "ecp5":
        return False
    return port_bits > device.pins or device.name in SITES


def located(device: Device, directory: Path) -> list[str]:
    """nextpnr's options for the pins of a frame, whose constraints are written into ``directory``; none where
    nextpnr chooses them."""
    if device.name not in SITES:
        return []
    pairs = [(port, pin) for port, pin in zip(PORTS, SITES[device.name], strict=True) if pin]
    if device.family == "gowin":
        lines, name = [f'IO_LOC "{port}" {pin};' for port, pin in pairs], "frame.cst"
        options = ["--vopt", f"cst={name}"]
    else:
        lines, name = (
            [f"ldc_set_location -site {{{pin}}} [get_ports {{{port}}}]" for port, pin in pairs],
            "frame.pdc",
        )
        options = ["--pdc", name]
    (directory / name).write_text("\n".join(lines) + "\n")
    return options


def own_clock(path: Path, clock_mhz: float) -> None:
    """Clocks the frame in the netlist at ``path`` (yosys' JSON, for CrossLink-NX) by the oscillator of the
    chip, near ``clock_mhz``, in place of a pin.

    From a pin to the clock's buffer router2 of nextpnr-nexus 0.11.1 finds no way when other wires are there
    first, and router1, which does, takes many times as long for a network of 7,000 tables. The oscillator has
    wires of its own to the buffers. They count as ones of the chip's left upper corner, and router2 routes
    nets that lie to the right of most others among wires of the right half only: to a buffer in the middle it
    fails at many placements, to one on the left it is another kind of net.
    """
    netlist = json.loads(path.read_text())
    module = netlist["modules"][FRAME]
    (bit,) = module["ports"].pop("clk")["bits"]
    (buffer,) = (name for name, cell in module["cells"].items() if bit in cell["connections"].get("I", []))
    clock = module["cells"].pop(buffer)["connections"]["O"]
    pins = itertools.chain.from_iterable(cell["connections"].values() for cell in module["cells"].values())
    bits = itertools.chain.from_iterable(pins)
    source = [1 + max(bit for bit in bits if isinstance(bit, int))]
    divider = min(max(round(OSCILLATOR_MHZ / clock_mhz) - 1, 1), 255)
    module["cells"]["osc"] = {
        "type": "OSCA",
        "hide_name": 0,
        "parameters": {"HF_CLK_DIV": str(divider), "HF_OSC_EN": "ENABLED"},
        "attributes": {},
        "port_directions": {"HFCLKOUT": "output"},
        "connections": {"HFCLKOUT": source},
    }
    module["cells"]["buffer"] = {
        "type": "DCC",
        "hide_name": 0,
        "parameters": {"DCCEN": "0"},
        "attributes": {"BEL": BUFFER},
        "port_directions": {"CLKI": "input", "CLKO": "output"},
        "connections": {"CLKI": source, "CLKO": clock},
    }
    path.write_text(json.dumps(netlist))


def frame(top: str, input_bits: int, output_bits: int, more: Sequence[tuple[str, str, int]] = ()) -> str:
    """Verilog of a module ``fermatnet_frame`` with six pins around the AXI4-Stream module ``top`` (as
    instance ``core``).

    The input data comes from a shift register, the output data goes into one; every port of the design still
    meets a flip-flop, so its timing between registers is its own. The registers are counted as the frame's,
    not as a layer's.
    ``more``: further ports as `fermatnet.hw.compiler.interface.edge_ports` lists them; inputs among them are
    all ones.
    """
    outputs = [(name, bits) for way, name, bits in more if way == "output"]
    wires = "".join(f"    wire [{bits - 1}:0] {name};\n" for name, bits in outputs)
    links = "".join(
        f",\n        .{name}({name})" if way == "output" else f",\n        .{name}({{{bits}{{1'b1}}}})"
        for way, name, bits in more
    )
    sampled = "".join(f", {name}" for name, _ in outputs)
    held = output_bits + 3 + sum(bits for _, bits in outputs)
    return f"""\
module {FRAME} (input wire clk, input wire rst, input wire [2:0] bits, output wire out);
    reg [{input_bits - 1}:0] s_data;
    reg s_valid, s_last, m_ready;
    reg [{held - 1}:0] held;
    wire [{output_bits - 1}:0] m_data;
    wire s_ready, m_valid, m_last;
{wires}    always @(posedge clk) begin
        {{m_ready, s_last, s_valid}} <= bits;
        s_data <= {{s_data, bits[0]}};
        held <= m_valid && m_ready ? {{s_ready, m_valid, m_last, m_data{sampled}}} : held << 1;
    end
    assign out = held[{held - 1}];
    {top} core (
        .clk(clk), .rst(rst),
        .s_axis_tdata(s_data), .s_axis_tvalid(s_valid), .s_axis_tready(s_ready), .s_axis_tlast(s_last),
        .m_axis_tdata(m_data), .m_axis_tvalid(m_valid), .m_axis_tready(m_ready), .m_axis_tlast(m_last){links}
    );
endmodule
"""
