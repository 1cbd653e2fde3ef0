// Product and inverse in one step.
#pragma once

#include <cstring>
#if defined(__AVX512IFMA__)
#include <immintrin.h>
#endif

#include "inverse.h"
#include "products.h"

// Multiply and inverse in one, for few channels: a job is sixteen outputs of some tiles, whose products go straight into the buffers of the inverse
// transforms and never leave the second cache.
struct Operands {              // mirrored by build.Operands; places 0, 1, 2 are F_3, F_4, and F_5 or 2^48+1
    const int16_t *a[3], *b[3];
    int64_t depth[3];
    const int64_t *e;
};
template <class R> static void multiply_tiles(const Operands &f, int t, long tiles, long first, long count, long panels, long panel, const Geometry &g,
                                              typename R::S *to, long per_tile, long half) {
    const long lda = R::PA * f.depth[t], pairs = f.depth[t] / 2;
    const long a_step = spaced(tiles * lda * 2) / 2, b_step = spaced(panels * pairs * R::PB * 64) / 2;
    for (long y = 0, p = 0; y < g.points_y; y++)
        for (long x = 0; x < g.points_x; x++, p++)
            for (long m = 0; m < count; m += most_rows<R>())
                rows<R, R::MR>(int(count - m < most_rows<R>() ? count - m : most_rows<R>()), f.a[t] + p * a_step + (first + m) * lda, lda, pairs,
                               f.b[t] + p * b_step + panel * pairs * R::PB * 32, f.e, to + (y * pitch(g) + x) * R::LANES + m * per_tile, per_tile, half);
}
// The same modulo 2^48+1, over `channels`. Operands lie in [0, 2^51), so that sums of up to 16 products of their 52-bit halves fit a lane.
#if defined(__AVX512IFMA__)
static inline void accumulate48(L8 sum[3], L8 a, L8 b) {  // words of weight 1 and 2^52
    sum[0] = (L8)_mm512_madd52lo_epu64((__m512i)sum[0], (__m512i)a, (__m512i)b);
    sum[1] = (L8)_mm512_madd52hi_epu64((__m512i)sum[1], (__m512i)a, (__m512i)b);
}
static inline L8 total48(const L8 sum[3]) { return sum[0] - (sum[1] << 4); }  // 2^52 = -16
#else
static inline void accumulate48(L8 sum[3], L8 a, L8 b) {  // words of weight 1, 2^24 and 2^48 = -1, the last in the first
    const L8 al = a & 16777215, ah = a >> 24, bl = b & 16777215, bh = b >> 24;
    sum[0] += al * bl - ah * bh;
    sum[1] += al * bh + ah * bl;
}
static inline L8 total48(const L8 sum[3]) { return sum[0] + Ring48::rotated(sum[1], 24); }
#endif
static void multiply_tiles48(const Operands &f, long channels, long tiles, long first, long count, long panels, long panel, const Geometry &g, int64_t *to,
                             long per_tile, long half) {
    const long depth = f.depth[2], a_step = spaced(tiles * depth * 8) / 8, b_step = spaced(panels * depth * 128) / 8;
    const int64_t *a = reinterpret_cast<const int64_t *>(f.a[2]), *b = reinterpret_cast<const int64_t *>(f.b[2]);
    for (long y = 0, p = 0; y < g.points_y; y++)
        for (long x = 0; x < g.points_x; x++, p++) {
            const int64_t *w = b + p * b_step + panel * depth * 16, *v = a + p * a_step + first * depth;
            int64_t *at = to + (y * pitch(g) + x) * 8;
            for (long m = 0; m < count; m++, v += depth, at += per_tile) {
                L8 low[3] = {}, high[3] = {};
                for (long c = 0; c < channels; c++) {
                    const L8 value = L8{} + v[c];
                    L8 even, odd;
                    std::memcpy(&even, w + c * 16, 64);
                    std::memcpy(&odd, w + c * 16 + 8, 64);
                    accumulate48(low, value, even);
                    accumulate48(high, value, odd);
                }
                const L8 one = reduce_loose<Ring48>(total48(low), 48), two = reduce_loose<Ring48>(total48(high), 48);
                std::memcpy(at, &one, 64);
                std::memcpy(at + half, &two, 64);
            }
        }
}
template <int SET, class T> static void finish_typed(const Operands &f, const Geometry &g, long tile0, long tiles, long outputs, T *out, const int64_t *os,
                                                     int threads) {
    const long panels = (outputs + 15) / 16, area = g.points_y * pitch(g);
    const long bytes = area * 64 * ((SET >> 3 & 1) + (SET >> 4 & 1) + 2 * (SET >> 5 & 1) + 2 * (SET >> 6 & 1)), most = SET & 96 ? 6 : 12;
    long together = (768 << 10) / bytes;
    if (together > most) together = most;
    if (together < 1) together = 1;
    const long groups = (tiles + together - 1) / together;
    parallel_for(groups * panels, threads, [&](auto each) {
        Bench<SET> bench(g, together);
        each([&](long job) {
            const long panel = job % panels, group = job / panels, first = tiles * group / groups, count = tiles * (group + 1) / groups - first;
            if (SET & 8) multiply_tiles<Ring3>(f, 0, tiles, first, count, panels, panel, g, reinterpret_cast<int32_t *>(bench.s3.p), area * 16, 0);
            if (SET & 16) multiply_tiles<Ring4>(f, 1, tiles, first, count, panels, panel, g, reinterpret_cast<int32_t *>(bench.s4.p), area * 16, 0);
            if (SET & 32) multiply_tiles<Ring5>(f, 2, tiles, first, count, panels, panel, g, reinterpret_cast<int64_t *>(bench.s5.p), area * 16, area * 8);
            if (SET & 64) multiply_tiles48(f, g.channels, tiles, first, count, panels, panel, g, reinterpret_cast<int64_t *>(bench.s5.p), area * 16, area * 8);
            for (long i = 0; i < count; i++)
                bench.finish(i, tile0 + first + i, outputs - panel * 16 < 16 ? outputs - panel * 16 : 16, out + panel * 16 * os[1], os);
        });
    });
}
