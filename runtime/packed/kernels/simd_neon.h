// 8 lanes as two registers of 4: NEON with the dot product of ARMv8.2 (the unsigned byte is made signed where
// it must be).
#pragma once
#include <arm_neon.h>

namespace FORM {

constexpr int LANES = 8;
constexpr Shape SHAPE = {LANES, 2, {0, 8, 4, 0, 0}};
constexpr int COUNT_RUN = 31;  // 31 words of at most 8 bits a byte stay below 256
struct V {
    int32x4_t a, b;
};

inline V set1(int32_t x) { return {vdupq_n_s32(x), vdupq_n_s32(x)}; }
inline V zero() { return set1(0); }
inline V load(const void *p) { return {vld1q_s32((const int32_t *)p), vld1q_s32((const int32_t *)p + 4)}; }
inline void store(void *p, V x) {
    vst1q_s32((int32_t *)p, x.a);
    vst1q_s32((int32_t *)p + 4, x.b);
}
inline V spread(const uint8_t *p) {
    int32_t x;
    std::memcpy(&x, p, 4);
    return set1(x);
}
inline V add(V x, V y) { return {vaddq_s32(x.a, y.a), vaddq_s32(x.b, y.b)}; }
inline V multiply(V x, V y) { return {vmulq_s32(x.a, y.a), vmulq_s32(x.b, y.b)}; }
inline V larger(V x, V y) { return {vmaxq_s32(x.a, y.a), vmaxq_s32(x.b, y.b)}; }
inline V smaller(V x, V y) { return {vminq_s32(x.a, y.a), vminq_s32(x.b, y.b)}; }
inline int32x4_t flip4(int32x4_t x, int32x4_t mask) { return vsubq_s32(veorq_s32(x, mask), mask); }
inline V flip(V x, V mask) { return {flip4(x.a, mask.a), flip4(x.b, mask.b)}; }
inline int32x4_t count4(int32x4_t count, int32x4_t x, int32x4_t limit) {
    return vsubq_s32(count, vreinterpretq_s32_u32(vcgtq_s32(x, limit)));
}
inline V count_greater(V count, V x, V limit) {
    return {count4(count.a, x.a, limit.a), count4(count.b, x.b, limit.b)};
}

inline int32x4_t dot4(int32x4_t sum, int32x4_t x, int32x4_t w) {
    return vdotq_s32(sum, vreinterpretq_s8_s32(x), vreinterpretq_s8_s32(w));
}
// above 127: x w = (x - 128) w + 127 w + w
inline int32x4_t dot4_wide(int32x4_t sum, int32x4_t x, int32x4_t w) {
    int8x16_t bytes = vreinterpretq_s8_s32(w);
    sum = dot4(sum, veorq_s32(x, vdupq_n_s32((int32_t)0x80808080)), w);
    return vdotq_s32(vdotq_s32(sum, vdupq_n_s8(127), bytes), vdupq_n_s8(1), bytes);
}
template <bool WIDE> inline V dot_bytes(V sum, V x, V w) {
    if constexpr (WIDE)
        return {dot4_wide(sum.a, x.a, w.a), dot4_wide(sum.b, x.b, w.b)};
    else
        return {dot4(sum.a, x.a, w.a), dot4(sum.b, x.b, w.b)};
}
inline int32x4_t halves4(int32x4_t x, int32x4_t w) {
    int16x8_t xs = vreinterpretq_s16_s32(x), ws = vreinterpretq_s16_s32(w);
    return vpaddq_s32(vmull_s16(vget_low_s16(xs), vget_low_s16(ws)), vmull_high_s16(xs, ws));
}
inline V product_halves(V x, V w) { return {halves4(x.a, w.a), halves4(x.b, w.b)}; }
inline V dot_halves(V sum, V x, V w) { return add(sum, product_halves(x, w)); }
inline int32x4_t bits4(int32x4_t sum, int32x4_t x, int32x4_t w) {
    uint8x16_t counts = vcntq_u8(vreinterpretq_u8_s32(vandq_s32(x, w)));
    return vreinterpretq_s32_u8(vaddq_u8(vreinterpretq_u8_s32(sum), counts));
}
inline V count_bits(V sum, V x, V w) { return {bits4(sum.a, x.a, w.a), bits4(sum.b, x.b, w.b)}; }
inline int32x4_t flush4(int32x4_t sum, int32x4_t counts) {
    return vaddq_s32(sum, vreinterpretq_s32_u32(vpaddlq_u16(vpaddlq_u8(vreinterpretq_u8_s32(counts)))));
}
inline V flush_bits(V sum, V counts) { return {flush4(sum.a, counts.a), flush4(sum.b, counts.b)}; }

inline V affine(V x, const int32_t *m, const int64_t *o, int64_t shift, V lo, V hi) {
    int32_t in[LANES], out[LANES];
    store(in, x);
    for (int l = 0; l < LANES; l++)
        out[l] = (int32_t)(((int64_t)in[l] * m[l] + o[(l & 1) * (LANES / 2) + l / 2]) >> shift);
    return smaller(larger(load(out), lo), hi);
}
inline V look_up(V index, const int32_t *table, int64_t) {
    int32_t at[LANES];
    store(at, index);
    for (int l = 0; l < LANES; l++) at[l] = table[at[l] & 255];
    return load(at);
}
inline V load_halves(const int16_t *p) {
    int16x8_t x = vld1q_s16(p);
    return {vmovl_s16(vget_low_s16(x)), vmovl_high_s16(x)};
}
inline V load_bytes(const uint8_t *p) {
    uint16x8_t x = vmovl_u8(vld1_u8(p));
    return {vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(x))), vreinterpretq_s32_u32(vmovl_high_u16(x))};
}
inline int16x8_t to_halves(V x) { return vcombine_s16(vmovn_s32(x.a), vmovn_s32(x.b)); }
inline void store_bytes(uint8_t *p, V x, int64_t n) {
    uint8x8_t bytes = vmovn_u16(vreinterpretq_u16_s16(to_halves(x)));
    if (n >= LANES) return vst1_u8(p, bytes);
    uint8_t all[LANES];
    vst1_u8(all, bytes);
    std::memcpy(p, all, n);
}
inline void store_halves(int16_t *p, V x, int64_t n) {
    if (n >= LANES) return vst1q_s16(p, to_halves(x));
    int16_t all[LANES];
    vst1q_s16(all, to_halves(x));
    std::memcpy(p, all, 2 * n);
}
inline void store_words(int32_t *p, V x, int64_t n) {
    if (n >= LANES) return store(p, x);
    int32_t all[LANES];
    store(all, x);
    std::memcpy(p, all, 4 * n);
}
inline uint32_t member_bits(V x, uint32_t members) {
    int32_t at[LANES];
    uint32_t bits = 0;
    store(at, x);
    for (int l = 0; l < LANES; l++) bits |= (members >> (at[l] & 31) & 1) << l;
    return bits;
}

}  // namespace FORM
