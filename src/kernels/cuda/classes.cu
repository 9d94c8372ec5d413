// Softmax and what is said of classes. A block takes a row: `classes` numbers, `inner` apart.

// The row of this block.
__device__ __forceinline__ size_t row_begin(int classes, int inner) {
    return (size_t)(blockIdx.x / inner) * classes * inner + blockIdx.x % inner;
}

template <class X> __device__ float row_max(const X *row, int classes, int inner) {
    float most = -INF;
    for (unsigned k = threadIdx.x; k < (unsigned)classes; k += blockDim.x) most = fmaxf(most, row[(size_t)k * inner]);
    return block_max(most);
}

// The sum of `e^(x - most)`; a NaN makes it one.
template <class X> __device__ float row_sum(const X *row, float most, int classes, int inner) {
    float sum = 0.0f;
    for (unsigned k = threadIdx.x; k < (unsigned)classes; k += blockDim.x) sum += expf(row[(size_t)k * inner] - most);
    return block_sum(sum);
}

extern "C" __global__ void softmax(float *out, const float *x, int classes, int inner) {
    size_t begin = row_begin(classes, inner);
    const auto *row = x + begin;
    float most = row_max(row, classes, inner), sum = row_sum(row, most, classes, inner);
    for (unsigned k = threadIdx.x; k < (unsigned)classes; k += blockDim.x) {
        size_t at = (size_t)k * inner;
        out[begin + at] = expf(row[at] - most) / sum;
    }
}

extern "C" __global__ void softmax_grad(float *out, const float *y, const float *grad, int classes, int inner) {
    size_t begin = row_begin(classes, inner);
    float sum = 0.0f;
    for (unsigned k = threadIdx.x; k < (unsigned)classes; k += blockDim.x) {
        size_t at = begin + (size_t)k * inner;
        sum += y[at] * grad[at];
    }
    sum = block_sum(sum);
    for (unsigned k = threadIdx.x; k < (unsigned)classes; k += blockDim.x) {
        size_t at = begin + (size_t)k * inner;
        out[at] = y[at] * (grad[at] - sum);
    }
}

extern "C" __global__ void log_softmax(float *out, const float *x, int classes, int inner) {
    size_t begin = row_begin(classes, inner);
    const auto *row = x + begin;
    float most = row_max(row, classes, inner), log_sum = logf(row_sum(row, most, classes, inner));
    for (unsigned k = threadIdx.x; k < (unsigned)classes; k += blockDim.x) {
        size_t at = (size_t)k * inner;
        out[begin + at] = row[at] - most - log_sum;
    }
}

// `smoothing / classes`, and `1 - smoothing` more at the label.
__device__ __forceinline__ float target(unsigned k, float label, float smoothing, int classes) {
    return smoothing / classes + ((float)k == label ? 1.0f - smoothing : 0.0f);
}

extern "C" __global__ void cross_entropy(float *out, const float *x, const float *labels, int classes, float smoothing) {
    const auto *row = x + (size_t)blockIdx.x * classes;
    float label = labels[blockIdx.x];
    float most = row_max(row, classes, 1), log_sum = logf(row_sum(row, most, classes, 1)), loss = 0.0f;
    for (unsigned k = threadIdx.x; k < (unsigned)classes; k += blockDim.x) {
        float share = target(k, label, smoothing, classes);
        if (share > 0.0f) loss += share * (log_sum - (row[k] - most));
    }
    loss = block_sum(loss);
    if (threadIdx.x == 0) out[blockIdx.x] = loss;
}

extern "C" __global__ void cross_entropy_grad(float *out, const float *x, const float *labels, const float *grads,
                                              int classes, float smoothing) {
    const auto *row = x + (size_t)blockIdx.x * classes;
    float label = labels[blockIdx.x], grad = grads[blockIdx.x];
    float most = row_max(row, classes, 1), sum = row_sum(row, most, classes, 1);
    for (unsigned k = threadIdx.x; k < (unsigned)classes; k += blockDim.x) {
        float share = target(k, label, smoothing, classes);
        out[(size_t)blockIdx.x * classes + k] = (expf(row[k] - most) / sum - share) * grad;
    }
}

// The position of the first largest number.
template <class X> __device__ float first_largest(const X *row, int classes) {
    int best = 0;
    for (int k = 1; k < classes; ++k) {
        if (row[k] > row[best]) best = k;
    }
    return (float)best;
}

// A thread a row: whether the first largest number is the label's.
extern "C" __global__ void top1_correct(float *out, const float *x, const float *labels, int n, int classes) {
    unsigned i = element();
    if (i >= (unsigned)n) return;
    out[i] = first_largest(x + (size_t)i * classes, classes) == labels[i] ? 1.0f : 0.0f;
}

// A thread a row: which number is the first largest.
extern "C" __global__ void argmax(float *out, const float *x, int n, int classes) {
    unsigned i = element();
    if (i < (unsigned)n) out[i] = first_largest(x + (size_t)i * classes, classes);
}

extern "C" __global__ void one_hot(float *out, const float *labels, int n, int classes, int plane) {
    unsigned i = element();
    if (i >= (unsigned)n) return;
    unsigned image = i / (classes * plane), class_ = i / plane % classes;
    out[i] = (float)class_ == labels[image * plane + i % plane] ? 1.0f : 0.0f;
}
