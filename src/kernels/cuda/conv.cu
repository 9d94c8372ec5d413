// Convolutions and their gradients, with stride, padding, dilation and groups: as products of matrices that are not
// written down (`product.cu`), one product a group, and directly where a group has so few channels that a tile would be
// mostly empty. The direct ones are functions: a kernel that calls one is written for each geometry (`geometry.rs`), and
// the compiler knows it.

// Of a group: the channels that it reads and makes, and the taps of a window.
struct Group {
    int inputs, outputs, taps, positions, pixels;
};

__device__ __forceinline__ Group group_of(const Convolution &c) {
    Group g;
    g.inputs = c.in_channels / c.groups;
    g.outputs = c.out_channels / c.groups;
    g.taps = c.w.kernel[0] * c.w.kernel[1];
    g.positions = c.w.out[0] * c.w.out[1];
    g.pixels = c.w.size[0] * c.w.size[1];
    return g;
}

// The input that a tap of a window reads; `channel` counts over all groups, and stands last in memory or first.
template <bool LAST = false, class X>
__device__ __forceinline__ float pixel(const X *x, const Convolution &c, int image, int channel, int position, int tap) {
    int y = source(c.w, 0, position / c.w.out[1], tap / c.w.kernel[1]);
    int column = source(c.w, 1, position % c.w.out[1], tap % c.w.kernel[1]);
    if (!inside(y, c.w.size[0]) || !inside(column, c.w.size[1])) return 0.0f;
    int size = c.w.size[0] * c.w.size[1], at = y * c.w.size[1] + column;
    return LAST ? x[((size_t)image * size + at) * c.in_channels + channel]
                : x[((size_t)image * c.in_channels + channel) * size + at];
}

// The output gradient of the window whose tap reads a pixel, or 0.
template <class X>
__device__ __forceinline__ float reading(const X *grad, const Convolution &c, int image, int channel, int pixel, int tap) {
    int y = reader(c.w, 0, pixel / c.w.size[1], tap / c.w.kernel[1]);
    int column = reader(c.w, 1, pixel % c.w.size[1], tap % c.w.kernel[1]);
    if (y < 0 || column < 0) return 0.0f;
    return grad[((size_t)image * c.out_channels + channel) * c.w.out[0] * c.w.out[1] + y * c.w.out[1] + column];
}

// `(i, j)` of a matrix of `columns` columns.
template <class X> struct Rows {
    const X *numbers;
    int columns;
    bool along_k;
    __device__ float operator()(int i, int j) const { return numbers[(size_t)i * columns + j]; }
};
template <class X> Rows(const X *, int, bool) -> Rows<X>;

// Taps of all channels of a group x positions of all images.
template <class X> struct Taps {
    const X *x;
    Convolution c;
    Group g;
    int group;
    bool along_k;
    __device__ float operator()(int tap, int n) const {
        return pixel(x, c, n / g.positions, group * g.inputs + tap / g.taps, n % g.positions, tap % g.taps);
    }
};
template <class X> Taps(const X *, const Convolution &, const Group &, int, bool) -> Taps<X>;

// Positions of all images x taps of all channels of a group.
template <class X> struct Positions {
    Taps<X> taps;
    bool along_k;
    __device__ float operator()(int position, int tap) const { return taps(tap, position); }
};
template <class X> Positions(const Taps<X> &, bool) -> Positions<X>;

// Taps of all outputs of a group x pixels of all images.
template <class X> struct Readers {
    const X *grad;
    Convolution c;
    Group g;
    int group;
    bool along_k;
    __device__ float operator()(int tap, int n) const {
        return reading(grad, c, n / g.pixels, group * g.outputs + tap / g.taps, n % g.pixels, tap % g.taps);
    }
};
template <class X> Readers(const X *, const Convolution &, const Group &, int, bool) -> Readers<X>;

// Input channels of a group x taps of its outputs.
template <class X> struct WeightsOfInputs {
    const X *weight;
    Group g;
    int group;
    bool along_k;
    __device__ float operator()(int input, int tap) const {
        size_t output = group * g.outputs + tap / g.taps;
        return weight[(output * g.inputs + input) * g.taps + tap % g.taps];
    }
};
template <class X> WeightsOfInputs(const X *, const Group &, int, bool) -> WeightsOfInputs<X>;

// Output channels of a group x positions of all images.
template <class X> struct Grads {
    const X *grad;
    int channels, first, positions;
    bool along_k;
    __device__ float operator()(int output, int n) const {
        return grad[((size_t)(n / positions) * channels + first + output) * positions + n % positions];
    }
};
template <class X> Grads(const X *, int, int, int, bool) -> Grads<X>;

