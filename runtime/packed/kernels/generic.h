// Everything in int64, one pixel at a time: for values beyond 32 bits. Slow, and the same integers.
#pragma once
#include <algorithm>
#include <vector>

#include "program.h"

namespace generic {

struct Pixel {
    int64_t image, y, x;
};

inline uint8_t *address(const Job &job, const Tensor &t, const Pixel &at) {
    return job.memory + t.offset + at.image * t.image + (at.y + t.top) * t.row + (at.x + t.left) * t.pixel;
}

inline int64_t value(const Tensor &t, const uint8_t *pixel, int64_t channel) {
    switch (t.kind) {
    case BYTES: return (int64_t)pixel[channel] - t.zero;
    case HALVES: return ((const int16_t *)pixel)[channel];
    case WORDS: return ((const int32_t *)pixel)[channel];
    default: return ((const int64_t *)pixel)[channel];
    }
}

inline void put(const Job &job, const Step &s, const Pixel &at, int64_t c, int64_t x) {
    const Tensor &t = job.program->tensor[s.tensor];
    int64_t channel = c + s.channel;
    if (t.kind == RESULT) {
        job.output[at.image * job.program->results + (channel * t.height + at.y) * t.width + at.x] = x;
        return;
    }
    uint8_t *pixel = address(job, t, at);
    switch (t.kind) {
    case BYTES: pixel[channel] = (uint8_t)(x + t.zero); return;
    case HALVES: ((int16_t *)pixel)[channel] = (int16_t)x; return;
    case WORDS: ((int32_t *)pixel)[channel] = (int32_t)x; return;
    case LONGS: ((int64_t *)pixel)[channel] = x; return;
    default:
        for (int64_t j = 0; j < t.planes; j++) {
            uint8_t *byte = pixel + j * t.plane + channel / 8, bit = 1 << channel % 8;
            bool member = ((const uint32_t *)s.a)[j] >> x & 1;
            *byte = member ? *byte | bit : *byte & ~bit;
        }
    }
}

inline int64_t weighted(const Job &job, const Op &op, const Pixel &at, int64_t c) {
    const Tensor &in = job.program->tensor[op.tensor];
    const uint8_t *x =
        address(job, in, {at.image, at.y * op.stride_y - op.pad_y, at.x * op.stride_x - op.pad_x});
    const int32_t *w = (const int32_t *)op.weights + c * op.taps * op.inputs;
    int64_t sum = ((const int64_t *)op.start)[c], first = c / op.outputs * op.inputs;
    for (int64_t k = 0; k < op.taps; k++)
        for (int64_t i = 0; i < op.inputs; i++) sum += value(in, x + op.offsets[k], first + i) * *w++;
    return sum;
}

inline int64_t pooled(const Job &job, const Op &op, const Pixel &at, int64_t c) {
    const Tensor &in = job.program->tensor[op.tensor];
    int64_t top = at.y * op.stride_y - op.pad_y, left = at.x * op.stride_x - op.pad_x;
    int64_t result = op.source == MAXIMUM ? INT64_MIN : 0, inside = 0;
    for (int64_t y = std::max<int64_t>(top, 0); y < std::min(top + op.kernel_y, in.height); y++)
        for (int64_t x = std::max<int64_t>(left, 0); x < std::min(left + op.kernel_x, in.width); x++) {
            int64_t next = value(in, address(job, in, {at.image, y, x}), c);
            result = op.source == MAXIMUM ? std::max(result, next) : result + next;
            inside++;
        }
    return op.source == MAXIMUM ? result : result + op.outside * (op.kernel_y * op.kernel_x - inside);
}

inline int64_t largest(const Job &job, const Op &op, const Pixel &at) {
    const Tensor &in = job.program->tensor[op.tensor];
    const uint8_t *pixel = address(job, in, at);
    int64_t best = 0;
    for (int64_t c = 1; c < in.channels; c++)
        if (value(in, pixel, c) > value(in, pixel, best)) best = c;
    return best;
}

inline int64_t moved(const Job &job, const Op &op, const Pixel &at, int64_t c) {
    const Move &from = op.moves[at.y * op.width + at.x];
    if (from.tensor < 0) return op.outside;
    const Tensor &in = job.program->tensor[from.tensor];
    return value(in, address(job, in, {at.image, from.y, from.x}), op.order[c] + from.channel);
}

// The place before which exactly c others come: larger values, and equal ones of a lower place.
inline int64_t top(const Job &job, const Op &op, const Pixel &at, int64_t c) {
    const Tensor &in = job.program->tensor[op.tensor];
    const uint8_t *pixel = address(job, in, at);
    for (int64_t k = 0; k < in.channels; k++) {
        int64_t mine = value(in, pixel, k), before = 0;
        for (int64_t other = 0; other < in.channels && before <= c; other++) {
            int64_t its = value(in, pixel, other);
            before += its > mine || (its == mine && other < k);
        }
        if (before == c) return k;
    }
    return 0;
}

inline int64_t source(const Job &job, const Op &op, const Pixel &at, int64_t c) {
    switch (op.source) {
    case WEIGHTED: return weighted(job, op, at, c);
    case LOAD:
        return value(job.program->tensor[op.tensor], address(job, job.program->tensor[op.tensor], at), c);
    case LARGEST: return largest(job, op, at);
    case MOVE: return moved(job, op, at, c);
    case TOP: return top(job, op, at, c);
    default: return pooled(job, op, at, c);
    }
}

inline int64_t requantized(const Step &s, int64_t c, int64_t x) {
    const int64_t *mine = (const int64_t *)s.a + c * (2 + 2 * s.count), second = mine[1];
    int64_t v = (x * mine[0] + ((const int64_t *)s.b)[c]) >> s.shift, half = (int64_t(1) << second) >> 1;
    v = ((v + half - (v < 0 && half > 0)) >> second) + s.zero;
    v = std::clamp(v, s.lo, s.hi);
    for (int64_t e = 0; e < s.count; e++)
        if (x == mine[2 + 2 * e]) v += mine[3 + 2 * e];
    return v;
}

inline void step(const Job &job, const Op &op, const Step &s, const Pixel &at, int64_t c, int64_t *buffer) {
    int64_t x = buffer[s.source], &y = buffer[s.target];
    switch (s.kind) {
    case AFFINE:
        y = std::clamp((x * ((const int64_t *)s.a)[c] + ((const int64_t *)s.b)[c]) >> s.shift, s.lo, s.hi);
        return;
    case THRESHOLD: {
        const int64_t *limits = (const int64_t *)s.a + c * s.count, signedx = x * ((const int64_t *)s.b)[c];
        y = std::upper_bound(limits, limits + s.count, signedx) - limits;
        return;
    }
    case TABLE: y = ((const int32_t *)s.a)[x]; return;
    case ADD: y = x + buffer[s.other]; return;
    case FETCH: {
        const Tensor &t = job.program->tensor[s.tensor];
        bool one = t.height * t.width == 1 && op.height * op.width != 1;  // one value a channel for all pixels
        y = value(t, address(job, t, one ? Pixel{at.image, 0, 0} : at), c + s.channel);
        return;
    }
    case REQUANTIZE: y = requantized(s, c, x); return;
    case LOOKUP: y = ((const int32_t *)s.a)[x - s.zero]; return;
    case MULTIPLY: y = (x - s.zero) * (buffer[s.other] - s.zero2); return;
    case LOGIC: y = s.count >> (2 * x + buffer[s.other]) & 1; return;
    case ADD_CONSTANT: y = x + ((const int64_t *)s.a)[(c * op.height + at.y) * op.width + at.x]; return;
    default: put(job, s, at, c, x);
    }
}

inline void run(const Job &job, const Op &op, int64_t first, int64_t last) {
    for (int64_t row = first; row < last; row++)
        for (int64_t x = 0; x < op.width; x++) {
            Pixel at = {row / op.height, row % op.height, x};
            for (int64_t c = 0; c < op.channels; c++) {
                int64_t buffer[8];
                buffer[0] = source(job, op, at, c);
                for (int64_t i = 0; i < op.steps; i++) step(job, op, op.step[i], at, c, buffer);
            }
        }
}

}  // namespace generic
