//! The functions of C that a network's file has, each only where a layer calls it. Images are channels x height x width, row by row.

/// A function: its name, its text, and whether it needs <math.h>.
pub struct Kernel {
    pub name: &'static str,
    pub text: &'static str,
}

/// Every function, those that others call first.
pub static KERNELS: &[Kernel] = &[
    Kernel {
        name: "convolve",
        text: "/* k: kernel, s: stride, p: rows and columns of zeros before, d: dilation. */
static void convolve(const float *x, float *y, const float *weight, const float *bias, int in_channels, int height,
                     int width, int channels, int out_height, int out_width, int kh, int kw, int sh, int sw, int ph, int pw,
                     int dh, int dw, int groups) {
    const int per_group = in_channels / groups, filters = channels / groups;
    for (int c = 0; c < channels; c++) {
        const float *group = x + (size_t)(c / filters) * per_group * height * width;
        for (int i = 0; i < out_height; i++) {
            for (int j = 0; j < out_width; j++) {
                float sum = bias ? bias[c] : 0.0f;
                for (int f = 0; f < per_group; f++) {
                    for (int a = 0; a < kh; a++) {
                        const int row = i * sh - ph + a * dh;
                        if (row < 0 || row >= height) continue;
                        for (int b = 0; b < kw; b++) {
                            const int column = j * sw - pw + b * dw;
                            if (column < 0 || column >= width) continue;
                            sum += weight[((c * per_group + f) * kh + a) * kw + b] * group[(f * height + row) * width + column];
                        }
                    }
                }
                y[(c * out_height + i) * out_width + j] = sum;
            }
        }
    }
}",
    },
    Kernel {
        name: "convolve_transposed",
        text: "/* Each pixel lays down a filter; p rows and columns are cut off in front. */
static void convolve_transposed(const float *x, float *y, const float *weight, const float *bias, int in_channels,
                                int height, int width, int channels, int out_height, int out_width, int kh, int kw, int sh,
                                int sw, int ph, int pw, int dh, int dw, int groups) {
    const int per_group = in_channels / groups, filters = channels / groups;
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < out_height * out_width; i++) y[c * out_height * out_width + i] = bias ? bias[c] : 0.0f;
    for (int f = 0; f < in_channels; f++) {
        for (int c = 0; c < filters; c++) {
            float *plane = y + (size_t)(f / per_group * filters + c) * out_height * out_width;
            for (int i = 0; i < height; i++) {
                for (int j = 0; j < width; j++) {
                    for (int a = 0; a < kh; a++) {
                        const int row = i * sh - ph + a * dh;
                        if (row < 0 || row >= out_height) continue;
                        for (int b = 0; b < kw; b++) {
                            const int column = j * sw - pw + b * dw;
                            if (column < 0 || column >= out_width) continue;
                            plane[row * out_width + column] +=
                                weight[((f * filters + c) * kh + a) * kw + b] * x[(f * height + i) * width + j];
                        }
                    }
                }
            }
        }
    }
}",
    },
    Kernel {
        name: "convolve_volume",
        text: "/* The same along depth, height and width. */
static void convolve_volume(const float *x, float *y, const float *weight, const float *bias, int in_channels, int depth,
                            int height, int width, int channels, int out_depth, int out_height, int out_width, int kd, int kh,
                            int kw, int sd, int sh, int sw, int pd, int ph, int pw, int dd, int dh, int dw, int groups) {
    const int per_group = in_channels / groups, filters = channels / groups;
    for (int c = 0; c < channels; c++) {
        const float *group = x + (size_t)(c / filters) * per_group * depth * height * width;
        for (int o = 0; o < out_depth * out_height * out_width; o++) {
            const int k = o / (out_height * out_width), i = o / out_width % out_height, j = o % out_width;
            const float *w = weight + (size_t)c * per_group * kd * kh * kw;
            float sum = bias ? bias[c] : 0.0f;
            for (int f = 0; f < per_group; f++) {
                for (int t = 0; t < kd * kh * kw; t++, w++) {
                    const int plane = k * sd - pd + t / (kh * kw) * dd, row = i * sh - ph + t / kw % kh * dh;
                    const int column = j * sw - pw + t % kw * dw;
                    if (plane < 0 || plane >= depth || row < 0 || row >= height || column < 0 || column >= width) continue;
                    sum += *w * group[(((size_t)f * depth + plane) * height + row) * width + column];
                }
            }
            y[(size_t)c * out_depth * out_height * out_width + o] = sum;
        }
    }
}",
    },
    Kernel {
        name: "convolve_volume_transposed",
        text: "/* Each voxel lays down a filter; p planes, rows and columns are cut off in front. */
static void convolve_volume_transposed(const float *x, float *y, const float *weight, const float *bias, int in_channels,
                                       int depth, int height, int width, int channels, int out_depth, int out_height,
                                       int out_width, int kd, int kh, int kw, int sd, int sh, int sw, int pd, int ph, int pw,
                                       int dd, int dh, int dw, int groups) {
    const int per_group = in_channels / groups, filters = channels / groups, n = out_depth * out_height * out_width;
    for (int c = 0; c < channels; c++)
        for (int o = 0; o < n; o++) y[(size_t)c * n + o] = bias ? bias[c] : 0.0f;
    for (int f = 0; f < in_channels; f++) {
        for (int c = 0; c < filters; c++) {
            float *volume = y + (size_t)(f / per_group * filters + c) * n;
            const float *w = weight + (size_t)(f * filters + c) * kd * kh * kw;
            for (int v = 0; v < depth * height * width; v++) {
                const int k = v / (height * width), i = v / width % height, j = v % width;
                for (int t = 0; t < kd * kh * kw; t++) {
                    const int plane = k * sd - pd + t / (kh * kw) * dd, row = i * sh - ph + t / kw % kh * dh;
                    const int column = j * sw - pw + t % kw * dw;
                    if (plane < 0 || plane >= out_depth || row < 0 || row >= out_height || column < 0 || column >= out_width)
                        continue;
                    volume[((size_t)plane * out_height + row) * out_width + column] +=
                        w[t] * x[(size_t)f * depth * height * width + v];
                }
            }
        }
    }
}",
    },
    Kernel {
        name: "pool_volume",
        text: "/* mode: 0 the largest, 1 the mean, 2 the mean in which zeros of the padding count; t: planes, rows and columns of it behind. */
static void pool_volume(const float *x, float *y, int channels, int depth, int height, int width, int out_channels,
                        int out_depth, int out_height, int out_width, int kd, int kh, int kw, int sd, int sh, int sw, int pd,
                        int ph, int pw, int td, int th, int tw, int mode) {
    for (int c = 0; c < out_channels && c < channels; c++) {
        const float *volume = x + (size_t)c * depth * height * width;
        for (int o = 0; o < out_depth * out_height * out_width; o++) {
            const int k = o / (out_height * out_width), i = o / out_width % out_height, j = o % out_width;
            float sum = 0.0f, most = 0.0f;
            int n = 0, seen = 0;
            for (int t = 0; t < kd * kh * kw; t++) {
                const int plane = k * sd - pd + t / (kh * kw), row = i * sh - ph + t / kw % kh, column = j * sw - pw + t % kw;
                if (plane >= 0 && plane < depth && row >= 0 && row < height && column >= 0 && column < width) {
                    const float own = volume[((size_t)plane * height + row) * width + column];
                    sum += own;
                    if (seen++ == 0 || own > most) most = own;
                    n++;
                } else if (mode == 2 && plane < depth + td && row < height + th && column < width + tw) {
                    n++;
                }
            }
            y[(size_t)c * out_depth * out_height * out_width + o] = mode ? sum / (float)(n > 0 ? n : 1) : most;
        }
    }
}",
    },
    Kernel {
        name: "linear",
        text: "static void linear(const float *x, float *y, const float *weight, const float *bias, int inputs, int outputs) {
    for (int i = 0; i < outputs; i++) {
        float sum = bias ? bias[i] : 0.0f;
        for (int j = 0; j < inputs; j++) sum += weight[(size_t)i * inputs + j] * x[j];
        y[i] = sum;
    }
}",
    },
    Kernel {
        name: "pool_max",
        text: "static void pool_max(const float *x, float *y, int channels, int height, int width, int out_height, int out_width,
                     int kh, int kw, int sh, int sw, int ph, int pw) {
    for (int c = 0; c < channels; c++) {
        for (int i = 0; i < out_height; i++) {
            for (int j = 0; j < out_width; j++) {
                float most = 0.0f;
                int n = 0;
                for (int a = 0; a < kh; a++) {
                    for (int b = 0; b < kw; b++) {
                        const int row = i * sh - ph + a, column = j * sw - pw + b;
                        if (row < 0 || row >= height || column < 0 || column >= width) continue;
                        const float own = x[(c * height + row) * width + column];
                        if (n++ == 0 || own > most) most = own;
                    }
                }
                y[(c * out_height + i) * out_width + j] = most;
            }
        }
    }
}",
    },
    Kernel {
        name: "pool_mean",
        text: "/* Zeros of the padding count as summands where `counted`; th and tw: rows and columns of it behind. */
static void pool_mean(const float *x, float *y, int channels, int height, int width, int out_height, int out_width,
                      int kh, int kw, int sh, int sw, int ph, int pw, int th, int tw, int counted) {
    for (int c = 0; c < channels; c++) {
        for (int i = 0; i < out_height; i++) {
            for (int j = 0; j < out_width; j++) {
                float sum = 0.0f;
                int n = 0;
                for (int a = 0; a < kh; a++) {
                    for (int b = 0; b < kw; b++) {
                        const int row = i * sh - ph + a, column = j * sw - pw + b;
                        const int inside = row >= 0 && row < height && column >= 0 && column < width;
                        if (inside) sum += x[(c * height + row) * width + column];
                        if (inside || (counted && row < height + th && column < width + tw)) n++;
                    }
                }
                y[(c * out_height + i) * out_width + j] = sum / (float)(n > 0 ? n : 1);
            }
        }
    }
}",
    },
    Kernel {
        name: "pool_adaptive",
        text: "/* Output i sees what lies between i and i + 1 of so many equal parts. */
static void pool_adaptive(const float *x, float *y, int channels, int height, int width, int out_height, int out_width,
                          int largest) {
    for (int c = 0; c < channels; c++) {
        for (int i = 0; i < out_height; i++) {
            const int top = i * height / out_height, bottom = ((i + 1) * height + out_height - 1) / out_height;
            for (int j = 0; j < out_width; j++) {
                const int left = j * width / out_width, right = ((j + 1) * width + out_width - 1) / out_width;
                float sum = 0.0f, most = x[(c * height + top) * width + left];
                for (int row = top; row < bottom; row++) {
                    for (int column = left; column < right; column++) {
                        const float own = x[(c * height + row) * width + column];
                        sum += own;
                        if (own > most) most = own;
                    }
                }
                y[(c * out_height + i) * out_width + j] =
                    largest ? most : sum / (float)((bottom - top) * (right - left));
            }
        }
    }
}",
    },
    Kernel {
        name: "scale_channels",
        text: "static void scale_channels(const float *x, float *y, const float *scale, const float *shift, int channels, int places) {
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < places; i++)
            y[c * places + i] = scale[c] * x[c * places + i] + (shift ? shift[c] : 0.0f);
}",
    },
    Kernel {
        name: "standardize",
        text: "/* Each of so many parts to mean 0 and variance 1, then each run of numbers by its own scale and shift. */
static void standardize(const float *x, float *y, int parts, int length, float epsilon, const float *scale,
                        const float *shift, int run) {
    for (int p = 0; p < parts; p++) {
        const float *own = x + (size_t)p * length;
        float mean = 0.0f, square = 0.0f;
        for (int i = 0; i < length; i++) mean += own[i];
        mean /= (float)length;
        for (int i = 0; i < length; i++) square += (own[i] - mean) * (own[i] - mean);
        const float factor = 1.0f / sqrtf(square / (float)length + epsilon);
        for (int i = 0; i < length; i++) {
            const int at = p * length + i;
            const float normal = (own[i] - mean) * factor;
            y[at] = scale ? scale[at / run] * normal + shift[at / run] : normal;
        }
    }
}",
    },
    Kernel {
        name: "standardize_channels",
        text: "/* The channels of each place to mean 0 and variance 1, then each channel by its own scale and shift. */
static void standardize_channels(const float *x, float *y, int channels, int places, float epsilon, const float *scale,
                                 const float *shift) {
    for (int i = 0; i < places; i++) {
        float mean = 0.0f, square = 0.0f;
        for (int c = 0; c < channels; c++) mean += x[c * places + i];
        mean /= (float)channels;
        for (int c = 0; c < channels; c++) square += (x[c * places + i] - mean) * (x[c * places + i] - mean);
        const float factor = 1.0f / sqrtf(square / (float)channels + epsilon);
        for (int c = 0; c < channels; c++) {
            const float normal = (x[c * places + i] - mean) * factor;
            y[c * places + i] = scale ? scale[c] * normal + shift[c] : normal;
        }
    }
}",
    },
    Kernel {
        name: "response_norm",
        text: "static void response_norm(const float *x, float *y, int channels, int places, int size, float alpha, float beta, float k) {
    for (int c = 0; c < channels; c++) {
        const int first = c - size / 2 > 0 ? c - size / 2 : 0;
        const int last = c + (size - 1) / 2 < channels - 1 ? c + (size - 1) / 2 : channels - 1;
        for (int i = 0; i < places; i++) {
            float sum = 0.0f;
            for (int f = first; f <= last; f++) sum += x[f * places + i] * x[f * places + i];
            y[c * places + i] = x[c * places + i] / powf(k + alpha / (float)size * sum, beta);
        }
    }
}",
    },
    Kernel {
        name: "softmax",
        text: "static void softmax(const float *x, float *y, int channels, int places, int logarithm) {
    for (int i = 0; i < places; i++) {
        float most = x[i], sum = 0.0f;
        for (int c = 1; c < channels; c++)
            if (x[c * places + i] > most) most = x[c * places + i];
        for (int c = 0; c < channels; c++) sum += expf(x[c * places + i] - most);
        for (int c = 0; c < channels; c++) {
            const float own = x[c * places + i] - most;
            y[c * places + i] = logarithm ? own - logf(sum) : expf(own) / sum;
        }
    }
}",
    },
    Kernel {
        name: "pad_image",
        text: "/* mode: 0 a number, 1 the mirrored image, 2 its outer pixels. */
static void pad_image(const float *x, float *y, int channels, int height, int width, int out_height, int out_width,
                      int top, int left, int mode, float number) {
    for (int c = 0; c < channels; c++) {
        for (int i = 0; i < out_height; i++) {
            for (int j = 0; j < out_width; j++) {
                int row = i - top, column = j - left;
                const int inside = row >= 0 && row < height && column >= 0 && column < width;
                if (mode == 1) {
                    row = row < 0 ? -row : row < height ? row : 2 * (height - 1) - row;
                    column = column < 0 ? -column : column < width ? column : 2 * (width - 1) - column;
                } else if (mode == 2) {
                    row = row < 0 ? 0 : row < height ? row : height - 1;
                    column = column < 0 ? 0 : column < width ? column : width - 1;
                }
                y[(c * out_height + i) * out_width + j] =
                    inside || mode ? x[(c * height + row) * width + column] : number;
            }
        }
    }
}",
    },
    Kernel {
        name: "crop_image",
        text: "static void crop_image(const float *x, float *y, int channels, int height, int width, int out_height, int out_width,
                       int top, int left) {
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < out_height; i++)
            for (int j = 0; j < out_width; j++)
                y[(c * out_height + i) * out_width + j] = x[(c * height + top + i) * width + left + j];
}",
    },
    Kernel {
        name: "upsample",
        text: "/* mode: 0 repeated pixels, 1 bilinear between the middles of pixels, 2 between their corners. */
static float place(int i, int from, int to, int mode) {
    float at = mode == 2 ? (to > 1 ? (float)i * (float)(from - 1) / (float)(to - 1) : 0.0f)
                         : ((float)i + 0.5f) * (float)from / (float)to - 0.5f;
    return at < 0.0f ? 0.0f : at;
}

static void upsample(const float *x, float *y, int channels, int height, int width, int out_height, int out_width,
                     int mode) {
    for (int c = 0; c < channels; c++) {
        const float *plane = x + (size_t)c * height * width;
        for (int i = 0; i < out_height; i++) {
            for (int j = 0; j < out_width; j++) {
                float own;
                if (mode == 0) {
                    own = plane[i * height / out_height * width + j * width / out_width];
                } else {
                    const float row = place(i, height, out_height, mode), column = place(j, width, out_width, mode);
                    const int top = (int)row < height - 1 ? (int)row : height - 1;
                    const int left = (int)column < width - 1 ? (int)column : width - 1;
                    const int below = top + 1 < height ? top + 1 : top, right = left + 1 < width ? left + 1 : left;
                    const float down = row - (float)top, along = column - (float)left;
                    const float upper = plane[top * width + left] * (1.0f - along) + plane[top * width + right] * along;
                    const float lower = plane[below * width + left] * (1.0f - along) + plane[below * width + right] * along;
                    own = upper * (1.0f - down) + lower * down;
                }
                y[(c * out_height + i) * out_width + j] = own;
            }
        }
    }
}",
    },
    Kernel {
        name: "pixel_shuffle",
        text: "static void pixel_shuffle(const float *x, float *y, int channels, int height, int width, int factor) {
    const int squares = factor * factor;
    for (int c = 0; c < channels * squares; c++) {
        const int inner = c % squares;
        for (int i = 0; i < height; i++)
            for (int j = 0; j < width; j++)
                y[(c / squares * height * factor + i * factor + inner / factor) * width * factor + j * factor +
                  inner % factor] = x[(c * height + i) * width + j];
    }
}",
    },
    Kernel {
        name: "channel_shuffle",
        text: "static void channel_shuffle(const float *x, float *y, int channels, int places, int groups) {
    const int per_group = channels / groups;
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < places; i++)
            y[(c % per_group * groups + c / per_group) * places + i] = x[c * places + i];
}",
    },
    Kernel {
        name: "prelu",
        text: "static void prelu(const float *x, float *y, const float *slope, int channels, int places) {
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < places; i++) {
            const float own = x[c * places + i];
            y[c * places + i] = own > 0.0f ? own : slope[c] * own;
        }
}",
    },
    Kernel {
        name: "add",
        text: "static void add(const float *x, const float *z, float *y, int n) {
    for (int i = 0; i < n; i++) y[i] = x[i] + z[i];
}",
    },
    Kernel {
        name: "multiply",
        text: "/* A factor stands for so many numbers: 1, or a channel's. */
static void multiply(const float *x, const float *z, float *y, int n, int each_x, int each_z) {
    for (int i = 0; i < n; i++) y[i] = x[i / each_x] * z[i / each_z];
}",
    },
    Kernel {
        name: "reduce",
        text: "/* Of n numbers, `inner` apart, their mean (0), the largest (1), their sum (2) or their standard deviation (3). */
static void reduce(const float *x, float *y, int outer, int n, int inner, int how, int correction, float epsilon) {
    for (int o = 0; o < outer; o++)
        for (int j = 0; j < inner; j++) {
            const float *own = x + (size_t)o * n * inner + j;
            float sum = 0.0f, largest = own[0], square = 0.0f;
            for (int i = 0; i < n; i++) {
                sum += own[i * inner];
                if (own[i * inner] > largest) largest = own[i * inner];
            }
            const float mean = sum / (float)n;
            for (int i = 0; i < n; i++) square += (own[i * inner] - mean) * (own[i * inner] - mean);
            y[o * inner + j] = how == 0 ? mean : how == 1 ? largest : how == 2 ? sum
                             : sqrtf(square / (float)(n - correction) + epsilon);
        }
}",
    },
    Kernel {
        name: "unit_length",
        text: "/* The channels of each place divided by their length, or by epsilon where that is more. */
static void unit_length(const float *x, float *y, int channels, int places, float epsilon) {
    for (int i = 0; i < places; i++) {
        float square = 0.0f;
        for (int c = 0; c < channels; c++) square += x[c * places + i] * x[c * places + i];
        const float length = sqrtf(square) > epsilon ? sqrtf(square) : epsilon;
        for (int c = 0; c < channels; c++) y[c * places + i] = x[c * places + i] / length;
    }
}",
    },
    Kernel {
        name: "transpose",
        text: "static void transpose(const float *x, float *y, int each, int rows, int columns) {
    for (int e = 0; e < each; e++)
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++)
                y[((size_t)e * columns + j) * rows + i] = x[((size_t)e * rows + i) * columns + j];
}",
    },
    Kernel {
        name: "matrix_product",
        text: "static void matrix_product(const float *x, const float *z, float *y, int each, int rows, int middle, int columns) {
    for (int e = 0; e < each; e++)
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++) {
                float sum = 0.0f;
                for (int k = 0; k < middle; k++)
                    sum += x[((size_t)e * rows + i) * middle + k] * z[((size_t)e * middle + k) * columns + j];
                y[((size_t)e * rows + i) * columns + j] = sum;
            }
}",
    },
    Kernel {
        name: "project",
        text: "/* The same matrix for the channels of each place. */
static void project(const float *x, float *y, const float *weight, const float *bias, int inputs, int outputs, int places) {
    for (int o = 0; o < outputs; o++)
        for (int i = 0; i < places; i++) {
            float sum = bias ? bias[o] : 0.0f;
            for (int c = 0; c < inputs; c++) sum += weight[o * inputs + c] * x[c * places + i];
            y[o * places + i] = sum;
        }
}",
    },
    Kernel {
        name: "attend",
        text: "/* From queries, keys and values, one after the other, what each place gathers from those at its position in every patch of
   rows x columns places; `row` has room for a number of each. */
static void attend(const float *x, float *y, float *row, int channels, int height, int width, int rows, int columns, int heads) {
    const int size = channels / heads, places = height * width;
    for (int h = 0; h < heads; h++) {
        const float *query = x + (size_t)h * size * places, *key = query + (size_t)channels * places;
        const float *value = key + (size_t)channels * places;
        for (int i = 0; i < places; i++) {
            const int top = i / width % rows, left = i % width % columns;
            float largest = -INFINITY, sum = 0.0f;
            int n = 0;
            for (int r = top; r < height; r += rows)
                for (int j = r * width + left; j < (r + 1) * width; j += columns) {
                    float score = 0.0f;
                    for (int c = 0; c < size; c++) score += query[c * places + i] * key[c * places + j];
                    row[n] = score / sqrtf((float)size);
                    if (row[n] > largest) largest = row[n];
                    n++;
                }
            for (int j = 0; j < n; j++) sum += row[j] = expf(row[j] - largest);
            for (int c = 0; c < size; c++) {
                float found = 0.0f;
                n = 0;
                for (int r = top; r < height; r += rows)
                    for (int j = r * width + left; j < (r + 1) * width; j += columns) found += row[n++] * value[c * places + j];
                y[(h * size + c) * places + i] = found / sum;
            }
        }
    }
}",
    },
];
