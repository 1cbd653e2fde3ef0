// Exact integer convolution by Fermat number transforms: the compiled part of fermatnet.model.fermat.conv2d.
//
// Four steps, each a function below, called in this order by software_convolution.py:
//   weights  : O x C kernels -> spectra, packed for the product                         (cached by the caller)
//   forward  : image tiles -> spectra, layout [point, tile, pair of channels, limb plane, 2], int16
//   multiply : at every point a matrix product over the channels, tiles x C by C x O, in 16-bit limbs with 32-bit sums
//   inverse  : spectra -> tiles of the image; several moduli are joined by the Chinese remainder theorem (Garner)
// Where there are few channels, `finish` takes the place of the last two: products go straight into the buffers of the inverse transforms.
//
// Limbs. A product modulo F_3 = 257 needs one pass of 16-bit multiply-add (residues are at most 128). Modulo F_4 = 65537 the activation is split into
// two 8-bit limbs: two passes. F_5 = 641 * 6700417, so a product modulo F_5 is one pass modulo 641 and, with two 11-bit limbs and Karatsuba's
// identity, three passes modulo 6700417; the idempotents of the two factors join them in one exact linear combination (constants `e`).
// Every 32-bit sum is cut at `CHUNK` channels, where it provably still fits.
//
// 2^48+1, for few channels, takes no limbs: its products are exact in 104 bits, two words of 52 (IFMA) or four products of 24 bits.
//
// The transforms themselves (namespaces f3, f4, f5, f48) are generated, see software_codegen.py.

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "software_transforms.h"

typedef int32_t W __attribute__((vector_size(64)));   // 16 sums, or 16 pairs of int16
typedef int16_t H __attribute__((vector_size(64)));
typedef int64_t L8 __attribute__((vector_size(64)));
typedef double D8 __attribute__((vector_size(64)));
typedef int32_t I8 __attribute__((vector_size(32)));
typedef int16_t H8 __attribute__((vector_size(16)));
typedef int16_t H16 __attribute__((vector_size(32)));
typedef int32_t Q __attribute__((vector_size(16)));   // 4 pairs of int16

static const long CHUNK = 256;  // channels summed in 32 bits: F_5 (2660^2), F_4 (129 * 2^15) and F_3 (129^2) times 256 all stay below 2^31

