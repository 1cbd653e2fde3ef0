// Convolutions and dense layers: a register block of PIXELS x VECTORS accumulators, one lane an output
// channel.
//
// Pixels lie at equal steps, so a tap is one address; four bytes of a pixel (four activations, two halves or
// 32 bits of a plane) are spread over a vector and meet the weights of its outputs. No window is ever copied.
#pragma once
#include "steps.h"

namespace FORM {

enum Product { BYTE, WIDE_BYTE, HALF, BIT };

template <Product KIND> inline V multiply_add(V sum, V x, V w) {
    if constexpr (KIND == BYTE) return dot_bytes<false>(sum, x, w);
    if constexpr (KIND == WIDE_BYTE) return dot_bytes<true>(sum, x, w);
    if constexpr (KIND == HALF) return dot_halves(sum, x, w);
    if constexpr (KIND == BIT) return count_bits(sum, x, w);
}

// Adds the taps [first, last) of a block to `sum`.
template <Product KIND, int PIXELS, int VECTORS>
inline void taps(V (&sum)[PIXELS][VECTORS], const uint8_t *x, int64_t step, const int32_t *offsets,
                 const uint8_t *w, int64_t first, int64_t last) {
    int64_t s1 = step, s3 = 3 * step, s5 = 5 * step, s7 = 7 * step, s9 = 9 * step, s11 = 11 * step,
            s13 = 13 * step;
    for (int64_t k = first; k < last; k++) {
        const uint8_t *at = x + offsets[k];
        V weight[VECTORS];
        for (int v = 0; v < VECTORS; v++) weight[v] = load(w + (k * VECTORS + v) * (LANES * 4));
        // odd multiples of the step and the address modes' 2, 4, 8 reach 14 pixels with few registers; hide
        // them from hoisting
        asm("" : "+r"(s1));
        if (PIXELS > 3) asm("" : "+r"(s3));
        if (PIXELS > 5) asm("" : "+r"(s5));
        if (PIXELS > 7) asm("" : "+r"(s7));
        const int64_t far[16] = {0,      s1, 2 * s1, s3,  4 * s1, s5,  2 * s3, s7,
                                 8 * s1, s9, 2 * s5, s11, 4 * s3, s13, 2 * s7, 0};
#pragma GCC unroll 16
        for (int p = 0; p < PIXELS; p++) {
            V value = spread(at + far[p]);
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++) sum[p][v] = multiply_add<KIND>(sum[p][v], value, weight[v]);
        }
    }
}

template <Product KIND, int PIXELS, int VECTORS> void
dot(const Op &op, const uint8_t *x, int64_t step, const uint8_t *w, const int32_t *start, int32_t *block) {
    V sum[PIXELS][VECTORS];
    for (int p = 0; p < PIXELS; p++)
        for (int v = 0; v < VECTORS; v++) sum[p][v] = load(start + v * LANES);
    taps<KIND>(sum, x, step, op.offsets, w, 0, op.taps);
    for (int p = 0; p < PIXELS; p++)
        for (int v = 0; v < VECTORS; v++) store(block + p * PITCH + v * LANES, sum[p][v]);
}

// Adds factor * popcount(weight plane AND activation plane) to a block.
template <Product KIND, int PIXELS, int VECTORS> void
dot_plane(const Op &op, const uint8_t *x, int64_t step, const uint8_t *w, int32_t factor, int32_t *block) {
    V total[PIXELS][VECTORS];
    for (int p = 0; p < PIXELS; p++)
        for (int v = 0; v < VECTORS; v++) total[p][v] = zero();
    for (int64_t first = 0; first < op.taps; first += COUNT_RUN) {
        int64_t last = op.taps - first > COUNT_RUN ? first + COUNT_RUN : op.taps;
        V counts[PIXELS][VECTORS];
        for (int p = 0; p < PIXELS; p++)
            for (int v = 0; v < VECTORS; v++) counts[p][v] = zero();
        taps<KIND>(counts, x, step, op.offsets, w, first, last);
        for (int p = 0; p < PIXELS; p++)
            for (int v = 0; v < VECTORS; v++) total[p][v] = flush_bits(total[p][v], counts[p][v]);
    }
    for (int p = 0; p < PIXELS; p++)
        for (int v = 0; v < VECTORS; v++) {
            int32_t *y = block + p * PITCH + v * LANES;
            store(y, add(load(y), multiply(total[p][v], set1(factor))));
        }
}

using Dot = void (*)(const Op &, const uint8_t *, int64_t, const uint8_t *, const int32_t *, int32_t *);
using DotPlane = void (*)(const Op &, const uint8_t *, int64_t, const uint8_t *, int32_t, int32_t *);

template <Product KIND, int PIXELS, int VECTORS> constexpr auto kernel() {
    if constexpr (PIXELS > 0 && VECTORS > 0 && PIXELS <= SHAPE.pixels[VECTORS]) {
        if constexpr (KIND == BIT)
            return DotPlane(dot_plane<KIND, PIXELS, VECTORS>);
        else
            return Dot(dot<KIND, PIXELS, VECTORS>);
    } else {
        if constexpr (KIND == BIT)
            return DotPlane(nullptr);
        else
            return Dot(nullptr);
    }
}
template <Product KIND, int VECTORS, size_t... P> constexpr auto kernels(std::index_sequence<P...>) {
    return std::array{kernel<KIND, (int)P, VECTORS>()...};
}
// kernel by vectors, then by pixels
template <Product KIND> inline auto choose(int64_t vectors, int64_t pixels) {
    constexpr auto all = std::make_index_sequence<MOST_PIXELS>();
    static constexpr std::array table = {kernels<KIND, 1>(all), kernels<KIND, 2>(all), kernels<KIND, 3>(all),
                                         kernels<KIND, 4>(all)};
    return table[vectors - 1][pixels];
}

// Bits of the whole window: one number a pixel, the same for all outputs.
inline void add_window_bits(const Op &op, const uint8_t *x, int64_t step, int32_t factor, const Place &at,
                            int32_t *block) {
    for (int64_t p = 0; p < at.pixels; p++, x += step) {
        int32_t bits = 0;
        for (int64_t k = 0; k < op.taps; k++) {
            uint32_t word;
            std::memcpy(&word, x + op.offsets[k], 4);
            bits += __builtin_popcount(word & op.masks[k]);
        }
        V sum = set1(bits * factor);
        for (int64_t v = 0; v < at.vectors; v++) {
            int32_t *y = block + p * PITCH + v * LANES;
            store(y, add(load(y), sum));
        }
    }
}

inline void dot_bits(const Op &op, const Tensor &in, const uint8_t *x, int64_t step, const uint8_t *w,
                     const int32_t *start, const Place &at, int32_t *block) {
    for (int64_t p = 0; p < at.pixels; p++)
        for (int64_t v = 0; v < at.vectors; v++)
            store(block + p * PITCH + v * LANES, load(start + v * LANES));
    int64_t plane = op.taps * at.vectors * LANES * 4;
    DotPlane kernel = choose<BIT>(at.vectors, at.pixels);
    for (int64_t i = 0; i < op.pairs; i++) {
        const Pair &pair = op.pair[i];
        const uint8_t *from = x + pair.activation * in.plane;
        if (pair.weight < 0)
            add_window_bits(op, from, step, (int32_t)pair.factor, at, block);
        else
            kernel(op, from, step, w + pair.weight * plane, (int32_t)pair.factor, block);
    }
}

}  // namespace FORM
