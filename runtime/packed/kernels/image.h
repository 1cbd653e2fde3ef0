// The caller's images into the first tensor, and the borders of tensors.
#pragma once
#include <algorithm>

#include "program.h"

inline void fill_run(const Tensor &t, uint8_t *to, int64_t bytes) {
    if (t.kind == HALVES && t.fill)
        std::fill_n((int16_t *)to, bytes / 2, (int16_t)t.fill);
    else
        std::memset(to, t.kind == BYTES ? (int)t.fill : 0, bytes);
}
inline void fill_border_row(uint8_t *memory, const Tensor &t, int64_t image, int64_t y) {
    for (int64_t j = 0; j < (t.kind == BITS ? t.planes : 1); j++) {
        uint8_t *row = memory + t.offset + j * t.plane + image * t.image + (y + t.top) * t.row;
        fill_run(t, row, t.left * t.pixel);
        fill_run(t, row + (t.left + t.width) * t.pixel, t.right * t.pixel);
        if (y == 0) fill_run(t, row - t.top * t.row, t.top * t.row);
        if (y == t.height - 1) fill_run(t, row + t.row, t.bottom * t.row);
    }
}

// Borders of what an operation writes, for rows [first, last).
inline void fill_borders(const Job &job, const Op &op, int64_t first, int64_t last) {
    for (int64_t i = 0; i < op.steps; i++) {
        if (op.step[i].kind != STORE) continue;
        const Tensor &t = job.program->tensor[op.step[i].tensor];
        if (t.kind == RESULT || t.top + t.bottom + t.left + t.right == 0) continue;
        int64_t rows = op.across_images ? job.images : last;
        for (int64_t row = op.across_images ? 0 : first; row < rows; row++)
            fill_border_row(job.memory, t, row / op.height, row % op.height);
    }
}

// One row of one channel: integers of the caller's type, `step` elements of the tensor apart.
template <class From, class To>
inline void load_row(const uint8_t *raw, uint8_t *to, int64_t width, int64_t step, int64_t zero) {
    const From *from = (const From *)raw;
    for (int64_t x = 0; x < width; x++) ((To *)to)[x * step] = (To)((int32_t)from[x] + zero);
}
template <class From>
inline void load_any_row(const Tensor &t, const uint8_t *from, uint8_t *to) {
    if (t.kind == BYTES) return load_row<From, uint8_t>(from, to, t.width, t.channels, t.zero);
    if (t.kind == HALVES) return load_row<From, int16_t>(from, to, t.width, t.channels, 0);
    load_row<From, int32_t>(from, to, t.width, t.channels, 0);
}

// Rows [first, last) of the images, channel after channel in, channels side by side out.
inline void load_image(const Job &job, const Op &op, int64_t first, int64_t last) {
    const Program &program = *job.program;
    const Tensor &t = program.tensor[op.tensor];
    auto load = program.input_bytes == 1 ? (program.input_signed ? load_any_row<int8_t> : load_any_row<uint8_t>)
                                         : (program.input_signed ? load_any_row<int16_t> : load_any_row<uint16_t>);
    for (int64_t row = first; row < last; row++) {
        int64_t image = row / t.height, y = row % t.height, element = t.pixel / t.channels;
        fill_border_row(job.memory, t, image, y);
        uint8_t *to = job.memory + t.offset + image * t.image + (y + t.top) * t.row + t.left * t.pixel;
        const uint8_t *from = job.input + image * program.image_bytes + y * t.width * program.input_bytes;
        if (t.channels == 1 && t.kind == BYTES && t.zero == 0 && program.input_bytes == 1) {
            std::memcpy(to, from, t.width);
            continue;
        }
        for (int64_t c = 0; c < t.channels; c++, from += t.height * t.width * program.input_bytes)
            load(t, from, to + c * element);
    }
}
