// Pools over planes of `N x C x H x W`. A gradient is gathered by the input positions, so that windows may overlap and
// nothing is added by two threads.
//
// These are functions: a kernel that calls one is written for each size of windows (`geometry.rs`), and the compiler
// knows that size.

// Whether `x` is larger than the largest so far; a NaN is larger than every number.
__device__ __forceinline__ bool larger(float x, float most) { return x > most || (x != x && most == most); }

template <class Out, class X>
__device__ __forceinline__ void max_pool2d(Out *out, const X *x, int n, const Windows &w) {
    unsigned i = element();
    if (i >= (unsigned)n) return;
    int ox = i % w.out[1], oy = i / w.out[1] % w.out[0];
    const auto *plane = x + (size_t)(i / w.out[1] / w.out[0]) * w.size[0] * w.size[1];
    float most = -INF;
    for (int ky = 0; ky < w.kernel[0]; ++ky) {
        int y = source(w, 0, oy, ky);
        if (!inside(y, w.size[0])) continue;
        for (int kx = 0; kx < w.kernel[1]; ++kx) {
            int column = source(w, 1, ox, kx);
            if (!inside(column, w.size[1])) continue;
            float number = plane[y * w.size[1] + column];
            if (larger(number, most)) most = number;
        }
    }
    out[i] = most;
}

// The position in its plane of the first largest number of a window; -1 where there is none.
template <class X> __device__ __forceinline__ int first_largest(const X *plane, const Windows &w, int oy, int ox) {
    int best = -1;
    float most = -INF;
    for (int ky = 0; ky < w.kernel[0]; ++ky) {
        int y = source(w, 0, oy, ky);
        if (!inside(y, w.size[0])) continue;
        for (int kx = 0; kx < w.kernel[1]; ++kx) {
            int column = source(w, 1, ox, kx);
            if (!inside(column, w.size[1])) continue;
            int at = y * w.size[1] + column;
            if (best < 0 || larger(plane[at], most)) {
                most = plane[at];
                best = at;
            }
        }
    }
    return best;
}

template <class Out, class X, class Grad>
__device__ __forceinline__ void max_pool2d_grad(Out *out, const X *x, const Grad *grad, int n, int relu,
                                                const Windows &w) {
    unsigned i = element();
    if (i >= (unsigned)n) return;
    int size = w.size[0] * w.size[1], own = i % size;
    int plane = i / size, ix = own % w.size[1], iy = own / w.size[1];
    const auto *numbers = x + (size_t)plane * size;
    const auto *grads = grad + (size_t)plane * w.out[0] * w.out[1];
    float sum = 0.0f;
    for (int ky = 0; ky < w.kernel[0]; ++ky) {
        int oy = reader(w, 0, iy, ky);
        if (oy < 0) continue;
        for (int kx = 0; kx < w.kernel[1]; ++kx) {
            int ox = reader(w, 1, ix, kx);
            if (ox >= 0 && first_largest(numbers, w, oy, ox) == own) sum += grads[oy * w.out[1] + ox];
        }
    }
    out[i] = relu && !(numbers[own] > 0.0f) ? 0.0f : sum;
}

// How many summands a window has along one axis; where the padding counts, zeros of it are summands.
__device__ __forceinline__ int summands(const Windows &w, int axis, int o, int padded) {
    int first = padded ? 0 : w.before[axis];
    int end = padded ? w.before[axis] + w.size[axis] + w.after[axis] : w.before[axis] + w.size[axis];
    int start = o * w.stride[axis];
    int stop = min(start + w.kernel[axis], end);
    return max(stop - max(start, first), 0);
}

__device__ __forceinline__ float share(const Windows &w, int oy, int ox, int padded) {
    return 1.0f / (float)max(summands(w, 0, oy, padded) * summands(w, 1, ox, padded), 1);
}

template <class Out, class X>
__device__ __forceinline__ void avg_pool2d(Out *out, const X *x, int n, int padded, const Windows &w) {
    unsigned i = element();
    if (i >= (unsigned)n) return;
    int ox = i % w.out[1], oy = i / w.out[1] % w.out[0];
    const auto *plane = x + (size_t)(i / w.out[1] / w.out[0]) * w.size[0] * w.size[1];
    float sum = 0.0f;
    for (int ky = 0; ky < w.kernel[0]; ++ky) {
        int y = source(w, 0, oy, ky);
        if (!inside(y, w.size[0])) continue;
        for (int kx = 0; kx < w.kernel[1]; ++kx) {
            int column = source(w, 1, ox, kx);
            if (inside(column, w.size[1])) sum += plane[y * w.size[1] + column];
        }
    }
    out[i] = sum * share(w, oy, ox, padded);
}

template <class Out, class Grad>
__device__ __forceinline__ void avg_pool2d_grad(Out *out, const Grad *grad, int n, int padded, const Windows &w) {
    unsigned i = element();
    if (i >= (unsigned)n) return;
    int size = w.size[0] * w.size[1], own = i % size;
    int ix = own % w.size[1], iy = own / w.size[1];
    const auto *grads = grad + (size_t)(i / size) * w.out[0] * w.out[1];
    float sum = 0.0f;
    for (int ky = 0; ky < w.kernel[0]; ++ky) {
        int oy = reader(w, 0, iy, ky);
        if (oy < 0) continue;
        for (int kx = 0; kx < w.kernel[1]; ++kx) {
            int ox = reader(w, 1, ix, kx);
            if (ox >= 0) sum += grads[oy * w.out[1] + ox] * share(w, oy, ox, padded);
        }
    }
    out[i] = sum;
}
