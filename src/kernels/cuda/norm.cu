// Statistics of channels (axis 1 of `N x C x inner`; with channels last `inner` is 1 and each position a row) and of rows, and what is normalised with them. Sums over a
// channel are made by several blocks, each of which leaves a part; the parts are added in their order.

// What a thread adds up of a channel: from number `begin` to `end` in steps. A block has one part of each of `lanes`
// neighbouring channels, a power of two: one, or several where those lie beside each other.
struct Part {
    int channel, part;
    bool there;
    unsigned begin, end, step;
};

__device__ __forceinline__ Part part_of(int channels, int count, int n_parts, int lanes) {
    Part own;
    unsigned groups = ((unsigned)channels + lanes - 1) / lanes;
    int channel = blockIdx.x % groups * lanes + threadIdx.x % lanes;
    own.there = channel < channels;
    own.channel = min(channel, channels - 1);
    own.part = blockIdx.x / groups;
    unsigned length = ((unsigned)count + n_parts - 1) / n_parts;
    own.begin = min(own.part * length, (unsigned)count);
    own.end = own.there ? min(own.begin + length, (unsigned)count) : own.begin;
    own.begin += threadIdx.x / lanes;
    own.step = blockDim.x / lanes;
    return own;
}

// Where the numbers of a part lie, one after another.
struct Steps {
    size_t at, images;
    unsigned inside, rest, inner, others;
    __device__ Steps(const Part &own, int channels, int inner)
        : at(((size_t)(own.begin / inner) * channels + own.channel) * inner + own.begin % inner),
          images((size_t)(own.step / inner) * channels * inner),
          inside(own.begin % inner),
          rest(own.step % inner),
          inner(inner),
          others((channels - 1) * inner) {}
    __device__ void next() {
        at += images + rest;
        inside += rest;
        if (inside < inner) return;
        inside -= inner;
        at += others;
    }
};

// Adds up what the threads of a block have for their channels, and leaves it as two numbers of the part.
template <class Parts>
__device__ __forceinline__ void leave(Parts *parts, const Part &own, int channels, int lanes, float a, float b) {
    a = block_sum(a, lanes);
    b = block_sum(b, lanes);
    if (threadIdx.x >= (unsigned)lanes || !own.there) return;
    parts[(own.part * 2) * channels + own.channel] = a;
    parts[(own.part * 2 + 1) * channels + own.channel] = b;
}

// Of each part the sums of the distances from the channel's first number, and of their squares.
extern "C" __global__ void moments_parts(float *parts, const float *x, int channels, int inner, int count, int n_parts,
                                         int lanes) {
    Part own = part_of(channels, count, n_parts, lanes);
    float first = x[(size_t)own.channel * inner], sum = 0.0f, squares = 0.0f;
    Steps steps(own, channels, inner);
#pragma unroll 4
    for (unsigned i = own.begin; i < own.end; i += own.step, steps.next()) {
        float distance = x[steps.at] - first;
        sum += distance;
        squares += distance * distance;
    }
    leave(parts, own, channels, lanes, sum, squares);
}

// The same where channels lie beside each other: a thread has four of them, and so has each of `lanes` neighbours.
const int QUAD = 4;

struct Four {
    Part own;
    int channel;
};

__device__ __forceinline__ Four four_of(int channels, int count, int n_parts, int lanes) {
    Four four;
    four.own = part_of(channels / QUAD, count, n_parts, lanes);
    four.channel = four.own.channel * QUAD;
    return four;
}

// Eight sums of a thread: of two kinds, for each of its channels.
template <class Parts>
__device__ __forceinline__ void leave_four(Parts *parts, const Four &four, int channels, int lanes, float *sums) {
    block_sums<2 * QUAD>(sums, lanes);
    if (threadIdx.x >= (unsigned)lanes || !four.own.there) return;
    for (int k = 0; k < QUAD; ++k) {
        parts[(four.own.part * 2) * channels + four.channel + k] = sums[k];
        parts[(four.own.part * 2 + 1) * channels + four.channel + k] = sums[QUAD + k];
    }
}

