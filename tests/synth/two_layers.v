// Hand-written stand-in for a generated network: two layers with known contents.
//   first:  a 16 x 16 multiplier between registers, 16 + 32 flip-flops (held and the low half of grown are the same eight)
//   second: a memory of 512 words of 32 bits, an accumulator of 32 bits
module first (input wire clk, input wire en, input wire [7:0] x, output reg [31:0] y);
    reg [7:0] held;
    reg [15:0] grown;
    always @(posedge clk) if (en) begin
        held <= x;
        grown <= {held, x};
        y <= grown * {x, held};
    end
endmodule

module second (input wire clk, input wire rst, input wire en, input wire [31:0] x, output reg [31:0] sum);
    reg [31:0] words [0:511];
    reg [8:0] at;
    reg [31:0] old;
    always @(posedge clk) begin
        if (en) begin
            words[at] <= x;
            old <= words[at];
            at <= at + 1;
            sum <= sum + old;
        end
        if (rst) begin
            at <= 0;
            sum <= 0;
        end
    end
endmodule

module two_layers (
    input wire clk, input wire rst,
    input wire [7:0] s_axis_tdata, input wire s_axis_tvalid, output wire s_axis_tready, input wire s_axis_tlast,
    output wire [31:0] m_axis_tdata, output wire m_axis_tvalid, input wire m_axis_tready, output wire m_axis_tlast
);
    wire [31:0] between;
    reg valid;
    always @(posedge clk) valid <= s_axis_tvalid && !rst;
    assign s_axis_tready = m_axis_tready;
    assign m_axis_tvalid = valid;
    assign m_axis_tlast = 0;
    first first (.clk(clk), .en(s_axis_tvalid), .x(s_axis_tdata), .y(between));
    second second (.clk(clk), .rst(rst), .en(valid), .x(between), .sum(m_axis_tdata));
endmodule
