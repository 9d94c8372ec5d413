// Reductions over axes, boxes of numbers moved from place to place, resampling by tables, and dropout masks.

// `factor` times the sums over the axes of `reduced`, in `n_parts` parts of `n` numbers. `lanes` threads of a block, a power
// of two, take one part of an output together; neighbouring threads read neighbouring summands (`along`), or summands of
// neighbouring outputs.
extern "C" __global__ void reduce(float *out, const float *x, int n, int count, int lanes, int along, int n_parts, float factor,
                                  GIVEN Walk kept, GIVEN Walk reduced) {
    __shared__ float sums[THREADS];
    unsigned thread = threadIdx.x, outputs = THREADS / lanes, groups = ((unsigned)n + outputs - 1) / outputs;
    unsigned lane = along ? thread % lanes : thread / outputs, step = along ? 1 : outputs;
    unsigned output = blockIdx.x % groups * outputs + (along ? thread / lanes : thread % outputs);
    unsigned part = blockIdx.x / groups, length = ((unsigned)count + n_parts - 1) / n_parts;
    unsigned begin = min(part * length, (unsigned)count), end = min(begin + length, (unsigned)count);
    bool there = output < (unsigned)n;
    float sum = 0.0f;
    if (there) {
        const auto *from = x + place(kept, output);
#pragma unroll 4
        for (unsigned i = begin + lane; i < end; i += lanes) sum += from[place(reduced, i)];
    }
    sums[thread] = sum;
    for (unsigned half = lanes / 2; half > 0; half /= 2) {
        __syncthreads();
        if (lane < half) sums[thread] += sums[thread + half * step];
    }
    if (there && lane == 0) out[(size_t)part * n + output] = sums[thread] * factor;
}

// Element by element from one place to another, each with steps of its own.
extern "C" __global__ void move(float *out, const float *x, int n, int to_start, int from_start, GIVEN Walk to, GIVEN Walk from) {
    unsigned i = element();
    if (i < (unsigned)n) out[to_start + place(to, i)] = x[from_start + place(from, i)];
}

// Each of some matrices of `rows x columns` the other way round, in squares that are read and written along rows.
const int SQUARE = 32, LINES = THREADS / SQUARE;

extern "C" __global__ void swap_axes(float *out, const float *x, int rows, int columns) {
    __shared__ float square[SQUARE][SQUARE + 1];
    unsigned across = (columns + SQUARE - 1) / SQUARE, down = (rows + SQUARE - 1) / SQUARE;
    int column = blockIdx.x % across * SQUARE, row = blockIdx.x / across % down * SQUARE;
    size_t matrix = (size_t)(blockIdx.x / across / down) * rows * columns;
    int along = threadIdx.x % SQUARE, line = threadIdx.x / SQUARE;
    for (int k = line; k < SQUARE; k += LINES)
        if (row + k < rows && column + along < columns)
            square[k][along] = x[matrix + (size_t)(row + k) * columns + column + along];
    __syncthreads();
    for (int k = line; k < SQUARE; k += LINES)
        if (column + k < columns && row + along < rows)
            out[matrix + (size_t)(column + k) * rows + row + along] = square[along][k];
}

// The same for matrices with at most `MOST_FEW` rows, or columns: a block has `MANY` of the others.
const int MOST_FEW = 16, MANY = THREADS;

extern "C" __global__ void swap_few(float *out, const float *x, int rows, int columns, Divisor few) {
    __shared__ float lines[MANY * (MOST_FEW + 1)];
    unsigned many = max(rows, columns), parts = (many + MANY - 1) / MANY, begin = blockIdx.x % parts * MANY;
    unsigned n = min((unsigned)MANY, many - begin), step = few.number | 1;
    size_t matrix = (size_t)(blockIdx.x / parts) * rows * columns;
    bool are_rows = (unsigned)rows == many;
    for (unsigned i = threadIdx.x; i < few.number * n; i += THREADS)
        if (are_rows) lines[divided(i, few) * step + modulo(i, few)] = x[matrix + (size_t)begin * few.number + i];
    for (unsigned k = 0; k < few.number; ++k)
        if (!are_rows && threadIdx.x < n) lines[threadIdx.x * step + k] = x[matrix + (size_t)k * many + begin + threadIdx.x];
    __syncthreads();
    for (unsigned k = 0; k < few.number; ++k)
        if (are_rows && threadIdx.x < n) out[matrix + (size_t)k * many + begin + threadIdx.x] = lines[threadIdx.x * step + k];
    for (unsigned i = threadIdx.x; i < few.number * n; i += THREADS)
        if (!are_rows) out[matrix + (size_t)begin * few.number + i] = lines[divided(i, few) * step + modulo(i, few)];
}

