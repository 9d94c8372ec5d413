// What the kernels share: the element of a thread, walks over axes, sums over a block.
//
// Every kernel is plain CUDA C++ for NVRTC, without a header, without warp intrinsics and atomics: sums run in one
// fixed order, so that a step gives the same bits each time. Counts and positions are below 2^31; what is computed of
// blocks and threads is unsigned.
//
// What is declared `float *` may be made `bf16 *` (`module.rs`), each parameter by itself: numbers are loaded, rounded
// and stored as either, and computed with as floats.

const unsigned THREADS = 256;
const int MAX_AXES = 8;

#define INF __int_as_float(0x7f800000)

// The upper half of a float. Becomes one where it is read, and is rounded to nearest, ties to even, where it is written.
struct bf16 {
    unsigned short bits;
    __device__ __forceinline__ operator float() const { return __int_as_float((unsigned)bits << 16); }
    __device__ __forceinline__ bf16 &operator=(float x) {
        unsigned own = __float_as_uint(x);
        bits = x != x ? 0x7fff : (own + 0x7fff + (own >> 16 & 1)) >> 16;
        return *this;
    }
};

// A structure that is a kernel's parameter: one that is walked through by a variable index is read where it lies.
#if __CUDA_ARCH__ >= 700
#define GIVEN const __grid_constant__
#else
#define GIVEN const
#endif

// A number to divide by, without a division (`walk.rs`); `n` is below 2^31.
struct Divisor {
    unsigned number, factor, shift;
};

__device__ __forceinline__ unsigned divided(unsigned n, const Divisor &by) {
    return ((unsigned)((unsigned long long)n * by.factor >> 32) + n) >> by.shift;
}

__device__ __forceinline__ unsigned modulo(unsigned n, const Divisor &by) { return n - divided(n, by) * by.number; }

// Axes from the outside in, and the steps of one operand along them.
struct Walk {
    int n;
    Divisor extent[MAX_AXES];
    int step[MAX_AXES];
};

// Where element `i` of a walk lies.
__device__ __forceinline__ int place(const Walk &walk, int i) {
    int at = 0;
    for (int axis = walk.n - 1; axis > 0; --axis) {
        int outer = divided(i, walk.extent[axis]);
        at += (i - outer * (int)walk.extent[axis].number) * walk.step[axis];
        i = outer;
    }
    return walk.n > 0 ? at + i * walk.step[0] : 0;
}

__device__ __forceinline__ unsigned element() { return blockIdx.x * blockDim.x + threadIdx.x; }

// Elements of a thread that has several, so that enough of memory is on its way; they lie `THREADS` apart.
const unsigned SEVERAL = 4;

// The first of them, of thread `element`.
__device__ __forceinline__ unsigned first_of(unsigned element) {
    return element / THREADS * (SEVERAL * THREADS) + element % THREADS;
}

// Stores `make(i)` for each of a thread's elements `i` below `n`; everything is loaded before anything is stored.
template <class Out, class Make>
__device__ __forceinline__ void make_several(Out *out, unsigned element, int n, const Make &make) {
    float made[SEVERAL];
    unsigned first = first_of(element);
#pragma unroll
    for (unsigned k = 0; k < SEVERAL; ++k) {
        unsigned i = first + k * THREADS;
        made[k] = i < (unsigned)n ? make(i) : 0.0f;
    }
#pragma unroll
    for (unsigned k = 0; k < SEVERAL; ++k) {
        unsigned i = first + k * THREADS;
        if (i < (unsigned)n) out[i] = made[k];
    }
}

// Neighbouring numbers that are loaded, and stored, at once; they lie at a multiple of their number.
template <int N, class T> struct alignas(N * sizeof(T)) Vector {
    T at[N];
};

template <int N, class T> __device__ __forceinline__ Vector<N, T> vector(const T *x, size_t at) {
    return *(const Vector<N, T> *)(x + at);
}

// In place of what is not there.
template <int N, class T> __device__ __forceinline__ Vector<N, T> vector_if(const T *x, size_t at) {
    return x ? vector<N>(x, at) : Vector<N, T>();
}

template <int N, class T> __device__ __forceinline__ void set_vector(T *out, size_t at, const float *numbers) {
    Vector<N, T> own;
#pragma unroll
    for (int k = 0; k < N; ++k) own.at[k] = numbers[k];
    *(Vector<N, T> *)(out + at) = own;
}

