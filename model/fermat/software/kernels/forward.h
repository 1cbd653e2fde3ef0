// Image tiles -> spectra, layout [point, tile, pair of channels, limb plane, 2], int16.
#pragma once

#include <cstring>

#include "layout.h"
#include "rings.h"
#include "threads.h"

// One channel of a tile into lane `lane` of the buffer, which is zero; returns the number of rows that hold anything.
template <class R, class T> static long load_plane(const T *x, const Geometry &g, long tile, long channel, long lane, typename R::V *buffer) {
    typedef typename R::S S;
    const long lanes = R::LANES;
    const long tx = tile % g.tiles_x, ty = tile / g.tiles_x % g.tiles_y, n = tile / (g.tiles_x * g.tiles_y);
    const long y0 = ty * g.tile_y - g.pad_y, x0 = tx * g.tile_x - g.pad_x;
    long outputs = g.out_height - ty * g.tile_y;
    if (outputs > g.tile_y) outputs = g.tile_y;
    const long rows = outputs + g.kernel_y - 1, first = x0 < 0 ? -x0 : 0;
    long last = g.width - x0;
    if (last > g.points_x) last = g.points_x;
    const T *plane = x + n * g.stride_n + channel * g.stride_c;
    for (long y = 0; y < rows; y++) {
        if (y0 + y < 0 || y0 + y >= g.height) continue;
        const T *row = plane + (y0 + y) * g.stride_y + x0 * g.stride_x;
        S *to = reinterpret_cast<S *>(buffer) + y * pitch(g) * lanes + lane;
        for (long i = first; i < last; i++) {
            if constexpr (sizeof(T) <= 2 || (sizeof(T) == 4 && sizeof(S) == 8)) to[i * lanes] = S(row[i * g.stride_x]);
            else to[i * lanes] = S(balanced_scalar(row[i * g.stride_x], R::F));
        }
    }
    return rows;
}

template <class R, class T> static void forward_typed(const T *x, const Geometry &g, long tile0, long tiles, long k_padded, int16_t *a, int threads) {
    typedef typename R::V V;
    const long points = g.points_y * g.points_x, blocks = (k_padded + R::LANES - 1) / R::LANES, step = spaced(tiles * k_padded * R::PA * 2) / 2;
    // with few channels, the lanes of a vector are those of several tiles, one after the other as in the spectrum
    const long together = k_padded < R::LANES && R::LANES % k_padded == 0 ? R::LANES / k_padded : 1, area = g.points_y * pitch(g);
    // a first pass that knows its inputs are short, or one for balanced residues
    const auto rows_pass = sizeof(T) <= 2 ? R::small(g.points_x) : R::first(g.points_x);
    const auto columns_pass = R::last(g.points_y);
    parallel_for((tiles + together - 1) / together, threads, [&](auto each) {
        Buffer<V> buffer(area);
        each([&](long job) {
            const long m = job * together, here = tiles - m < together ? tiles - m : together;
            for (long block = 0; block < blocks; block++) {
                const long c0 = block * R::LANES;
                long rows = 0, count = k_padded * here - c0;
                if (count > R::LANES) count = R::LANES;
                std::memset(buffer.p, 0, sizeof(V) * area);
                for (long i = 0; i < here; i++)
                    for (long l = 0; l < R::LANES && c0 + l < g.channels; l++) {
                        const long used = load_plane<R, T>(x, g, tile0 + m + i, c0 + l, i * k_padded + l, buffer.p);
                        if (used > rows) rows = used;
                    }
                for (long y = 0; y < rows; y++) rows_pass(buffer.p + y * pitch(g), 1, g.points_x);
                for (long i = 0; i < g.points_x; i++) columns_pass(buffer.p + i, pitch(g), g.points_y);
                for (long p = 0; p < points; p++) {
                    typename R::P planes[R::PA];
                    int16_t line[R::LANES * R::PA], *to = a + p * step + (m * k_padded + c0) * R::PA;
                    R::split(buffer.p[p / g.points_x * pitch(g) + p % g.points_x], planes);
                    if (count == R::LANES) {
                        R::interleave(planes, to);
                    } else {
                        R::interleave(planes, line);
                        std::memcpy(to, line, size_t(count) * R::PA * 2);
                    }
                }
            }
        });
    });
}

template <class R> static void forward_any(const void *x, const Geometry &g, long tile0, long tiles, long k_padded, int16_t *a, int threads) {
    switch (g.dtype) {
        case 0: return forward_typed<R>(static_cast<const int8_t *>(x), g, tile0, tiles, k_padded, a, threads);
        case 1: return forward_typed<R>(static_cast<const uint8_t *>(x), g, tile0, tiles, k_padded, a, threads);
        case 2: return forward_typed<R>(static_cast<const int16_t *>(x), g, tile0, tiles, k_padded, a, threads);
        case 3: return forward_typed<R>(static_cast<const int32_t *>(x), g, tile0, tiles, k_padded, a, threads);
        default: return forward_typed<R>(static_cast<const int64_t *>(x), g, tile0, tiles, k_padded, a, threads);
    }
}
