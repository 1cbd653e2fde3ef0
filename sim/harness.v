// Test bench around an AXI4-Stream design, at the simulator's own speed: it streams beats from a file, writes what comes out
// to another, and stalls both sides at random if asked. Python (sim/bulk.py, through cocotb) sets it up, starts it, waits.
//
//   stimulus.hex   one input beat a line
//   response.txt   a line an output beat: data, tlast, and the cycle in which it was taken, in hexadecimal
`ifndef DUT
`define DUT fermatnet
`endif

module fermatnet_harness #(
    parameter S_BITS = 8,
    parameter M_BITS = 8
);
    // written by Python before `go`
    reg go = 0;
    reg [31:0] seed_s = 0;            // 0: no stalls on the input side
    reg [31:0] seed_m = 0;            // 0: no stalls on the output side
    reg [63:0] beats_in = 0;          // in all
    reg [63:0] beats_out = 0;
    reg [31:0] image_in = 1;          // beats of one image, for tlast
    reg [63:0] idle_limit = 1000;     // cycles without a transfer on either side
    reg [63:0] drain = 0;             // cycles to wait for beats that should not come
    reg [31:0] light_s = 0;           // rates of the stalled input side, see `rate`
    reg [31:0] heavy_s = 0;
    reg [31:0] closed_s = 0;
    reg [31:0] light_m = 0;           // and of the output side
    reg [31:0] heavy_m = 0;
    reg [31:0] closed_m = 0;
    reg [31:0] phase = 63;            // a power of two less one: a rate holds for about so many cycles

    // read by Python after `finished`
    reg finished = 0;
    reg [3:0] status = 0;             // 0 as planned, else one of the numbers below
    reg [63:0] cycle = 0;
    reg [63:0] accepted = 0;
    reg [63:0] received = 0;
    reg [63:0] first_accepted = 0;    // cycle of the first input transfer
    reg [63:0] first_offered = 0;     // cycle in which an output was first valid
    reg [1:0] blocked = 0;            // at the end: {an input waits and is not taken, an output is offered and not taken}

    localparam STALLED = 1, UNKNOWN = 2, DROPPED = 3, CHANGED = 4, SURPLUS = 5, NO_STIMULUS = 6, INVALID = 7;

    reg clk = 0;
    always #5 clk = ~clk;

    reg rst = 1;
    reg s_tvalid = 0;
    reg s_tlast = 0;
    reg [S_BITS-1:0] s_tdata = 0;
    wire s_tready;
    wire m_tvalid;
    wire m_tlast;
    wire [M_BITS-1:0] m_tdata;
    reg m_tready = 0;
    wire m_tuser, error;              // only where the design checks tlast
`ifndef CHECKED
    assign m_tuser = 0;
    assign error = 0;
