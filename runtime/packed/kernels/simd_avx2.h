// 8 lanes: AVX2. Byte products by vpmaddubsw, population counts by a table of nibbles, kept in bytes as long
// as they fit.
#pragma once
#include <immintrin.h>

namespace FORM {

constexpr int LANES = 8;
constexpr Shape SHAPE = {LANES, 2, {0, 8, 4, 0, 0}};
constexpr int COUNT_RUN = 31;  // 31 words of at most 8 bits a byte stay below 256
using V = __m256i;

inline V zero() { return _mm256_setzero_si256(); }
inline V set1(int32_t x) { return _mm256_set1_epi32(x); }
inline V load(const void *p) { return _mm256_loadu_si256((const V *)p); }
inline void store(void *p, V x) { _mm256_storeu_si256((V *)p, x); }
inline V spread(const uint8_t *p) {
    int32_t x;
    std::memcpy(&x, p, 4);
    return _mm256_set1_epi32(x);
}
inline V add(V a, V b) { return _mm256_add_epi32(a, b); }
inline V multiply(V a, V b) { return _mm256_mullo_epi32(a, b); }
inline V larger(V a, V b) { return _mm256_max_epi32(a, b); }
inline V smaller(V a, V b) { return _mm256_min_epi32(a, b); }
inline V flip(V x, V mask) { return _mm256_sub_epi32(_mm256_xor_si256(x, mask), mask); }
inline V count_greater(V count, V x, V limit) {
    return _mm256_sub_epi32(count, _mm256_cmpgt_epi32(x, limit));
}
inline V dot_halves(V sum, V x, V w) { return add(sum, _mm256_madd_epi16(x, w)); }
inline V product_halves(V x, V w) { return _mm256_madd_epi16(x, w); }
// Pairs of byte products fit 16 bits while activations stay within 127; beyond, bytes become halves first.
template <bool WIDE> inline V dot_bytes(V sum, V x, V w) {
    if constexpr (!WIDE) return add(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(x, w), _mm256_set1_epi16(1)));
    V even = _mm256_madd_epi16(_mm256_and_si256(x, _mm256_set1_epi16(255)),
                               _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8));
    return add(add(sum, even), _mm256_madd_epi16(_mm256_srli_epi16(x, 8), _mm256_srai_epi16(w, 8)));
}
inline V count_bits(V sum, V x, V w) {
    const V table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3,
                                     1, 2, 2, 3, 2, 3, 3, 4);
    const V nibble = _mm256_set1_epi8(15);
    V bits = _mm256_and_si256(x, w);
    V low = _mm256_shuffle_epi8(table, _mm256_and_si256(bits, nibble));
    V high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(bits, 4), nibble));
    return _mm256_add_epi8(sum, _mm256_add_epi8(low, high));
}
inline V flush_bits(V sum, V counts) {  // counts may reach 248, so they are the unsigned operand
    return add(sum,
               _mm256_madd_epi16(_mm256_maddubs_epi16(counts, _mm256_set1_epi8(1)), _mm256_set1_epi16(1)));
}

// AVX2 has no arithmetic shift of 64 bits: sums below 2^62 in size are lifted, shifted, and lowered again.
inline V shift_long(V x, __m128i s, V lift, V lowered) {
    return _mm256_sub_epi64(_mm256_srl_epi64(_mm256_add_epi64(x, lift), s), lowered);
}
inline V affine(V x, const int32_t *m, const int64_t *o, int64_t shift, V lo, V hi) {
    V mv = load(m), lift = _mm256_set1_epi64x(1ll << 62), lowered = _mm256_set1_epi64x((1ll << 62) >> shift);
    __m128i s = _mm_cvtsi64_si128(shift);
    V even = shift_long(_mm256_add_epi64(_mm256_mul_epi32(x, mv), load(o)), s, lift, lowered);
    V odd = _mm256_mul_epi32(_mm256_srli_epi64(x, 32), _mm256_srli_epi64(mv, 32));
    odd = shift_long(_mm256_add_epi64(odd, load(o + 4)), s, lift, lowered);
    V both = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
    return smaller(larger(both, lo), hi);
}
inline V look_up(V index, const int32_t *table, int64_t count) {
    return count <= 8 ? _mm256_permutevar8x32_epi32(load(table), index)
                      : _mm256_i32gather_epi32(table, _mm256_and_si256(index, set1(255)), 4);
}
inline V load_bytes(const uint8_t *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
inline V load_halves(const int16_t *p) { return _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)p)); }
inline __m128i to_halves(V x) {  // values fit 16 bits, signed or not: the low halves are taken
    V low =
        _mm256_shuffle_epi8(x, _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1, 0,
                                                1, 4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1));
    return _mm_unpacklo_epi64(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
}
inline void store_bytes(uint8_t *p, V x, int64_t n) {
    __m128i h = to_halves(x), b = _mm_packus_epi16(h, h);
    if (n >= LANES) return _mm_storel_epi64((__m128i *)p, b);
    alignas(16) uint8_t all[16];
    _mm_store_si128((__m128i *)all, b);
    std::memcpy(p, all, n);
}
inline void store_halves(int16_t *p, V x, int64_t n) {
    alignas(16) int16_t all[8];
    if (n >= LANES) return _mm_storeu_si128((__m128i *)p, to_halves(x));
    _mm_store_si128((__m128i *)all, to_halves(x));
    std::memcpy(p, all, 2 * n);
}
inline void store_words(int32_t *p, V x, int64_t n) {
    if (n >= LANES) return store(p, x);
    alignas(32) int32_t all[LANES];
    store(all, x);
    std::memcpy(p, all, 4 * n);
}
inline uint32_t member_bits(V x, uint32_t members) {
    V shifted = _mm256_srlv_epi32(set1((int32_t)members), x);
    return _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_slli_epi32(shifted, 31)));
}

}  // namespace FORM
