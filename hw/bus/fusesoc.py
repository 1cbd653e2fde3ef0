"""The FuseSoC core of a wrapped design, and a test bench for its target ``sim``."""

from typing import Any

import numpy as np
from amaranth.lib.wiring import In

from fermatnet.hw.bus.accelerator import bus_ports
from fermatnet.hw.bus.axi_lite import BUS
from fermatnet.model.network import Network, run

__all__ = ["VECTORS", "core_file", "test_bench", "vectors"]

VECTORS = 4
"""Images of the test bench."""


def core_file(name: str, sources: list[str], memories: list[str], waivers: str, bench: list[str]) -> str:
    """CAPI2 text: targets ``lint`` (Verilator) and, with a ``bench``, ``sim`` (Icarus)."""
    lines = [
        "CAPI=2:",
        f"name: fermatnet:generated:{name}:0.1.0",
        "description: Streaming CNN accelerator with AXI4-Stream and AXI4-Lite",
        "",
        "filesets:",
        "  rtl:",
        "    files:",
    ]
    lines += [f"      - {file}: {{file_type: verilogSource}}" for file in sources]
    lines += [f"      - {file}: {{file_type: user, copyto: {file}}}" for file in memories]
    lines += ["  lint:", "    files:", f"      - {waivers}: {{file_type: vlt}}"]
    if bench:
        lines += ["  bench:", "    files:", f"      - {bench[0]}: {{file_type: verilogSource}}"]
        lines += [f"      - {file}: {{file_type: user, copyto: {file}}}" for file in bench[1:]]
    lines += [
        "",
        "targets:",
        "  default: &default",
        "    filesets: [rtl]",
        f"    toplevel: {name}",
        "  lint:",
        "    <<: *default",
        "    filesets: [lint, rtl]",
        "    default_tool: verilator",
        "    tools:",
        "      verilator: {mode: lint-only, verilator_options: [-Wall]}",
    ]
    if bench:
        lines += [
            "  sim:",
            "    filesets: [rtl, bench]",
            f"    toplevel: {name}_tb",
            "    default_tool: icarus",
            "    tools:",
            "      icarus: {iverilog_options: [-g2005]}",
        ]
    return "\n".join(lines) + "\n"


def vectors(net: Network, interface: dict[str, Any]) -> tuple[str, str]:
    """Beats of some images, and of what the reference makes of them, one a line in hexadecimal."""
    low, high = net.input_range
    shape = (VECTORS, *net.inputs[0].dims)
    images = np.random.default_rng(0).integers(low, high + 1, shape).astype(net.inputs[0].dtype)
    return _lines(images, interface["input"]), _lines(run(net, images), interface["output"])


def _lines(values: np.ndarray, port: dict[str, Any]) -> str:
    channels, height, width = port["shape"]
    rows = values.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).reshape(-1, port["lanes"])
    mask, digits = (1 << port["element_bits"]) - 1, port["tdata_bits"] // 4
    words = [
        sum((int(value) & mask) << (k * port["element_bits"]) for k, value in enumerate(row)) for row in rows
    ]
    return "".join(f"{word:0{digits}x}\n" for word in words)


def test_bench(name: str, interface: dict[str, Any], stimulus: str, expected: str) -> str:
    """A test bench that streams the stimulus, compares every beat, and ends with status 1 at the first wrong
    one (by Icarus' ``$finish_and_return``; as Verilog-2005, because in SystemVerilog a block that nothing
    wakes stays unknown)."""
    image, result = interface["input"], interface["output"]
    counts = [VECTORS * port["beats_per_image"] for port in (image, result)]
    idle = {f"s_axi_{part}" for part in BUS}
    own: tuple[str, ...] = ("s_axis_tdata", "s_axis_tvalid", "s_axis_tready", "s_axis_tlast", "s_axis_tkeep")
    own += ("m_axis_tdata", "m_axis_tvalid", "m_axis_tready", "m_axis_tlast", "aclk", "aresetn")
    links = []
    for port, member in bus_ports(interface).items():
        if port in own:
            links.append(f".{port}({port})")
        else:
            value = f"{member.shape}'d0" if member.flow is In and port in idle else ""
            links.append(f".{port}({value})")
    last = result["beats_per_image"] - 1
    limit = 40 * VECTORS * (interface["cycles_per_image"] + interface["latency_cycles"]) + 10000
    return f"""\
`timescale 1ns/1ps
module {name}_tb;
    reg aclk = 0, aresetn = 0;
    reg [{image["tdata_bits"] - 1}:0] stimulus [0:{counts[0] - 1}];
    reg [{result["tdata_bits"] - 1}:0] expected [0:{counts[1] - 1}];
    integer sent = 0, got = 0, cycles = 0;
    wire [{image["tdata_bits"] - 1}:0] s_axis_tdata = stimulus[sent < {counts[0]} ? sent : 0];
    wire s_axis_tvalid = aresetn && sent < {counts[0]};
    wire s_axis_tlast = sent % {image["beats_per_image"]} == {image["beats_per_image"] - 1};
    wire [{image["tdata_bits"] // 8 - 1}:0] s_axis_tkeep = ~0;
    wire s_axis_tready, m_axis_tvalid, m_axis_tlast;
    wire [{result["tdata_bits"] - 1}:0] m_axis_tdata;
    wire m_axis_tready = cycles[1:0] != 0;
    {name} dut ({", ".join(links)});
    always #5 aclk = ~aclk;
    initial begin
        $readmemh("{stimulus}", stimulus);
        $readmemh("{expected}", expected);
        #52 aresetn = 1;
    end
    always @(posedge aclk) if (aresetn) begin
        cycles <= cycles + 1;
        if (s_axis_tvalid && s_axis_tready) sent <= sent + 1;
        if (m_axis_tvalid && m_axis_tready) begin
            got <= got + 1;
            if (m_axis_tdata !== expected[got]
                    || m_axis_tlast !== (got % {result["beats_per_image"]} == {last})) begin
                $display("ERROR: beat %0d is %h, expected %h", got, m_axis_tdata, expected[got]);
                $finish_and_return(1);
            end
            if (got == {counts[1] - 1}) begin
                $display("{VECTORS} images, {counts[1]} beats: equal to the reference");
                $finish;
            end
        end
        if (cycles == {limit}) begin
            $display("ERROR: no end after {limit} cycles");
            $finish_and_return(1);
        end
    end
endmodule
"""
