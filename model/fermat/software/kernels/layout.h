// What all steps agree on: how an image is cut into tiles, and where a spectrum's points lie.
#pragma once

#include <cstdint>

struct Geometry {               // mirrored by build.Geometry
    int64_t images, channels, height, width;          // of the input
    int64_t stride_n, stride_c, stride_y, stride_x;   // of the input, in elements
    int64_t pad_y, pad_x;                             // zeros before the first row and column
    int64_t out_height, out_width;                    // of the (stride 1) output
    int64_t tile_y, tile_x;                           // outputs a tile makes
    int64_t points_y, points_x;                       // transform lengths
    int64_t tiles_y, tiles_x;
    int64_t kernel_y, kernel_x;
    int64_t dtype;                                    // of the input: 0..4 = int8, uint8, int16, int32, int64
};

// Rows of a tile in a thread's buffer are one vector longer than the transform: at a power of two, a column would fall into one set of the first cache.
static inline long pitch(const Geometry &g) { return g.points_x + 1; }

// Bytes from one point to the next in a spectrum: an odd number of cache lines. A transform touches every point of a tile in turn, and with the
// powers of two that layers are made of, all of them would fall into the same few sets of the caches.
static inline long spaced(long bytes) { return ((bytes + 63) / 64 | 1) * 64; }
