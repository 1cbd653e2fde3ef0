// Where the values of blocks come from: convolutions, pooling, tensors; and how the rows of an operation are
// cut into blocks.
#pragma once
#include "dot.h"

namespace FORM {

// Window of the block's first pixel (its padding lies in the tensor's border), and the step to the next
// one's.
inline const uint8_t *window(const Job &job, const Op &op, const Tensor &in, const Place &at, int64_t &step) {
    step = op.across_images ? in.image : op.stride_x * in.pixel;
    return address(job, in, at.image, at.y * op.stride_y - op.pad_y, at.x * op.stride_x - op.pad_x);
}

inline void dot_block(const Job &job, const Op &op, const Place &at, int32_t *block) {
    const Tensor &in = job.program->tensor[op.tensor];
    int64_t step, element = in.kind == HALVES ? 2 : 1, group = at.slot / ((op.outputs + LANES - 1) / LANES);
    const uint8_t *x = window(job, op, in, at, step);
    x += in.kind == BITS ? group * op.inputs / 8 : group * op.inputs * element;
    const uint8_t *w = (const uint8_t *)op.weights + at.slot * op.planes * op.taps * LANES * 4;
    const int32_t *start = (const int32_t *)op.start + at.slot * LANES;
    if (op.source == DOT_BITS) return dot_bits(op, in, x, step, w, start, at, block);
    if (op.source == DOT_HALVES) return choose<HALF>(at.vectors, at.pixels)(op, x, step, w, start, block);
    auto kernel =
        op.wide_bytes ? choose<WIDE_BYTE>(at.vectors, at.pixels) : choose<BYTE>(at.vectors, at.pixels);
    kernel(op, x, step, w, start, block);
}

// One weight a channel and tap; products of 16 bits. Stored bytes carry their zero, which `start` takes off
// again.
inline void depthwise_block(const Job &job, const Op &op, const Place &at, int32_t *block) {
    const Tensor &in = job.program->tensor[op.tensor];
    int64_t step;
    const uint8_t *x = window(job, op, in, at, step);
    for (int64_t v = 0; v < at.vectors; v++) {
        const uint8_t *w = (const uint8_t *)op.weights + (at.slot + v) * op.taps * LANES * 4;
        V start = load((const int32_t *)op.start + (at.slot + v) * LANES);
        int64_t channel = at.channel + v * LANES;
        for (int64_t p = 0; p < at.pixels; p++) {
            V sum = start;
            for (int64_t k = 0; k < op.taps; k++) {
                const uint8_t *pixel = x + p * step + op.offsets[k];
                V value = in.kind == BYTES ? load_bytes(pixel + channel)
                                           : load_halves((const int16_t *)pixel + channel);
                sum = add(sum, product_halves(value, load(w + k * LANES * 4)));
            }
            store(block + p * PITCH + v * LANES, sum);
        }
    }
}

// Rows and columns of a pooling window that lie on the map.
struct Span {
    int64_t first, last;
    Span(int64_t start, int64_t size, int64_t limit)
        : first(start < 0 ? 0 : start), last(start + size > limit ? limit : start + size) {}
};

template <bool MAX> inline void pool_block(const Job &job, const Op &op, const Place &at, int32_t *block) {
    const Tensor &in = job.program->tensor[op.tensor];
    Span rows(at.y * op.stride_y - op.pad_y, op.kernel_y, in.height);
    for (int64_t p = 0; p < at.pixels; p++) {
        int64_t image = at.image + (op.across_images ? p : 0), x = at.x + (op.across_images ? 0 : p);
        Span columns(x * op.stride_x - op.pad_x, op.kernel_x, in.width);
        for (int64_t v = 0; v < at.vectors; v++) {
            int64_t channel = at.channel + v * LANES;
            V value = MAX ? set1(INT32_MIN) : zero();
            for (int64_t r = rows.first; r < rows.last; r++) {
                const uint8_t *pixel = address(job, in, image, r, columns.first);
                for (int64_t c = columns.first; c < columns.last; c++, pixel += in.pixel) {
                    V next = fetch(in, pixel, channel);
                    value = MAX ? larger(value, next) : add(value, next);
                }
            }
            store(block + p * PITCH + v * LANES, value);
        }
    }
}

inline void load_block(const Job &job, const Op &op, const Place &at, int32_t *block) {
    Step from = {};
    from.tensor = op.tensor;
    for (int64_t v = 0; v < at.vectors; v++) fetch_vector(job, op, from, at, v, block + v * LANES);
}

inline void largest_block(const Job &job, const Op &op, const Place &at, int32_t *block) {
    const Tensor &in = job.program->tensor[op.tensor];
    for (int64_t p = 0; p < at.pixels; p++) {
        const uint8_t *pixel = address(job, in, at.image + p, 0, 0);
        int32_t best = 0, most = 0, values[LANES];
        for (int64_t c = 0; c < in.channels; c++) {
            if (c % LANES == 0) store(values, fetch(in, pixel, c));
            int32_t value = values[c % LANES];
            if (c == 0 || value > most) best = (int32_t)c, most = value;
        }
        store(block + p * PITCH, set1(best));
    }
}

inline void fill_block(const Job &job, const Op &op, const Place &at, int32_t *block) {
    switch (op.source) {
    case DEPTHWISE: return depthwise_block(job, op, at, block);
    case LOAD: return load_block(job, op, at, block);
    case MAXIMUM: return pool_block<true>(job, op, at, block);
    case SUM: return pool_block<false>(job, op, at, block);
    case LARGEST: return largest_block(job, op, at, block);
    default: return dot_block(job, op, at, block);
    }
}

inline int64_t most_pixels(const Op &op, int64_t vectors) {
    bool registers = op.source == DOT_BYTES || op.source == DOT_HALVES || op.source == DOT_BITS;
    return registers ? SHAPE.pixels[vectors] : MOST_PIXELS;
}

// One block of channels of one row, in blocks of pixels of nearly equal length.
inline void run_row(const Job &job, const Op &op, Place at, int32_t *buffers) {
    int64_t length = op.across_images ? job.images : op.width, most = most_pixels(op, at.vectors);
    int64_t blocks = (length + most - 1) / most;
    for (int64_t i = 0; i < blocks; i++) {
        int64_t first = length * i / blocks;
        at.pixels = length * (i + 1) / blocks - first;
        (op.across_images ? at.image : at.x) = first;
        fill_block(job, op, at, buffers);
        run_steps(job, op, at, buffers);
    }
}

}  // namespace FORM