struct Geometry {               // mirrored by software_build.Geometry
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

template <class F> static void parallel_for(long n, int threads, F body) {
    if (threads > n) threads = int(n);
    if (threads <= 1) { body([&](auto run) { for (long i = 0; i < n; i++) run(i); }); return; }
    std::atomic<long> next(0);
    const long grain = n / (threads * 16) + 1;
    auto worker = [&] {
        body([&](auto run) {
            for (;;) {
                long first = next.fetch_add(grain);
                if (first >= n) return;
                for (long i = first; i < n && i < first + grain; i++) run(i);
            }
        });
    };
    std::vector<std::thread> pool;
    for (int i = 1; i < threads; i++) pool.emplace_back(worker);
    worker();
    for (auto &t : pool) t.join();
}

// Blocks of memory that threads gave back, up to 64 MiB: a thread of the next call would pay for fresh pages, as much as for its transforms.
class Blocks {
    std::mutex guard;
    std::vector<std::pair<size_t, void *>> kept;
    size_t total = 0;
public:
    void *take(size_t bytes) {
        {
            std::lock_guard<std::mutex> lock(guard);
            for (auto it = kept.begin(); it != kept.end(); ++it)
                if (it->first == bytes) {
                    void *p = it->second;
                    kept.erase(it);
                    total -= bytes;
                    return p;
                }
        }
        return std::aligned_alloc(64, bytes);
    }
    void give(void *p, size_t bytes) {
        std::lock_guard<std::mutex> lock(guard);
        kept.emplace_back(bytes, p);
        for (total += bytes; total > (size_t(64) << 20); kept.erase(kept.begin())) total -= kept.front().first, std::free(kept.front().second);
    }
};
static Blocks &blocks() {
    static Blocks *all = new Blocks;  // never destroyed: threads of the caller may outlive everything static
    return *all;
}

template <class T> struct Buffer {  // 64-byte aligned scratch of one thread
    const size_t bytes;
    T *p;
    explicit Buffer(size_t n) : bytes((n * sizeof(T) / 64 + 1) * 64), p(static_cast<T *>(blocks().take(bytes))) {}
    ~Buffer() { blocks().give(p, bytes); }
    Buffer(const Buffer &) = delete;
};

// Bytes from one point to the next in a spectrum: an odd number of cache lines. A transform touches every point of a tile in turn, and with the
// powers of two that layers are made of, all of them would fall into the same few sets of the caches.
static inline long spaced(long bytes) { return ((bytes + 63) / 64 | 1) * 64; }

static inline int64_t balanced_scalar(int64_t x, int64_t f) {
    x %= f;
    if (x > f / 2) x -= f;
    if (x < -(f / 2)) x += f;
    return x;
}

// ---------------------------------------------------------------------------------------------------------------- rings
#define PASSES(generated) /* what every ring takes from its generated namespace: transforms of n points, see software_codegen.py */ \
    typedef generated::Pass Pass;                                          \
    static Pass small(long n) { return generated::find_small(int(n)); }    \
    static Pass first(long n) { return generated::find_first(int(n)); }    \
    static Pass last(long n) { return generated::find_last(int(n)); }      \
    static Pass back(long n) { return generated::find_back(int(n)); }      \
    static Pass end(long n) { return generated::find_end(int(n)); }
struct Ring3 {
    typedef f3::S S; typedef f3::V V;
    enum { LANES = 16, PA = 1, PB = 1, MR = 14 };
    static const int64_t F = 257;
    PASSES(f3)
    typedef W P;  // a plane: one limb of every lane
    static void split(V v, P planes[]) { planes[0] = v; }
    static void interleave(const P planes[], int16_t *to) {
        const H16 t = __builtin_convertvector(planes[0], H16);
        std::memcpy(to, &t, 32);
    }
};
struct Ring4 {
    typedef f4::S S; typedef f4::V V;
    enum { LANES = 16, PA = 2, PB = 1, MR = 12 };
    static const int64_t F = 65537;
    PASSES(f4)
    typedef W P;
    static void split(V v, P planes[]) {
        planes[1] = (v + S(128)) >> 8;
        planes[0] = v - (planes[1] << 8);
    }
    static void interleave(const P planes[], int16_t *to) {
        const I8 low = (I8)__builtin_convertvector(planes[0], H16), high = (I8)__builtin_convertvector(planes[1], H16);
        const I8 first = __builtin_shuffle(low, high, I8{0, 8, 1, 9, 2, 10, 3, 11}), second = __builtin_shuffle(low, high, I8{4, 12, 5, 13, 6, 14, 7, 15});
        std::memcpy(to, &first, 32);
        std::memcpy(to + 16, &second, 32);
    }
};
struct Ring5 {
    typedef f5::S S; typedef f5::V V;
    enum { LANES = 8, PA = 4, PB = 3, MR = 6 };
    static const int64_t F = 4294967297LL;
    PASSES(f5)
    // residues modulo 641 and 6700417, the latter as low + 2048 * high; the planes are 641, low, high, low + high
    typedef I8 P;
    static void split(V v, P planes[]) {
        const D8 magic = D8{} + 6755399441055744.0;  // 1.5 * 2^52: adding and subtracting it rounds to an integer
        const D8 d = __builtin_convertvector(v, D8);
        const D8 a = d - ((d * (1.0 / 641) + magic) - magic) * 641.0;
        const D8 r = d - ((d * (1.0 / 6700417) + magic) - magic) * 6700417.0;
        const D8 h = (r * (1.0 / 2048) + magic) - magic;
        const D8 l = r - h * 2048.0;
        planes[0] = __builtin_convertvector(a, I8);
        planes[1] = __builtin_convertvector(l, I8);
        planes[2] = __builtin_convertvector(h, I8);
        planes[3] = planes[1] + planes[2];
    }
    static void interleave(const P planes[], int16_t *to) {
        Q q[4];
        for (int k = 0; k < 4; k++) q[k] = (Q)__builtin_convertvector(planes[k], H8);
        const Q a0 = __builtin_shuffle(q[0], q[1], Q{0, 4, 1, 5}), a1 = __builtin_shuffle(q[0], q[1], Q{2, 6, 3, 7});
        const Q b0 = __builtin_shuffle(q[2], q[3], Q{0, 4, 1, 5}), b1 = __builtin_shuffle(q[2], q[3], Q{2, 6, 3, 7});
        const Q all[4] = {__builtin_shuffle(a0, b0, Q{0, 1, 4, 5}), __builtin_shuffle(a0, b0, Q{2, 3, 6, 7}),
                          __builtin_shuffle(a1, b1, Q{0, 1, 4, 5}), __builtin_shuffle(a1, b1, Q{2, 3, 6, 7})};
        std::memcpy(to, all, 64);
    }
};

struct Ring48 {  // modulo 2^48+1; activations and weights are residues in [0, 2^51), one word of 64 bits each
    typedef f48::S S; typedef f48::V V;
    enum { LANES = 8, PA = 4, MR = 6 };  // PA: a word is four int16
    static const int64_t F = 281474976710657LL;
    PASSES(f48)
    typedef L8 P;
    static void split(V v, P planes[]) { planes[0] = v + 2 * F; }  // |v| <= 2^49
    static void interleave(const P planes[], int16_t *to) { std::memcpy(to, planes, 64); }
    // x * 2^s for 0 <= s < 48: the bits that would pass 2^48 come back with the other sign, see Line.shift in software_codegen.py
    static V rotated(V x, int s) { return ((x & ((S(1) << (48 - s)) - 1)) << s) - (x >> (48 - s)); }
};

template <class R> static inline typename R::V reduce_loose(typename R::V x, int b) {  // as Line.reduce in software_codegen.py
    return (x & typename R::S((int64_t(1) << b) - 1)) - (x >> b);
}

// -------------------------------------------------------------------------------------------------------------- forward
// Rows of a tile in a thread's buffer are one vector longer than the transform: at a power of two, a column would fall into one set of the first cache.
static inline long pitch(const Geometry &g) { return g.points_x + 1; }

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

// -------------------------------------------------------------------------------------------------------------- weights
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

// F_4 only: for every point the channels where some weight is 2^15, so that the product can add the missing 1 times that activation. The list of a
// point is a row of `extra`, filled up with -1; returns the longest one. `extra` has `capacity` places a point (enough: the number of channels).
extern "C" int64_t fermat_exceptions(const int64_t *w, const int64_t *ws, int64_t outputs, int64_t channels, int64_t kh, int64_t kw, int64_t ny,
                                     int64_t nx, int64_t shift, int32_t *extra, uint16_t *marks, int64_t threads) {
    // marks: [channel][point][panel], a bit for each of the panel's 16 outputs, written here
    const long panels = (outputs + 15) / 16, points = ny * nx;
    const Kernels k = {w, ws, outputs, channels, kh, kw, ny, nx};
    parallel_for(panels * channels, int(threads), [&](auto each) {
        Buffer<Ring4::V> buffer(points);
        each([&](long job) {
            const long panel = job % panels, c = job / panels;
            kernel_spectrum<Ring4>(k, panel * 16, c, buffer.p);
            for (long p = 0; p < points; p++) {
                const W top = is_top(scaled<Ring4>(buffer.p[p], int(shift)));
                unsigned bits = 0;
#if defined(__AVX512DQ__)
                bits = _mm512_movepi32_mask((__m512i)top);
#else
                for (int l = 0; l < 16; l++) bits |= unsigned(top[l] & 1) << l;
#endif
                marks[(c * points + p) * panels + panel] = uint16_t(bits);
            }
        });
    });
    long longest = 0;
    for (long p = 0; p < points; p++) {
        long count = 0;
        for (long c = 0; c < channels; c++) {
            bool any = false;
            for (long i = 0; i < panels; i++) any |= marks[(c * points + p) * panels + i] != 0;
            if (any) extra[p * channels + count++] = int32_t(c);
        }
        for (long i = count; i < channels; i++) extra[p * channels + i] = -1;
        if (count > longest) longest = count;
    }
    return longest;
}

// Writes the unit weights of the extra channels (columns channels .. channels + longest - 1 of the contraction).
extern "C" void fermat_augment_weights(int64_t outputs, int64_t channels, int64_t points, int64_t k_padded, int64_t longest, const int32_t *extra,
                                       const uint16_t *marks, int16_t *b) {
    const long panels = (outputs + 15) / 16, pairs = k_padded / 2, step = spaced(panels * pairs * 64) / 2;
    for (long p = 0; p < points; p++)
        for (long j = 0; j < longest && extra[p * channels + j] >= 0; j++) {
            const long c = extra[p * channels + j], k = channels + j;
            for (long o = 0; o < panels * 16; o++)
                if (marks[(c * points + p) * panels + o / 16] >> (o % 16) & 1)
                    b[p * step + (o / 16 * pairs + k / 2) * 32 + o % 16 * 2 + k % 2] = 1;
        }
}

extern "C" void fermat_augment_tiles(int64_t tiles, int64_t channels, int64_t points, int64_t k_padded, int64_t longest, const int32_t *extra, int16_t *a) {
    for (long row = 0; row < points * tiles; row++) {
        int16_t *to = a + row / tiles * (spaced(tiles * k_padded * 4) / 2) + row % tiles * k_padded * 2;
        const int32_t *list = extra + row / tiles * channels;
        for (long plane = 0; plane < 2; plane++) {
            auto at = [&](long k) -> int16_t & { return to[(k / 2 * 2 + plane) * 2 + k % 2]; };
            for (long j = 0; j < longest; j++) at(channels + j) = list[j] >= 0 ? at(list[j]) : int16_t(0);
            for (long k = channels + longest; k < k_padded; k++) at(k) = 0;
        }
    }
}

// ------------------------------------------------------------------------------------------------------------- multiply
// Sixteen 32-bit sums times a constant below 2^31, as 64-bit products: those of the even places (outputs 0..7), or of the odd ones (8..15).
static inline L8 times(W sums, int64_t e, int odd) {
    const L8 wide = odd ? (L8)sums >> 32 : (L8)sums;
#if defined(__AVX512F__)
    return (L8)_mm512_mul_epi32((__m512i)wide, _mm512_set1_epi64(e));
#else
    return (wide << 32 >> 32) * e;
#endif
}

// The product modulo F_5, not reduced, from the sums modulo 641 and of the limbs: low, high and (low + high)(low + high), Karatsuba's three.
static inline L8 join(const W s[4], const int64_t *e, int odd) {
    return times(s[0], e[0], odd) + times(s[1], e[1], odd) + times(s[3] - s[1] - s[2], e[2], odd) + times(s[2], e[3], odd);
}

static inline W load(const int16_t *p) { W v; std::memcpy(&v, p, 64); return v; }

static inline W dot(W sum, const int16_t *pair, W b) {  // 16 sums of two products each; the pair of activations goes to all of them
    int32_t a;
    std::memcpy(&a, pair, 4);
#if defined(__AVX512VNNI__)
    return (W)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)b, _mm512_set1_epi32(a));
