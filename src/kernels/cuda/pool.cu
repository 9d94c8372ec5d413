// Pools over planes whose positions have `DEPTH` numbers: all channels, or one where each channel has planes of its own.
// A gradient is gathered by the input positions, so that windows may overlap and nothing is added by two threads.
//
// These are functions: a kernel that calls one is written for each size of windows (`geometry.rs`), and the compiler
// knows that size.

// Element `i` of planes of `height x width`: its plane's number, and where it is there.
struct Position {
    unsigned plane;
    int y, x, channel;
};

template <int DEPTH> __device__ __forceinline__ Position position_of(unsigned i, const int *extents) {
    Position own;
    own.channel = i % DEPTH, i /= DEPTH;
    own.x = i % extents[1], i /= extents[1];
    own.y = i % extents[0];
    own.plane = i / extents[0];
    return own;
}

// The numbers of an element's channel in its plane, of which each next one is `DEPTH` further.
template <int DEPTH, class X>
__device__ __forceinline__ const X *plane_of(const X *x, const Position &own, const int *extents) {
    return x + (size_t)own.plane * extents[0] * extents[1] * DEPTH + own.channel;
}

// Whether `x` is larger than the largest so far; a NaN is larger than every number.
__device__ __forceinline__ bool larger(float x, float most) { return x > most || (x != x && most == most); }

template <int DEPTH, class Out, class X>
__device__ __forceinline__ void max_pool2d(Out *out, const X *x, int n, const Windows &w) {
    unsigned i = element();
    if (i >= (unsigned)n) return;
    Position own = position_of<DEPTH>(i, w.out);
    const auto *plane = plane_of<DEPTH>(x, own, w.size);
    float most = -INF;
    for (int ky = 0; ky < w.kernel[0]; ++ky) {
        int y = source(w, 0, own.y, ky);
        if (!inside(y, w.size[0])) continue;
        for (int kx = 0; kx < w.kernel[1]; ++kx) {
            int column = source(w, 1, own.x, kx);
            if (!inside(column, w.size[1])) continue;
            float number = plane[(y * w.size[1] + column) * DEPTH];
            if (larger(number, most)) most = number;
        }
    }
    out[i] = most;
}

// The position in its plane of the first largest number of a window; -1 where there is none.
template <int DEPTH, class X>
__device__ __forceinline__ int first_largest(const X *plane, const Windows &w, int oy, int ox) {
    int best = -1;
    float most = -INF;
    for (int ky = 0; ky < w.kernel[0]; ++ky) {
        int y = source(w, 0, oy, ky);
        if (!inside(y, w.size[0])) continue;
        for (int kx = 0; kx < w.kernel[1]; ++kx) {
            int column = source(w, 1, ox, kx);
            if (!inside(column, w.size[1])) continue;
            int at = y * w.size[1] + column;
            float number = plane[at * DEPTH];
            if (best < 0 || larger(number, most)) {
                most = number;
                best = at;
            }
        }
    }
    return best;
}

template <int DEPTH, class Out, class X, class Grad>
__device__ __forceinline__ void max_pool2d_grad(Out *out, const X *x, const Grad *grad, int n, int relu,
                                                const Windows &w) {
    unsigned i = element();
    if (i >= (unsigned)n) return;
    Position own = position_of<DEPTH>(i, w.size);
    const auto *numbers = plane_of<DEPTH>(x, own, w.size);
    const auto *grads = plane_of<DEPTH>(grad, own, w.out);
    int at = own.y * w.size[1] + own.x;
    float sum = 0.0f;
    for (int ky = 0; ky < w.kernel[0]; ++ky) {
        int oy = reader(w, 0, own.y, ky);
        if (oy < 0) continue;
        for (int kx = 0; kx < w.kernel[1]; ++kx) {
            int ox = reader(w, 1, own.x, kx);
            if (ox < 0 || first_largest<DEPTH>(numbers, w, oy, ox) != at) continue;
            sum += grads[(oy * w.out[1] + ox) * DEPTH];
        }
    }
    out[i] = relu && !(numbers[at * DEPTH] > 0.0f) ? 0.0f : sum;
}