extern "C" __global__ void moments_parts_of_fours(float *parts, const float *x, int channels, int count, int n_parts,
                                                  int lanes) {
    Four four = four_of(channels, count, n_parts, lanes);
    float first[QUAD], sums[2 * QUAD];
    for (int k = 0; k < QUAD; ++k) first[k] = x[four.channel + k], sums[k] = sums[QUAD + k] = 0.0f;
#pragma unroll 4
    for (unsigned i = four.own.begin; i < four.own.end; i += four.own.step) {
        auto numbers = vector<QUAD>(x, (size_t)i * channels + four.channel);
        for (int k = 0; k < QUAD; ++k) {
            float distance = numbers.at[k] - first[k];
            sums[k] += distance;
            sums[QUAD + k] += distance * distance;
        }
    }
    leave_four(parts, four, channels, lanes, sums);
}

// From the parts' sums; a block has `lanes` channels.
extern "C" __global__ void moments(float *out, const float *parts, const float *x, int channels, int inner, int count,
                                   int n_parts, int lanes) {
    unsigned c = blockIdx.x * lanes + threadIdx.x % lanes;
    bool there = c < (unsigned)channels;
    unsigned beyond = 2 * channels;
    float sum = sum_of_parts(parts, there ? c : beyond, 2 * channels, n_parts, lanes);
    float squares = sum_of_parts(parts, there ? channels + c : beyond, 2 * channels, n_parts, lanes);
    if (!there || threadIdx.x >= (unsigned)lanes) return;
    float distance = sum / count;
    out[c] = x[(size_t)c * inner] + distance;
    out[channels + c] = fmaxf(squares / count - distance * distance, 0.0f);
}

// An activation behind the normalisation: 0 none, 1 relu, 2 relu6.
__device__ __forceinline__ float activated(float x, int activation) {
    return activation == 1 ? relu_value(x, 0.0f) : activation == 2 ? relu6_value(x, 0.0f) : x;
}

// What tells of an activation: its result, or the scale and shift in front of it, or nothing where there is none.
template <class Result, class Scale, class Shift> struct Told {
    const Result *result;
    const Scale *scale;
    const Shift *shift;
};
template <class A, class B, class C> Told(const A *, const B *, const C *) -> Told<A, B, C>;

// The activation's result, by scale and shift, for a number of channel `c` before them.
template <class T> __device__ __forceinline__ float shown(const T &told, int c, float normalized, int activation) {
    return activation == 0 ? 0.0f : activated(normalized * told.scale[c] + told.shift[c], activation);
}

// The gradient that an activation with this result lets through.
__device__ __forceinline__ float passed_by(float grad, float y, int activation) {
    return activation == 1 ? grad * relu_derivative(y, 0.0f) : activation == 2 ? grad * relu6_derivative(y, 0.0f) : grad;
}

// The same at place `at` of channel `c` with this normalised number.
template <class T>
__device__ __forceinline__ float let_through(float grad, const T &told, size_t at, int c, float normalized, int activation) {
    float y = told.result ? (float)told.result[at] : shown(told, c, normalized, activation);
    return passed_by(grad, y, activation);
}

extern "C" __global__ void batch_norm(float *out, const float *x, const float *moments, const float *scale,
                                      const float *shift, const float *residual, int n, Divisor channels, Divisor inner,
                                      float epsilon, int activation) {
    make_several(out, element(), n, [=](unsigned i) {
        int c = modulo(divided(i, inner), channels);
        float inverse = rsqrtf(moments[channels.number + c] + epsilon);
        float y = (x[i] - moments[c]) * inverse * scale[c] + shift[c];
        if (residual) y += residual[i];
        return activated(y, activation);
    });
}

// Rows of a thread that has four channels of each.
const unsigned ROWS = 8;

// Where a thread of `lanes` neighbours has its channels, and its rows, which lie `step` apart.
struct Block {
    int channel;
    bool there;
    unsigned row, step;
};

__device__ __forceinline__ Block block_of(int channels, int lanes) {
    Block own;
    unsigned quads = channels / QUAD, groups = (quads + lanes - 1) / lanes;
    unsigned four = blockIdx.x % groups * lanes + threadIdx.x % lanes;
    own.channel = four * QUAD;
    own.there = four < quads;
    own.step = THREADS / lanes;
    own.row = blockIdx.x / groups * (ROWS * own.step) + threadIdx.x / lanes;
    return own;
}

