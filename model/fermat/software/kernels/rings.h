// The moduli: vectors of residues, the generated transforms of each, and how residues are split into 16-bit limbs for the product.
//
// Limbs. A product modulo F_3 = 257 needs one pass of 16-bit multiply-add (residues are at most 128). Modulo F_4 = 65537 the activation is split into
// two 8-bit limbs: two passes. F_5 = 641 * 6700417, so a product modulo F_5 is one pass modulo 641 and, with two 11-bit limbs and Karatsuba's
// identity, three passes modulo 6700417; the idempotents of the two factors join them in one exact linear combination (constants `e`).
//
// 2^48+1, for few channels, takes no limbs: its products are exact in 104 bits, two words of 52 (IFMA) or four products of 24 bits.
#pragma once

#include <cstdint>
#include <cstring>

#include "transforms.h"  // namespaces f3, f4, f5, f48: written by codegen.py when this is built

typedef int32_t W __attribute__((vector_size(64)));   // 16 sums, or 16 pairs of int16
typedef int16_t H __attribute__((vector_size(64)));
typedef int64_t L8 __attribute__((vector_size(64)));
typedef double D8 __attribute__((vector_size(64)));
typedef int32_t I8 __attribute__((vector_size(32)));
typedef int16_t H8 __attribute__((vector_size(16)));
typedef int16_t H16 __attribute__((vector_size(32)));
typedef int32_t Q __attribute__((vector_size(16)));   // 4 pairs of int16

static inline int64_t balanced_scalar(int64_t x, int64_t f) {
    x %= f;
    if (x > f / 2) x -= f;
    if (x < -(f / 2)) x += f;
    return x;
}

#define PASSES(generated) /* what every ring takes from its generated namespace: transforms of n points, see codegen.py */ \
    typedef generated::Pass Pass;                                          \
    static Pass small(long n) { return generated::find_small(int(n)); }    \
    static Pass first(long n) { return generated::find_first(int(n)); }    \
    static Pass last(long n) { return generated::find_last(int(n)); }      \
    static Pass back(long n) { return generated::find_back(int(n)); }      \
    static Pass end(long n) { return generated::find_end(int(n)); }
struct Ring3 {
    typedef f3::S S; typedef f3::V V;
    enum { LANES = 16, PA = 1, PB = 1, MR = 14 };
    static const int64_t F = 257;
    PASSES(f3)
    typedef W P;  // a plane: one limb of every lane
    static void split(V v, P planes[]) { planes[0] = v; }
    static void interleave(const P planes[], int16_t *to) {
        const H16 t = __builtin_convertvector(planes[0], H16);
        std::memcpy(to, &t, 32);
    }
};
struct Ring4 {
    typedef f4::S S; typedef f4::V V;
    enum { LANES = 16, PA = 2, PB = 1, MR = 12 };
    static const int64_t F = 65537;
    PASSES(f4)
    typedef W P;
    static void split(V v, P planes[]) {
        planes[1] = (v + S(128)) >> 8;
        planes[0] = v - (planes[1] << 8);
    }
    static void interleave(const P planes[], int16_t *to) {
        const I8 low = (I8)__builtin_convertvector(planes[0], H16), high = (I8)__builtin_convertvector(planes[1], H16);
        const I8 first = __builtin_shuffle(low, high, I8{0, 8, 1, 9, 2, 10, 3, 11}), second = __builtin_shuffle(low, high, I8{4, 12, 5, 13, 6, 14, 7, 15});
        std::memcpy(to, &first, 32);
        std::memcpy(to + 16, &second, 32);
    }
};
struct Ring5 {
    typedef f5::S S; typedef f5::V V;
    enum { LANES = 8, PA = 4, PB = 3, MR = 6 };
    static const int64_t F = 4294967297LL;
    PASSES(f5)
    // residues modulo 641 and 6700417, the latter as low + 2048 * high; the planes are 641, low, high, low + high
    typedef I8 P;
    static void split(V v, P planes[]) {
        const D8 magic = D8{} + 6755399441055744.0;  // 1.5 * 2^52: adding and subtracting it rounds to an integer
        const D8 d = __builtin_convertvector(v, D8);
        const D8 a = d - ((d * (1.0 / 641) + magic) - magic) * 641.0;
        const D8 r = d - ((d * (1.0 / 6700417) + magic) - magic) * 6700417.0;
        const D8 h = (r * (1.0 / 2048) + magic) - magic;
        const D8 l = r - h * 2048.0;
        planes[0] = __builtin_convertvector(a, I8);
        planes[1] = __builtin_convertvector(l, I8);
        planes[2] = __builtin_convertvector(h, I8);
        planes[3] = planes[1] + planes[2];
    }
    static void interleave(const P planes[], int16_t *to) {
        Q q[4];
        for (int k = 0; k < 4; k++) q[k] = (Q)__builtin_convertvector(planes[k], H8);
        const Q a0 = __builtin_shuffle(q[0], q[1], Q{0, 4, 1, 5}), a1 = __builtin_shuffle(q[0], q[1], Q{2, 6, 3, 7});
        const Q b0 = __builtin_shuffle(q[2], q[3], Q{0, 4, 1, 5}), b1 = __builtin_shuffle(q[2], q[3], Q{2, 6, 3, 7});
        const Q all[4] = {__builtin_shuffle(a0, b0, Q{0, 1, 4, 5}), __builtin_shuffle(a0, b0, Q{2, 3, 6, 7}),
                          __builtin_shuffle(a1, b1, Q{0, 1, 4, 5}), __builtin_shuffle(a1, b1, Q{2, 3, 6, 7})};
        std::memcpy(to, all, 64);
    }
};

struct Ring48 {  // modulo 2^48+1; activations and weights are residues in [0, 2^51), one word of 64 bits each
    typedef f48::S S; typedef f48::V V;
    enum { LANES = 8, PA = 4, MR = 6 };  // PA: a word is four int16
    static const int64_t F = 281474976710657LL;
    PASSES(f48)
    typedef L8 P;
    static void split(V v, P planes[]) { planes[0] = v + 2 * F; }  // |v| <= 2^49
    static void interleave(const P planes[], int16_t *to) { std::memcpy(to, planes, 64); }
    // x * 2^s for 0 <= s < 48: the bits that would pass 2^48 come back with the other sign, see Line.shift in lanes.py
    static V rotated(V x, int s) { return ((x & ((S(1) << (48 - s)) - 1)) << s) - (x >> (48 - s)); }
};

template <class R> static inline typename R::V reduce_loose(typename R::V x, int b) {  // as Line.reduce in lanes.py
    return (x & typename R::S((int64_t(1) << b) - 1)) - (x >> b);
}