// The same where windows lie side by side without gaps or padding and channels lie last: a thread has a window, or what is
// left of the plane beside them, of `WIDTH` neighbouring channels; `n` counts those.
template <int DEPTH, int WIDTH, class Out, class X, class Grad>
__device__ __forceinline__ void max_pool2d_grad_apart(Out *out, const X *x, const Grad *grad, int n, int relu,
                                                      const Windows &w) {
    unsigned i = element();
    if (i >= (unsigned)n) return;
    int cells[2] = {(w.size[0] + w.kernel[0] - 1) / w.kernel[0], (w.size[1] + w.kernel[1] - 1) / w.kernel[1]};
    Position own = position_of<DEPTH / WIDTH>(i, cells);
    int channel = own.channel * WIDTH, top = own.y * w.kernel[0], left = own.x * w.kernel[1];
    bool there = own.y < w.out[0] && own.x < w.out[1];
    size_t plane = (size_t)own.plane * w.size[0] * w.size[1];
    float most[WIDTH], passed[WIDTH];
    int best[WIDTH];
    for (int k = 0; k < WIDTH; ++k) most[k] = -INF, passed[k] = 0.0f, best[k] = -1;
    if (there) {
        auto grads = vector<WIDTH>(grad, (((size_t)own.plane * w.out[0] + own.y) * w.out[1] + own.x) * DEPTH + channel);
        for (int k = 0; k < WIDTH; ++k) passed[k] = grads.at[k];
        for (int tap = 0; tap < w.kernel[0] * w.kernel[1]; ++tap) {
            int y = top + tap / w.kernel[1], column = left + tap % w.kernel[1];
            if (y >= w.size[0] || column >= w.size[1]) continue;
            auto numbers = vector<WIDTH>(x, (plane + y * w.size[1] + column) * DEPTH + channel);
            for (int k = 0; k < WIDTH; ++k)
                if (best[k] < 0 || larger(numbers.at[k], most[k])) most[k] = numbers.at[k], best[k] = tap;
        }
        // The one through which something passes is the largest, of which relu sees the sign.
        for (int k = 0; k < WIDTH; ++k)
            if (relu && !(most[k] > 0.0f)) passed[k] = 0.0f;
    }
    for (int tap = 0; tap < w.kernel[0] * w.kernel[1]; ++tap) {
        int y = top + tap / w.kernel[1], column = left + tap % w.kernel[1];
        if (y >= w.size[0] || column >= w.size[1]) continue;
        float made[WIDTH];
        for (int k = 0; k < WIDTH; ++k) made[k] = best[k] == tap ? passed[k] : 0.0f;
        set_vector<WIDTH>(out, (plane + y * w.size[1] + column) * DEPTH + channel, made);
    }
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

template <int DEPTH, class Out, class X>
__device__ __forceinline__ void avg_pool2d(Out *out, const X *x, int n, int padded, const Windows &w) {
    unsigned i = element();
    if (i >= (unsigned)n) return;
    Position own = position_of<DEPTH>(i, w.out);
    const auto *plane = plane_of<DEPTH>(x, own, w.size);
    float sum = 0.0f;
    for (int ky = 0; ky < w.kernel[0]; ++ky) {
        int y = source(w, 0, own.y, ky);
        if (!inside(y, w.size[0])) continue;
        for (int kx = 0; kx < w.kernel[1]; ++kx) {
            int column = source(w, 1, own.x, kx);
            if (inside(column, w.size[1])) sum += plane[(y * w.size[1] + column) * DEPTH];
        }
    }
    out[i] = sum * share(w, own.y, own.x, padded);
}

template <int DEPTH, class Out, class Grad>
__device__ __forceinline__ void avg_pool2d_grad(Out *out, const Grad *grad, int n, int padded, const Windows &w) {
    unsigned i = element();
    if (i >= (unsigned)n) return;
    Position own = position_of<DEPTH>(i, w.size);
    const auto *grads = plane_of<DEPTH>(grad, own, w.out);
    float sum = 0.0f;
    for (int ky = 0; ky < w.kernel[0]; ++ky) {
        int oy = reader(w, 0, own.y, ky);
        if (oy < 0) continue;
        for (int kx = 0; kx < w.kernel[1]; ++kx) {
            int ox = reader(w, 1, own.x, kx);
            if (ox >= 0) sum += grads[(oy * w.out[1] + ox) * DEPTH] * share(w, oy, ox, padded);
        }
    }
    out[i] = sum;
}