// The same numbers, stored otherwise.
extern "C" __global__ void cast(float *out, const float *x, int n) {
    make_several(out, element(), n, [=](unsigned i) -> float { return x[i]; });
}

extern "C" __global__ void fill(float *out, int n, float number) {
    unsigned i = element();
    if (i < (unsigned)n) out[i] = number;
}

// A table has, for each of `n` outputs along an axis, where its taps begin (and, one more, where the last end), and
// behind that for each tap the input position and its weight.
template <class T> __device__ __forceinline__ int tap_begin(const T *table, int i) { return (int)table[i]; }
template <class T> __device__ __forceinline__ int tap_input(const T *table, int n, int tap) { return (int)table[n + 1 + 2 * tap]; }
template <class T> __device__ __forceinline__ float tap_weight(const T *table, int n, int tap) { return table[n + 2 + 2 * tap]; }

// Positions of a plane have `depth` numbers.
extern "C" __global__ void resample(float *out, const float *x, const float *rows, const float *columns, int n, int height,
                                    int width, int from_height, int from_width, int depth) {
    unsigned i = element();
    if (i >= (unsigned)n) return;
    int position = i / depth, ox = position % width, oy = position / width % height;
    const auto *plane = x + (size_t)(position / width / height) * from_height * from_width * depth + i % depth;
    float sum = 0.0f;
    for (int row = tap_begin(rows, oy); row < tap_begin(rows, oy + 1); ++row) {
        const auto *line = plane + (size_t)tap_input(rows, height, row) * from_width * depth;
        float inner = 0.0f;
        for (int column = tap_begin(columns, ox); column < tap_begin(columns, ox + 1); ++column)
            inner += tap_weight(columns, width, column) * line[(size_t)tap_input(columns, width, column) * depth];
        sum += tap_weight(rows, height, row) * inner;
    }
    out[i] = sum;
}

// Philox4x32-10, as src/tensor/random.rs: the same words on every device.
__device__ void philox(unsigned seed_low, unsigned seed_high, unsigned *c) {
    for (int round = 0; round < 10; ++round) {
        unsigned long long p0 = 0xD2511F53ull * c[0], p1 = 0xCD9E8D57ull * c[2];
        unsigned next[4] = {(unsigned)(p1 >> 32) ^ c[1] ^ seed_low, (unsigned)p1, (unsigned)(p0 >> 32) ^ c[3] ^ seed_high,
                            (unsigned)p0};
        for (int i = 0; i < 4; ++i) c[i] = next[i];
        seed_low += 0x9E3779B9u;
        seed_high += 0xBB67AE85u;
    }
}

// A thread four elements: 0 with probability `p`, else `kept`.
extern "C" __global__ void dropout_mask(float *out, const float *step, int n, int seed_low, int seed_high, int stream,
                                        float p, float kept, int first) {
    unsigned block = (unsigned)first / 4 + element();
    unsigned words[4] = {block, 0u, (unsigned)stream, (unsigned)*step};
    philox((unsigned)seed_low, (unsigned)seed_high, words);
    for (unsigned lane = 0; lane < 4; ++lane) {
        unsigned i = 4 * block + lane - (unsigned)first;
        float uniform = (float)(words[lane] >> 8) * (1.0f / 16777216.0f);
        if (i < (unsigned)n) out[i] = uniform < p ? 0.0f : kept;
    }
}