#elif defined(__AVX512BW__)
    return sum + (W)_mm512_madd_epi16((__m512i)b, _mm512_set1_epi32(a));
#elif defined(__AVX2__)
    union { W w; __m256i h[2]; } s = {sum}, v = {b};
    for (int i = 0; i < 2; i++) s.h[i] = _mm256_add_epi32(s.h[i], _mm256_madd_epi16(v.h[i], _mm256_set1_epi32(a)));
    return s.w;
#else
    return sum + ((b << 16) >> 16) * int32_t(int16_t(a)) + (b >> 16) * (a >> 16);
#endif
}

// Panels stream from memory, once for each band of rows. With several rows at work the processor's own prefetching falls behind.
static inline void ahead(const int16_t *b) { __builtin_prefetch(b, 0, 3); }

// The inner loops keep their sums in registers: a local array that only fully unrolled loops touch. Each writes its sums to `out` at the end.
template <int MR>
__attribute__((noinline)) static void sum5(const int16_t *a, long lda, long start, long stop, const int16_t *b, W out[MR][4]) {
    W s[MR][4];
#pragma GCC unroll 6
    for (int r = 0; r < MR; r++) s[r][0] = s[r][1] = s[r][2] = s[r][3] = W{};
    for (long k = start; k < stop; k++) {
        const W b0 = load(b + k * 96), b1 = load(b + k * 96 + 32), b2 = load(b + k * 96 + 64);
        const W b3 = (W)((H)b1 + (H)b2);
        if constexpr (MR > 1)
            for (long line = 0; line < 3; line++) ahead(b + (k + 64) * 96 + line * 32);
#pragma GCC unroll 6
        for (int r = 0; r < MR; r++) {
            const int16_t *row = a + r * lda + 8 * k;
            s[r][0] = dot(s[r][0], row, b0);
            s[r][1] = dot(s[r][1], row + 2, b1);
            s[r][2] = dot(s[r][2], row + 4, b2);
            s[r][3] = dot(s[r][3], row + 6, b3);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < MR; r++) { out[r][0] = s[r][0]; out[r][1] = s[r][1]; out[r][2] = s[r][2]; out[r][3] = s[r][3]; }
}

template <int MR>
__attribute__((noinline)) static void sum4(const int16_t *a, long lda, long start, long stop, const int16_t *b, W low_out[MR], W high_out[MR]) {
    W low[MR], high[MR];
#pragma GCC unroll 12
    for (int r = 0; r < MR; r++) low[r] = high[r] = W{};
    for (long k = start; k < stop; k++) {
        const W b0 = load(b + k * 32);
        if constexpr (MR > 1) ahead(b + (k + 128) * 32);
#pragma GCC unroll 12
        for (int r = 0; r < MR; r++) {
            low[r] = dot(low[r], a + r * lda + 4 * k, b0);
            high[r] = dot(high[r], a + r * lda + 4 * k + 2, b0);
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < MR; r++) { low_out[r] = low[r]; high_out[r] = high[r]; }
}

template <int MR>
__attribute__((noinline)) static void sum3(const int16_t *a, long lda, long start, long stop, const int16_t *b, W out[MR]) {
    W s[MR];
#pragma GCC unroll 14
    for (int r = 0; r < MR; r++) s[r] = W{};
    for (long k = start; k < stop; k++) {
        const W b0 = load(b + k * 32);
        if constexpr (MR > 1) ahead(b + (k + 128) * 32);
#pragma GCC unroll 14
        for (int r = 0; r < MR; r++) s[r] = dot(s[r], a + r * lda + 2 * k, b0);
    }
#pragma GCC unroll 14
    for (int r = 0; r < MR; r++) out[r] = s[r];
}

template <class R, int MR>
static void micro(const int16_t *a, long lda, long pairs, const int16_t *b, const int64_t *e, typename R::S *c, long ldc, long half) {
    const long step = CHUNK / 2;
    if constexpr (R::PA == 4) {
        if (pairs <= step) {
            W s[MR][4];
            sum5<MR>(a, lda, 0, pairs, b, s);
            for (int r = 0; r < MR; r++)
                for (int h = 0; h < 2; h++) {
                    const L8 t = reduce_loose<R>(join(s[r], e, h), 32);
                    std::memcpy(c + r * ldc + half * h, &t, 64);
                }
            return;
        }
        L8 total[MR][2];
        for (int r = 0; r < MR; r++) total[r][0] = total[r][1] = L8{};
        for (long start = 0; start < pairs; start += step) {
            W s[MR][4];
            sum5<MR>(a, lda, start, start + step < pairs ? start + step : pairs, b, s);
            for (int r = 0; r < MR; r++)
                for (int h = 0; h < 2; h++) total[r][h] += reduce_loose<R>(join(s[r], e, h), 32);
        }
        for (int r = 0; r < MR; r++)
            for (int h = 0; h < 2; h++) {
                const L8 t = reduce_loose<R>(total[r][h], 32);
                std::memcpy(c + r * ldc + half * h, &t, 64);
            }
    } else {
        W total[MR];
        for (int r = 0; r < MR; r++) total[r] = W{};
        for (long start = 0; start < pairs; start += step) {
            const long stop = start + step < pairs ? start + step : pairs;
            W low[MR], high[MR];
            if constexpr (R::PA == 2) {
                sum4<MR>(a, lda, start, stop, b, low, high);
                for (int r = 0; r < MR; r++)
                    total[r] = reduce_loose<R>(total[r] + reduce_loose<R>(low[r], 16) + (reduce_loose<R>(high[r], 16) << 8), 16);
            } else {
                sum3<MR>(a, lda, start, stop, b, low);
                for (int r = 0; r < MR; r++) total[r] = reduce_loose<R>(total[r] + reduce_loose<R>(reduce_loose<R>(low[r], 8), 8), 8);
            }
        }
        for (int r = 0; r < MR; r++) std::memcpy(c + r * ldc, &total[r], 64);
    }
}

// `half`: elements from the first eight results of a row to the last eight, where a vector holds eight
template <class R, int MR>
static void rows(int count, const int16_t *a, long lda, long pairs, const int16_t *b, const int64_t *e, typename R::S *c, long ldc, long half) {
    if (count == MR) return micro<R, MR>(a, lda, pairs, b, e, c, ldc, half);
    if constexpr (MR > 1) rows<R, MR - 1>(count, a, lda, pairs, b, e, c, ldc, half);
}

template <class R> constexpr long most_rows() {
#if defined(__AVX512BW__)
    return R::MR;
#else
    return 2;  // 16 registers of 32 bytes
#endif
}

template <class R>
static void multiply_any(const int16_t *a, const int16_t *b, const int64_t *e, typename R::S *c, long points, long tiles, long k_padded, long outputs,
                         int threads) {
    const long panels = (outputs + 15) / 16, ldc = panels * 16, lda = R::PA * k_padded, pairs = k_padded / 2;
    const long a_step = spaced(tiles * lda * 2) / 2, b_step = spaced(panels * pairs * R::PB * 64) / 2;
    const long c_step = spaced(tiles * ldc * long(sizeof(*c))) / long(sizeof(*c));
    const long most = most_rows<R>();
    const long band = 16 * most;  // rows whose limbs stay in the second cache while all panels pass by
    parallel_for(points, threads, [&](auto each) {
        each([&](long p) {
            for (long m0 = 0; m0 < tiles; m0 += band) {
                const long in_band = tiles - m0 < band ? tiles - m0 : band, groups = (in_band + most - 1) / most;
                for (long panel = 0; panel < panels; panel++)
                    for (long group = 0; group < groups; group++) {
                        // the next panel comes while the groups of this one are at work; left alone, it would come in a burst and be waited for
                        const int16_t *next_panel = b + p * b_step + (panel + 1) * pairs * R::PB * 32;
                        const long lines = groups > 1 ? pairs * R::PB : 0;
                        for (long i = lines * group / groups; i < lines * (group + 1) / groups; i++) __builtin_prefetch(next_panel + i * 32, 0, 2);
                        const long first = m0 + in_band * group / groups, next = m0 + in_band * (group + 1) / groups;
                        rows<R, R::MR>(int(next - first), a + p * a_step + first * lda, lda, pairs, b + p * b_step + panel * pairs * R::PB * 32, e,
                                       c + p * c_step + first * ldc + panel * 16, ldc, 8);
                    }
            }
        });
    });
}

// -------------------------------------------------------------------------------------------------------------- inverse
// Sets of moduli are bit masks, 1 << t for F_t and 64 for 2^48+1. A result is a W (sixteen outputs in 32 bits) where the set allows, else two L8.
template <int SET> constexpr bool wide() { return (SET & 96) && SET != 32; }
template <int SET> struct Sixteen { W w; };
struct Wide { L8 half[2]; };
template <> struct Sixteen<40> : Wide {};
template <> struct Sixteen<48> : Wide {};
template <> struct Sixteen<56> : Wide {};
template <> struct Sixteen<64> : Wide {};

static inline W narrow(L8 a, L8 b) {
#if defined(__AVX512F__)
    return (W)_mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi64_epi32((__m512i)a)), _mm512_cvtepi64_epi32((__m512i)b), 1);
#else
    W to;
    for (int l = 0; l < 8; l++) to[l] = int32_t(a[l]), to[l + 8] = int32_t(b[l]);
    return to;
#endif
}
static inline L8 widen(W a, int half) {
    I8 part;
    std::memcpy(&part, reinterpret_cast<const char *>(&a) + 32 * half, 32);
    return __builtin_convertvector(part, L8);
}