// Channels x places of all images, into `N x C x places`.
template <class Out, class Bias> struct ToImages {
    Out *out;
    const Bias *bias;
    int channels, first, places, relu;
    __device__ void operator()(int channel, int n, float sum) const {
        channel += first;
        out[((size_t)(n / places) * channels + channel) * places + n % places] = finished(sum, bias, channel, relu);
    }
};
template <class Out, class Bias> ToImages(Out *, const Bias *, int, int, int, int) -> ToImages<Out, Bias>;

extern "C" __global__ void conv2d(float *out, const float *x, const float *weight, const float *bias, int relu, int tiles,
                                  Convolution c) {
    Group g = group_of(c);
    int group = blockIdx.x / tiles, n = c.batch * g.positions, k = g.inputs * g.taps;
    Tile tile = tile_of(blockIdx.x % tiles, g.outputs, n, k, 1);
    Rows left = {weight + (size_t)group * g.outputs * k, k, true};
    Taps right = {x, c, g, group, false};
    ToImages store = {out, bias, c.out_channels, group * g.outputs, g.positions, relu};
    product(g.outputs, n, tile, left, right, store);
}

extern "C" __global__ void conv2d_grad_input(float *out, const float *weight, const float *grad, int tiles, Convolution c) {
    Group g = group_of(c);
    int group = blockIdx.x / tiles, n = c.batch * g.pixels, k = g.outputs * g.taps;
    Tile tile = tile_of(blockIdx.x % tiles, g.inputs, n, k, 1);
    WeightsOfInputs left = {weight, g, group, true};
    Readers right = {grad, c, g, group, false};
    ToImages store = {out, NO_BIAS, c.in_channels, group * g.inputs, g.pixels, 0};
    product(g.inputs, n, tile, left, right, store);
}

// Into one of `n_parts` parts, each as large as the weights.
extern "C" __global__ void conv2d_grad_weight(float *out, const float *x, const float *grad, int tiles, int n_parts,
                                              Convolution c) {
    Group g = group_of(c);
    int group = blockIdx.x / tiles, n = g.inputs * g.taps, k = c.batch * g.positions;
    Tile tile = tile_of(blockIdx.x % tiles, g.outputs, n, k, n_parts);
    Grads left = {grad, c.out_channels, group * g.outputs, g.positions, true};
    Positions right = {Taps{x, c, g, group, true}, true};
    ToMatrix store = {out + ((size_t)tile.part * c.out_channels + group * g.outputs) * n, NO_BIAS, n, 0};
    product(g.outputs, n, tile, left, right, store);
}

// Element `i` of images of `channels` channels and so many places.
struct Element {
    int image, channel, place;
};

template <bool LAST> __device__ __forceinline__ Element element_of(unsigned i, int channels, int places) {
    Element own;
    own.channel = LAST ? i % channels : i / places % channels;
    own.place = LAST ? i / channels % places : i % places;
    own.image = i / channels / places;
    return own;
}

// The places of a channel in an image, of which each next one is `LAST ? channels : 1` further.
template <bool LAST, class X>
__device__ __forceinline__ const X *channel_of(const X *x, int image, int channel, int channels, int places) {
    return x + (size_t)image * channels * places + (size_t)channel * (LAST ? 1 : places);
}

// A thread an output. The direct kernels with channels last are for groups of one input channel, whose weights lie alike
// in both orders.
template <bool LAST, class Out, class X, class Weight, class Bias>
__device__ __forceinline__ void conv2d_direct(Out *out, const X *x, const Weight *weight, const Bias *bias, int n,
                                              int relu, const Convolution &c) {
    unsigned i = element();
    if (i >= (unsigned)n) return;
    Group g = group_of(c);
    Element to = element_of<LAST>(i, c.out_channels, g.positions);
    int oy = to.place / c.w.out[1], ox = to.place % c.w.out[1], step = LAST ? c.in_channels : 1;
    const auto *own = weight + (size_t)to.channel * g.inputs * g.taps;
    const auto *plane = channel_of<LAST>(x, to.image, to.channel / g.outputs * g.inputs, c.in_channels, g.pixels);
    float sum = 0.0f;
    for (int input = 0; input < g.inputs; ++input, own += g.taps, plane += g.pixels)
        for (int ky = 0; ky < c.w.kernel[0]; ++ky) {
            int y = source(c.w, 0, oy, ky);
            if (!inside(y, c.w.size[0])) continue;
            for (int kx = 0; kx < c.w.kernel[1]; ++kx) {
                int column = source(c.w, 1, ox, kx);
                if (inside(column, c.w.size[1]))
                    sum += own[ky * c.w.kernel[1] + kx] * plane[(y * c.w.size[1] + column) * step];
            }
        }
    out[i] = finished(sum, bias, to.channel, relu);
}

