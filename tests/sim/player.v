// Plays a file of beats into one accelerator under random stalls and writes down what comes out. Two of them run side by side.
module player #(
    parameter S_BITS = 8,
    parameter M_BITS = 8,
    parameter SEED = 1,
    parameter QUIET = 2000,           // cycles without a transfer at the end
    parameter STIMULUS = "",          // a line a beat: data and tlast
    parameter RESPONSE = ""           // a line a beat: data, tlast and tuser; then the error flag and its counter
) (
    input wire clk, input wire rst,
    output reg [S_BITS-1:0] s_tdata, output reg s_tvalid, output reg s_tlast, input wire s_tready,
    input wire [M_BITS-1:0] m_tdata, input wire m_tvalid, input wire m_tlast, input wire m_tuser, output reg m_tready,
    input wire error, input wire [15:0] error_count,
    output reg done
);
    integer in, out, got;
    reg [31:0] random, idle;
    reg [S_BITS-1:0] data;
    reg last, ended;

    initial begin
        in = $fopen(STIMULUS, "r");
        out = $fopen(RESPONSE, "w");
        {s_tvalid, s_tlast, m_tready, done, ended} = 0;
        random = SEED;
        idle = 0;
    end

    function [31:0] xorshift(input [31:0] x);
        reg [31:0] y;
        begin
            y = x ^ (x << 13);
            y = y ^ (y >> 17);
            xorshift = y ^ (y << 5);
        end
    endfunction

    always @(posedge clk) if (!rst && !done) begin
        random <= xorshift(random);
        if (!s_tvalid || s_tready) begin
            s_tvalid <= 0;
            s_tdata <= ~s_tdata;
            s_tlast <= random[9];
            if (!ended && random[1:0] != 0) begin
                got = $fscanf(in, "%h %h", data, last);
                if (got == 2) begin
                    s_tvalid <= 1;
                    s_tdata <= data;
                    s_tlast <= last;
                end else ended <= 1;
            end
        end
        m_tready <= random[20:19] != 0;
        if (m_tvalid && m_tready) $fwrite(out, "%h %b %b\n", m_tdata, m_tlast, m_tuser);
        idle <= m_tvalid || s_tvalid ? 0 : idle + 1;
        if (ended && idle == QUIET) begin
            done <= 1;
            $fwrite(out, "%b %0d\n", error, error_count);
            $fclose(out);
        end
    end
endmodule
