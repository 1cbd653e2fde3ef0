// 8 lanes in the compiler's own vectors: any machine, no intrinsics.
#pragma once

namespace FORM {

constexpr int LANES = 8;
constexpr Shape SHAPE = {LANES, 1, {0, 2, 0, 0, 0}};
constexpr int COUNT_RUN = 31;  // 31 words of at most 8 bits a byte stay below 256
typedef int32_t V __attribute__((vector_size(32)));
typedef uint32_t U __attribute__((vector_size(32)));
typedef int16_t H __attribute__((vector_size(32)));

inline V set1(int32_t x) { return V{x, x, x, x, x, x, x, x}; }
inline V zero() { return set1(0); }
inline V load(const void *p) {
    V x;
    std::memcpy(&x, p, sizeof x);
    return x;
}
inline void store(void *p, V x) { std::memcpy(p, &x, sizeof x); }
inline V spread(const uint8_t *p) {
    int32_t x;
    std::memcpy(&x, p, 4);
    return set1(x);
}
inline V add(V a, V b) { return (V)((U)a + (U)b); }
inline V multiply(V a, V b) { return (V)((U)a * (U)b); }
inline V larger(V a, V b) { return a > b ? a : b; }
inline V smaller(V a, V b) { return a < b ? a : b; }
inline V flip(V x, V mask) { return (V)((U)(x ^ mask) - (U)mask); }
inline V count_greater(V count, V x, V limit) { return count - (x > limit); }
inline V pair_sum(H x) { return ((V)((U)(V)x << 16) >> 16) + ((V)x >> 16); }
// one byte product fits 16 bits: 255 * 127
template <bool WIDE> inline V dot_bytes(V sum, V x, V w) {
    H even = (H)(x & set1(0x00ff00ff)) * (H)((H)(w << 8) >> 8);
    H odd = (H)((x >> 8) & set1(0x00ff00ff)) * (H)((H)w >> 8);
    return add(sum, add(pair_sum(even), pair_sum(odd)));
}
inline V low_half(V x) { return (V)((U)x << 16) >> 16; }
inline V product_halves(V x, V w) {
    return add(multiply(low_half(x), low_half(w)), multiply(x >> 16, w >> 16));
}
inline V dot_halves(V sum, V x, V w) { return add(sum, product_halves(x, w)); }
inline V count_bits(V sum, V x, V w) {  // counts of bytes, by halves
    U b = (U)(x & w);
    b -= (b >> 1) & 0x55555555u;
    b = (b & 0x33333333u) + ((b >> 2) & 0x33333333u);
    return (V)((U)sum + ((b + (b >> 4)) & 0x0f0f0f0fu));
}
inline V flush_bits(V sum, V counts) {
    U pairs = ((U)counts & 0x00ff00ffu) + (((U)counts >> 8) & 0x00ff00ffu);
    return (V)((U)sum + (pairs & 0xffffu) + (pairs >> 16));
}
inline V affine(V x, const int32_t *m, const int64_t *o, int64_t shift, V lo, V hi) {
    V result;
    for (int l = 0; l < LANES; l++)
        result[l] = (int32_t)(((int64_t)x[l] * m[l] + o[(l & 1) * (LANES / 2) + l / 2]) >> shift);
    return smaller(larger(result, lo), hi);
}
inline V look_up(V index, const int32_t *table, int64_t) {
    V result;
    for (int l = 0; l < LANES; l++) result[l] = table[index[l] & 255];
    return result;
}
template <class T> inline V load_as(const T *p) {
    V x;
    for (int l = 0; l < LANES; l++) x[l] = p[l];
    return x;
}
template <class T> inline void store_as(T *p, V x, int64_t n) {
    for (int l = 0; l < LANES && l < n; l++) p[l] = (T)x[l];
}
inline V load_bytes(const uint8_t *p) { return load_as(p); }
inline V load_halves(const int16_t *p) { return load_as(p); }
inline void store_bytes(uint8_t *p, V x, int64_t n) { store_as(p, x, n); }
inline void store_halves(int16_t *p, V x, int64_t n) { store_as(p, x, n); }
inline void store_words(int32_t *p, V x, int64_t n) { store_as(p, x, n); }
inline uint32_t member_bits(V x, uint32_t members) {
    uint32_t bits = 0;
    for (int l = 0; l < LANES; l++) bits |= (members >> (x[l] & 31) & 1) << l;
    return bits;
}

}  // namespace FORM