`endif

    `DUT dut (
`ifdef CHECKED
        .m_axis_tuser(m_tuser), .error(error),
`endif
`ifdef TKEEP
        .s_axis_tkeep({S_BITS / 8{1'b1}}),
`endif
        .clk(clk), .rst(rst),
        .s_axis_tdata(s_tdata), .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready), .s_axis_tlast(s_tlast),
        .m_axis_tdata(m_tdata), .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready), .m_axis_tlast(m_tlast)
    );

    // Marsaglia's xorshift: the same numbers on every simulator
    function [31:0] xorshift(input [31:0] x);
        reg [31:0] y;
        begin
            y = x ^ (x << 13);
            y = y ^ (y >> 17);
            xorshift = y ^ (y << 5);
        end
    endfunction

    // The chance of a transfer in a cycle, in 65536ths, changes now and then: free running, light, heavy, nearly closed. The
    // caller scales the last three to how often the design wants that side, or queues inside would never fill or empty.
    function [31:0] rate(input [1:0] choice, input [31:0] light, input [31:0] heavy, input [31:0] closed);
        case (choice)
            0: rate = 65536;
            1: rate = light;
            2: rate = heavy;
            default: rate = closed;
        endcase
    endfunction

    integer stimulus, response, got;
    reg [S_BITS-1:0] word;
    reg [31:0] random_s = 1;
    reg [31:0] random_m = 1;
    reg [31:0] rate_s = 65536;
    reg [31:0] rate_m = 65536;
    reg [63:0] fetched = 0;
    reg [31:0] place = 0;             // beat within the image
    reg [63:0] idle = 0;
    reg [63:0] after = 0;
    reg [3:0] resetting = 8;
    reg offered = 0;
    reg waiting = 0;                  // an output was offered in the last cycle and not taken
    reg [M_BITS-1:0] held;
    reg held_last;

    wire taken_s = s_tvalid && s_tready;
    wire taken_m = m_tvalid && m_tready;
    wire stall_s = seed_s != 0 && random_s[31:16] >= rate_s;
    wire stall_m = seed_m != 0 && random_m[31:16] >= rate_m;

    initial begin
        stimulus = $fopen("stimulus.hex", "r");
        response = $fopen("response.txt", "w");
    end

    task finish(input [3:0] why);
        begin
            status <= why;
            finished <= 1;
            blocked <= {s_tvalid && !s_tready, m_tvalid && !m_tready};
            $fclose(response);
        end
    endtask

    always @(posedge clk) if (go && !finished) begin
        cycle <= cycle + 1;
        if (resetting != 0) begin
            resetting <= resetting - 1;
            if (resetting == 8) begin
                random_s <= seed_s;
                random_m <= seed_m;
            end
            if (resetting == 1) rst <= 0;
        end else begin
            // input side: once valid, a beat stays until it is taken; data means nothing while not valid
            if (taken_s) begin
                accepted <= accepted + 1;
                if (accepted == 0) first_accepted <= cycle;
            end
            if (!s_tvalid || taken_s) begin
                if (fetched != beats_in && !stall_s) begin
                    got = $fscanf(stimulus, "%h", word);
                    s_tdata <= word;
                    s_tvalid <= 1;
                    s_tlast <= place + 1 == image_in;
                    place <= place + 1 == image_in ? 0 : place + 1;
                    fetched <= fetched + 1;
                end else begin
                    s_tdata <= ~s_tdata;
                    s_tvalid <= 0;
                    s_tlast <= !s_tlast;
                end
            end
            if (seed_s != 0) begin
                random_s <= xorshift(random_s);
                if ((xorshift(~random_s) & phase) == 0) rate_s <= rate(random_s[9:8], light_s, heavy_s, closed_s);
            end

            // output side
            m_tready <= !stall_m;
            if (seed_m != 0) begin
                random_m <= xorshift(random_m);
                if ((xorshift(~random_m) & phase) == 0) rate_m <= rate(random_m[9:8], light_m, heavy_m, closed_m);
            end
            if (m_tvalid && !offered) begin
                offered <= 1;
                first_offered <= cycle;
            end
            if (taken_m) begin
                received <= received + 1;
                $fwrite(response, "%h %h %h\n", m_tdata, {3'b0, m_tlast}, cycle);
            end
            waiting <= m_tvalid && !m_tready;
            held <= m_tdata;
            held_last <= m_tlast;

            // rules of the protocol, and the end
            idle <= taken_s || taken_m ? 0 : idle + 1;
            if (received == beats_out) after <= after + 1;
            if (^{s_tready, m_tvalid} === 1'bx || (m_tvalid && ^{m_tdata, m_tlast} === 1'bx)) finish(UNKNOWN);
            else if (error || (m_tvalid && m_tuser)) finish(INVALID);
            else if (waiting && !m_tvalid) finish(DROPPED);
            else if (waiting && {m_tdata, m_tlast} != {held, held_last}) finish(CHANGED);
            else if (received == beats_out && m_tvalid) finish(SURPLUS);
            else if (received == beats_out && after >= drain) finish(0);
            else if (got != 1 && fetched != 0) finish(NO_STIMULUS);
            else if (received != beats_out && idle >= idle_limit) finish(STALLED);
        end
    end
endmodule
