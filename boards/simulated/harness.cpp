// A simulated board behind a pseudo-terminal: bytes written to it become bits on the pin rx, bits on tx become
// bytes to read. Prints the terminal's name, then runs until its standard input ends. A line "r" there presses
// the reset button (where there is one) for a while.
//
// Usage: board DIVISOR QUIET    (clock cycles a bit, the PLL's model passes the oscillator through; cycles
// without a bit after which nothing more can come, so that the simulation rests)

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <termios.h>
#include <unistd.h>

#include "Vboard.h"
#include "verilated.h"

static const int BATCH = 4096;         // cycles between two looks at the terminal
static const int RESET_CYCLES = 64;

static Vboard *board;
static int divisor;
static long quiet = 0, quiet_end, resetting = 0;
static std::deque<unsigned char> to_board;
static std::string from_board;

static int out_bits = 0, out_timer = 0, out_shift = 0;   // towards rx
static int in_bits = 0, in_timer = 0, in_shift = 0;      // from tx

static void drive() {
    if (out_bits == 0 && !to_board.empty()) {
        out_shift = (to_board.front() << 1) | 0x200;
        to_board.pop_front();
        out_bits = 10;
        out_timer = divisor;
    }
    board->rx = out_bits ? out_shift & 1 : 1;
    if (out_bits) {
        quiet = 0;
        if (--out_timer == 0) {
            out_shift >>= 1;
            out_timer = divisor;
            --out_bits;
        }
    }
}

static void sample() {
    if (in_bits == 0) {
        if (!board->tx) {
            in_bits = 10;
            in_timer = divisor / 2;
        }
        return;
    }
    quiet = 0;
    if (in_timer-- > 0) return;
    in_timer = divisor - 1;
    if (in_bits == 1) {
        if (board->tx) from_board.push_back(static_cast<char>(in_shift));
    } else if (in_bits < 10) {
        in_shift = (in_shift >> 1) | (board->tx ? 0x80 : 0);
    }
    --in_bits;
}

static void cycle() {
    drive();
#ifdef RESET_ON
    board->reset = resetting > 0 ? RESET_ON : !RESET_ON;
    if (resetting > 0) --resetting;
#endif
    board->osc = 0;
    board->eval();
    board->osc = 1;
    board->eval();
    sample();
    ++quiet;
}

int main(int count, char **arguments) {
    Verilated::commandArgs(count, arguments);
    if (count < 3 || (divisor = atoi(arguments[1])) < 4 || (quiet_end = atol(arguments[2])) < 1) return 2;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) || unlockpt(terminal)) return 3;
    const char *name = ptsname(terminal);
    int other = open(name, O_RDWR | O_NOCTTY);  // held open, so that a host may come and go
    struct termios settings;
    tcgetattr(other, &settings);
    cfmakeraw(&settings);
    tcsetattr(other, TCSANOW, &settings);
    fcntl(terminal, F_SETFL, O_NONBLOCK);
    printf("%s\n", name);
    fflush(stdout);
    board = new Vboard;
    board->rx = 1;
    std::string commands;
    for (;;) {
        for (int k = 0; k < BATCH; ++k) cycle();
        if (!from_board.empty()) {
            ssize_t written = write(terminal, from_board.data(), from_board.size());
            if (written > 0) from_board.erase(0, written);
        }
        bool resting = quiet > quiet_end && to_board.empty() && from_board.empty() && resetting == 0;
        struct pollfd watched[2] = {{terminal, POLLIN, 0}, {0, POLLIN, 0}};
        poll(watched, 2, resting ? 1000 : 0);
        char buffer[4096];
        if (watched[0].revents & POLLIN) {
            ssize_t taken = read(terminal, buffer, sizeof buffer);
            for (ssize_t k = 0; k < taken; ++k) to_board.push_back(buffer[k]);
        }
        if (watched[1].revents & (POLLIN | POLLHUP)) {
            ssize_t taken = read(0, buffer, sizeof buffer);
            if (taken <= 0) return 0;
            for (ssize_t k = 0; k < taken; ++k)
                if (buffer[k] == 'r') {
                    resetting = RESET_CYCLES;
                    quiet = 0;
                }
        }
    }
}
