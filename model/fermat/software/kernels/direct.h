// The direct method: where the plan says that loops are faster, and as the transforms' opponent in the benchmarks.
#pragma once

#include <cstring>

#include "threads.h"

// Two ways. First the loops of (2.1) as they stand; rows of x are padded by the caller so that a row of outputs, rounded up to
// 16, may read beyond the last one (`span`), because rows of 12 or 14 would otherwise hardly use a vector unit.
template <class T> __attribute__((noinline)) static void add_scaled(T *__restrict out, const T *__restrict from, T tap, long rows, long span, long width) {
    for (long i = 0; i < rows; i++)  // a function of its own, because only for parameters does the compiler believe __restrict everywhere
        for (long j = 0; j < span; j += 16)
            for (long l = 0; l < 16; l++) out[i * span + j + l] += tap * from[i * width + j + l];
}
template <class T> static void direct_planes(const T *x, const T *w, T *y, long n, long c, long h, long width, long o, long kh, long kw, long ow, int threads) {
    const long oh = h - kh + 1, span = (ow + 15) / 16 * 16;
    parallel_for(n * o, threads, [&](auto each) {
        Buffer<T> sum(oh * span);
        each([&](long job) {
            T *__restrict out = sum.p;
            std::memset(out, 0, sizeof(T) * oh * span);
            for (long f = 0; f < c; f++)
                for (long u = 0; u < kh; u++)
                    for (long v = 0; v < kw; v++) {
                        const T tap = w[((job % o * c + f) * kh + u) * kw + v];
                        add_scaled(out, x + ((job / o * c + f) * h + u) * width + v, tap, oh, span, width);
                    }
            for (long i = 0; i < oh; i++) std::memcpy(y + (job * oh + i) * ow, out + i * span, sizeof(T) * ow);
        });
    });
}

// Groups, each with c channels: the same loops, a job for each image and group.
template <class T> static void direct_groups(const T *x, const T *w, T *y, long n, long groups, long c, long h, long width, long o, long kh, long kw, long ow,
                                             int threads) {
    if (groups == 1) return direct_planes(x, w, y, n, c, h, width, o, kh, kw, ow, threads);
    const long each_o = o / groups, plane = (h - kh + 1) * ow;
    parallel_for(n * groups, threads, [&](auto each) {
        each([&](long i) { direct_planes(x + i * c * h * width, w + i % groups * each_o * c * kh * kw, y + i * each_o * plane, 1, c, h, width, each_o, kh, kw, ow, 1); });
    });
}

// Second, the harder opponent: sixteen outputs by six pixels in registers; x [n][h][w][c] padded, w [o / 16][kh][kw][c][16], y [n][oh][ow][o].
template <class T, int COUNT>
__attribute__((noinline)) static void direct_block(const T *x, const T *w, T *y, long c, long h_step, long o, long kh, long kw) {
    typedef T B __attribute__((vector_size(16 * sizeof(T))));
    B sum[COUNT];
#pragma GCC unroll 6
    for (int j = 0; j < COUNT; j++) sum[j] = B{};
    for (long u = 0; u < kh; u++)
        for (long f = 0; f < kw * c; f++) {
            B taps;
            std::memcpy(&taps, w + (u * kw * c + f) * 16, sizeof(taps));
#pragma GCC unroll 6
            for (int j = 0; j < COUNT; j++) sum[j] += x[u * h_step + j * c + f] * taps;
        }
#pragma GCC unroll 6
    for (int j = 0; j < COUNT; j++) std::memcpy(y + j * o, &sum[j], sizeof(B));
}
template <class T> static void direct_blocked(const T *x, const T *w, T *y, long n, long c, long h, long width, long o, long kh, long kw, long ow, int threads) {
    const long oh = h - kh + 1;
    parallel_for(n * oh, threads, [&](auto each) {
        each([&](long job) {
            for (long block = 0; block < o / 16; block++)
                for (long j = 0; j < ow; j += j + 6 <= ow ? 6 : 1) {
                    const T *from = x + ((job / oh * h + job % oh) * width + j) * c, *taps = w + block * kh * kw * c * 16;
                    T *to = y + (job * ow + j) * o + block * 16;
                    if (j + 6 <= ow) direct_block<T, 6>(from, taps, to, c, width * c, o, kh, kw);
                    else direct_block<T, 1>(from, taps, to, c, width * c, o, kh, kw);
                }
        });
    });
}