static inline W halved(W x, int f) { return (x + (x & 1) * f) >> 1; }  // x / 2 modulo an odd f
static inline W balanced4(W x) {  // |x| < 2^26: two steps, within 2^15 + 1
    for (int i = 0; i < 2; i++) { const W h = (x + 32768) >> 16; x = x - (h << 16) - h; }
    return x;
}
static inline W balanced3(W x) {  // |x| < 2^24: 2^16 = 1 modulo 257, then 2^8 = -1 rounded to nearest, twice; within 128
    x = (x & 65535) + (x >> 16);
    for (int i = 0; i < 2; i++) { const W h = (x + 128) >> 8; x = x - (h << 8) - h; }
    return x + ((x > 128) & -257) - ((x < -128) & -257);
}

// Garner, largest modulus first: y joins the residues of the larger ones; F_5 = 2 modulo F_4 and F_3, F_4 = 2 modulo F_3, so inverses are halvings.
// With v balanced, |y + product * v| < (product * F_t) / 2: nothing is left to correct.
static inline W residue4(const L8 y[2]) {  // of |y| < 2^33 modulo F_4, |.| < 2^18
    return narrow((y[0] & 65535) - (y[0] >> 16), (y[1] & 65535) - (y[1] >> 16));
}
static inline W residue3(const L8 y[2]) {  // of |y| < 2^50 modulo F_3: below 2^35 + 2^16, then 2^19 + 2^16
    L8 r[2];
    for (int h = 0; h < 2; h++) { r[h] = (y[h] & 65535) + (y[h] >> 16); r[h] = (r[h] & 65535) + (r[h] >> 16); }
    return narrow(r[0], r[1]);
}
template <int SET> static inline Sixteen<SET> garner(W r3, W r4, L8 r5a, L8 r5b) {
    Sixteen<SET> y;
    if constexpr (SET == 8) y.w = r3;
    else if constexpr (SET == 16) y.w = r4;
    else if constexpr (SET == 32) y.w = narrow(r5a, r5b);
    else if constexpr (SET == 24) {
        const W v = balanced3(halved(r3 - r4, 257));
        y.w = r4 + (v << 16) + v;
    } else {
        y.half[0] = r5a, y.half[1] = r5b;  // all there is modulo 2^48+1
        if constexpr (SET & 16) {
            const W v = balanced4(halved(r4 - residue4(y.half), 65537));
            for (int h = 0; h < 2; h++) { const L8 u = widen(v, h); y.half[h] += (u << 32) + u; }
        }
        if constexpr (SET & 8) {
            W d = halved(r3 - residue3(y.half), 257);
            if constexpr (SET & 16) d = halved(d, 257);
            d = balanced3(d);
            for (int h = 0; h < 2; h++) {
                const L8 u = widen(d, h), once = (u << 32) + u;
                y.half[h] += SET & 16 ? (once << 16) + once : once;
            }
        }
    }
    return y;
}