extern "C" __global__ void batch_norm_of_fours(float *out, const float *x, const float *moments, const float *scale,
                                               const float *shift, const float *residual, int channels, int count,
                                               int lanes, float epsilon, int activation) {
    Block own = block_of(channels, lanes);
    if (!own.there) return;
    float mean[QUAD], inverse[QUAD], factor[QUAD], offset[QUAD];
    for (int k = 0; k < QUAD; ++k) {
        int c = own.channel + k;
        mean[k] = moments[c], inverse[k] = rsqrtf(moments[channels + c] + epsilon);
        factor[k] = scale[c], offset[k] = shift[c];
    }
#pragma unroll 4
    for (unsigned k = 0; k < ROWS; ++k) {
        unsigned row = own.row + k * own.step;
        if (row >= (unsigned)count) continue;
        size_t at = (size_t)row * channels + own.channel;
        auto numbers = vector<QUAD>(x, at);
        auto others = vector_if<QUAD>(residual, at);
        float y[QUAD];
        for (int j = 0; j < QUAD; ++j) {
            y[j] = (numbers.at[j] - mean[j]) * inverse[j] * factor[j] + offset[j];
            if (residual) y[j] += others.at[j];
            y[j] = activated(y[j], activation);
        }
        set_vector<QUAD>(out, at, y);
    }
}

// Of each part the gradients of scale and shift.
extern "C" __global__ void batch_norm_grad_sums(float *parts, const float *x, const float *grad, const float *moments,
                                                const float *result, const float *told_scale, const float *told_shift,
                                                int channels, int inner, int count, int n_parts, int lanes,
                                                float epsilon, int activation) {
    Told told = {result, told_scale, told_shift};
    Part own = part_of(channels, count, n_parts, lanes);
    float mean = moments[own.channel], inverse = rsqrtf(moments[channels + own.channel] + epsilon);
    float to_scale = 0.0f, to_shift = 0.0f;
    Steps steps(own, channels, inner);
#pragma unroll 4
    for (unsigned i = own.begin; i < own.end; i += own.step, steps.next()) {
        float normalized = (x[steps.at] - mean) * inverse;
        float passed = let_through(grad[steps.at], told, steps.at, own.channel, normalized, activation);
        to_scale += passed * normalized;
        to_shift += passed;
    }
    leave(parts, own, channels, lanes, to_scale, to_shift);
}

extern "C" __global__ void batch_norm_grad_sums_of_fours(float *parts, const float *x, const float *grad,
                                                         const float *moments, const float *result,
                                                         const float *told_scale, const float *told_shift, int channels,
                                                         int count, int n_parts, int lanes, float epsilon,
                                                         int activation) {
    Told told = {result, told_scale, told_shift};
    Four four = four_of(channels, count, n_parts, lanes);
    float mean[QUAD], inverse[QUAD], sums[2 * QUAD];
    for (int k = 0; k < QUAD; ++k) {
        mean[k] = moments[four.channel + k];
        inverse[k] = rsqrtf(moments[channels + four.channel + k] + epsilon);
        sums[k] = sums[QUAD + k] = 0.0f;
    }
#pragma unroll 4
    for (unsigned i = four.own.begin; i < four.own.end; i += four.own.step) {
        size_t at = (size_t)i * channels + four.channel;
        auto numbers = vector<QUAD>(x, at);
        auto grads = vector<QUAD>(grad, at);
        auto results = vector_if<QUAD>(result, at);
        for (int k = 0; k < QUAD; ++k) {
            float normalized = (numbers.at[k] - mean[k]) * inverse[k];
            float y = result ? (float)results.at[k] : shown(told, four.channel + k, normalized, activation);
            float passed = passed_by(grads.at[k], y, activation);
            sums[k] += passed * normalized;
            sums[QUAD + k] += passed;
        }
    }
    leave_four(parts, four, channels, lanes, sums);
}

// `share` is one over the count of a channel's numbers; 0 where the moments are constants.
extern "C" __global__ void batch_norm_grad_input(float *out, const float *x, const float *grad, const float *moments,
                                                 const float *scale, const float *sums, const float *result,
                                                 const float *told_scale, const float *told_shift, int n,
                                                 Divisor channels, Divisor inner, float epsilon, float share,
                                                 int activation) {
    Told told = {result, told_scale, told_shift};
    make_several(out, element(), n, [=](unsigned i) {
        int c = modulo(divided(i, inner), channels);
        float inverse = rsqrtf(moments[channels.number + c] + epsilon);
        float normalized = (x[i] - moments[c]) * inverse;
        float passed = let_through(grad[i], told, i, c, normalized, activation);
        float through = share * (sums[channels.number + c] + normalized * sums[c]);
        return (passed - through) * (scale[c] * inverse);
    });
}

