// A matrix product in tiles, for everything that is one: a block computes 64 x 64 numbers of `M x N` and walks along
// `K` in steps of 16, which it keeps in shared memory; a thread has 4 x 4 of them. Where few tiles meet a long `K`, the
// plan cuts it into parts, and `add_parts` adds them.
//
// `Left` and `Right` are functions that fetch a number: `left(m, k)`, `right(k, n)`. Their `along_k` says that
// neighbours in memory are neighbours along K, so that neighbouring threads fetch neighbouring numbers.

const int TILE = 64, DEPTH = 16, WIDE = 16, EACH = 4;

// What a tile is of: `parts` times the tiles of `m x n`.
struct Tile {
    int row, column, begin, end, part;
};

__device__ __forceinline__ Tile tile_of(unsigned block, int m, int n, int k, int n_parts) {
    unsigned rows = (m + TILE - 1) / TILE, columns = (n + TILE - 1) / TILE;
    Tile tile;
    tile.column = block % columns * TILE;
    tile.row = block / columns % rows * TILE;
    tile.part = block / columns / rows;
    // Parts are whole steps of `DEPTH`.
    unsigned steps = (k + DEPTH - 1) / DEPTH, own = (steps + n_parts - 1) / n_parts * DEPTH;
    tile.begin = min(tile.part * own, (unsigned)k);
    tile.end = min(tile.begin + own, (unsigned)k);
    return tile;
}

template <class Left, class Right, class Store>
__device__ void product(int m, int n, const Tile &tile, const Left &left, const Right &right, const Store &store) {
    __shared__ float a[DEPTH][TILE + 1], b[DEPTH][TILE + 1];
    int thread = threadIdx.x, column = thread % WIDE, row = thread / WIDE;
    float sums[EACH][EACH];
    for (int i = 0; i < EACH; ++i)
        for (int j = 0; j < EACH; ++j) sums[i][j] = 0.0f;
    for (int step = tile.begin; step < tile.end; step += DEPTH) {
        for (int i = 0; i < TILE * DEPTH / (int)THREADS; ++i) {
            int at = thread + i * (int)THREADS;
            int k = left.along_k ? at % DEPTH : at / TILE, place = left.along_k ? at / DEPTH : at % TILE;
            bool there = step + k < tile.end && tile.row + place < m;
            a[k][place] = there ? left(tile.row + place, step + k) : 0.0f;
            k = right.along_k ? at % DEPTH : at / TILE, place = right.along_k ? at / DEPTH : at % TILE;
            there = step + k < tile.end && tile.column + place < n;
            b[k][place] = there ? right(step + k, tile.column + place) : 0.0f;
        }
        __syncthreads();
        for (int k = 0; k < DEPTH; ++k) {
            float x[EACH], y[EACH];
            for (int i = 0; i < EACH; ++i) x[i] = a[k][row + i * WIDE];
            for (int j = 0; j < EACH; ++j) y[j] = b[k][column + j * WIDE];
            for (int i = 0; i < EACH; ++i)
                for (int j = 0; j < EACH; ++j) sums[i][j] += x[i] * y[j];
        }
        __syncthreads();
    }
    for (int i = 0; i < EACH; ++i)
        for (int j = 0; j < EACH; ++j) {
            int to_row = tile.row + row + i * WIDE, to_column = tile.column + column + j * WIDE;
            if (to_row < m && to_column < n) store(to_row, to_column, sums[i][j]);
        }
}

// A matrix whose element `(i, j)` lies at `i * rows + j * columns`.
template <class X> struct Matrix {
    const X *numbers;
    int rows, columns;
    bool along_k;
    __device__ float operator()(int i, int j) const { return numbers[(size_t)i * rows + (size_t)j * columns]; }
};
template <class X> Matrix(const X *, int, int, bool) -> Matrix<X>;

// Into a matrix of `n` columns, each of which has a bias; or into a part of it.
template <class Out, class Bias> struct ToMatrix {
    Out *out;
    const Bias *bias;
    int n, relu;
    __device__ void operator()(int row, int column, float sum) const {
        out[(size_t)row * n + column] = finished(sum, bias, column, relu);
    }
};
template <class Out, class Bias> ToMatrix(Out *, const Bias *, int, int) -> ToMatrix<Out, Bias>;

// `M x K` times `K x N`, either of which may be stored the other way round.
extern "C" __global__ void matmul(float *out, const float *a, const float *b, const float *bias, int m, int k, int n,
                                  int transpose_a, int transpose_b, int relu, int n_parts) {
    Tile tile = tile_of(blockIdx.x, m, n, k, n_parts);
    Matrix left = {a, transpose_a ? 1 : k, transpose_a ? m : 1, !transpose_a};
    Matrix right = {b, transpose_b ? 1 : n, transpose_b ? k : 1, transpose_b != 0};
    ToMatrix store = {out + (size_t)tile.part * m * n, bias, n, relu};
    product(m, n, tile, left, right, store);
}

// One product for each pair of such matrices, by `n_tiles` blocks.
extern "C" __global__ void batch_matmul(float *out, const float *a, const float *b, int m, int k, int n, int transpose_a,
                                        int transpose_b, int n_tiles) {
    size_t pair = blockIdx.x / (unsigned)n_tiles;
    Tile tile = tile_of(blockIdx.x % (unsigned)n_tiles, m, n, k, 1);
    Matrix left = {a + pair * m * k, transpose_a ? 1 : k, transpose_a ? m : 1, !transpose_a};
    Matrix right = {b + pair * k * n, transpose_b ? 1 : n, transpose_b ? k : 1, transpose_b != 0};
    ToMatrix store = {out + pair * m * n, (const float *)0, n, 0};
    product(m, n, tile, left, right, store);
}
