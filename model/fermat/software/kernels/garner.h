// Residues modulo one or several Fermat numbers, or 2^48+1 -> integers: the Chinese remainder theorem, by Garner's algorithm.
#pragma once

#include <cstring>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "rings.h"

// Sets of moduli are bit masks, 1 << t for F_t and 64 for 2^48+1. A result is a W (sixteen outputs in 32 bits) where the set allows, else two L8.
template <int SET> constexpr bool wide() { return (SET & 96) && SET != 32; }
template <int SET> struct Sixteen { W w; };
struct Wide { L8 half[2]; };
template <> struct Sixteen<40> : Wide {};
template <> struct Sixteen<48> : Wide {};
template <> struct Sixteen<56> : Wide {};
template <> struct Sixteen<64> : Wide {};

static inline W narrow(L8 a, L8 b) {
#if defined(__AVX512F__)
    return (W)_mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi64_epi32((__m512i)a)), _mm512_cvtepi64_epi32((__m512i)b), 1);
#else
    W to;
    for (int l = 0; l < 8; l++) to[l] = int32_t(a[l]), to[l + 8] = int32_t(b[l]);
    return to;
#endif
}
static inline L8 widen(W a, int half) {
    I8 part;
    std::memcpy(&part, reinterpret_cast<const char *>(&a) + 32 * half, 32);
    return __builtin_convertvector(part, L8);
}

static inline W halved(W x, int f) { return (x + (x & 1) * f) >> 1; }  // x / 2 modulo an odd f
static inline W balanced4(W x) {  // |x| < 2^26: two steps, within 2^15 + 1
    for (int i = 0; i < 2; i++) { const W h = (x + 32768) >> 16; x = x - (h << 16) - h; }
    return x;
}
static inline W balanced3(W x) {  // |x| < 2^24: 2^16 = 1 modulo 257, then 2^8 = -1 rounded to nearest, twice; within 128
    x = (x & 65535) + (x >> 16);
    for (int i = 0; i < 2; i++) { const W h = (x + 128) >> 8; x = x - (h << 8) - h; }
    return x + ((x > 128) & -257) - ((x < -128) & -257);
}

// Garner, largest modulus first: y joins the residues of the larger ones; F_5 = 2 modulo F_4 and F_3, F_4 = 2 modulo F_3, so inverses are halvings.
// With v balanced, |y + product * v| < (product * F_t) / 2: nothing is left to correct.
static inline W residue4(const L8 y[2]) {  // of |y| < 2^33 modulo F_4, |.| < 2^18
    return narrow((y[0] & 65535) - (y[0] >> 16), (y[1] & 65535) - (y[1] >> 16));
}
static inline W residue3(const L8 y[2]) {  // of |y| < 2^50 modulo F_3: below 2^35 + 2^16, then 2^19 + 2^16
    L8 r[2];
    for (int h = 0; h < 2; h++) { r[h] = (y[h] & 65535) + (y[h] >> 16); r[h] = (r[h] & 65535) + (r[h] >> 16); }
    return narrow(r[0], r[1]);
}
template <int SET> static inline Sixteen<SET> garner(W r3, W r4, L8 r5a, L8 r5b) {
    Sixteen<SET> y;
    if constexpr (SET == 8) y.w = r3;
    else if constexpr (SET == 16) y.w = r4;
    else if constexpr (SET == 32) y.w = narrow(r5a, r5b);
    else if constexpr (SET == 24) {
        const W v = balanced3(halved(r3 - r4, 257));
        y.w = r4 + (v << 16) + v;
    } else {
        y.half[0] = r5a, y.half[1] = r5b;  // all there is modulo 2^48+1
        if constexpr (SET & 16) {
            const W v = balanced4(halved(r4 - residue4(y.half), 65537));
            for (int h = 0; h < 2; h++) { const L8 u = widen(v, h); y.half[h] += (u << 32) + u; }
        }
        if constexpr (SET & 8) {
            W d = halved(r3 - residue3(y.half), 257);
            if constexpr (SET & 16) d = halved(d, 257);
            d = balanced3(d);
            for (int h = 0; h < 2; h++) {
                const L8 u = widen(d, h), once = (u << 32) + u;
                y.half[h] += SET & 16 ? (once << 16) + once : once;
            }
        }
    }
    return y;
}
