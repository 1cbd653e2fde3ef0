/* Bits: counting them, gathering windows of packed planes, reading one element. Part of fermatnet's generated C. */
#ifndef FERMATNET_BITS_H
#define FERMATNET_BITS_H

#include <stdint.h>
#include "fermatnet_window.h"

/* FN_POPCOUNT: 1 where the processor counts the bits of a word in one instruction. Define it yourself to overrule. */
#ifndef FN_POPCOUNT
#if defined(__POPCNT__) || defined(__riscv_zbb) || defined(__wasm__) || defined(__ARM_FEATURE_SVE)
#define FN_POPCOUNT 1
#else
#define FN_POPCOUNT 0
#endif
#endif

#if FN_POPCOUNT && (defined(__GNUC__) || defined(__clang__))
static inline uint32_t fn_popcount(uint32_t v)
{
    return (uint32_t)__builtin_popcountl((unsigned long)v);
}
#else
static inline uint32_t fn_popcount(uint32_t v)
{
    v = v - ((v >> 1) & 0x55555555u);
    v = (v & 0x33333333u) + ((v >> 2) & 0x33333333u);
    v = (v + (v >> 4)) & 0x0f0f0f0fu;
    return (uint32_t)(v * UINT32_C(0x01010101)) >> 24;
}
#endif

/* The sum of the four bytes of v; fn_few_bytes where it is at most 255. */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP && defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
static inline uint32_t fn_bytes(uint32_t v)
{
    return __usad8(v, 0);
}
#define fn_few_bytes fn_bytes
#else
static inline uint32_t fn_bytes(uint32_t v)
{
    v = (v & 0x00ff00ffu) + ((v >> 8) & 0x00ff00ffu);
    return (v + (v >> 16)) & 0xffffu;
}
static inline uint32_t fn_few_bytes(uint32_t v)
{
    return (uint32_t)(v * UINT32_C(0x01010101)) >> 24;
}
#endif

/* The signed number of a two's complement word, without relying on how a compiler converts it. */
static inline int32_t fn_signed(uint32_t v)
{
    return v <= UINT32_C(0x7fffffff) ? (int32_t)v : -(int32_t)(UINT32_C(0xffffffff) - v) - 1;
}

#include "fermatnet_vector.h"

/* The plane bits of channel c of the pixel at p: plane j in bit j. */
#define FN_CODE(bits, shift)                                                                        \
    static inline uint32_t fn_code##bits(const uint##bits##_t *p, uint32_t c, uint32_t units, uint32_t planes) \
    {                                                                                               \
        uint32_t code = 0, j;                                                                       \
        for (j = 0; j < planes; ++j)                                                                \
            code |= (((uint32_t)p[j * units + (c >> shift)] >> (c & (bits - 1u))) & 1u) << j;       \
        return code;                                                                                \
    }
FN_CODE(8, 3)
FN_CODE(16, 4)
FN_CODE(32, 5)

/* A window's bits, densely packed into words: for each plane, rows, columns and units in turn. Outside the map lie zeros. */
typedef struct {
    int32_t y, x;                      /* top left corner, may lie outside */
    uint32_t height, width;            /* of the map */
    uint32_t rows, columns, dy, dx;    /* of the window, and its dilation */
    uint32_t planes, units, words;     /* units a pixel and plane; words a plane of the patch */
} fn_window;

#define FN_PUSH(bits, value)                                                                        \
    do {                                                                                            \
        word |= (uint32_t)(value) << (fill & 31u);                                                  \
        fill += bits##u;                                                                            \
        if (fill == 32u) {                                                                          \
            *to++ = word;                                                                           \
            word = fill = 0;                                                                        \
        }                                                                                           \
    } while (0)

/* Columns first .. last - 1 of a window lie inside the map; taken in one run where the dilation is 1. */
#define FN_GATHER(bits)                                                                             \
    FN_INLINE void fn_gather##bits(uint32_t *patch, const uint##bits##_t *map, fn_window v)         \
    {                                                                                               \
        const uint32_t pixel = v.planes * v.units, last = fn_inside(v.x, v.columns, v.dx, v.width); \
        const uint32_t first = fn_outside(v.x, v.dx, last);                                         \
        uint32_t j, r, s, u;                                                                        \
        for (j = 0; j < v.planes; ++j, patch += v.words, map += v.units) {                          \
            uint32_t word = 0, fill = 0, *to = patch;                                               \
            for (r = 0; r < v.rows; ++r) {                                                          \
                const uint32_t y = (uint32_t)v.y + r * v.dy, inside = y < v.height;                 \
                const uint32_t begin = inside ? first : 0, end = inside ? last : 0;                 \
                const uint##bits##_t *from = map;                                                   \
                if (inside)                                                                         \
                    from += (y * v.width + (uint32_t)v.x + begin * v.dx) * pixel;                   \
                for (u = begin * v.units; u; --u)                                                   \
                    FN_PUSH(bits, 0);                                                               \
                for (s = begin; s < end; ++s) {                                                     \
                    for (u = 0; u < v.units; ++u)                                                   \
                        FN_PUSH(bits, from[u]);                                                     \
                    from += v.dx * pixel;                                                           \
                }                                                                                   \
                for (u = (v.columns - end) * v.units; u; --u)                                       \
                    FN_PUSH(bits, 0);                                                               \
            }                                                                                       \
            if (fill)                                                                               \
                *to = word;                                                                         \
        }                                                                                           \
    }
FN_GATHER(8)
FN_GATHER(16)
FN_GATHER(32)

/* The same for channels first .. first + count - 1 alone, bit by bit: grouped convolutions. */
#define FN_GATHER_GROUP(bits)                                                                       \
    static inline void fn_gather_group##bits(uint32_t *patch, const uint##bits##_t *map, fn_window v, \
                                             uint32_t first, uint32_t count)                        \
    {                                                                                               \
        uint32_t j, r, s, c, at = 0;                                                                \
        for (j = 0; j < v.planes * v.words; ++j)                                                    \
            patch[j] = 0;                                                                           \
        for (r = 0; r < v.rows; ++r) {                                                              \
            for (s = 0; s < v.columns; ++s, at += count) {                                          \
                const uint32_t y = (uint32_t)v.y + r * v.dy, x = (uint32_t)v.x + s * v.dx;          \
                if (y >= v.height || x >= v.width)                                                  \
                    continue;                                                                       \
                for (c = 0; c < count; ++c) {                                                       \
                    const uint32_t code = fn_code##bits(map + (y * v.width + x) * v.planes * v.units, \
                                                        first + c, v.units, v.planes);              \
                    for (j = 0; j < v.planes; ++j)                                                  \
                        patch[j * v.words + ((at + c) >> 5)] |= ((code >> j) & 1u) << ((at + c) & 31u); \
                }                                                                                   \
            }                                                                                       \
        }                                                                                           \
    }
FN_GATHER_GROUP(8)
FN_GATHER_GROUP(16)
FN_GATHER_GROUP(32)

#endif
