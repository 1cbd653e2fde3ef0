// Weights that are 2^15 modulo F_4, one more than an int16 holds.
#pragma once

#include <cstdint>
#if defined(__AVX512DQ__)
#include <immintrin.h>
#endif

#include "layout.h"
#include "rings.h"
#include "threads.h"
#include "weights.h"

// F_4 only: for every point the channels where some weight is 2^15, so that the product can add the missing 1 times that activation. The list of a
// point is a row of `extra`, filled up with -1; returns the longest one. `extra` has `capacity` places a point (enough: the number of channels).
extern "C" int64_t fermat_exceptions(const int64_t *w, const int64_t *ws, int64_t outputs, int64_t channels, int64_t kh, int64_t kw, int64_t ny,
                                     int64_t nx, int64_t shift, int32_t *extra, uint16_t *marks, int64_t threads) {
    // marks: [channel][point][panel], a bit for each of the panel's 16 outputs, written here
    const long panels = (outputs + 15) / 16, points = ny * nx;
    const Kernels k = {w, ws, outputs, channels, kh, kw, ny, nx};
    parallel_for(panels * channels, int(threads), [&](auto each) {
        Buffer<Ring4::V> buffer(points);
        each([&](long job) {
            const long panel = job % panels, c = job / panels;
            kernel_spectrum<Ring4>(k, panel * 16, c, buffer.p);
            for (long p = 0; p < points; p++) {
                const W top = is_top(scaled<Ring4>(buffer.p[p], int(shift)));
                unsigned bits = 0;
#if defined(__AVX512DQ__)
                bits = _mm512_movepi32_mask((__m512i)top);
#else
                for (int l = 0; l < 16; l++) bits |= unsigned(top[l] & 1) << l;
#endif
                marks[(c * points + p) * panels + panel] = uint16_t(bits);
            }
        });
    });
    long longest = 0;
    for (long p = 0; p < points; p++) {
        long count = 0;
        for (long c = 0; c < channels; c++) {
            bool any = false;
            for (long i = 0; i < panels; i++) any |= marks[(c * points + p) * panels + i] != 0;
            if (any) extra[p * channels + count++] = int32_t(c);
        }
        for (long i = count; i < channels; i++) extra[p * channels + i] = -1;
        if (count > longest) longest = count;
    }
    return longest;
}

// Writes the unit weights of the extra channels (columns channels .. channels + longest - 1 of the contraction).
extern "C" void fermat_augment_weights(int64_t outputs, int64_t channels, int64_t points, int64_t k_padded, int64_t longest, const int32_t *extra,
                                       const uint16_t *marks, int16_t *b) {
    const long panels = (outputs + 15) / 16, pairs = k_padded / 2, step = spaced(panels * pairs * 64) / 2;
    for (long p = 0; p < points; p++)
        for (long j = 0; j < longest && extra[p * channels + j] >= 0; j++) {
            const long c = extra[p * channels + j], k = channels + j;
            for (long o = 0; o < panels * 16; o++)
                if (marks[(c * points + p) * panels + o / 16] >> (o % 16) & 1)
                    b[p * step + (o / 16 * pairs + k / 2) * 32 + o % 16 * 2 + k % 2] = 1;
        }
}

extern "C" void fermat_augment_tiles(int64_t tiles, int64_t channels, int64_t points, int64_t k_padded, int64_t longest, const int32_t *extra, int16_t *a) {
    for (long row = 0; row < points * tiles; row++) {
        int16_t *to = a + row / tiles * (spaced(tiles * k_padded * 4) / 2) + row % tiles * k_padded * 2;
        const int32_t *list = extra + row / tiles * channels;
        for (long plane = 0; plane < 2; plane++) {
            auto at = [&](long k) -> int16_t & { return to[(k / 2 * 2 + plane) * 2 + k % 2]; };
            for (long j = 0; j < longest; j++) at(channels + j) = list[j] >= 0 ? at(list[j]) : int16_t(0);
            for (long k = channels + longest; k < k_padded; k++) at(k) = 0;
        }
    }
}