// Transposes N vectors of N lanes, by exchanging ever larger halves.
template <class V, int N, int STEP, int... LANE> static inline void exchange(V rows[N], std::integer_sequence<int, LANE...>) {
    typedef decltype(rows[0] > rows[0]) Mask;
    for (int i = 0; i < N; i++)
        if (!(i & STEP)) {
            const V low = rows[i], high = rows[i + STEP];
            rows[i] = __builtin_shuffle(low, high, Mask{(LANE & STEP ? N + LANE - STEP : LANE)...});
            rows[i + STEP] = __builtin_shuffle(low, high, Mask{(LANE & STEP ? N + LANE : LANE + STEP)...});
        }
    if constexpr (STEP * 2 < N) exchange<V, N, STEP * 2>(rows, std::integer_sequence<int, LANE...>());
}

template <class V> static inline void put(int32_t *to, V v) {
    if constexpr (sizeof(v[0]) == 4) std::memcpy(to, &v, 64);
    else { const I8 t = __builtin_convertvector(v, I8); std::memcpy(to, &t, 32); }
}
template <class V> static inline void put(int64_t *to, V v) {
    if constexpr (sizeof(v[0]) == 8) std::memcpy(to, &v, 64);
    else for (int h = 0; h < 2; h++) { const L8 t = widen(v, h); std::memcpy(to + 8 * h, &t, 64); }
}

