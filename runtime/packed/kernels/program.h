// What the planner (Python) hands over: tensors, steps and operations, every field 64 bits, mirrored in
// program.py.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

// How the numbers of a tensor are stored. Pixels lie row by row, the channels of a pixel side by side.
enum Kind : int64_t {
    BYTES,   // uint8: value + zero
    HALVES,  // int16
    WORDS,   // int32
    LONGS,   // int64
    BITS,    // bit planes, plane after plane; a pixel takes whole bytes of each
    RESULT,  // int64 (n, C, H, W) in the caller's array
};

struct Tensor {
    int64_t kind, offset;              // offset: bytes from the start of the thread's memory
    int64_t image, row, pixel, plane;  // bytes from one to the next
    int64_t top, left, bottom, right;  // border around the map, filled with `fill`
    int64_t height, width, channels;
    int64_t zero, planes, fill;  // fill: the code of the padding value, of BYTES and HALVES; else zeros
};

// One elementwise operation on a block of values, `a` and `b` constants by slot (a slot is one vector of
// channels).
enum StepKind : int64_t {
    AFFINE,
    THRESHOLD,
    TABLE,
    ADD,
    FETCH,
    STORE,
    REQUANTIZE,
    LOOKUP,
    MULTIPLY,
    ADD_CONSTANT,
    LOGIC
};

struct Step {
    int64_t kind, source, target, other;  // numbers of block buffers
    int64_t tensor, channel;       // FETCH and STORE: the tensor, and the channel of it where ours begin
    int64_t count, shift, lo, hi;  // THRESHOLD and TABLE: entries; AFFINE: shift and clip; LOGIC: table
    int64_t zero, zero2;  // REQUANTIZE: zero point; LOOKUP: first entry's input; MULTIPLY: of both factors
    const void *a, *b;
};

// Where the values of a block come from before its steps.
// WEIGHTED is a convolution or dense layer without a kernel of its own, always generic; EXTERNAL is the
// caller's own function.
enum Source : int64_t {
    IMAGE,
    DOT_BYTES,
    DOT_HALVES,
    DOT_BITS,
    DEPTHWISE,
    LOAD,
    MAXIMUM,
    SUM,
    LARGEST,
    WEIGHTED,
    EXTERNAL,
    MOVE,
    TOP
};

struct Pair {
    int64_t weight, activation, factor;  // plane numbers; weight -1: every bit of the window
};

struct Move {
    int64_t tensor, y, x, channel;  // where a pixel comes from, -1: nowhere; what is added to a channel's number
};

struct Op {
    int64_t source, tensor;           // what is read
    int64_t height, width, channels;  // of the result
    int64_t groups, outputs, inputs;  // outputs and inputs of one group
    int64_t stride_y, stride_x, pad_y, pad_x, kernel_y, kernel_x, dilation_y, dilation_x;
    int64_t taps;                   // entries of `offsets`: steps of the inner loop
    int64_t vectors, planes;        // most vectors of outputs in a register block; planes of the weights
    int64_t outputs_first;          // loop order: all rows of one block of outputs, then the next block
    int64_t across_images;          // 1x1 maps: the pixels of a row are the images
    int64_t wide_bytes;             // activations above 127
    int64_t pairs, steps, generic;  // generic: one pixel at a time in int64
    int64_t outside;                // SUM: what a pixel beyond the border holds; MOVE: one from nowhere
    const int32_t *offsets;         // bytes from the window's first byte
    const void *weights;
    const void *start;      // what the accumulators begin with, by slot
    const uint32_t *masks;  // DOT_BITS: bits of each 32-bit word that belong to the window
    const Pair *pair;
    const Step *step;
    const Move *moves;     // MOVE: one a pixel of the result
    const int64_t *order;  // MOVE: the channel that each channel of the result comes from
    void (*call)(uint8_t *memory, int64_t images);  // EXTERNAL
};

struct Program {
    int64_t ops, tensors, memory,
        chunk;                     // memory: bytes a thread needs; chunk: images a thread takes at once
    int64_t image_bytes, results;  // bytes of one input image; values of one result
    int64_t input_bytes, input_signed;  // of one integer of an image
    int64_t alone;                 // so many images take one thread less time than it takes to wake another
    const Op *op;
    const Tensor *tensor;
};

// One thread's share of a call.
struct Job {
    const Program *program;
    uint8_t *memory;
    const uint8_t *input;
    int64_t *output;
    int64_t images;
};

struct Shape {
    int64_t lanes, vectors;  // int32 lanes of a vector; most vectors of outputs in a register block
    int64_t pixels[5];       // most pixels of a block with that many vectors
};

// Rows [first, last) of an operation; the rows of a map follow those of the image before.
using Execute = void (*)(const Job &, const Op &, int64_t first, int64_t last);

struct Form {
    const char *name;
    Shape shape;
    Execute execute;
};
