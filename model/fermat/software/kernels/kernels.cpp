// Exact integer convolution by Fermat number transforms: the compiled part of fermatnet.model.fermat.conv2d, and what Python calls of it.
//
// Four steps, each in a header of its own, called in this order by compiled.py:
//   weights  : O x C kernels -> spectra, packed for the product                         (cached by the caller)
//   forward  : image tiles -> spectra, layout [point, tile, pair of channels, limb plane, 2], int16
//   products : at every point a matrix product over the channels, tiles x C by C x O, in 16-bit limbs with 32-bit sums
//   inverse  : spectra -> tiles of the image; several moduli are joined by the Chinese remainder theorem (Garner)
// Where there are few channels, `finish` takes the place of the last two: products go straight into the buffers of the inverse transforms.
//
// One translation unit: the compiler sees everything, and only the functions below (and those of exceptions.h) are exported.

#include <type_traits>

#include "rings.h"
#include "threads.h"
#include "layout.h"
#include "forward.h"
#include "weights.h"
#include "exceptions.h"
#include "products.h"
#include "inverse.h"
#include "finish.h"
#include "direct.h"

// Calls body with the set of moduli as a compile-time constant.
template <class F> static void for_set(int64_t set, F body) {
    switch (set) {
        case 8: return body(std::integral_constant<int, 8>());
        case 16: return body(std::integral_constant<int, 16>());
        case 24: return body(std::integral_constant<int, 24>());
        case 32: return body(std::integral_constant<int, 32>());
        case 40: return body(std::integral_constant<int, 40>());
        case 48: return body(std::integral_constant<int, 48>());
        case 64: return body(std::integral_constant<int, 64>());
        default: return body(std::integral_constant<int, 56>());
    }
}

extern "C" {
void fermat_forward(int64_t t, const void *x, const Geometry *g, int64_t tile0, int64_t tiles, int64_t k_padded, int16_t *a, int64_t threads) {
    if (t == 3) forward_any<Ring3>(x, *g, tile0, tiles, k_padded, a, int(threads));
    else if (t == 4) forward_any<Ring4>(x, *g, tile0, tiles, k_padded, a, int(threads));
    else if (t == 5) forward_any<Ring5>(x, *g, tile0, tiles, k_padded, a, int(threads));
    else forward_any<Ring48>(x, *g, tile0, tiles, k_padded, a, int(threads));
}
void fermat_weights(int64_t t, const int64_t *w, const int64_t *ws, int64_t outputs, int64_t channels, int64_t kh, int64_t kw, int64_t ny, int64_t nx,
                    int64_t k_padded, int64_t shift, int16_t *b, int64_t threads) {
    const Kernels k = {w, ws, outputs, channels, kh, kw, ny, nx};
    if (t == 3) weights_any<Ring3>(k, k_padded, int(shift), b, int(threads));
    else if (t == 4) weights_any<Ring4>(k, k_padded, int(shift), b, int(threads));
    else if (t == 5) weights_any<Ring5>(k, k_padded, int(shift), b, int(threads));
    else weights48(k, k_padded, int(shift), b, int(threads));
}
void fermat_multiply(int64_t t, const int16_t *a, const int16_t *b, const int64_t *e, void *c, int64_t points, int64_t tiles, int64_t k_padded,
                     int64_t outputs, int64_t threads) {
    if (t == 3) multiply_any<Ring3>(a, b, e, static_cast<int32_t *>(c), points, tiles, k_padded, outputs, int(threads));
    else if (t == 4) multiply_any<Ring4>(a, b, e, static_cast<int32_t *>(c), points, tiles, k_padded, outputs, int(threads));
    else multiply_any<Ring5>(a, b, e, static_cast<int64_t *>(c), points, tiles, k_padded, outputs, int(threads));
}
void fermat_inverse(int64_t set, const int32_t *c3, const int32_t *c4, const int64_t *c5, const Geometry *g, int64_t tile0, int64_t tiles,
                    int64_t outputs, void *out, int64_t wide, const int64_t *os, int64_t threads) {
    for_set(set, [&](auto s) {
        if (wide) inverse_typed<s()>(c3, c4, c5, *g, tile0, tiles, outputs, static_cast<int64_t *>(out), os, int(threads));
        else inverse_typed<s()>(c3, c4, c5, *g, tile0, tiles, outputs, static_cast<int32_t *>(out), os, int(threads));
    });
}
void fermat_finish(int64_t set, const Operands *f, const Geometry *g, int64_t tile0, int64_t tiles, int64_t outputs, void *out, int64_t wide,
                   const int64_t *os, int64_t threads) {
    for_set(set, [&](auto s) {
        if (wide) finish_typed<s()>(*f, *g, tile0, tiles, outputs, static_cast<int64_t *>(out), os, int(threads));
        else finish_typed<s()>(*f, *g, tile0, tiles, outputs, static_cast<int32_t *>(out), os, int(threads));
    });
}
void direct_planes32(const int32_t *x, const int32_t *w, int32_t *y, int64_t n, int64_t groups, int64_t c, int64_t h, int64_t width, int64_t o, int64_t kh,
                     int64_t kw, int64_t ow, int64_t threads) { direct_groups(x, w, y, n, groups, c, h, width, o, kh, kw, ow, int(threads)); }
void direct_planes64(const int64_t *x, const int64_t *w, int64_t *y, int64_t n, int64_t groups, int64_t c, int64_t h, int64_t width, int64_t o, int64_t kh,
                     int64_t kw, int64_t ow, int64_t threads) { direct_groups(x, w, y, n, groups, c, h, width, o, kh, kw, ow, int(threads)); }
void direct_blocked32(const int32_t *x, const int32_t *w, int32_t *y, int64_t n, int64_t c, int64_t h, int64_t width, int64_t o, int64_t kh, int64_t kw,
                      int64_t ow, int64_t threads) { direct_blocked(x, w, y, n, c, h, width, o, kh, kw, ow, int(threads)); }
void direct_blocked64(const int64_t *x, const int64_t *w, int64_t *y, int64_t n, int64_t c, int64_t h, int64_t width, int64_t o, int64_t kh, int64_t kw,
                      int64_t ow, int64_t threads) { direct_blocked(x, w, y, n, c, h, width, o, kh, kw, ow, int(threads)); }
const char *fermat_instructions() {
#if defined(__AVX512VNNI__)
    return "AVX-512 VNNI";
#elif defined(__AVX512BW__)
    return "AVX-512 BW";
#elif defined(__AVX2__)
    return "AVX2";
#else
    return "portable vectors";
#endif
}
}