// `length` pixels of sixteen outputs, of which `count` are wanted, to a row of `length` in each output's plane.
template <int SET, class T> static void store_run(const Sixteen<SET> *y, long length, long count, T *out, long plane, long along) {
    typedef typename std::conditional<wide<SET>(), int64_t, int32_t>::type S;
#if defined(__AVX512F__)
    typedef typename std::conditional<wide<SET>(), L8, W>::type V;
    const long n = wide<SET>() ? 8 : 16;
    if (along == 1 && length >= n) {
        for (long i = 0; i < length; i += n) {
            const long first = i + n <= length ? i : length - n;  // the last vector overlaps the one before
            for (long part = 0; part < 16 && part < count; part += n) {
                V v[n];
                for (long j = 0; j < n; j++) std::memcpy(&v[j], reinterpret_cast<const S *>(y + first + j) + part, 64);
                exchange<V, n, 1>(v, std::make_integer_sequence<int, n>());
                for (long l = 0; l < n; l++)
                    if (part + l < count) put(out + (part + l) * plane + first, v[l]);
            }
        }
        return;
    }
#endif
    for (long l = 0; l < count; l++)
        for (long i = 0; i < length; i++) out[l * plane + i * along] = T(reinterpret_cast<const S *>(y + i)[l]);
}

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

