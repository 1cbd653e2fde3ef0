/* Integers: windows and dot products. Part of fermatnet's generated C. */
#ifndef FERMATNET_INTEGERS_H
#define FERMATNET_INTEGERS_H

#include <stdint.h>

/* A window of channels first .. first + count - 1 as 16-bit integers in the order (row, column, channel); zeros outside the map.
   Strides are in elements: the caller's image is channel by channel, tensors are pixel by pixel. */
typedef struct {
    int32_t y, x;
    uint32_t height, width, rows, columns, dy, dx;
    uint32_t row_stride, column_stride, channel_stride, first, count;
} fn_area;

#define FN_AREA(word, type)                                                                         \
    static inline void fn_area_##word(int16_t *patch, const type *map, fn_area v)                   \
    {                                                                                               \
        uint32_t r, s, c;                                                                           \
        map += v.first * v.channel_stride;                                                          \
        for (r = 0; r < v.rows; ++r) {                                                              \
            const uint32_t y = (uint32_t)v.y + r * v.dy;                                            \
            for (s = 0; s < v.columns; ++s) {                                                       \
                const uint32_t x = (uint32_t)v.x + s * v.dx;                                        \
                const uint32_t inside = y < v.height && x < v.width;                                \
                const type *from = inside ? map + y * v.row_stride + x * v.column_stride : map;     \
                for (c = 0; c < v.count; ++c)                                                       \
                    *patch++ = inside ? (int16_t)from[c * v.channel_stride] : (int16_t)0;           \
            }                                                                                       \
        }                                                                                           \
    }
FN_AREA(u8, uint8_t)
FN_AREA(i8, int8_t)
FN_AREA(u16, uint16_t)
FN_AREA(i16, int16_t)

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
