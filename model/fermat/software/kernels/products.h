// At every point a matrix product over the channels, tiles x C by C x O, in 16-bit limbs with 32-bit sums.
#pragma once

#include <cstring>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "layout.h"
#include "rings.h"
#include "threads.h"

static const long CHUNK = 256;  // channels summed in 32 bits: F_5 (2660^2), F_4 (129 * 2^15) and F_3 (129^2) times 256 all stay below 2^31

// Sixteen 32-bit sums times a constant below 2^31, as 64-bit products: those of the even places (outputs 0..7), or of the odd ones (8..15).
static inline L8 times(W sums, int64_t e, int odd) {
    const L8 wide = odd ? (L8)sums >> 32 : (L8)sums;
#if defined(__AVX512F__)
    return (L8)_mm512_mul_epi32((__m512i)wide, _mm512_set1_epi64(e));
#else
    return (wide << 32 >> 32) * e;
#endif
}

// The product modulo F_5, not reduced, from the sums modulo 641 and of the limbs: low, high and (low + high)(low + high), Karatsuba's three.
static inline L8 join(const W s[4], const int64_t *e, int odd) {
    return times(s[0], e[0], odd) + times(s[1], e[1], odd) + times(s[3] - s[1] - s[2], e[2], odd) + times(s[2], e[3], odd);
}

static inline W load(const int16_t *p) { W v; std::memcpy(&v, p, 64); return v; }

static inline W dot(W sum, const int16_t *pair, W b) {  // 16 sums of two products each; the pair of activations goes to all of them
    int32_t a;
    std::memcpy(&a, pair, 4);
#if defined(__AVX512VNNI__)
    return (W)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)b, _mm512_set1_epi32(a));
#elif defined(__AVX512BW__)
    return sum + (W)_mm512_madd_epi16((__m512i)b, _mm512_set1_epi32(a));
#elif defined(__AVX2__)
    union { W w; __m256i h[2]; } s = {sum}, v = {b};
    for (int i = 0; i < 2; i++) s.h[i] = _mm256_add_epi32(s.h[i], _mm256_madd_epi16(v.h[i], _mm256_set1_epi32(a)));
    return s.w;
#else
    return sum + ((b << 16) >> 16) * int32_t(int16_t(a)) + (b >> 16) * (a >> 16);
#endif
}

// Panels stream from memory, once for each band of rows. With several rows at work the processor's own prefetching falls behind.
static inline void ahead(const int16_t *b) { __builtin_prefetch(b, 0, 3); }

