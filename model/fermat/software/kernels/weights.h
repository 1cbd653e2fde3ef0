// O x C kernels -> spectra, packed for the product.
#pragma once

#include <cstring>

#include "layout.h"
#include "rings.h"
#include "threads.h"

// Spectrum of R::LANES outputs and one channel: tap (u, v) of the kernel stands at (-u mod N, -v mod N), so that the product is a correlation.
struct Kernels {
    const int64_t *w, *stride;  // strides in elements
    long outputs, channels, height, width, ny, nx;
};
template <class R> static void kernel_spectrum(const Kernels &k, long o0, long c, typename R::V *buffer) {
    typedef typename R::S S;
    std::memset(buffer, 0, sizeof(*buffer) * k.ny * k.nx);
    if (c >= k.channels || o0 >= k.outputs) return;
    S *to = reinterpret_cast<S *>(buffer);
    for (long l = 0; l < R::LANES && o0 + l < k.outputs; l++)
        for (long u = 0; u < k.height; u++)
            for (long v = 0; v < k.width; v++)
                to[((k.ny - u) % k.ny * k.nx + (k.nx - v) % k.nx) * R::LANES + l] =
                    S(balanced_scalar(k.w[(o0 + l) * k.stride[0] + c * k.stride[1] + u * k.stride[2] + v * k.stride[3]], R::F));
    const auto rows_pass = R::first(k.nx), columns_pass = R::last(k.ny);
    for (long u = 0; u < k.height; u++) rows_pass(buffer + (k.ny - u) % k.ny * k.nx, 1, k.nx);
    for (long i = 0; i < k.nx; i++) columns_pass(buffer + i, k.nx, k.ny);
}

// x * 2^s modulo F_3 or F_4 for balanced x, balanced
template <class R> static inline typename R::V scaled(typename R::V x, int s) {
    typedef typename R::S S;
    const int b = R::F == 257 ? 8 : 16, half = 1 << (b - 1);
    for (; s > 0; s -= 12) {
        x = x << (s < 12 ? s : 12);
        for (int i = 0; i < 2; i++) { const typename R::V h = (x + S(half)) >> b; x = x - (h << b) - h; }
    }
    return x;
}

// Modulo 2^48+1: [point][panel of 16 outputs][channel][16] words of 64 bits, the factor 1/(Ny Nx) = 2^shift included.
static void weights48(const Kernels &k, long k_padded, int shift, int16_t *b, int threads) {
    const long panels = (k.outputs + 15) / 16, points = k.ny * k.nx, step = spaced(panels * k_padded * 128) / 2;
    parallel_for(panels * k.channels, threads, [&](auto each) {
        Buffer<L8> buffer(points);
        each([&](long job) {
            const long panel = job / k.channels, c = job % k.channels;
            for (long half = 0; half < 2; half++) {
                kernel_spectrum<Ring48>(k, panel * 16 + half * 8, c, buffer.p);
                for (long p = 0; p < points; p++) {
                    L8 v = Ring48::rotated(shift < 48 ? buffer.p[p] : -buffer.p[p], shift % 48);
                    v = v + 2 * Ring48::F;
                    std::memcpy(b + p * step + ((panel * k_padded + c) * 16 + half * 8) * 4, &v, 64);
                }
            }
        });
    });
}

static const int32_t TOP = 32768;  // 2^15 modulo F_4, which scaled() may also write as -2^15 - 1
static inline W is_top(W x) { return (x == TOP) | (x == -TOP - 1); }  // all ones where true
static inline W cut(W x) { return (is_top(x) & (TOP - 1)) | (~is_top(x) & x); }

// Packed as [point][panel of 16 outputs][pair of channels][plane][16][2]; F_3 and F_4 carry the factor 1/(Ny Nx) = 2^shift, F_5 leaves it to the
// constants e. The residue 2^15 modulo F_4 has no int16: it becomes 2^15 - 1 here, and fermat_augment_* make it good.
template <class R> static void weights_any(const Kernels &k, long k_padded, int shift, int16_t *b, int threads) {
    const long panels = (k.outputs + 15) / 16, pairs = k_padded / 2, points = k.ny * k.nx, halves = 16 / R::LANES;
    const long step = spaced(panels * pairs * R::PB * 64) / 2;
    parallel_for(panels * ((k.channels + 1) / 2), threads, [&](auto each) {
        Buffer<typename R::V> buffer(points * halves * 2);
        each([&](long job) {
            const long panel = job / ((k.channels + 1) / 2), pair = job % ((k.channels + 1) / 2);
            for (long half = 0; half < halves; half++)
                for (long odd = 0; odd < 2; odd++)
                    kernel_spectrum<R>(k, panel * 16 + half * R::LANES, 2 * pair + odd, buffer.p + (half * 2 + odd) * points);
            for (long p = 0; p < points; p++) {
                int16_t *to = b + p * step + (panel * pairs + pair) * R::PB * 32;
                for (long half = 0; half < halves; half++) {
                    typename R::P even[4], odd[4];
                    const typename R::V *v = buffer.p + half * 2 * points + p;
                    if constexpr (R::PA == 4) {
                        R::split(v[0], even);
                        R::split(v[points], odd);
                    } else {
                        even[0] = scaled<R>(v[0], shift);
                        odd[0] = scaled<R>(v[points], shift);
                        if constexpr (R::PA == 2) { even[0] = cut(even[0]); odd[0] = cut(odd[0]); }
                    }
                    for (int q = 0; q < R::PB; q++) {
                        const typename R::P word = (even[q] & 65535) | (odd[q] << 16);
                        if constexpr (R::PA == 4)  // the two halves of a panel take turns, see times()
                            for (int l = 0; l < 8; l++) std::memcpy(to + q * 32 + 4 * l + 2 * half, reinterpret_cast<const char *>(&word) + 4 * l, 4);
                        else std::memcpy(to + q * 32, &word, sizeof(word));
                    }
                }
            }
        });
    });
}
