// The elementwise layers that follow a source, on blocks: constants are loaded once a vector and serve all
// its pixels.
#pragma once
#include "block.h"

namespace FORM {

inline void affine_vector(const Step &s, int64_t slot, int64_t pixels, const int32_t *x, int32_t *y) {
    const int32_t *m = (const int32_t *)s.a + slot * LANES;
    const int64_t *o = (const int64_t *)s.b + slot * LANES;
    V lo = set1((int32_t)s.lo), hi = set1((int32_t)s.hi);
    for (int64_t p = 0; p < pixels; p++)
        store(y + p * PITCH, affine(load(x + p * PITCH), m, o, s.shift, lo, hi));
}

// Index of the piece: how many limits a value (with its channel's sign) is greater than. The planner has
// taken 1 off every limit.
template <int COUNT>
inline void threshold_few(const int32_t *limits, V sign, int64_t pixels, const int32_t *x, int32_t *y) {
    V limit[COUNT];
    for (int j = 0; j < COUNT; j++) limit[j] = load(limits + j * LANES);
    for (int64_t p = 0; p < pixels; p++) {
        V value = flip(load(x + p * PITCH), sign), count = zero();
        for (int j = 0; j < COUNT; j++) count = count_greater(count, value, limit[j]);
        store(y + p * PITCH, count);
    }
}
inline void threshold_many(const int32_t *limits, int64_t n, V sign, int64_t pixels, const int32_t *x,
                           int32_t *y) {
    for (int64_t p = 0; p < pixels; p++) {
        V value = flip(load(x + p * PITCH), sign), count = zero();
        for (int64_t j = 0; j < n; j++) count = count_greater(count, value, load(limits + j * LANES));
        store(y + p * PITCH, count);
    }
}
inline void threshold_vector(const Step &s, int64_t slot, int64_t pixels, const int32_t *x, int32_t *y) {
    const int32_t *limits = (const int32_t *)s.a + slot * LANES * s.count;
    V sign = load((const int32_t *)s.b + slot * LANES);
    switch (s.count) {
    case 1: return threshold_few<1>(limits, sign, pixels, x, y);
    case 2: return threshold_few<2>(limits, sign, pixels, x, y);
    case 3: return threshold_few<3>(limits, sign, pixels, x, y);
    case 4: return threshold_few<4>(limits, sign, pixels, x, y);
    case 5: return threshold_few<5>(limits, sign, pixels, x, y);
    case 6: return threshold_few<6>(limits, sign, pixels, x, y);
    case 7: return threshold_few<7>(limits, sign, pixels, x, y);
    default: return threshold_many(limits, s.count, sign, pixels, x, y);
    }
}

// Constants of a slot: multipliers, second shifts, then the places and amounts of each correction.
inline void requantize_vector(const Step &s, int64_t slot, int64_t pixels, const int32_t *x, int32_t *y) {
    const int32_t *m = (const int32_t *)s.a + slot * (2 + 2 * s.count) * LANES, *second = m + LANES;
    const int64_t *o = (const int64_t *)s.b + slot * LANES;
    for (int64_t p = 0; p < pixels; p++, x += PITCH, y += PITCH) {
        int32_t result[LANES];
        for (int l = 0; l < LANES; l++) {
            int64_t v = ((int64_t)x[l] * m[l] + o[l]) >> s.shift, half = (int64_t(1) << second[l]) >> 1;
            v = ((v + half - ((v < 0) & (half > 0))) >> second[l]) + s.zero;
            v = v < s.lo ? s.lo : v;
            result[l] = (int32_t)(v > s.hi ? s.hi : v);
        }
        for (int64_t e = 0; e < s.count; e++) {
            const int32_t *place = second + (1 + 2 * e) * LANES, *amount = place + LANES;
            for (int l = 0; l < LANES; l++) result[l] += x[l] == place[l] ? amount[l] : 0;
        }
        std::memcpy(y, result, sizeof result);
    }
}
inline void lookup_vector(const Step &s, int64_t pixels, const int32_t *x, int32_t *y) {
    const int32_t *table = (const int32_t *)s.a;
    uint32_t last = (uint32_t)s.count - 1;
    for (int64_t p = 0; p < pixels; p++, x += PITCH, y += PITCH)
        for (int l = 0; l < LANES; l++) {  // lanes without a channel hold anything: they read the last entry
            uint32_t place = (uint32_t)x[l] - (uint32_t)s.zero;
            y[l] = table[place < last ? place : last];
        }
}
inline void add_constant_vector(const Op &op, const Step &s, const Place &at, int64_t v, const int32_t *x,
                                int32_t *y) {
    int64_t step = op.across_images ? 0 : s.count * LANES;
    int64_t first = op.across_images ? 0 : (at.y * op.width + at.x) * s.count;
    const int32_t *value = (const int32_t *)s.a + (first + at.slot + v) * LANES;
    for (int64_t p = 0; p < at.pixels; p++)
        store(y + p * PITCH, add(load(x + p * PITCH), load(value + p * step)));
}

// A boolean function of two bits as the polynomial that meets it: y = t0 + x (t2 - t0) + z (t1 - t0) + x z (...).
inline void logic_vector(const Step &s, int64_t pixels, const int32_t *x, const int32_t *z, int32_t *y) {
    int32_t t[4];
    for (int i = 0; i < 4; i++) t[i] = s.count >> i & 1;
    V start = set1(t[0]), first = set1(t[2] - t[0]), second = set1(t[1] - t[0]), both = set1(t[3] - t[2] - t[1] + t[0]);
    for (int64_t p = 0; p < pixels; p++) {
        V a = load(x + p * PITCH), b = load(z + p * PITCH);
        V rest = add(first, multiply(b, both));
        store(y + p * PITCH, add(add(start, multiply(b, second)), multiply(a, rest)));
    }
}
inline void step_vector(const Job &job, const Op &op, const Step &s, const Place &at, int64_t v,
                        int32_t *buffers) {
    const int32_t *x = buffers + s.source * BUFFER + v * LANES;
    int32_t *y = buffers + s.target * BUFFER + v * LANES;
    switch (s.kind) {
    case AFFINE: return affine_vector(s, at.slot + v, at.pixels, x, y);
    case THRESHOLD: return threshold_vector(s, at.slot + v, at.pixels, x, y);
    case TABLE:
        for (int64_t p = 0; p < at.pixels; p++)
            store(y + p * PITCH, look_up(load(x + p * PITCH), (const int32_t *)s.a, s.count));
        return;
    case ADD: {
        const int32_t *z = buffers + s.other * BUFFER + v * LANES;
        for (int64_t p = 0; p < at.pixels; p++)
            store(y + p * PITCH, add(load(x + p * PITCH), load(z + p * PITCH)));
        return;
    }
    case FETCH: return fetch_vector(job, op, s, at, v, y);
    case REQUANTIZE: return requantize_vector(s, at.slot + v, at.pixels, x, y);
    case LOOKUP: return lookup_vector(s, at.pixels, x, y);
    case MULTIPLY: {
        const int32_t *z = buffers + s.other * BUFFER + v * LANES;
        V less = set1(-(int32_t)s.zero), less2 = set1(-(int32_t)s.zero2);
        for (int64_t p = 0; p < at.pixels; p++)
            store(y + p * PITCH, multiply(add(load(x + p * PITCH), less), add(load(z + p * PITCH), less2)));
        return;
    }
    case LOGIC: return logic_vector(s, at.pixels, x, buffers + s.other * BUFFER + v * LANES, y);
    case ADD_CONSTANT: return add_constant_vector(op, s, at, v, x, y);
    default: return store_vector(job, op, s, at, v, x);
    }
}

// All steps of an operation on the block whose source values lie in the first buffer.
inline void run_steps(const Job &job, const Op &op, const Place &at, int32_t *buffers) {
    for (int64_t v = 0; v < at.vectors; v++)
        for (int64_t i = 0; i < op.steps; i++) step_vector(job, op, op.step[i], at, v, buffers);
}

}  // namespace FORM
