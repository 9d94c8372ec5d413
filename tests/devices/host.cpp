// Runs CUDA kernels on the host: a grid is a loop over blocks, the threads of a block take turns from barrier to
// barrier. Asked over standard input in 64-bit words, answered over standard output. Says nothing about a GPU: threads
// never run at the same time, and memory has no latency.
//
// The kernels stand in `kernels.inc`, lines `KERNEL(name)` for them in `list.inc`.
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static

struct Index { unsigned x; };
static Index threadIdx, blockIdx, blockDim;

static float __int_as_float(unsigned bits) {
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}
static int __float_as_int(float number) {
    int bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}
static unsigned __float_as_uint(float number) {
    unsigned bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}
static float rsqrtf(float x) { return 1.0f / sqrtf(x); }
template <class T> static T min(T a, T b) { return b < a ? b : a; }
template <class T> static T max(T a, T b) { return a < b ? b : a; }

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(3);
}

// The threads of a block, each with a stack of its own.
const unsigned MOST_THREADS = 1024;
const size_t STACK = 64 << 10;
struct Thread {
    ucontext_t start;
    jmp_buf at;
    bool begun, done;
    unsigned barriers;
};
static Thread threads[MOST_THREADS];
static jmp_buf scheduler;
static unsigned current;
static void (*body)(void **);
static void **body_arguments;

static void __syncthreads() {
    threads[current].barriers++;
    if (!_setjmp(threads[current].at)) _longjmp(scheduler, 1);
}

static void thread_loop() {
    for (;;) {
        body(body_arguments);
        threads[current].done = true;
        if (!_setjmp(threads[current].at)) _longjmp(scheduler, 1);
    }
}

static void go(unsigned thread) {
    current = thread;
    threadIdx.x = thread;
    if (_setjmp(scheduler)) return;
    if (threads[thread].begun) _longjmp(threads[thread].at, 1);
    Thread &own = threads[thread];
    own.begun = true;
    getcontext(&own.start);
    own.start.uc_stack.ss_sp = malloc(STACK);
    own.start.uc_stack.ss_size = STACK;
    makecontext(&own.start, thread_loop, 0);
    setcontext(&own.start);
}

static void run_block(unsigned n) {
    for (unsigned i = 0; i < n; ++i) threads[i].done = false, threads[i].barriers = 0;
    for (unsigned left = n; left > 0;) {
        left = 0;
        for (unsigned i = 0; i < n; ++i) {
            if (!threads[i].done) go(i);
            left += !threads[i].done;
        }
        if (left > 0 && left < n) fail("some threads of a block wait at a barrier and others have ended");
    }
    for (unsigned i = 1; i < n; ++i)
        if (threads[i].barriers != threads[0].barriers) fail("threads of a block met at different barriers");
}

#include "kernels.inc"

template <class... A, size_t... I>
static void call(void (*kernel)(A...), void **arguments, std::index_sequence<I...>) {
    kernel(*(typename std::decay<A>::type *)arguments[I]...);
}
template <class... A> static size_t bytes_of(void (*)(A...), unsigned i) {
    size_t sizes[] = {sizeof(typename std::decay<A>::type)...};
    return i < sizeof...(A) ? sizes[i] : 0;
}
template <class... A> static size_t count_of(void (*)(A...)) { return sizeof...(A); }
template <class... A> static void call_all(void (*kernel)(A...), void **arguments) {
    call(kernel, arguments, std::index_sequence_for<A...>());
}

struct Entry {
    void (*run)(void **);
    size_t count;
    size_t (*bytes)(unsigned);
};
static const Entry KERNELS[] = {
#define KERNEL(name)                                                                                     \
    {[](void **arguments) { call_all(name, arguments); }, count_of(name), [](unsigned i) { return bytes_of(name, i); }},
#include "list.inc"
};

static uint64_t word() {
    uint64_t word;
    if (fread(&word, sizeof word, 1, stdin) != 1) exit(0);
    return word;
}

static float *memory;
static uint64_t length;

static float *place(uint64_t at, uint64_t n) {
    if (at + n > length) fail("outside the memory");
    return memory + at;
}

static void launch() {
    uint64_t kernel = word(), blocks = word(), n_threads = word(), count = word();
    if (kernel >= sizeof KERNELS / sizeof *KERNELS || n_threads > MOST_THREADS) fail("no such kernel");
    if (count != KERNELS[kernel].count) fail("a kernel has another number of parameters");
    static uint64_t slots[64][32];
    void *arguments[64];
    for (uint64_t i = 0; i < count; ++i) {
        uint64_t kind = word(), n = word();
        arguments[i] = slots[i];
        size_t bytes = 4 * n;
        if (kind == 0) {
            float *at = n == UINT64_MAX ? 0 : place(n, 0);
            memcpy(slots[i], &at, bytes = sizeof at);
        } else {
            for (uint64_t j = 0; j < n; ++j) {
                uint32_t own = word();
                memcpy((char *)slots[i] + 4 * j, &own, 4);
            }
        }
        if (bytes != KERNELS[kernel].bytes(i)) fail("a parameter has another size");
    }
    body = KERNELS[kernel].run;
    body_arguments = arguments;
    blockDim.x = n_threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) run_block(n_threads);
}

int main() {
    for (;;) {
        switch (word()) {
            case 'M': {
                length = word();
                memory = (float *)calloc(length + 1, sizeof *memory);
                break;
            }
            case 'W': {
                uint64_t at = word(), n = word();
                if (fread(place(at, n), sizeof(float), n, stdin) != n) exit(0);
                break;
            }
            case 'R': {
                uint64_t at = word(), n = word();
                fwrite(place(at, n), sizeof(float), n, stdout);
                fflush(stdout);
                break;
            }
            case 'C': {
                uint64_t from = word(), to = word(), n = word();
                memmove(place(to, n), place(from, n), n * sizeof(float));
                break;
            }
            case 'L': launch(); break;
            default: fail("an unknown word");
        }
    }
}
