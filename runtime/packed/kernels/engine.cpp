// The forms of this machine, the threads, and the C interface that Python calls.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "program.h"

extern const Form packed_form_portable;
#if defined(__x86_64__) || defined(__i386__)
extern const Form packed_form_avx2, packed_form_avx512;
static bool usable(int64_t i) {
    __builtin_cpu_init();
    if (i == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni") &&
               __builtin_cpu_supports("avx512vpopcntdq");
    return i != 1 || (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt"));
}
static const Form *const FORMS[] = {&packed_form_avx512, &packed_form_avx2, &packed_form_portable};
#elif defined(__aarch64__)
extern const Form packed_form_neon;
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
static bool usable(int64_t i) { return i != 0 || (getauxval(AT_HWCAP) & HWCAP_ASIMDDP); }
#else
static bool usable(int64_t) { return true; }
#endif
static const Form *const FORMS[] = {&packed_form_neon, &packed_form_portable};
#else
static bool usable(int64_t) { return true; }
static const Form *const FORMS[] = {&packed_form_portable};
#endif
constexpr int64_t FORM_COUNT = sizeof FORMS / sizeof *FORMS;

// All threads meet: they spin, because operations are short, and yield where that takes long.
struct Barrier {
    std::atomic<int64_t> waiting{0}, turn{0};
    void meet(int64_t threads) {
        int64_t mine = turn.load();
        if (waiting.fetch_add(1) + 1 == threads) {
            waiting = 0;
            turn++;
            return;
        }
        for (int64_t spins = 0; turn.load() == mine; spins++)
            if (spins > 2000) std::this_thread::yield();
    }
};

struct Session {
    const Program *program;
    const Form *form;
    std::vector<uint8_t *> memory;  // of each thread
    std::vector<std::thread> workers;
    std::mutex mutex;
    std::condition_variable wake, done;
    int64_t call = 0, busy = 0;
    bool stop = false;
    // the call
    const uint8_t *input;
    int64_t *output, images, chunk;
    std::atomic<int64_t> next;
    Barrier barrier;

    int64_t threads() const { return (int64_t)memory.size(); }

    Job job(int64_t thread, int64_t first, int64_t count) const {
        return {program, memory[thread], input + first * program->image_bytes,
                output + first * program->results, count};
    }

    // Whole images: each thread takes the next few.
    void take_images(int64_t thread) {
        for (int64_t first; (first = next.fetch_add(chunk)) < images;) {
            Job mine = job(thread, first, images - first < chunk ? images - first : chunk);
            for (int64_t i = 0; i < program->ops; i++) run_op(mine, program->op[i]);
        }
    }
    void run_op(const Job &mine, const Op &op) {
        form->execute(mine, op, 0, op.across_images ? 1 : mine.images * op.height);
    }

    // Fewer images than threads: the rows of each operation are shared out, in the first thread's memory.
    void take_rows(int64_t thread) {
        Job all = job(0, 0, images);
        for (int64_t i = 0; i < program->ops; i++) {
            const Op &op = program->op[i];
            int64_t rows = op.across_images ? 1 : images * op.height;
            int64_t first = rows * thread / threads(), last = rows * (thread + 1) / threads();
            if (first < last) form->execute(all, op, first, last);
            barrier.meet(threads());
        }
    }

    void share(int64_t thread) {
        if (images < threads())
            take_rows(thread);
        else
            take_images(thread);
    }

    void work(int64_t thread) {
        for (int64_t seen = 0;;) {
            {
                std::unique_lock lock(mutex);
                wake.wait(lock, [&] { return stop || call != seen; });
                if (stop) return;
                seen = call;
            }
            share(thread);
            std::lock_guard lock(mutex);
            if (--busy == 0) done.notify_one();
        }
    }

    void run(const uint8_t *from, int64_t count, int64_t *to) {
        bool alone = threads() == 1 || count <= program->alone;
        int64_t each = alone ? count : (count + threads() - 1) / threads();
        {
            std::lock_guard lock(mutex);
            input = from, output = to, images = count, next = 0;
            chunk = each < program->chunk ? each : program->chunk;
            if (!alone) call++, busy = threads() - 1;
        }
        if (alone) return take_images(0);
        wake.notify_all();
        share(0);
        std::unique_lock lock(mutex);
        done.wait(lock, [&] { return busy == 0; });
    }
};

extern "C" {

int64_t packed_forms() { return FORM_COUNT; }
const char *packed_form_name(int64_t i) { return FORMS[i]->name; }
int64_t packed_form_usable(int64_t i) { return usable(i); }
const Shape *packed_form_shape(int64_t i) { return &FORMS[i]->shape; }

void packed_close(Session *s) {
    {
        std::lock_guard lock(s->mutex);
        s->stop = true;
    }
    s->wake.notify_all();
    for (auto &worker : s->workers) worker.join();
    for (auto *memory : s->memory) std::free(memory);
    delete s;
}

Session *packed_open(const Program *program, int64_t form, int64_t threads) {
    auto *s = new Session;
    s->program = program, s->form = FORMS[form];
    for (int64_t i = 0; i < threads; i++) {
        void *memory = std::aligned_alloc(64, (program->memory + 63) / 64 * 64);
        if (!memory) {
            packed_close(s);
            return nullptr;
        }
        std::memset(memory, 0, program->memory);
        s->memory.push_back((uint8_t *)memory);
    }
    try {
        for (int64_t i = 1; i < threads; i++) s->workers.emplace_back([s, i] { s->work(i); });
    } catch (const std::system_error &) {  // no more threads
        packed_close(s);
        return nullptr;
    }
    return s;
}

void packed_run(Session *s, const uint8_t *images, int64_t count, int64_t *results) {
    s->run(images, count, results);
}

// Seconds of each operation, one thread, the first chunk of images.
void packed_profile(Session *s, const uint8_t *images, int64_t count, int64_t *results, double *seconds) {
    s->input = images, s->output = results;
    Job mine = s->job(0, 0, count < s->program->chunk ? count : s->program->chunk);
    for (int64_t i = 0; i < s->program->ops; i++) {
        auto start = std::chrono::steady_clock::now();
        s->run_op(mine, s->program->op[i]);
        seconds[i] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
}
}
