/* Which columns of a window lie inside the map. Part of fermatnet's generated C. */
#ifndef FERMATNET_WINDOW_H
#define FERMATNET_WINDOW_H

#include <stdint.h>

/* Sizes of windows are constants where these functions are called: inlined, most of their loops and tests vanish. */
#if defined(__GNUC__) || defined(__clang__)
#define FN_INLINE static inline __attribute__((always_inline))
#else
#define FN_INLINE static inline
#endif

/* The number of columns x, x + dx, ... left of the right edge: those from fn_outside on are inside. */
FN_INLINE uint32_t fn_inside(int32_t x, uint32_t columns, uint32_t dx, uint32_t width)
{
    const uint32_t reach = (uint32_t)((int32_t)width - x); /* x is below width wherever a window begins */
    if ((int32_t)width <= x)
        return 0;
    if (dx == 1)
        return reach < columns ? reach : columns;
    return (reach + dx - 1) / dx < columns ? (reach + dx - 1) / dx : columns;
}

/* The number of columns left of the left edge, at most last. */
FN_INLINE uint32_t fn_outside(int32_t x, uint32_t dx, uint32_t last)
{
    uint32_t count;
    if (x >= 0)
        return 0;
    count = dx == 1 ? (uint32_t)-x : ((uint32_t)-x + dx - 1) / dx;
    return count < last ? count : last;
}

#endif
