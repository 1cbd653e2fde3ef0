// A block: the values of a few neighbouring pixels and a few vectors of channels, in memory that stays in the
// first cache.
#pragma once

namespace FORM {

constexpr int MOST_PIXELS = 16, MOST_VECTORS = 4, BUFFERS = 8;
constexpr int PITCH = MOST_VECTORS * LANES;  // int32 from one pixel of a block to the next
constexpr int BUFFER = MOST_PIXELS * PITCH;

struct Place {            // of a block in the result
    int64_t image, y, x;  // its first pixel
    int64_t pixels, vectors;
    int64_t slot, channel, end;  // first vector's slot and channel; channels end before `end`
};

// Address of channel `channel` of a pixel, and the step to the block's next pixel.
inline uint8_t *address(const Job &job, const Tensor &t, int64_t image, int64_t y, int64_t x) {
    return job.memory + t.offset + image * t.image + (y + t.top) * t.row + (x + t.left) * t.pixel;
}
inline int64_t next_pixel(const Op &op, const Tensor &t) { return op.across_images ? t.image : t.pixel; }

inline V fetch(const Tensor &t, const uint8_t *pixel, int64_t channel) {
    switch (t.kind) {
    case BYTES: return add(load_bytes(pixel + channel), set1(-(int32_t)t.zero));
    case HALVES: return load_halves((const int16_t *)pixel + channel);
    default: return load((const int32_t *)pixel + channel);
    }
}

inline void store_planes(const Tensor &t, uint8_t *pixel, int64_t channel, const uint32_t *members, V x,
                         int64_t n) {
    uint32_t valid = n >= LANES ? ~0u >> (32 - LANES) : (1u << n) - 1;
    for (int64_t j = 0; j < t.planes; j++) {
        uint32_t bits = member_bits(x, members[j]) & valid;
        std::memcpy(pixel + j * t.plane + channel / 8, &bits, n > 8 ? 2 : 1);
    }
}

inline void store_result(const Job &job, const Op &op, const Tensor &t, const Place &at, int64_t channel,
                         int64_t p, const int32_t *x, int64_t n) {
    int64_t image = at.image + (op.across_images ? p : 0), column = at.x + (op.across_images ? 0 : p);
    int64_t *out = job.output + image * job.program->results + (channel * t.height + at.y) * t.width + column;
    for (int64_t l = 0; l < n; l++) out[l * t.height * t.width] = x[l];
}

// Values of one vector of channels to its place in a tensor, pixel after pixel.
inline void store_vector(const Job &job, const Op &op, const Step &s, const Place &at, int64_t v,
                         const int32_t *x) {
    const Tensor &t = job.program->tensor[s.tensor];
    int64_t channel = at.channel + v * LANES, n = at.end - channel < LANES ? at.end - channel : LANES;
    channel += s.channel;
    if (t.kind == RESULT) {
        for (int64_t p = 0; p < at.pixels; p++, x += PITCH) store_result(job, op, t, at, channel, p, x, n);
        return;
    }
    uint8_t *pixel = address(job, t, at.image, at.y, at.x);
    int64_t step = next_pixel(op, t);
    switch (t.kind) {
    case BYTES: {
        V shift = set1((int32_t)t.zero);
        for (int64_t p = 0; p < at.pixels; p++, pixel += step, x += PITCH)
            store_bytes(pixel + channel, add(load(x), shift), n);
        break;
    }
    case HALVES:
        for (int64_t p = 0; p < at.pixels; p++, pixel += step, x += PITCH)
            store_halves((int16_t *)pixel + channel, load(x), n);
        break;
    case WORDS:
        for (int64_t p = 0; p < at.pixels; p++, pixel += step, x += PITCH)
            store_words((int32_t *)pixel + channel, load(x), n);
        break;
    default:
        for (int64_t p = 0; p < at.pixels; p++, pixel += step, x += PITCH)
            store_planes(t, pixel, channel, (const uint32_t *)s.a, load(x), n);
    }
}

inline void fetch_vector(const Job &job, const Op &op, const Step &s, const Place &at, int64_t v,
                         int32_t *x) {
    const Tensor &t = job.program->tensor[s.tensor];
    const uint8_t *pixel = address(job, t, at.image, at.y, at.x);
    int64_t step = next_pixel(op, t), channel = at.channel + v * LANES + s.channel;
    for (int64_t p = 0; p < at.pixels; p++, pixel += step, x += PITCH) store(x, fetch(t, pixel, channel));
}

}  // namespace FORM