extern "C" __global__ void batch_norm_grad_input_of_fours(float *out, const float *x, const float *grad,
                                                          const float *moments, const float *scale, const float *sums,
                                                          const float *result, const float *told_scale,
                                                          const float *told_shift, int channels, int count, int lanes,
                                                          float epsilon, float share, int activation) {
    Told told = {result, told_scale, told_shift};
    Block own = block_of(channels, lanes);
    if (!own.there) return;
    float mean[QUAD], inverse[QUAD], factor[QUAD], by_scale[QUAD], by_shift[QUAD];
    for (int k = 0; k < QUAD; ++k) {
        int c = own.channel + k;
        mean[k] = moments[c], inverse[k] = rsqrtf(moments[channels + c] + epsilon);
        factor[k] = scale[c] * inverse[k];
        by_scale[k] = sums[c], by_shift[k] = sums[channels + c];
    }
#pragma unroll 4
    for (unsigned k = 0; k < ROWS; ++k) {
        unsigned row = own.row + k * own.step;
        if (row >= (unsigned)count) continue;
        size_t at = (size_t)row * channels + own.channel;
        auto numbers = vector<QUAD>(x, at);
        auto grads = vector<QUAD>(grad, at);
        auto results = vector_if<QUAD>(result, at);
        float made[QUAD];
        for (int j = 0; j < QUAD; ++j) {
            float normalized = (numbers.at[j] - mean[j]) * inverse[j];
            float y = result ? (float)results.at[j] : shown(told, own.channel + j, normalized, activation);
            float passed = passed_by(grads.at[j], y, activation);
            float through = share * (by_shift[j] + normalized * by_scale[j]);
            made[j] = (passed - through) * factor[j];
        }
        set_vector<QUAD>(out, at, made);
    }
}

// A block a row: mean 0 and variance 1.
extern "C" __global__ void standardize(float *out, const float *x, int length, float epsilon) {
    const auto *row = x + (size_t)blockIdx.x * length;
    float sum = 0.0f, squares = 0.0f;
    for (unsigned i = threadIdx.x; i < (unsigned)length; i += blockDim.x) sum += row[i];
    float mean = block_sum(sum) / length;
    for (unsigned i = threadIdx.x; i < (unsigned)length; i += blockDim.x) squares += (row[i] - mean) * (row[i] - mean);
    float inverse = rsqrtf(block_sum(squares) / length + epsilon);
    auto *to = out + (size_t)blockIdx.x * length;
    for (unsigned i = threadIdx.x; i < (unsigned)length; i += blockDim.x) to[i] = (row[i] - mean) * inverse;
}

extern "C" __global__ void standardize_grad(float *out, const float *x, const float *grad, int length, float epsilon) {
    const auto *row = x + (size_t)blockIdx.x * length;
    const auto *grads = grad + (size_t)blockIdx.x * length;
    float sum = 0.0f, squares = 0.0f, grad_sum = 0.0f, through = 0.0f;
    for (unsigned i = threadIdx.x; i < (unsigned)length; i += blockDim.x) sum += row[i];
    float mean = block_sum(sum) / length;
    for (unsigned i = threadIdx.x; i < (unsigned)length; i += blockDim.x) squares += (row[i] - mean) * (row[i] - mean);
    float inverse = rsqrtf(block_sum(squares) / length + epsilon);
    for (unsigned i = threadIdx.x; i < (unsigned)length; i += blockDim.x) {
        grad_sum += grads[i];
        through += grads[i] * ((row[i] - mean) * inverse);
    }
    grad_sum = block_sum(grad_sum) / length;
    through = block_sum(through) / length;
    auto *to = out + (size_t)blockIdx.x * length;
    for (unsigned i = threadIdx.x; i < (unsigned)length; i += blockDim.x) {
        float normalized = (row[i] - mean) * inverse;
        to[i] = (grads[i] - grad_sum - normalized * through) * inverse;
    }
}
