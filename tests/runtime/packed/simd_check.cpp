// Every operation of a form's vectors against plain integers, on random and extreme values; prints the number
// of values compared.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <utility>

#include "program.h"
#if defined(FORM_AVX512)
#include "simd_avx512.h"
#elif defined(FORM_AVX2)
#include "simd_avx2.h"
#elif defined(FORM_NEON)
#include "simd_neon.h"
#else
#include "simd_portable.h"
#endif

using namespace FORM;
static std::mt19937_64 random_bits(1);
static long compared = 0;

static void same(const char *what, int64_t found, int64_t wanted) {
    compared++;
    if (found == wanted) return;
    std::printf("%s: %lld, not %lld\n", what, (long long)found, (long long)wanted);
    std::exit(1);
}
static int32_t number(int64_t size) {
    int64_t kind = random_bits() % 8;
    if (kind < 2) return kind ? (int32_t)size : (int32_t)-size;
    return (int32_t)((int64_t)(random_bits() % (2 * size + 1)) - size);
}
static int32_t lane(V x, int l) {
    int32_t all[LANES];
    store(all, x);
    return all[l];
}
struct Values {
    int32_t v[LANES];
    Values(int64_t size) {
        for (auto &x : v) x = number(size);
    }
};

template <bool WIDE> static void dots(int most) {
    uint8_t x[4];
    int8_t w[LANES * 4];
    for (auto &b : x) b = random_bits() % 4 ? random_bits() % (most + 1) : most;
    for (auto &b : w) b = (int8_t)number(127);
    Values sum(1 << 30);
    V found = dot_bytes<WIDE>(load(sum.v), spread(x), load(w));
    for (int l = 0; l < LANES; l++) {
        int64_t wanted = sum.v[l];
        for (int i = 0; i < 4; i++) wanted += x[i] * w[4 * l + i];
        same("dot_bytes", lane(found, l), (int32_t)wanted);
    }
}
static void halves() {
    int16_t x[2], w[LANES * 2];
    for (auto &h : x) h = (int16_t)(random_bits() % 5 ? number(32767) : -32768);
    for (auto &h : w) h = (int16_t)number(32767);
    Values sum(1 << 20);
    V found = dot_halves(load(sum.v), spread((uint8_t *)x), load(w)),
      product = product_halves(spread((uint8_t *)x), load(w));
    for (int l = 0; l < LANES; l++) {
        int64_t wanted = (int64_t)x[0] * w[2 * l] + (int64_t)x[1] * w[2 * l + 1];
        same("dot_halves", lane(found, l), (int32_t)(sum.v[l] + wanted));
        same("product_halves", lane(product, l), (int32_t)wanted);
    }
}
static void bits() {
    V counts = zero();
    Values sum(1 << 20);
    int32_t wanted[LANES];
    std::memcpy(wanted, sum.v, sizeof wanted);
    for (int k = 0; k < 31; k++) {
        uint32_t x = random_bits() % 3 ? (uint32_t)random_bits() : ~0u, w[LANES];
        for (auto &word : w) word = random_bits() % 3 ? (uint32_t)random_bits() : ~0u;
        counts = count_bits(counts, spread((uint8_t *)&x), load(w));
        for (int l = 0; l < LANES; l++) wanted[l] += __builtin_popcount(x & w[l]);
    }
    V found = flush_bits(load(sum.v), counts);
    for (int l = 0; l < LANES; l++) same("count_bits", lane(found, l), wanted[l]);
}
static void affines() {
    Values x(0x7fffffff), m(131071);
    int64_t offset[LANES], shift = random_bits() % 41, limit = 1ll << (random_bits() % 61);
    for (auto &o : offset) o = (int64_t)(random_bits() % (2 * limit)) - limit;
    for (int l = 0; l < LANES;
         l++) {  // results fit 32 bits, as the planner has proven before it takes this kernel
        int64_t &o = offset[(l & 1) * (LANES / 2) + l / 2], result = ((int64_t)x.v[l] * m.v[l] + o) >> shift;
        if (result > INT32_MAX || result < INT32_MIN) x.v[l] %= 1000, m.v[l] %= 1000, o %= 1000000;
    }
    int32_t lo = number(100000), hi = lo + (int32_t)(random_bits() % 100000);
    V found = affine(load(x.v), m.v, offset, shift, set1(lo), set1(hi));
    for (int l = 0; l < LANES; l++) {
        int64_t wanted = ((int64_t)x.v[l] * m.v[l] + offset[(l & 1) * (LANES / 2) + l / 2]) >> shift;
        same("affine", lane(found, l), wanted < lo ? lo : wanted > hi ? hi : wanted);
    }
}
static void elementwise() {
    Values x(0x7fffffff), y(0x7fffffff), count(255), sign(1);
    for (auto &s : sign.v) s = s > 0 ? -1 : 0;
    V a = load(x.v), b = load(y.v), greater = count_greater(load(count.v), a, b);
    for (int l = 0; l < LANES; l++) {
        same("add", lane(add(a, b), l), (int32_t)((uint32_t)x.v[l] + (uint32_t)y.v[l]));
        same("multiply", lane(multiply(a, b), l), (int32_t)((uint32_t)x.v[l] * (uint32_t)y.v[l]));
        same("larger", lane(larger(a, b), l), x.v[l] > y.v[l] ? x.v[l] : y.v[l]);
        same("smaller", lane(smaller(a, b), l), x.v[l] < y.v[l] ? x.v[l] : y.v[l]);
        same("flip", lane(flip(a, load(sign.v)), l), sign.v[l] ? -x.v[l] : x.v[l]);
        same("count_greater", lane(greater, l), count.v[l] + (x.v[l] > y.v[l]));
    }
}
template <class T, class Load, class Store>
static void narrow(const char *what, int64_t lo, int64_t hi, Load get, Store put) {
    T from[LANES], to[LANES + 4];
    int64_t n = 1 + random_bits() % (LANES + 2);
    for (auto &x : from) x = (T)(lo + (int64_t)(random_bits() % (uint64_t)(hi - lo + 1)));
    for (auto &x : to) x = 77;
    V x = get(from);
    put(to, x, n);
    for (int l = 0; l < LANES; l++) same(what, lane(x, l), from[l]);
    for (int l = 0; l < LANES + 4; l++) same(what, to[l], l < n && l < LANES ? from[l] : 77);
}
static void tables() {
    int32_t table[256];
    int64_t count = random_bits() % 2 ? 1 + random_bits() % 16 : 1 + random_bits() % 256;
    for (auto &t : table) t = number(0x7fffffff);
    Values index(0);
    uint32_t members = (uint32_t)random_bits();
    for (auto &i : index.v) i = (int32_t)(random_bits() % count);
    V found = look_up(load(index.v), table, count);
    for (int l = 0; l < LANES; l++) same("look_up", lane(found, l), table[index.v[l]]);
    for (auto &i : index.v) i %= 32;
    uint32_t bits = member_bits(load(index.v), members);
    for (int l = 0; l < LANES; l++) same("member_bits", bits >> l & 1, members >> index.v[l] & 1);
}

int main() {
    for (int round = 0; round < 2000; round++) {
        dots<false>(127), dots<true>(255), halves(), bits(), affines(), elementwise(), tables();
        narrow<uint8_t>("bytes", 0, 255, load_bytes, store_bytes);
        narrow<int16_t>("halves", -32768, 32767, load_halves, store_halves);
        narrow<int32_t>("words", INT32_MIN, INT32_MAX, [](const int32_t *p) { return load(p); }, store_words);
    }
    std::printf("%ld equal\n", compared);
}
