// Brings the weights of one layer that the design does not keep: the words of a file, over and over, as a memory controller would.
//
//   FILE           a word a line, in hexadecimal
//   feed_seed.hex  0: a word is always there; else it comes and goes at random
module fermatnet_feed #(
    parameter WIDTH = 8,              // of a word
    parameter BITS = 8,               // of the port, a whole number of bytes
    parameter WORDS = 1,
    parameter FILE = "weights.hex"
) (
    input wire clk,
    input wire rst,
    output wire [BITS-1:0] tdata,
    output reg tvalid,
    input wire tready
);
    reg [WIDTH-1:0] words [0:WORDS-1];
    reg [31:0] seed [0:0];
    reg [31:0] random, place;
    reg [1:0] rate;                   // 0: always there, 1: three times of four, 2: every other, 3: one of sixteen

    initial begin
        $readmemh(FILE, words);
        $readmemh("feed_seed.hex", seed);
        tvalid = 0;
    end

    // Marsaglia's xorshift: the same numbers on every simulator
    function [31:0] xorshift(input [31:0] x);
        reg [31:0] y;
        begin
            y = x ^ (x << 13);
            y = y ^ (y >> 17);
            xorshift = y ^ (y << 5);
        end
    endfunction

    wire [15:0] level = rate == 0 ? 16'hffff : rate == 1 ? 16'hc000 : rate == 2 ? 16'h8000 : 16'h1000;
    wire taken = tvalid && tready;
    assign tdata = tvalid ? words[place] : ~words[place];   // data means nothing while not valid

    always @(posedge clk)
        if (rst) begin
            tvalid <= 0;
            place <= 0;
            rate <= 0;
            random <= seed[0] ^ WIDTH ^ (WORDS << 8);
        end else begin
            if (taken) place <= place + 1 == WORDS ? 0 : place + 1;
            if (!tvalid || taken) tvalid <= seed[0] == 0 || random[31:16] <= level;
            if (seed[0] != 0) begin
                random <= xorshift(random);
                if (random[7:0] == 0) rate <= random[9:8];
            end
        end
endmodule
