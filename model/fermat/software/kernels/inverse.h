// Spectra -> tiles of the image; several moduli are joined.
#pragma once

#include <cstring>
#include <type_traits>

#include "garner.h"
#include "layout.h"
#include "rings.h"
#include "store.h"
#include "threads.h"

// What a thread needs to finish one tile and sixteen outputs: the spectra of each modulus (s5, in wide lanes: two halves one after the other), and the
// results.
template <int SET> struct Bench {
    typedef typename std::conditional<(SET & 64) != 0, Ring48, Ring5>::type Wider;
    const Geometry &g;
    const long area, tiles;  // vectors of a tile and a modulus; tiles held at a time
    Buffer<W> s3, s4;
    Buffer<L8> s5;
    Buffer<Sixteen<SET>> y;
    Bench(const Geometry &g, long tiles)
        : g(g), area(g.points_y * pitch(g)), tiles(tiles), s3(SET & 8 ? area * tiles : 0), s4(SET & 16 ? area * tiles : 0),
          s5(SET & 96 ? 2 * area * tiles : 0), y(g.tile_y * g.tile_x) {}

    // transforms tile number `slot`, joins the moduli and writes tile `tile` of the images, outputs o0 ... (count of them)
    template <class T> void finish(long slot, long tile, long count, T *out, const int64_t *os) {
        const long tx = tile % g.tiles_x, ty = tile / g.tiles_x % g.tiles_y, n = tile / (g.tiles_x * g.tiles_y);
        long rows = g.out_height - ty * g.tile_y, columns = g.out_width - tx * g.tile_x;
        if (rows > g.tile_y) rows = g.tile_y;
        if (columns > g.tile_x) columns = g.tile_x;
        W *const v3 = s3.p + slot * area, *const v4 = s4.p + slot * area;
        L8 *const v5 = s5.p + slot * 2 * area, *const w5 = v5 + area;
        for (long i = 0; i < g.points_x; i++) {
            if (SET & 8) Ring3::back(g.points_y)(v3 + i, pitch(g), rows);
            if (SET & 16) Ring4::back(g.points_y)(v4 + i, pitch(g), rows);
            if (SET & 96) Wider::back(g.points_y)(v5 + i, pitch(g), rows), Wider::back(g.points_y)(w5 + i, pitch(g), rows);
        }
        for (long r = 0; r < rows; r++) {
            const long at = r * pitch(g);
            // only the largest modulus needs balanced residues, Garner balances the others
            if (SET & 8) (SET == 8 ? Ring3::end(g.points_x) : Ring3::back(g.points_x))(v3 + at, 1, columns);
            if (SET & 16) (SET & 32 ? Ring4::back(g.points_x) : Ring4::end(g.points_x))(v4 + at, 1, columns);
            if (SET & 96) Wider::end(g.points_x)(v5 + at, 1, columns), Wider::end(g.points_x)(w5 + at, 1, columns);
            for (long i = 0; i < columns; i++)
                y.p[r * columns + i] = garner<SET>(SET & 8 ? v3[at + i] : W{}, SET & 16 ? v4[at + i] : W{}, SET & 96 ? v5[at + i] : L8{}, SET & 96 ? w5[at + i] : L8{});
        }
        T *const to = out + n * os[0] + ty * g.tile_y * os[2] + tx * g.tile_x * os[3];
        if (os[3] == 1 && os[2] == columns) return store_run<SET, T>(y.p, rows * columns, count, to, os[1], 1);  // the rows follow one another
        for (long r = 0; r < rows; r++) store_run<SET, T>(y.p + r * columns, columns, count, to + r * os[2], os[1], os[3]);
    }
};

template <int SET, class T> static void inverse_typed(const int32_t *c3, const int32_t *c4, const int64_t *c5, const Geometry &g, long tile0, long tiles,
                                                      long outputs, T *out, const int64_t *os, int threads) {
    const long ldc = (outputs + 15) / 16 * 16, blocks = ldc / 16;
    const long narrow_step = spaced(tiles * ldc * 4) / 4, wide_step = spaced(tiles * ldc * 8) / 8;
    parallel_for(tiles * blocks, threads, [&](auto each) {
        Bench<SET> bench(g, 1);
        each([&](long job) {
            const long m = job / blocks, o0 = job % blocks * 16, at = m * ldc + o0;
            for (long y = 0, p = 0; y < g.points_y; y++)
                for (long x = 0; x < g.points_x; x++, p++) {
                    const long to = y * pitch(g) + x;
                    if (SET & 8) std::memcpy(bench.s3.p + to, c3 + p * narrow_step + at, 64);
                    if (SET & 16) std::memcpy(bench.s4.p + to, c4 + p * narrow_step + at, 64);
                    if (SET & 32) std::memcpy(bench.s5.p + to, c5 + p * wide_step + at, 64), std::memcpy(bench.s5.p + bench.area + to, c5 + p * wide_step + at + 8, 64);
                }
            bench.finish(0, tile0 + m, outputs - o0 < 16 ? outputs - o0 : 16, out + o0 * os[1], os);
        });
    });
}