// Multiply and inverse in one, for few channels: a job is sixteen outputs of some tiles, whose products go straight into the buffers of the inverse
// transforms and never leave the second cache.
struct Operands {              // mirrored by software_build.Operands; places 0, 1, 2 are F_3, F_4, and F_5 or 2^48+1
    const int16_t *a[3], *b[3];
    int64_t depth[3];
    const int64_t *e;
};
template <class R> static void multiply_tiles(const Operands &f, int t, long tiles, long first, long count, long panels, long panel, const Geometry &g,
                                              typename R::S *to, long per_tile, long half) {
    const long lda = R::PA * f.depth[t], pairs = f.depth[t] / 2;
    const long a_step = spaced(tiles * lda * 2) / 2, b_step = spaced(panels * pairs * R::PB * 64) / 2;
    for (long y = 0, p = 0; y < g.points_y; y++)
        for (long x = 0; x < g.points_x; x++, p++)
            for (long m = 0; m < count; m += most_rows<R>())
                rows<R, R::MR>(int(count - m < most_rows<R>() ? count - m : most_rows<R>()), f.a[t] + p * a_step + (first + m) * lda, lda, pairs,
                               f.b[t] + p * b_step + panel * pairs * R::PB * 32, f.e, to + (y * pitch(g) + x) * R::LANES + m * per_tile, per_tile, half);
}
// The same modulo 2^48+1, over `channels`. Operands lie in [0, 2^51), so that sums of up to 16 products of their 52-bit halves fit a lane.
#if defined(__AVX512IFMA__)
static inline void accumulate48(L8 sum[3], L8 a, L8 b) {  // words of weight 1 and 2^52
    sum[0] = (L8)_mm512_madd52lo_epu64((__m512i)sum[0], (__m512i)a, (__m512i)b);
    sum[1] = (L8)_mm512_madd52hi_epu64((__m512i)sum[1], (__m512i)a, (__m512i)b);
}
static inline L8 total48(const L8 sum[3]) { return sum[0] - (sum[1] << 4); }  // 2^52 = -16
#else
static inline void accumulate48(L8 sum[3], L8 a, L8 b) {  // words of weight 1, 2^24 and 2^48 = -1, the last in the first
    const L8 al = a & 16777215, ah = a >> 24, bl = b & 16777215, bh = b >> 24;
    sum[0] += al * bl - ah * bh;
    sum[1] += al * bh + ah * bl;
}
static inline L8 total48(const L8 sum[3]) { return sum[0] + Ring48::rotated(sum[1], 24); }
#endif
static void multiply_tiles48(const Operands &f, long channels, long tiles, long first, long count, long panels, long panel, const Geometry &g, int64_t *to,
                             long per_tile, long half) {
    const long depth = f.depth[2], a_step = spaced(tiles * depth * 8) / 8, b_step = spaced(panels * depth * 128) / 8;
    const int64_t *a = reinterpret_cast<const int64_t *>(f.a[2]), *b = reinterpret_cast<const int64_t *>(f.b[2]);
    for (long y = 0, p = 0; y < g.points_y; y++)
        for (long x = 0; x < g.points_x; x++, p++) {
            const int64_t *w = b + p * b_step + panel * depth * 16, *v = a + p * a_step + first * depth;
            int64_t *at = to + (y * pitch(g) + x) * 8;
            for (long m = 0; m < count; m++, v += depth, at += per_tile) {
                L8 low[3] = {}, high[3] = {};
                for (long c = 0; c < channels; c++) {
                    const L8 value = L8{} + v[c];
                    L8 even, odd;
                    std::memcpy(&even, w + c * 16, 64);
                    std::memcpy(&odd, w + c * 16 + 8, 64);
                    accumulate48(low, value, even);
                    accumulate48(high, value, odd);
                }
                const L8 one = reduce_loose<Ring48>(total48(low), 48), two = reduce_loose<Ring48>(total48(high), 48);
                std::memcpy(at, &one, 64);
                std::memcpy(at + half, &two, 64);
            }
        }
}
template <int SET, class T> static void finish_typed(const Operands &f, const Geometry &g, long tile0, long tiles, long outputs, T *out, const int64_t *os,
                                                     int threads) {
    const long panels = (outputs + 15) / 16, area = g.points_y * pitch(g);
    const long bytes = area * 64 * ((SET >> 3 & 1) + (SET >> 4 & 1) + 2 * (SET >> 5 & 1) + 2 * (SET >> 6 & 1)), most = SET & 96 ? 6 : 12;
    long together = (768 << 10) / bytes;
    if (together > most) together = most;
    if (together < 1) together = 1;
    const long groups = (tiles + together - 1) / together;
    parallel_for(groups * panels, threads, [&](auto each) {
        Bench<SET> bench(g, together);
        each([&](long job) {
            const long panel = job % panels, group = job / panels, first = tiles * group / groups, count = tiles * (group + 1) / groups - first;
            if (SET & 8) multiply_tiles<Ring3>(f, 0, tiles, first, count, panels, panel, g, reinterpret_cast<int32_t *>(bench.s3.p), area * 16, 0);
            if (SET & 16) multiply_tiles<Ring4>(f, 1, tiles, first, count, panels, panel, g, reinterpret_cast<int32_t *>(bench.s4.p), area * 16, 0);
            if (SET & 32) multiply_tiles<Ring5>(f, 2, tiles, first, count, panels, panel, g, reinterpret_cast<int64_t *>(bench.s5.p), area * 16, area * 8);
            if (SET & 64) multiply_tiles48(f, g.channels, tiles, first, count, panels, panel, g, reinterpret_cast<int64_t *>(bench.s5.p), area * 16, area * 8);
            for (long i = 0; i < count; i++)
                bench.finish(i, tile0 + first + i, outputs - panel * 16 < 16 ? outputs - panel * 16 : 16, out + panel * 16 * os[1], os);
        });
    });
}

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