// A thread an input.
template <bool LAST, class Out, class Weight, class Grad>
__device__ __forceinline__ void conv2d_grad_input_direct(Out *out, const Weight *weight, const Grad *grad, int n,
                                                         const Convolution &c) {
    unsigned i = element();
    if (i >= (unsigned)n) return;
    Group g = group_of(c);
    Element to = element_of<LAST>(i, c.in_channels, g.pixels);
    int first = to.channel / g.inputs * g.outputs, iy = to.place / c.w.size[1], ix = to.place % c.w.size[1];
    int step = LAST ? c.out_channels : 1, next = LAST ? 1 : g.positions;
    const auto *taps = weight + ((size_t)first * g.inputs + to.channel % g.inputs) * g.taps;
    const auto *plane = channel_of<LAST>(grad, to.image, first, c.out_channels, g.positions);
    float sum = 0.0f;
    for (int output = 0; output < g.outputs; ++output, taps += g.inputs * g.taps, plane += next)
        for (int ky = 0; ky < c.w.kernel[0]; ++ky) {
            int y = reader(c.w, 0, iy, ky);
            if (y < 0) continue;
            for (int kx = 0; kx < c.w.kernel[1]; ++kx) {
                int column = reader(c.w, 1, ix, kx);
                if (column >= 0) sum += taps[ky * c.w.kernel[1] + kx] * plane[(y * c.w.out[1] + column) * step];
            }
        }
    out[i] = sum;
}

// A block takes `TAPS` taps of an input channel of each of `LANES` neighbouring outputs, a power of two, and one of
// `n_parts` parts of the windows, each of which is read once for all the taps; `out` has a part after another, each as
// large as the weights. Several lanes are for channels that lie last.
template <int TAPS, int LANES, class Out, class X, class Grad>
__device__ __forceinline__ void conv2d_grad_weight_direct(Out *out, const X *x, const Grad *grad, int count, int n_parts,
                                                          const Convolution &c) {
    const bool LAST = LANES > 1;
    Group g = group_of(c);
    int chunks = (g.taps + TAPS - 1) / TAPS, rows = (c.out_channels + LANES - 1) / LANES;
    int first = blockIdx.x % chunks * TAPS, weight = blockIdx.x / chunks;
    int input = weight % g.inputs, part = weight / g.inputs / rows;
    int output = weight / g.inputs % rows * LANES + threadIdx.x % LANES, channel = output / g.outputs * g.inputs + input;
    bool there = output < c.out_channels;
    unsigned length = ((unsigned)count + n_parts - 1) / n_parts;
    unsigned begin = min(part * length, (unsigned)count), end = there ? min(begin + length, (unsigned)count) : begin;
    int step = LAST ? c.out_channels : 1;
    float sums[TAPS];
    for (int tap = 0; tap < TAPS; ++tap) sums[tap] = 0.0f;
#pragma unroll 2
    for (unsigned n = begin + threadIdx.x / LANES; n < end; n += blockDim.x / LANES) {
        int image = n / g.positions, position = n % g.positions;
        float own = channel_of<LAST>(grad, image, output, c.out_channels, g.positions)[position * step];
        for (int tap = 0; tap < TAPS; ++tap)
            if (first + tap < g.taps) sums[tap] += own * pixel<LAST>(x, c, image, channel, position, first + tap);
    }
    auto *to = out + (((size_t)part * c.out_channels + output) * g.inputs + input) * g.taps + first;
    for (int tap = 0; tap < TAPS; ++tap) {
        float sum = block_sum(sums[tap], LANES);
        if (threadIdx.x < LANES && there && first + tap < g.taps) to[tap] = sum;
    }
}

// Channels last, few input channels, one group: a thread has `WIDTH` neighbouring filters, which `FILTERS` is a multiple
// of, at `PLACES` places, and `FILTERS / WIDTH` threads are neighbours. Weights are `FILTERS x TAPS x INPUTS`.
const int PLACES = 4;

