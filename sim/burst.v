// Loads weights into a reloadable design before its first image, and lets images in when the design has taken them.
//
//   burst.hex      the number of words, then the words, in hexadecimal; 0: nothing is loaded
//   load_refused   appears when the design refuses the load; then no image ever enters
module fermatnet_burst (
    input wire clk,
    input wire rst,
    output reg [31:0] tdata,
    output reg tvalid,
    output reg tlast,
    input wire tready,
    input wire ok,
    input wire error,
    output reg done
);
    integer file, got, refused;
    reg [31:0] count, sent, word;
    reg told;

    initial begin
        file = $fopen("burst.hex", "r");
        got = $fscanf(file, "%h", count);
        tvalid = 0;
        done = 0;
        sent = 0;
        told = 0;
    end

    always @(posedge clk)
        if (rst) begin
            tvalid <= 0;
            done <= count == 0;
        end else if (!done) begin
            if (!tvalid || tready) begin
                tvalid <= sent != count;
                if (sent != count) begin
                    got = $fscanf(file, "%h", word);
                    tdata <= word;
                    tlast <= sent + 1 == count;
                    sent <= sent + 1;
                end
            end
            if (sent == count && !tvalid && ok) done <= 1;
            if (error && !told) begin
                told <= 1;
                refused = $fopen("load_refused", "w");
                $fclose(refused);
            end
        end
endmodule