// What a block of a launch for several members works for: a row of the members' table, and the thread's element.
struct Member {
    const float *row;
    unsigned element;
};

// The last member whose first block is not behind this one.
__device__ __forceinline__ Member member(const float *table, int n_members, int length) {
    int low = 0, high = n_members;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if ((unsigned)__float_as_int(table[(size_t)middle * length]) <= blockIdx.x) low = middle;
        else high = middle;
    }
    Member own;
    own.row = table + (size_t)low * length;
    own.element = (blockIdx.x - (unsigned)__float_as_int(own.row[0])) * blockDim.x + threadIdx.x;
    return own;
}

// Argument `i` of a member.
__device__ __forceinline__ size_t argument(const Member &own, int i) {
    return (unsigned)__float_as_int(own.row[1 + 2 * i]) | (size_t)(unsigned)__float_as_int(own.row[2 + 2 * i]) << 32;
}

// The sum over the threads of a block that have one place among `lanes`, a power of two, for each of them; all must
// call it.
__device__ float block_sum(float x, unsigned lanes = 1) {
    __shared__ float parts[THREADS];
    unsigned thread = threadIdx.x;
    __syncthreads();  // The last sum has been read.
    parts[thread] = x;
    __syncthreads();
    for (unsigned half = THREADS / 2; half >= lanes; half /= 2) {
        if (thread < half) parts[thread] += parts[thread + half];
        __syncthreads();
    }
    return parts[thread % lanes];
}

// The same for `N` numbers of each thread at once.
template <int N> __device__ __forceinline__ void block_sums(float *x, unsigned lanes) {
    __shared__ float parts[N][THREADS];
    unsigned thread = threadIdx.x;
    __syncthreads();
#pragma unroll
    for (int k = 0; k < N; ++k) parts[k][thread] = x[k];
    __syncthreads();
    for (unsigned half = THREADS / 2; half >= lanes; half /= 2) {
        if (thread < half) {
#pragma unroll
            for (int k = 0; k < N; ++k) parts[k][thread] += parts[k][thread + half];
        }
        __syncthreads();
    }
#pragma unroll
    for (int k = 0; k < N; ++k) x[k] = parts[k][thread % lanes];
}

// The largest over the threads of a block; a NaN is not the largest.
__device__ float block_max(float x) {
    __shared__ float parts[THREADS];
    unsigned thread = threadIdx.x;
    __syncthreads();
    parts[thread] = x;
    __syncthreads();
    for (unsigned half = THREADS / 2; half > 0; half /= 2) {
        if (thread < half) parts[thread] = fmaxf(parts[thread], parts[thread + half]);
        __syncthreads();
    }
    return parts[0];
}

#define NO_BIAS (const float *)0

// What follows a product: a bias for each place on axis 1 (or none), a relu (or none).
template <class Bias> __device__ __forceinline__ float finished(float sum, const Bias *bias, int channel, int relu) {
    if (bias) sum += bias[channel];
    return relu && !(sum > 0.0f) ? 0.0f : sum;
}

// Finishes each number of a product; axis 1 has `channels` places of `inner` numbers.
extern "C" __global__ void finish(float *out, const float *x, const float *bias, int n, Divisor channels, Divisor inner,
                                  int relu) {
    make_several(out, element(), n, [=](unsigned i) {
        return finished(x[i], bias, modulo(divided(i, inner), channels), relu);
    });
}

// The sum of column `i` of `n_parts` rows of `n` numbers, for the threads of a block that have one place among `lanes`.
template <class X> __device__ __forceinline__ float sum_of_parts(const X *parts, unsigned i, int n, int n_parts, int lanes) {
    float sum = 0.0f;
#pragma unroll 8
    for (int part = threadIdx.x / lanes; part < n_parts; part += THREADS / lanes)
        if (i < (unsigned)n) sum += parts[(size_t)part * n + i];
    return block_sum(sum, lanes);
}

// Sums `n_parts` rows of `n` numbers and finishes. A block has `lanes` columns.
extern "C" __global__ void add_parts(float *out, const float *parts, const float *bias, int n, int n_parts, int lanes,
                                     Divisor channels, Divisor inner, int relu) {
    unsigned i = blockIdx.x * lanes + threadIdx.x % lanes;
    float sum = sum_of_parts(parts, i, n, n_parts, lanes);
    if (i < (unsigned)n && threadIdx.x < (unsigned)lanes)
        out[i] = finished(sum, bias, modulo(divided(i, inner), channels), relu);
}
