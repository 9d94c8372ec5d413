// Sliding windows, as `geometry.rs` writes them: for each pair the rows come first.

struct Windows {
    int kernel[2], stride[2], before[2], after[2], dilation[2], size[2], out[2];
};

struct Convolution {
    Windows w;
    int batch, in_channels, out_channels, groups;
};

// The input position along one axis that tap `k` of window `o` reads; outside `0..size` in the padding.
__device__ __forceinline__ int source(const Windows &w, int axis, int o, int k) {
    return o * w.stride[axis] + k * w.dilation[axis] - w.before[axis];
}

// The window along one axis whose tap `k` reads input position `i`, or -1.
__device__ __forceinline__ int reader(const Windows &w, int axis, int i, int k) {
    int at = i + w.before[axis] - k * w.dilation[axis];
    if (at < 0 || at % w.stride[axis] != 0) return -1;
    int o = at / w.stride[axis];
    return o < w.out[axis] ? o : -1;
}

__device__ __forceinline__ bool inside(int i, int size) { return (unsigned)i < (unsigned)size; }