template <int WIDTH, int FILTERS, int TAPS, int INPUTS, class Out, class X, class Weight, class Bias>
__device__ __forceinline__ void conv2d_few_inputs(Out *out, const X *x, const Weight *weight, const Bias *bias, int n,
                                                  int relu, const Convolution &c) {
    const int TERMS = TAPS * INPUTS, LANES = FILTERS / WIDTH, AT_ONCE = THREADS / LANES;
    __shared__ Vector<WIDTH, float> weights[TERMS * LANES];
    for (int i = threadIdx.x; i < TERMS * FILTERS; i += THREADS) ((float *)weights)[i % TERMS * FILTERS + i / TERMS] = weight[i];
    __syncthreads();
    int filter = threadIdx.x % LANES * WIDTH, first = blockIdx.x * (PLACES * AT_ONCE) + threadIdx.x / LANES;
    if (threadIdx.x / LANES >= AT_ONCE) return;
    int positions = c.w.out[0] * c.w.out[1], pixels = c.w.size[0] * c.w.size[1];
    float sums[PLACES][WIDTH];
    for (int p = 0; p < PLACES; ++p)
        for (int k = 0; k < WIDTH; ++k) sums[p][k] = 0.0f;
#pragma unroll
    for (int tap = 0; tap < TAPS; ++tap) {
        int ky = tap / c.w.kernel[1], kx = tap % c.w.kernel[1];
        const X *from[PLACES];
#pragma unroll
        for (int p = 0; p < PLACES; ++p) {
            int own = first + p * AT_ONCE, position = own % positions;
            int y = source(c.w, 0, position / c.w.out[1], ky), column = source(c.w, 1, position % c.w.out[1], kx);
            bool there = own < n && inside(y, c.w.size[0]) && inside(column, c.w.size[1]);
            from[p] = there ? x + ((size_t)(own / positions) * pixels + y * c.w.size[1] + column) * INPUTS : 0;
        }
#pragma unroll
        for (int input = 0; input < INPUTS; ++input) {
            Vector<WIDTH, float> own = weights[(tap * INPUTS + input) * LANES + filter / WIDTH];
#pragma unroll
            for (int p = 0; p < PLACES; ++p) {
                float number = from[p] ? (float)from[p][input] : 0.0f;
                for (int k = 0; k < WIDTH; ++k) sums[p][k] += number * own.at[k];
            }
        }
    }
#pragma unroll
    for (int p = 0; p < PLACES; ++p) {
        int own = first + p * AT_ONCE;
        if (own >= n) continue;
        for (int k = 0; k < WIDTH; ++k) sums[p][k] = finished(sums[p][k], bias, filter + k, relu);
        set_vector<WIDTH>(out, (size_t)own * FILTERS + filter, sums[p]);
    }
}

// Channels last, groups of one channel: a thread has four neighbouring channels at `PLACES` places, a block `LANES` times as
// many. `BACK` gathers for each pixel from the windows that read it, else for each window what it reads.
template <int LANES, int TAPS, bool BACK, class Out, class X, class Weight, class Bias>
__device__ __forceinline__ void conv2d_of_fours(Out *out, const X *x, const Weight *weight, const Bias *bias, int n,
                                                int relu, const Convolution &c) {
    const int WIDTH = 4, AT_ONCE = THREADS / LANES, CHANNELS = LANES * WIDTH;
    __shared__ Vector<WIDTH, float> weights[TAPS * LANES];
    int channels = c.in_channels, groups = (channels + CHANNELS - 1) / CHANNELS;
    int begin = blockIdx.x % groups * CHANNELS;
    for (int i = threadIdx.x; i < TAPS * CHANNELS; i += THREADS)
        ((float *)weights)[i % TAPS * CHANNELS + i / TAPS] =
            begin + i / TAPS < channels ? (float)weight[begin * TAPS + i] : 0.0f;
    __syncthreads();
    int lane = threadIdx.x % LANES * WIDTH, channel = begin + lane;
    int first = blockIdx.x / groups * (PLACES * AT_ONCE) + threadIdx.x / LANES;
    if (channel >= channels) return;
    const int *to = BACK ? c.w.size : c.w.out, *from = BACK ? c.w.out : c.w.size;
    float sums[PLACES][WIDTH];
    for (int p = 0; p < PLACES; ++p)
        for (int k = 0; k < WIDTH; ++k) sums[p][k] = 0.0f;
#pragma unroll
    for (int tap = 0; tap < TAPS; ++tap) {
        int ky = tap / c.w.kernel[1], kx = tap % c.w.kernel[1];
        Vector<WIDTH, float> own = weights[tap * LANES + lane / WIDTH];
#pragma unroll
        for (int p = 0; p < PLACES; ++p) {
            int i = first + p * AT_ONCE, oy = i / to[1] % to[0], ox = i % to[1];
            int y = BACK ? reader(c.w, 0, oy, ky) : source(c.w, 0, oy, ky);
            int column = BACK ? reader(c.w, 1, ox, kx) : source(c.w, 1, ox, kx);
            if (i >= n || !inside(y, from[0]) || !inside(column, from[1])) continue;
            size_t image = i / (to[0] * to[1]);
            auto numbers = vector<WIDTH>(x, ((image * from[0] + y) * from[1] + column) * channels + channel);
            for (int k = 0; k < WIDTH; ++k) sums[p][k] += numbers.at[k] * own.at[k];
        }
    }
#pragma unroll
    for (int p = 0; p < PLACES; ++p) {
        int i = first + p * AT_ONCE;
        if (i >= n) continue;
        for (int k = 0; k < WIDTH; ++k) sums[p][k] = finished(sums[p][k], bias, channel + k, relu);
        set_vector<WIDTH>(out, (size_t)i * channels + channel, sums[p]);
    }
}

