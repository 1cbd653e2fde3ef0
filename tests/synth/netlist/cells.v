// What makes yosys take each kind of cell: memories of every width and mode, products with registers, shift
// registers, registers with every reset, carries, tables. `r` is random in every cycle.

module memory #(parameter WIDTH = 8, WORDS = 64, BYTE = WIDTH, STYLE = 0, RESET = 0, SEED = 1) (
    input clk, input [WIDTH/BYTE-1:0] we, input re, rst, input [15:0] wa, ra, input [WIDTH-1:0] d,
    output reg [WIDTH-1:0] q
);
    integer i;
    reg [31:0] mixed;
    initial q = 0;
    generate
        if (STYLE == 0) begin : blocks
            (* ram_style = "block" *) reg [WIDTH-1:0] words [0:WORDS-1];
            initial for (i = 0; i < WORDS; i = i + 1) begin
                mixed = SEED * 32'h9e3779b1 * (i + 1);
                words[i] = {3{mixed}} >> 5;
            end
            always @(posedge clk) begin
                for (i = 0; i < WIDTH / BYTE; i = i + 1)
                    if (we[i]) words[wa % WORDS][BYTE * i +: BYTE] <= d[BYTE * i +: BYTE];
                if (RESET && rst) q <= 0; else if (re) q <= words[ra % WORDS];
            end
        end else begin : tables
            reg [WIDTH-1:0] words [0:WORDS-1];
            initial for (i = 0; i < WORDS; i = i + 1) begin
                mixed = SEED * 32'h9e3779b1 * (i + 1);
                words[i] = {3{mixed}} >> 5;
            end
            always @(posedge clk) if (we[0]) words[wa % WORDS] <= d;
            always @* q = words[ra % WORDS];  // without a clock
        end
    endgenerate
endmodule

module both_ports (input clk, wa, wb, input [6:0] a, b, input [8:0] da, db, output reg [8:0] qa, qb);
    (* ram_style = "block" *) reg [8:0] words [0:127];
    integer i;
    initial begin
        for (i = 0; i < 128; i = i + 1) words[i] = i * 37;
        qa = 0;
        qb = 0;
    end
    always @(posedge clk) if (wa) words[a] <= da; else qa <= words[a];
    always @(posedge clk) if (wb && a != b) words[b] <= db; else if (a != b) qb <= words[b];
endmodule

