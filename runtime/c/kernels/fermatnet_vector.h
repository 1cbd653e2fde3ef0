/* Counting many words at a time where the processor has vectors. Part of fermatnet's generated C.
   FN_VECTOR: 1 where fn_and_count exists. Define it as 0 to do without. */
#ifndef FERMATNET_VECTOR_H
#define FERMATNET_VECTOR_H

#include <stdint.h>

#if !defined(FN_VECTOR) && defined(__AVX2__)
#define FN_VECTOR 1
#include <immintrin.h>

/* Popcount of a[k] & w[k] over n words: a table of 16 counts looked up for each half of a byte. */
static inline uint32_t fn_and_count(const uint32_t *a, const uint32_t *w, uint32_t n)
{
    const __m256i counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
                                            0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(15);
    __m256i total = _mm256_setzero_si256();
    uint32_t k = 0, rest = 0;
    if (n >= 8) {
        for (; k + 8 <= n; k += 8) {
            const __m256i x = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(const void *)(a + k)),
                                               _mm256_loadu_si256((const __m256i *)(const void *)(w + k)));
            const __m256i few = _mm256_add_epi8(
                _mm256_shuffle_epi8(counts, _mm256_and_si256(x, low)),
                _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16(x, 4), low)));
            total = _mm256_add_epi64(total, _mm256_sad_epu8(few, _mm256_setzero_si256()));
        }
        {
            const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(total), _mm256_extracti128_si256(total, 1));
            rest = (uint32_t)_mm_cvtsi128_si32(half) + (uint32_t)_mm_cvtsi128_si32(_mm_unpackhi_epi64(half, half));
        }
    }
    for (; k < n; ++k)
        rest += fn_popcount(a[k] & w[k]);
    return rest;
}

#elif !defined(FN_VECTOR) && defined(__riscv_v_intrinsic) && defined(__riscv_vector)
#define FN_VECTOR 1
#include <riscv_vector.h>

/* As fn_popcount, in as many lanes as there are; each lane keeps its own sum until the end. */
static inline uint32_t fn_and_count(const uint32_t *a, const uint32_t *w, uint32_t n)
{
    const size_t lanes = __riscv_vsetvlmax_e32m1();
    vuint32m1_t total = __riscv_vmv_v_x_u32m1(0, lanes);
    uint32_t k = 0;
    while (k < n) {
        const size_t vl = __riscv_vsetvl_e32m1(n - k);
        vuint32m1_t x = __riscv_vand_vv_u32m1(__riscv_vle32_v_u32m1(a + k, vl), __riscv_vle32_v_u32m1(w + k, vl), vl);
        x = __riscv_vsub_vv_u32m1(x, __riscv_vand_vx_u32m1(__riscv_vsrl_vx_u32m1(x, 1, vl), 0x55555555u, vl), vl);
        x = __riscv_vadd_vv_u32m1(__riscv_vand_vx_u32m1(x, 0x33333333u, vl),
                                  __riscv_vand_vx_u32m1(__riscv_vsrl_vx_u32m1(x, 2, vl), 0x33333333u, vl), vl);
        x = __riscv_vand_vx_u32m1(__riscv_vadd_vv_u32m1(x, __riscv_vsrl_vx_u32m1(x, 4, vl), vl), 0x0f0f0f0fu, vl);
        x = __riscv_vsrl_vx_u32m1(__riscv_vmul_vx_u32m1(x, 0x01010101u, vl), 24, vl);
        total = __riscv_vadd_vv_u32m1_tu(total, total, x, vl);
        k += (uint32_t)vl;
    }
    return __riscv_vmv_x_s_u32m1_u32(__riscv_vredsum_vs_u32m1_u32m1(total, __riscv_vmv_v_x_u32m1(0, 1), lanes));
}

#elif !defined(FN_VECTOR) && defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1)
#define FN_VECTOR 1
#include <arm_mve.h>

/* Helium: four words at a time, bits counted in bytes, bytes added across the vector. */
static inline uint32_t fn_and_count(const uint32_t *a, const uint32_t *w, uint32_t n)
{
    uint32_t total = 0;
    int32_t left;
    for (left = (int32_t)n; left > 0; left -= 4, a += 4, w += 4) {
        const mve_pred16_t some = vctp32q((uint32_t)left);
        uint8x16_t x = vreinterpretq_u8_u32(vandq_u32(vldrwq_z_u32(a, some), vldrwq_z_u32(w, some)));
        x = vsubq_u8(x, vandq_u8(vshrq_n_u8(x, 1), vdupq_n_u8(0x55)));
        x = vaddq_u8(vandq_u8(x, vdupq_n_u8(0x33)), vandq_u8(vshrq_n_u8(x, 2), vdupq_n_u8(0x33)));
        x = vandq_u8(vaddq_u8(x, vshrq_n_u8(x, 4)), vdupq_n_u8(0x0f));
        total = vaddvaq_u8(total, x);
    }
    return total;
}

#elif !defined(FN_VECTOR)
#define FN_VECTOR 0
#endif

#endif
