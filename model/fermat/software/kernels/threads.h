// Work shared among threads, and memory that outlives them.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

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
