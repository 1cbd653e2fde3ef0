// One form of all kernels: compiled once for each set of instructions, -DFORM=its name.
#include <array>
#include <utility>

#include "program.h"

#if defined(FORM_AVX512)
#include "simd_avx512.h"
#elif defined(FORM_AVX2)
#include "simd_avx2.h"
#elif defined(FORM_NEON)
#include "simd_neon.h"
#else
#include "simd_portable.h"
#endif
#include "generic.h"
#include "image.h"
#include "sources.h"

namespace FORM {

static void run_rows(const Job &job, const Op &op, int64_t group, int64_t vector, int64_t vectors,
                     int64_t first, int64_t last) {
    alignas(64) int32_t buffers[BUFFERS * BUFFER];
    int64_t slots = (op.outputs + LANES - 1) / LANES;
    Place at = {};
    at.vectors = vectors;
    at.slot = group * slots + vector;
    at.channel = group * op.outputs + vector * LANES;
    at.end = (group + 1) * op.outputs;
    for (int64_t row = first; row < last; row++) {
        if (!op.across_images) at.image = row / op.height, at.y = row % op.height;
        run_row(job, op, at, buffers);
    }
}

static void execute(const Job &job, const Op &op, int64_t first, int64_t last) {
    if (op.source == IMAGE) return load_image(job, op, first, last);
    if (op.source == EXTERNAL) return op.call(job.memory, job.images);
    fill_borders(job, op, first, last);
    if (op.generic) return generic::run(job, op, first, last);
    int64_t slots = (op.outputs + LANES - 1) / LANES, at_once = op.outputs_first ? last - first : 1;
    for (int64_t row = first; row < last; row += at_once)
        for (int64_t group = 0; group < op.groups; group++)
            for (int64_t v = 0; v < slots; v += op.vectors)
                run_rows(job, op, group, v, slots - v < op.vectors ? slots - v : op.vectors, row,
                         row + at_once);
}

#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define NAME_(form) packed_form_##form
#define NAME(form) NAME_(form)
}  // namespace FORM

extern const Form NAME(FORM);
const Form NAME(FORM) = {STRING(FORM), FORM::SHAPE, FORM::execute};
