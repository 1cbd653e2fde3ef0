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
    default: return store_vector(job, op, s, at, v, x);
    }
}

// All steps of an operation on the block whose source values lie in the first buffer.
inline void run_steps(const Job &job, const Op &op, const Place &at, int32_t *buffers) {
    for (int64_t v = 0; v < at.vectors; v++)
        for (int64_t i = 0; i < op.steps; i++) step_vector(job, op, op.step[i], at, v, buffers);
}

}  // namespace FORM
