// Pixels of sixteen outputs side by side -> each output's own plane.
#pragma once

#include <cstring>
#include <type_traits>
#include <utility>

#include "garner.h"

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
