"""A frame of shift registers around a network with more ports than its chip has pins, so that it can be
placed and timed."""

from collections.abc import Sequence

__all__ = ["FRAME", "frame"]

FRAME = "fermatnet_frame"


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