module product #(parameter A = 9, B = 8, IN = 1, MID = 0, OUT = 0, ADD = 0, SIGNED = 1, W = A + B + !SIGNED) (
    input clk, ce, rst, input [A-1:0] a, input [B-1:0] b, input [A+B-1:0] c, output [A+B:0] y
);
    // W bits and no more: yosys loses a sign bit that stands twice in a register which it moves into a multiplier
    reg [A-1:0] a1 = 0;
    reg [B-1:0] b1 = 0;
    reg signed [W-1:0] m1 = 0, y1 = 0;
    always @(posedge clk) if (ce) begin a1 <= a; b1 <= b; end
    wire [A-1:0] af = IN ? a1 : a;
    wire [B-1:0] bf = IN ? b1 : b;
    wire signed [A:0] as = {SIGNED ? af[A-1] : 1'b0, af};
    wire signed [B:0] bs = {SIGNED ? bf[B-1] : 1'b0, bf};
    wire signed [W-1:0] m = as * bs, mm = MID ? m1 : m;
    wire signed [W-1:0] s = ADD ? mm + $signed(c) : mm;
    wire signed [W-1:0] last = OUT ? y1 : s;
    always @(posedge clk) m1 <= m;
    always @(posedge clk) if (rst) y1 <= 0; else y1 <= s;
    assign y = last;
endmodule

module registers (input clk, en, sync, async, input [7:0] d, output reg [7:0] q);
    initial q = 8'h2a;
    always @(posedge clk) q[0] <= d[0];
    always @(posedge clk) if (en) q[1] <= d[1];
    always @(posedge clk) if (sync) q[2] <= 0; else q[2] <= d[2];
    always @(posedge clk) if (sync) q[3] <= 1; else if (en) q[3] <= d[3];
    always @(posedge clk) if (en) if (sync) q[4] <= 0; else q[4] <= d[4];
    always @(posedge clk or posedge async) if (async) q[5] <= 1; else q[5] <= d[5];
    always @(posedge clk or posedge async) if (async) q[6] <= 0; else if (en) q[6] <= d[6];
    always @(posedge clk) if (!en) if (sync) q[7] <= 0; else q[7] <= d[7];
endmodule

module delay #(parameter LENGTH = 7) (input clk, en, d, output q);
    reg [LENGTH-1:0] bits = {3{32'h5a17c369}};
    always @(posedge clk) if (en) bits <= {bits[LENGTH-2:0], d};
    assign q = bits[LENGTH-1];
endmodule

module cells (input clk, input [127:0] r, output [511:0] y);
    wire [15:0] wa = r[15:0], ra = r[127] ? r[15:0] : r[31:16];  // often the same place at once
    wire [71:0] d = r[103:32];
    memory #(.WIDTH(1), .WORDS(1024), .SEED(1)) m1 (clk, r[104], r[105], 1'b0, wa, ra, d[0], y[0]);
    memory #(.WIDTH(2), .WORDS(512), .SEED(2)) m2 (clk, r[104], r[105], 1'b0, wa, ra, d[1:0], y[2:1]);
    memory #(.WIDTH(4), .WORDS(256), .SEED(3)) m4 (clk, r[104], 1'b1, 1'b0, wa, ra, d[3:0], y[6:3]);
    memory #(.WIDTH(9), .WORDS(128), .SEED(4)) m9 (clk, r[104], r[105], 1'b0, wa, ra, d[8:0], y[15:7]);
    memory #(.WIDTH(18), .WORDS(64), .BYTE(9), .SEED(5)) m18 (clk, r[105:104], r[106], 1'b0, wa, ra, d[17:0], y[33:16]);
    memory #(.WIDTH(36), .WORDS(64), .BYTE(9), .SEED(6)) m36 (clk, r[107:104], r[108], 1'b0, wa, ra, d[35:0], y[69:34]);
    memory #(.WIDTH(16), .WORDS(128), .RESET(1), .SEED(7)) mr (clk, r[104], r[105], &r[111:109], wa, ra, d[15:0], y[85:70]);
    memory #(.WIDTH(24), .WORDS(128), .SEED(8)) rom (clk, 1'b0, r[105], 1'b0, wa, ra, d[23:0], y[109:86]);
    memory #(.WIDTH(72), .WORDS(128), .SEED(9)) wide (clk, 1'b0, r[105], 1'b0, wa, ra, d, y[181:110]);
    memory #(.WIDTH(6), .WORDS(16), .STYLE(1), .SEED(10)) t16 (clk, r[104], r[105], 1'b0, wa, ra, d[5:0], y[187:182]);
    memory #(.WIDTH(5), .WORDS(32), .STYLE(1), .SEED(11)) t32 (clk, r[104], 1'b1, 1'b0, wa, ra, d[4:0], y[192:188]);
    memory #(.WIDTH(3), .WORDS(64), .STYLE(1), .SEED(12)) t64 (clk, r[104], 1'b1, 1'b0, wa, ra, d[2:0], y[195:193]);
    both_ports two (clk, r[104], r[105], wa[6:0], ra[6:0], d[8:0], d[17:9], y[204:196], y[213:205]);
    product #(.IN(0)) p0 (clk, 1'b1, 1'b0, d[8:0], d[16:9], d[35:19], y[231:214]);
    product #(.IN(1), .MID(1), .ADD(1), .OUT(1)) p1 (clk, 1'b1, 1'b0, d[8:0], d[16:9], d[35:19], y[249:232]);
    product #(.IN(1), .OUT(1), .SIGNED(0)) p2 (clk, r[106], r[109], d[8:0], d[16:9], d[35:19], y[267:250]);
    product #(.A(16), .B(14), .IN(1), .MID(1)) p3 (clk, 1'b1, 1'b0, d[15:0], d[29:16], d[59:30], y[298:268]);
    product #(.A(24), .B(20), .IN(0), .OUT(1)) p4 (clk, 1'b1, 1'b0, d[23:0], d[43:24], 44'd0, y[343:299]);
    registers f (clk, r[104], r[105], 1'b0, d[7:0], y[351:344]);
    reg gone = 0;
    always @(posedge clk) gone <= &r[109:104];
    registers g (clk, r[110], r[111], gone, d[15:8], y[359:352]);
    delay #(.LENGTH(5)) d5 (clk, 1'b1, d[0], y[360]);
    delay #(.LENGTH(14)) d14 (clk, r[104], d[1], y[361]);
    delay #(.LENGTH(29)) d29 (clk, r[105], d[2], y[362]);
    assign y[379:363] = d[15:0] + d[31:16];
    assign y[396:380] = d[15:0] - d[31:16] - r[104];
    assign y[397] = $signed(d[19:0]) < $signed(d[39:20]);
    assign y[398] = d[d[70:65]];
    assign y[399] = 256'h9d3a57c10f6eb28413c8f02d7b5e964a_e1740b9c5d82f63a48d1c7250fb96e3e >> d[7:0];
    assign y[407:400] = d[71:64] * 8'd25 ^ d[7:0];
    assign y[511:408] = 0;
endmodule
