/* Integers: windows and dot products. Part of fermatnet's generated C. */
#ifndef FERMATNET_INTEGERS_H
#define FERMATNET_INTEGERS_H

#include <stdint.h>
#include "fermatnet_window.h"

/* A window of channels first .. first + count - 1 as 16-bit integers in the order (row, column, channel), filled up with zeros to a
   multiple of four; zeros outside the map. Strides are in elements: the image is channel by channel, tensors pixel by pixel. */
typedef struct {
    int32_t y, x;
    uint32_t height, width, rows, columns, dy, dx;
    uint32_t row_stride, column_stride, channel_stride, first, count;
} fn_area;

#define FN_AREA(word, type)                                                                         \
    FN_INLINE void fn_area_##word(int16_t *patch, const type *map, fn_area v)                       \
    {                                                                                               \
        const uint32_t last = fn_inside(v.x, v.columns, v.dx, v.width), first = fn_outside(v.x, v.dx, last); \
        const uint32_t step = v.dx * v.column_stride;                                               \
        uint32_t r, s, c;                                                                           \
        for (r = 0; r < v.rows; ++r) {                                                              \
            const uint32_t y = (uint32_t)v.y + r * v.dy, inside = y < v.height;                     \
            const uint32_t begin = inside ? first : 0, end = inside ? last : 0;                     \
            const type *from = map + v.first * v.channel_stride;                                    \
            if (inside)                                                                             \
                from += y * v.row_stride + ((uint32_t)v.x + begin * v.dx) * v.column_stride;        \
            for (c = begin * v.count; c; --c)                                                       \
                *patch++ = 0;                                                                       \
            if (step == v.count && (v.count == 1 || v.channel_stride == 1)) {                       \
                for (c = (end - begin) * v.count; c; --c)                                           \
                    *patch++ = (int16_t)*from++;                                                    \
            } else {                                                                                \
                for (s = begin; s < end; ++s, from += step)                                         \
                    for (c = 0; c < v.count; ++c)                                                   \
                        *patch++ = (int16_t)from[c * v.channel_stride];                             \
            }                                                                                       \
            for (c = (v.columns - end) * v.count; c; --c)                                           \
                *patch++ = 0;                                                                       \
        }                                                                                           \
        for (c = v.rows * v.columns * v.count; c & 3u; ++c)                                         \
            *patch++ = 0;                                                                           \
    }
FN_AREA(u8, uint8_t)
FN_AREA(i8, int8_t)
FN_AREA(u16, uint16_t)
FN_AREA(i16, int16_t)

/* Piece indices to the levels that they stand for, in place. */
static inline void fn_levels(int16_t *patch, const int8_t *levels, uint32_t n)
{
    for (; n; --n, ++patch)
        *patch = levels[*patch];
}

/* Four outputs at once. Weights: for each four inputs, four of each output in turn; n is a multiple of four. */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP && defined(__ARM_FEATURE_SIMD32) && defined(__ARM_FEATURE_UNALIGNED) \
    && !defined(__ARM_BIG_ENDIAN)
#include <arm_acle.h>
static inline uint32_t fn_word(const void *from)
{
    uint32_t v;
    __builtin_memcpy(&v, from, 4);
    return v;
}
static inline void fn_dot4_i8(int32_t *out, const int16_t *a, const int8_t *w, uint32_t n)
{
    int32_t t[4] = {0, 0, 0, 0};
    for (; n; n -= 4, a += 4, w += 16) {
        const uint32_t low = fn_word(a), high = fn_word(a + 2);
        const int16x2_t even = (int16x2_t)((low & 0xffffu) | (high << 16));
        const int16x2_t odd = (int16x2_t)((low >> 16) | (high & 0xffff0000u));
        uint32_t o;
        for (o = 0; o < 4; ++o) {
            const uint32_t four = fn_word(w + 4 * o);
            t[o] = __smlad(even, __sxtb16((int8x4_t)four), t[o]);
            t[o] = __smlad(odd, __sxtb16((int8x4_t)((four >> 8) | (four << 24))), t[o]);
        }
    }
    out[0] = t[0], out[1] = t[1], out[2] = t[2], out[3] = t[3];
}
#else
#define FN_DOT4_I8 1
#endif

#define FN_DOT4(word, weight)                                                                       \
    static inline void fn_dot4_##word(int32_t *out, const int16_t *a, const weight *w, uint32_t n)  \
    {                                                                                               \
        int32_t t0 = 0, t1 = 0, t2 = 0, t3 = 0;                                                     \
        for (; n; n -= 4, a += 4, w += 16) {                                                        \
            const int32_t a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3];                               \
            t0 += a0 * w[0] + a1 * w[1] + a2 * w[2] + a3 * w[3];                                    \
            t1 += a0 * w[4] + a1 * w[5] + a2 * w[6] + a3 * w[7];                                    \
            t2 += a0 * w[8] + a1 * w[9] + a2 * w[10] + a3 * w[11];                                  \
            t3 += a0 * w[12] + a1 * w[13] + a2 * w[14] + a3 * w[15];                                \
        }                                                                                           \
        out[0] = t0, out[1] = t1, out[2] = t2, out[3] = t3;                                         \
    }
#ifdef FN_DOT4_I8
FN_DOT4(i8, int8_t)
#endif
FN_DOT4(i16, int16_t)

#define FN_DOT(word, activation, weight, sum)                                                       \
    static inline sum fn_dot_##word(const activation *a, const weight *w, uint32_t n, sum total)    \
    {                                                                                               \
        uint32_t k;                                                                                 \
        for (k = 0; k < n; ++k)                                                                     \
            total += (sum)a[k] * (sum)w[k];                                                         \
        return total;                                                                               \
    }
FN_DOT(i16_i8, int16_t, int8_t, int32_t)
FN_DOT(i16_i16, int16_t, int16_t, int32_t)
FN_DOT(i16_i8_wide, int16_t, int8_t, int64_t)
FN_DOT(i16_i16_wide, int16_t, int16_t, int64_t)
FN_DOT(u8_i8, uint8_t, int8_t, int32_t)
FN_DOT(u8_i16, uint8_t, int16_t, int32_t)
FN_DOT(i8_i8, int8_t, int8_t, int32_t)
FN_DOT(i8_i16, int8_t, int16_t, int32_t)
FN_DOT(u16_i8, uint16_t, int8_t, int32_t)
FN_DOT(u16_i16, uint16_t, int16_t, int32_t)
FN_DOT(i32_i8, int32_t, int8_t, int32_t)
FN_DOT(i32_i16, int32_t, int16_t, int32_t)

#endif