// The inner loops keep their sums in registers: a local array that only fully unrolled loops touch. Each writes its sums to `out` at the end.
template <int MR>
__attribute__((noinline)) static void sum5(const int16_t *a, long lda, long start, long stop, const int16_t *b, W out[MR][4]) {
    W s[MR][4];
#pragma GCC unroll 6
    for (int r = 0; r < MR; r++) s[r][0] = s[r][1] = s[r][2] = s[r][3] = W{};
    for (long k = start; k < stop; k++) {
        const W b0 = load(b + k * 96), b1 = load(b + k * 96 + 32), b2 = load(b + k * 96 + 64);
        const W b3 = (W)((H)b1 + (H)b2);
        if constexpr (MR > 1)
            for (long line = 0; line < 3; line++) ahead(b + (k + 64) * 96 + line * 32);
#pragma GCC unroll 6
        for (int r = 0; r < MR; r++) {
            const int16_t *row = a + r * lda + 8 * k;
            s[r][0] = dot(s[r][0], row, b0);
            s[r][1] = dot(s[r][1], row + 2, b1);
            s[r][2] = dot(s[r][2], row + 4, b2);
            s[r][3] = dot(s[r][3], row + 6, b3);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < MR; r++) { out[r][0] = s[r][0]; out[r][1] = s[r][1]; out[r][2] = s[r][2]; out[r][3] = s[r][3]; }
}

template <int MR>
__attribute__((noinline)) static void sum4(const int16_t *a, long lda, long start, long stop, const int16_t *b, W low_out[MR], W high_out[MR]) {
    W low[MR], high[MR];
#pragma GCC unroll 12
    for (int r = 0; r < MR; r++) low[r] = high[r] = W{};
    for (long k = start; k < stop; k++) {
        const W b0 = load(b + k * 32);
        if constexpr (MR > 1) ahead(b + (k + 128) * 32);
#pragma GCC unroll 12
        for (int r = 0; r < MR; r++) {
            low[r] = dot(low[r], a + r * lda + 4 * k, b0);
            high[r] = dot(high[r], a + r * lda + 4 * k + 2, b0);
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < MR; r++) { low_out[r] = low[r]; high_out[r] = high[r]; }
}

template <int MR>
__attribute__((noinline)) static void sum3(const int16_t *a, long lda, long start, long stop, const int16_t *b, W out[MR]) {
    W s[MR];
#pragma GCC unroll 14
    for (int r = 0; r < MR; r++) s[r] = W{};
    for (long k = start; k < stop; k++) {
        const W b0 = load(b + k * 32);
        if constexpr (MR > 1) ahead(b + (k + 128) * 32);
#pragma GCC unroll 14
        for (int r = 0; r < MR; r++) s[r] = dot(s[r], a + r * lda + 2 * k, b0);
    }
#pragma GCC unroll 14
    for (int r = 0; r < MR; r++) out[r] = s[r];
}

template <class R, int MR>
static void micro(const int16_t *a, long lda, long pairs, const int16_t *b, const int64_t *e, typename R::S *c, long ldc, long half) {
    const long step = CHUNK / 2;
    if constexpr (R::PA == 4) {
        if (pairs <= step) {
            W s[MR][4];
            sum5<MR>(a, lda, 0, pairs, b, s);
            for (int r = 0; r < MR; r++)
                for (int h = 0; h < 2; h++) {
                    const L8 t = reduce_loose<R>(join(s[r], e, h), 32);
                    std::memcpy(c + r * ldc + half * h, &t, 64);
                }
            return;
        }
        L8 total[MR][2];
        for (int r = 0; r < MR; r++) total[r][0] = total[r][1] = L8{};
        for (long start = 0; start < pairs; start += step) {
            W s[MR][4];
            sum5<MR>(a, lda, start, start + step < pairs ? start + step : pairs, b, s);
            for (int r = 0; r < MR; r++)
                for (int h = 0; h < 2; h++) total[r][h] += reduce_loose<R>(join(s[r], e, h), 32);
        }
        for (int r = 0; r < MR; r++)
            for (int h = 0; h < 2; h++) {
                const L8 t = reduce_loose<R>(total[r][h], 32);
                std::memcpy(c + r * ldc + half * h, &t, 64);
            }
    } else {
        W total[MR];
        for (int r = 0; r < MR; r++) total[r] = W{};
        for (long start = 0; start < pairs; start += step) {
            const long stop = start + step < pairs ? start + step : pairs;
            W low[MR], high[MR];
            if constexpr (R::PA == 2) {
                sum4<MR>(a, lda, start, stop, b, low, high);
                for (int r = 0; r < MR; r++)
                    total[r] = reduce_loose<R>(total[r] + reduce_loose<R>(low[r], 16) + (reduce_loose<R>(high[r], 16) << 8), 16);
            } else {
                sum3<MR>(a, lda, start, stop, b, low);
                for (int r = 0; r < MR; r++) total[r] = reduce_loose<R>(total[r] + reduce_loose<R>(reduce_loose<R>(low[r], 8), 8), 8);
            }
        }
        for (int r = 0; r < MR; r++) std::memcpy(c + r * ldc, &total[r], 64);
    }
}

// `half`: elements from the first eight results of a row to the last eight, where a vector holds eight
template <class R, int MR>
static void rows(int count, const int16_t *a, long lda, long pairs, const int16_t *b, const int64_t *e, typename R::S *c, long ldc, long half) {
    if (count == MR) return micro<R, MR>(a, lda, pairs, b, e, c, ldc, half);
    if constexpr (MR > 1) rows<R, MR - 1>(count, a, lda, pairs, b, e, c, ldc, half);
}

template <class R> constexpr long most_rows() {
#if defined(__AVX512BW__)
    return R::MR;
#else
    return 2;  // 16 registers of 32 bytes
#endif
}

template <class R>
static void multiply_any(const int16_t *a, const int16_t *b, const int64_t *e, typename R::S *c, long points, long tiles, long k_padded, long outputs,
                         int threads) {
    const long panels = (outputs + 15) / 16, ldc = panels * 16, lda = R::PA * k_padded, pairs = k_padded / 2;
    const long a_step = spaced(tiles * lda * 2) / 2, b_step = spaced(panels * pairs * R::PB * 64) / 2;
    const long c_step = spaced(tiles * ldc * long(sizeof(*c))) / long(sizeof(*c));
    const long most = most_rows<R>();
    const long band = 16 * most;  // rows whose limbs stay in the second cache while all panels pass by
    parallel_for(points, threads, [&](auto each) {
        each([&](long p) {
            for (long m0 = 0; m0 < tiles; m0 += band) {
                const long in_band = tiles - m0 < band ? tiles - m0 : band, groups = (in_band + most - 1) / most;
                for (long panel = 0; panel < panels; panel++)
                    for (long group = 0; group < groups; group++) {
                        // the next panel comes while the groups of this one are at work; left alone, it would come in a burst and be waited for
                        const int16_t *next_panel = b + p * b_step + (panel + 1) * pairs * R::PB * 32;
                        const long lines = groups > 1 ? pairs * R::PB : 0;
                        for (long i = lines * group / groups; i < lines * (group + 1) / groups; i++) __builtin_prefetch(next_panel + i * 32, 0, 2);
                        const long first = m0 + in_band * group / groups, next = m0 + in_band * (group + 1) / groups;
                        rows<R, R::MR>(int(next - first), a + p * a_step + first * lda, lda, pairs, b + p * b_step + panel * pairs * R::PB * 32, e,
                                       c + p * c_step + first * ldc + panel * 16, ldc, 8);
                    }
            }
        });
    });
}
