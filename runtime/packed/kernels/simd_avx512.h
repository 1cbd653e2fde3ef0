// 16 lanes: AVX-512 with VNNI (four byte products an instruction) and VPOPCNTDQ (population counts of lanes).
#pragma once
#include <immintrin.h>

namespace FORM {

constexpr int LANES = 16;
constexpr Shape SHAPE = {LANES, 4, {0, 14, 12, 8, 6}};
constexpr int COUNT_RUN = 1 << 30;  // bit counts are whole words: never flushed early
using V = __m512i;

inline __mmask16 head(int64_t n) { return n >= LANES ? 0xffff : (1u << n) - 1; }
inline V zero() { return _mm512_setzero_si512(); }
inline V set1(int32_t x) { return _mm512_set1_epi32(x); }
inline V load(const void *p) { return _mm512_loadu_si512(p); }
inline void store(void *p, V x) { _mm512_storeu_si512(p, x); }
inline V spread(const uint8_t *p) {
    int32_t x;
    std::memcpy(&x, p, 4);
    return _mm512_set1_epi32(x);
}
inline V add(V a, V b) { return _mm512_add_epi32(a, b); }
inline V multiply(V a, V b) { return _mm512_mullo_epi32(a, b); }
inline V larger(V a, V b) { return _mm512_max_epi32(a, b); }
inline V smaller(V a, V b) { return _mm512_min_epi32(a, b); }
inline V flip(V x, V mask) { return _mm512_sub_epi32(_mm512_xor_si512(x, mask), mask); }
inline V count_greater(V count, V x, V limit) {
    return _mm512_mask_add_epi32(count, _mm512_cmpgt_epi32_mask(x, limit), count, _mm512_set1_epi32(1));
}
template <bool WIDE> inline V dot_bytes(V sum, V x, V w) { return _mm512_dpbusd_epi32(sum, x, w); }
inline V dot_halves(V sum, V x, V w) { return _mm512_dpwssd_epi32(sum, x, w); }
inline V product_halves(V x, V w) { return _mm512_madd_epi16(x, w); }
inline V count_bits(V sum, V x, V w) { return add(sum, _mm512_popcnt_epi32(_mm512_and_si512(x, w))); }
inline V flush_bits(V sum, V counts) { return add(sum, counts); }

// (x m + o) >> shift clipped: even lanes and odd lanes as 64-bit products
inline V affine(V x, const int32_t *m, const int64_t *o, int64_t shift, V lo, V hi) {
    V mv = load(m);
    __m128i s = _mm_cvtsi64_si128(shift);
    V even = _mm512_sra_epi64(_mm512_add_epi64(_mm512_mul_epi32(x, mv), load(o)), s);
    V odd = _mm512_mul_epi32(_mm512_srli_epi64(x, 32), _mm512_srli_epi64(mv, 32));
    odd = _mm512_sra_epi64(_mm512_add_epi64(odd, load(o + 8)), s);
    V both = _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
    return smaller(larger(both, lo), hi);
}
inline V look_up(V index, const int32_t *table, int64_t count) {
    return count <= 16 ? _mm512_permutexvar_epi32(index, load(table))
                       : _mm512_i32gather_epi32(_mm512_and_si512(index, set1(255)), table, 4);
}
inline V load_bytes(const uint8_t *p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)); }
inline V load_halves(const int16_t *p) {
    return _mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)p));
}
inline void store_bytes(uint8_t *p, V x, int64_t n) {
    if (n >= LANES) return _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(x));
    _mm_mask_storeu_epi8(p, head(n), _mm512_cvtepi32_epi8(x));
}
inline void store_halves(int16_t *p, V x, int64_t n) {
    if (n >= LANES) return _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(x));
    _mm256_mask_storeu_epi16(p, head(n), _mm512_cvtepi32_epi16(x));
}
inline void store_words(int32_t *p, V x, int64_t n) { _mm512_mask_storeu_epi32(p, head(n), x); }
// bit l: whether bit x[l] of `members` is set
inline uint32_t member_bits(V x, uint32_t members) {
    return _mm512_test_epi32_mask(_mm512_sllv_epi32(set1(1), x), set1((int32_t)members));
}

}  // namespace FORM
