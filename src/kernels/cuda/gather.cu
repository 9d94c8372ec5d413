// The batch of a step, made of images that lie in the device's memory as bytes: in the epoch's order, changed at random
// with the words that the host would draw (src/data/transforms), and scaled by a table. And the log of numbers that a
// step leaves for the host to read later.

// Numbers of an image that one block makes.
const unsigned PART_OF_IMAGE = 1024;

// Changes of one image at the most, and the numbers that describe one: its kind and what `gather.rs` says of it.
const int MOST_DRAWS = 8, DRAW = 8;
const int CROP = 0, FLIP = 1;

// Random words of one stream, one after another: `Random` of src/tensor/random.rs.
struct Words {
    unsigned seed_low, seed_high, stream, epoch, next, block[4];
};

__device__ unsigned next_word(Words &words) {
    if (words.next % 4 == 0) {
        words.block[0] = words.next / 4;
        words.block[1] = 0;
        words.block[2] = words.stream;
        words.block[3] = words.epoch;
        philox(words.seed_low, words.seed_high, words.block);
    }
    return words.block[words.next++ % 4];
}

// Uniform in `0..n`, without bias.
__device__ unsigned next_below(Words &words, unsigned n) {
    for (;;) {
        unsigned long long product = (unsigned long long)next_word(words) * n;
        if ((unsigned)product >= (0u - n) % n) return (unsigned)(product >> 32);
    }
}

// The stream of an image: the hash of a name that ends in its number.
__device__ unsigned stream_of(unsigned hash, unsigned number) {
    unsigned power = 1;
    while (number / power >= 10) power *= 10;
    for (; power > 0; power /= 10) hash = (hash ^ ('0' + number / power % 10)) * 0x01000193u;
    return hash;
}

// Draws what is random of each change, in their order: two numbers a change.
__device__ void draw(Words &words, const float *draws, int n_draws, int *drawn) {
    for (int i = 0; i < n_draws; ++i) {
        const float *own = draws + i * DRAW;
        if (__float_as_int(own[0]) == CROP) {
            drawn[2 * i] = next_below(words, __float_as_int(own[1]));
            drawn[2 * i + 1] = next_below(words, __float_as_int(own[2]));
        } else {
            drawn[2 * i] = next_word(words) >> 8 < (unsigned)__float_as_int(own[1]);
        }
    }
}

// Where a change found what it put at `y`, `x`; false in the black around the image.
__device__ __forceinline__ bool found(const float *own, const int *drawn, int &y, int &x) {
    if (__float_as_int(own[0]) == FLIP) {
        if (drawn[0]) x = __float_as_int(own[2]) - 1 - x;
        return true;
    }
    y += drawn[0] - __float_as_int(own[3]);
    x += drawn[1] - __float_as_int(own[4]);
    return inside(y, __float_as_int(own[5])) && inside(x, __float_as_int(own[6]));
}

// Some blocks an image. `order` has the positions of images, of which `control` tells the first, and the epoch;
// `tables` what each byte becomes in each channel. `labels` may be missing.
extern "C" __global__ void gather(float *images, float *labels, const float *bytes, const float *classes,
                                  const float *order, const float *control, const float *tables, const float *draws,
                                  int size, int height, int width, int n_draws, int seed_low, int seed_high,
                                  int stream) {
    __shared__ int drawn[2 * MOST_DRAWS];
    unsigned parts = ((unsigned)size + PART_OF_IMAGE - 1) / PART_OF_IMAGE;
    unsigned image = blockIdx.x / parts, begin = blockIdx.x % parts * PART_OF_IMAGE;
    unsigned position = __float_as_int(order[__float_as_int(control[0]) + image]);
    if (threadIdx.x == 0) {
        Words words = {(unsigned)seed_low, (unsigned)seed_high, stream_of(stream, position),
                       (unsigned)__float_as_int(control[1]), 0, {0, 0, 0, 0}};
        draw(words, draws, n_draws, drawn);
        if (labels && begin == 0) labels[image] = classes[position];
    }
    __syncthreads();
    const unsigned char *from = (const unsigned char *)bytes + (size_t)position * size;
    unsigned end = min(begin + PART_OF_IMAGE, (unsigned)size);
    for (unsigned i = begin + threadIdx.x; i < end; i += blockDim.x) {
        int x = i % width, y = i / width % height, channel = i / width / height;
        bool there = true;
        for (int k = n_draws - 1; k >= 0 && there; --k) there = found(draws + k * DRAW, drawn + 2 * k, y, x);
        unsigned byte = there ? from[(channel * height + y) * width + x] : 0;
        images[(size_t)image * size + i] = tables[channel * 256 + byte];
    }
}

// Up to four values of a step, of `n` numbers each, one behind another to the place of the log that `slot` tells and `at`
// behind it; those that are not there are null.
extern "C" __global__ void note(float *log, const float *slot, int at, int n, const float *a, const float *b,
                                const float *c, const float *d) {
    unsigned i = element();
    if (i >= (unsigned)n) return;
    float *to = log + __float_as_int(*slot) + at + i;
    if (a) to[0] = a[i];
    if (b) to[n] = b[i];
    if (c) to[2 * (size_t)n] = c[i];
    if (d) to[3 * (size_t)n] = d[i];
}