// The gradient of the weights of both: a thread has `WIDTH` neighbouring filters and `LINES` rows of the kernel, a block
// `LANES` times as many filters, and one of `n_parts` parts of the windows; `out` has a part after another, each as large
// as the weights. A filter reads `INPUTS` channels; with `OWN` only that of its own number.
template <int WIDTH, int LANES, int LINES, int COLUMNS, int INPUTS, bool OWN, class Out, class X, class Grad>
__device__ __forceinline__ void conv2d_grad_weight_by_filters(Out *out, const X *x, const Grad *grad, int count,
                                                              int n_parts, const Convolution &c) {
    const int SUMS = LINES * COLUMNS * INPUTS * WIDTH, AT_ONCE = 8;
    int filters = c.out_channels, channels = c.in_channels, chunks = (c.w.kernel[0] + LINES - 1) / LINES;
    int groups = (filters + LANES * WIDTH - 1) / (LANES * WIDTH);
    int line = blockIdx.x % chunks * LINES, part = blockIdx.x / chunks / groups;
    int filter = (blockIdx.x / chunks % groups * LANES + threadIdx.x % LANES) * WIDTH;
    bool there = filter < filters;
    unsigned length = ((unsigned)count + n_parts - 1) / n_parts;
    unsigned begin = min(part * length, (unsigned)count), end = there ? min(begin + length, (unsigned)count) : begin;
    float sums[(SUMS + AT_ONCE - 1) / AT_ONCE * AT_ONCE];
    for (int k = 0; k < (SUMS + AT_ONCE - 1) / AT_ONCE * AT_ONCE; ++k) sums[k] = 0.0f;
#pragma unroll 2
    for (unsigned n = begin + threadIdx.x / LANES; n < end; n += THREADS / LANES) {
        int ox = n % c.w.out[1], oy = n / c.w.out[1] % c.w.out[0];
        size_t image = n / (c.w.out[0] * c.w.out[1]);
        auto grads = vector<WIDTH>(grad, (size_t)n * filters + filter);
#pragma unroll
        for (int row = 0; row < LINES; ++row) {
            int y = source(c.w, 0, oy, line + row);
            if (line + row >= c.w.kernel[0] || !inside(y, c.w.size[0])) continue;
#pragma unroll
            for (int kx = 0; kx < COLUMNS; ++kx) {
                int column = source(c.w, 1, ox, kx);
                if (!inside(column, c.w.size[1])) continue;
                const X *from = x + ((image * c.w.size[0] + y) * c.w.size[1] + column) * channels;
                float *to = sums + (row * COLUMNS + kx) * INPUTS * WIDTH;
                if (OWN) {
                    auto numbers = vector<WIDTH>(from, filter);
                    for (int k = 0; k < WIDTH; ++k) to[k] += grads.at[k] * numbers.at[k];
                } else {
#pragma unroll
                    for (int input = 0; input < INPUTS; ++input) {
                        float number = from[input];
                        for (int k = 0; k < WIDTH; ++k) to[input * WIDTH + k] += grads.at[k] * number;
                    }
                }
            }
        }
    }
#pragma unroll
    for (int k = 0; k < SUMS; k += AT_ONCE) block_sums<AT_ONCE>(sums + k, LANES);
    if (threadIdx.x >= LANES || !there) return;
    int taps = c.w.kernel[0] * COLUMNS;
#pragma unroll
    for (int i = 0; i < SUMS; ++i) {
        int tap = i / WIDTH / INPUTS, own = filter + i % WIDTH;
        if (line + tap / COLUMNS < c.w.kernel[0])
            out[(((size_t)part * filters + own) * taps + line * COLUMNS + tap) * INPUTS + i / WIDTH % INPUTS] = sums[i];
    }
}
