// Hand-written stand-in for a generated network: two logits, each a weighted sum of the image's 8 bytes (shape 2 x 2 x 2).
// Latency 9 cycles, 10 cycles an image. fault.hex picks a way to be wrong.
module weighted_sum (
    input wire clk,
    input wire rst,
    input wire [7:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,
    input wire s_axis_tlast,
    output wire [23:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready,
    output wire m_axis_tlast
);
    localparam REFUSE = 1, SWALLOW = 2, DROP = 3, CHANGE = 4, SURPLUS = 5, UNKNOWN = 6, NO_LAST = 7, TOO_WIDE = 8;

    reg signed [7:0] weights [0:15];
    reg [3:0] fault [0:0];
    initial $readmemh("weights.hex", weights);
    initial $readmemh("fault.hex", fault);

    reg [2:0] at;
    reg [1:0] left;
    reg [7:0] images;
    reg dropped;
    reg signed [19:0] sum0, sum1;
    reg signed [19:0] out0, out1;
    wire signed [8:0] x = {1'b0, s_axis_tdata};
    wire signed [19:0] next0 = (at == 0 ? 20'sd0 : sum0) + x * weights[at];
    wire signed [19:0] next1 = (at == 0 ? 20'sd0 : sum1) + x * weights[8 + at];

    assign s_axis_tready = left == 0 && !(fault[0] == REFUSE && images == 1);
    assign m_axis_tvalid = left != 0 && !(fault[0] == DROP && dropped);
    assign m_axis_tlast = left == 1 && fault[0] != NO_LAST;
    wire signed [19:0] value = left == 2 ? out0 : out1;
    assign m_axis_tdata = fault[0] == UNKNOWN && left == 1 ? 24'bx
        : fault[0] == CHANGE && dropped ? 24'd1
        : fault[0] == TOO_WIDE ? 24'h7fffff
        : {{4{value[19]}}, value};

    always @(posedge clk) begin
        dropped <= m_axis_tvalid && !m_axis_tready;
        if (s_axis_tvalid && s_axis_tready) begin
            at <= at + 1;
            sum0 <= next0;
            sum1 <= next1;
            if (at == 7) begin
                out0 <= next0;
                out1 <= next1;
                images <= images + 1;
                left <= fault[0] == SURPLUS ? 3 : fault[0] == SWALLOW && images == 1 ? 0 : 2;
            end
        end
        if (m_axis_tvalid && m_axis_tready) left <= left - 1;
        if (rst) begin
            at <= 0;
            left <= 0;
            images <= 0;
            dropped <= 0;
        end
    end
endmodule
