// The functions of one number that activations and other element-wise ops are made of, and their derivatives at the
// argument (`x`) or at the result (`y`), as src/ops/activation states them. `alpha` is 0 where a function has none.

__device__ __forceinline__ float logistic(float x) { return 1.0f / (1.0f + expf(-x)); }
__device__ __forceinline__ float softplus_of(float x) { return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x))); }
__device__ __forceinline__ float clamped(float x, float low, float high) { return x < low ? low : x > high ? high : x; }
__device__ __forceinline__ float normal_distribution(float x) { return 0.5f * (1.0f + erff(x * 0.70710678f)); }

#define FUNCTION(name) __device__ __forceinline__ float name##_value(float x, float alpha)
#define DERIVATIVE(name, at) __device__ __forceinline__ float name##_derivative(float at, float alpha)

FUNCTION(relu) { return x > 0.0f ? x : 0.0f; }
DERIVATIVE(relu, y) { return y > 0.0f ? 1.0f : 0.0f; }

FUNCTION(leaky_relu) { return x > 0.0f ? x : alpha * x; }
DERIVATIVE(leaky_relu, y) { return y > 0.0f ? 1.0f : alpha; }

FUNCTION(tanh) { return tanhf(x); }
DERIVATIVE(tanh, y) { return 1.0f - y * y; }

FUNCTION(sigmoid) { return logistic(x); }
DERIVATIVE(sigmoid, y) { return y * (1.0f - y); }

FUNCTION(gelu) { return x * normal_distribution(x); }
DERIVATIVE(gelu, x) { return normal_distribution(x) + x * expf(-0.5f * x * x) * 0.3989423f; }

FUNCTION(relu6) { return clamped(x, 0.0f, 6.0f); }
DERIVATIVE(relu6, y) { return y > 0.0f && y < 6.0f ? 1.0f : 0.0f; }

FUNCTION(silu) { return x * logistic(x); }
DERIVATIVE(silu, x) {
    float s = logistic(x);
    return s * (1.0f + x * (1.0f - s));
}

FUNCTION(hardswish) { return x * clamped(x + 3.0f, 0.0f, 6.0f) / 6.0f; }
DERIVATIVE(hardswish, x) { return x <= -3.0f ? 0.0f : x < 3.0f ? x / 3.0f + 0.5f : 1.0f; }

FUNCTION(hardsigmoid) { return clamped(x / 6.0f + 0.5f, 0.0f, 1.0f); }
DERIVATIVE(hardsigmoid, y) { return y > 0.0f && y < 1.0f ? 1.0f / 6.0f : 0.0f; }

FUNCTION(elu) { return x > 0.0f ? x : alpha * expm1f(x); }
DERIVATIVE(elu, x) { return x > 0.0f ? 1.0f : alpha * expf(x); }

FUNCTION(selu) { return x > 0.0f ? 1.050701f * x : 1.050701f * 1.6732632f * expm1f(x); }
DERIVATIVE(selu, x) { return x > 0.0f ? 1.050701f : 1.050701f * 1.6732632f * expf(x); }

FUNCTION(softplus) { return softplus_of(x); }
DERIVATIVE(softplus, x) { return logistic(x); }

FUNCTION(mish) { return x * tanhf(softplus_of(x)); }
DERIVATIVE(mish, x) {
    float t = tanhf(softplus_of(x));
    return t + x * (1.0f - t * t) * logistic(x);
}

FUNCTION(power) { return powf(x, alpha); }
DERIVATIVE(power, x) { return alpha * powf(x, alpha - 1.0f); }

FUNCTION(log) { return logf(x); }
DERIVATIVE(log, x) { return 1.0f / x; }

FUNCTION(sqrt) { return sqrtf(x); }
DERIVATIVE(sqrt, y) { return 0.5f / y; }

FUNCTION(square) { return x * x; }
DERIVATIVE(square, x) { return 2.0f * x; }

FUNCTION(exp) { return expf(x); }
DERIVATIVE(exp, y) { return y; }

FUNCTION(at_least) { return x < alpha ? alpha : x; }
DERIVATIVE(at_least, x) { return x < alpha ? 0.0f : 1.0f; }

FUNCTION(at_most) { return x > alpha ? alpha : x; }
DERIVATIVE(at_most, x) { return x > alpha ? 0.0f : 1.0f; }
