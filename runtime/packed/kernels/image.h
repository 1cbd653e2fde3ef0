// The caller's images into the first tensor, and the borders of tensors.
#pragma once
#include <algorithm>

#include "program.h"

inline void fill_border_row(uint8_t *memory, const Tensor &t, int64_t image, int64_t y) {
    int fill = t.kind == BYTES ? (int)t.zero : 0;
    for (int64_t j = 0; j < (t.kind == BITS ? t.planes : 1); j++) {
        uint8_t *row = memory + t.offset + j * t.plane + image * t.image + (y + t.top) * t.row;
        std::memset(row, fill, t.left * t.pixel);
        std::memset(row + (t.left + t.width) * t.pixel, fill, t.right * t.pixel);
        if (y == 0) std::memset(row - t.top * t.row, fill, t.top * t.row);
        if (y == t.height - 1) std::memset(row + t.row, fill, t.bottom * t.row);
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

// Rows [first, last) of the images, channel after channel in, channels side by side out.
inline void load_image(const Job &job, const Op &op, int64_t first, int64_t last) {
    const Tensor &t = job.program->tensor[op.tensor];
    for (int64_t row = first; row < last; row++) {
        int64_t image = row / t.height, y = row % t.height;
        fill_border_row(job.memory, t, image, y);
        uint8_t *to = job.memory + t.offset + image * t.image + (y + t.top) * t.row + t.left * t.pixel;
        const uint8_t *from = job.input + image * job.program->image_bytes + y * t.width;
        if (t.channels == 1) {
            std::memcpy(to, from, t.width);
            continue;
        }
        for (int64_t c = 0; c < t.channels; c++, from += t.height * t.width)
            for (int64_t x = 0; x < t.width; x++) to[x * t.channels + c] = from[x];
    }
}