// ------------------------------------------------------------------------------------------------------------ the loops
// The direct method, two ways. First the loops of (2.1) as they stand; rows of x are padded by the caller so that a row of outputs, rounded up to
// 16, may read beyond the last one (`span`), because rows of 12 or 14 would otherwise hardly use a vector unit.
template <class T> __attribute__((noinline)) static void add_scaled(T *__restrict out, const T *__restrict from, T tap, long rows, long span, long width) {
    for (long i = 0; i < rows; i++)  // a function of its own, because only for parameters does the compiler believe __restrict everywhere
        for (long j = 0; j < span; j += 16)
            for (long l = 0; l < 16; l++) out[i * span + j + l] += tap * from[i * width + j + l];
}
template <class T> static void direct_planes(const T *x, const T *w, T *y, long n, long c, long h, long width, long o, long kh, long kw, long ow, int threads) {
    const long oh = h - kh + 1, span = (ow + 15) / 16 * 16;
    parallel_for(n * o, threads, [&](auto each) {
        Buffer<T> sum(oh * span);
        each([&](long job) {
            T *__restrict out = sum.p;
            std::memset(out, 0, sizeof(T) * oh * span);
            for (long f = 0; f < c; f++)
                for (long u = 0; u < kh; u++)
                    for (long v = 0; v < kw; v++) {
                        const T tap = w[((job % o * c + f) * kh + u) * kw + v];
                        add_scaled(out, x + ((job / o * c + f) * h + u) * width + v, tap, oh, span, width);
                    }
            for (long i = 0; i < oh; i++) std::memcpy(y + (job * oh + i) * ow, out + i * span, sizeof(T) * ow);
        });
    });
}

// Groups, each with c channels: the same loops, a job for each image and group.
template <class T> static void direct_groups(const T *x, const T *w, T *y, long n, long groups, long c, long h, long width, long o, long kh, long kw, long ow,
                                             int threads) {
    if (groups == 1) return direct_planes(x, w, y, n, c, h, width, o, kh, kw, ow, threads);
    const long each_o = o / groups, plane = (h - kh + 1) * ow;
    parallel_for(n * groups, threads, [&](auto each) {
        each([&](long i) { direct_planes(x + i * c * h * width, w + i % groups * each_o * c * kh * kw, y + i * each_o * plane, 1, c, h, width, each_o, kh, kw, ow, 1); });
    });
}

// Second, the harder opponent: sixteen outputs by six pixels in registers; x [n][h][w][c] padded, w [o / 16][kh][kw][c][16], y [n][oh][ow][o].
template <class T, int COUNT>
__attribute__((noinline)) static void direct_block(const T *x, const T *w, T *y, long c, long h_step, long o, long kh, long kw) {
    typedef T B __attribute__((vector_size(16 * sizeof(T))));
    B sum[COUNT];
#pragma GCC unroll 6
    for (int j = 0; j < COUNT; j++) sum[j] = B{};
    for (long u = 0; u < kh; u++)
        for (long f = 0; f < kw * c; f++) {
            B taps;
            std::memcpy(&taps, w + (u * kw * c + f) * 16, sizeof(taps));
#pragma GCC unroll 6
            for (int j = 0; j < COUNT; j++) sum[j] += x[u * h_step + j * c + f] * taps;
        }
#pragma GCC unroll 6
    for (int j = 0; j < COUNT; j++) std::memcpy(y + j * o, &sum[j], sizeof(B));
}
template <class T> static void direct_blocked(const T *x, const T *w, T *y, long n, long c, long h, long width, long o, long kh, long kw, long ow, int threads) {
    const long oh = h - kh + 1;
    parallel_for(n * oh, threads, [&](auto each) {
        each([&](long job) {
            for (long block = 0; block < o / 16; block++)
                for (long j = 0; j < ow; j += j + 6 <= ow ? 6 : 1) {
                    const T *from = x + ((job / oh * h + job % oh) * width + j) * c, *taps = w + block * kh * kw * c * 16;
                    T *to = y + (job * ow + j) * o + block * 16;
                    if (j + 6 <= ow) direct_block<T, 6>(from, taps, to, c, width * c, o, kh, kw);
                    else direct_block<T, 1>(from, taps, to, c, width * c, o, kh, kw);
                }
        });
    });
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
