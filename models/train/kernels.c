// Gradients of depthwise convolutions and ReLU6 in bfloat16, for processors with AVX-512 BF16.
//
// PyTorch's own depthwise gradients in bfloat16 take three times as long as in float32 on a CPU, while its dense
// convolutions take a quarter. All maps here are channels last: (N, H, W, C), and C is a multiple of 16.
// models/train/kernels.py compiles this file and says what each function is given.
#include <immintrin.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint16_t bf16;

// The bits of 6 in bfloat16. Positive values sort as their bits do.
#define SIX 0x40C0

typedef struct {
    int photos, height, width, channels, out_height, out_width, kernel, stride, pad;
} Shape;

static inline __m512 load16(const bf16 *from) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from)), 16));
}

static inline void store16(bf16 *to, __m512 value) {
    _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh(value));
}

// A map of one photo and 16 channels as float32, with zeros around it; (rows, columns, 16).
static float *zeros(int rows, int columns) {
    size_t bytes = (size_t)rows * columns * 16 * sizeof(float);
    float *map = aligned_alloc(64, bytes);
    // Without memory there is no gradient, and a wrong one must not be learned from.
    if (!map) abort();
    memset(map, 0, bytes);
    return map;
}

static inline __attribute__((always_inline)) void weight_gradient_of(
    const bf16 *x, const bf16 *gradient, float *out, Shape s, const int kernel) {
    int rows = s.height + 2 * s.pad, columns = s.width + 2 * s.pad;
#pragma omp parallel
    {
        float *padded = zeros(rows, columns);
#pragma omp for schedule(static)
        for (int c = 0; c < s.channels; c += 16) {
            __m512 sums[25];
            for (int t = 0; t < kernel * kernel; t++) sums[t] = _mm512_setzero_ps();
            for (int n = 0; n < s.photos; n++) {
                for (int y = 0; y < s.height; y++)
                    for (int x0 = 0; x0 < s.width; x0++)
                        _mm512_store_ps(
                            padded + ((size_t)(y + s.pad) * columns + x0 + s.pad) * 16,
                            load16(x + (((size_t)n * s.height + y) * s.width + x0) * s.channels + c));
                for (int y = 0; y < s.out_height; y++)
                    for (int x0 = 0; x0 < s.out_width; x0++) {
                        __m512 g = load16(
                            gradient + (((size_t)n * s.out_height + y) * s.out_width + x0) * s.channels + c);
                        const float *from = padded + ((size_t)y * s.stride * columns + x0 * s.stride) * 16;
#pragma GCC unroll 5
                        for (int dy = 0; dy < kernel; dy++)
#pragma GCC unroll 5
                            for (int dx = 0; dx < kernel; dx++)
                                sums[dy * kernel + dx] = _mm512_fmadd_ps(
                                    g, _mm512_load_ps(from + (dy * columns + dx) * 16), sums[dy * kernel + dx]);
                    }
            }
            for (int t = 0; t < kernel * kernel; t++) _mm512_storeu_ps(out + (size_t)t * s.channels + c, sums[t]);
        }
        free(padded);
    }
}

static inline __attribute__((always_inline)) void input_gradient_of(
    const bf16 *gradient, const float *weight, bf16 *out, Shape s, const int kernel) {
    int edge = kernel - 1 - s.pad, rows = s.height + kernel - 1, columns = s.width + kernel - 1;
#pragma omp parallel
    {
        float *spread = zeros(rows, columns);
#pragma omp for schedule(static)
        for (int c = 0; c < s.channels; c += 16) {
            __m512 taps[25];
            for (int t = 0; t < kernel * kernel; t++)
                taps[t] = _mm512_loadu_ps(weight + (size_t)(kernel * kernel - 1 - t) * s.channels + c);
            for (int n = 0; n < s.photos; n++) {
                for (int y = 0; y < s.out_height && y * s.stride + edge < rows; y++)
                    for (int x = 0; x < s.out_width && x * s.stride + edge < columns; x++)
                        _mm512_store_ps(
                            spread + ((size_t)(y * s.stride + edge) * columns + x * s.stride + edge) * 16,
                            load16(gradient + (((size_t)n * s.out_height + y) * s.out_width + x) * s.channels + c));
                for (int y = 0; y < s.height; y++)
                    for (int x = 0; x < s.width; x++) {
                        const float *from = spread + ((size_t)y * columns + x) * 16;
                        // Four sums, so that an addition does not wait for the one before it.
                        __m512 sums[4];
                        for (int k = 0; k < 4; k++) sums[k] = _mm512_setzero_ps();
#pragma GCC unroll 5
                        for (int dy = 0; dy < kernel; dy++)
#pragma GCC unroll 5
                            for (int dx = 0; dx < kernel; dx++)
                                sums[(dy * kernel + dx) % 4] = _mm512_fmadd_ps(
                                    taps[dy * kernel + dx], _mm512_load_ps(from + (dy * columns + dx) * 16),
                                    sums[(dy * kernel + dx) % 4]);
                        store16(
                            out + (((size_t)n * s.height + y) * s.width + x) * s.channels + c,
                            _mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
                    }
            }
        }
        free(spread);
    }
}

// out: float32 (kernel * kernel, C).
void weight_gradient(const bf16 *x, const bf16 *gradient, float *out, Shape s) {
    if (s.kernel == 3)
        weight_gradient_of(x, gradient, out, s, 3);
    else
        weight_gradient_of(x, gradient, out, s, 5);
}

// weight: float32 (kernel * kernel, C).
void input_gradient(const bf16 *gradient, const float *weight, bf16 *out, Shape s) {
    if (s.kernel == 3)
        input_gradient_of(gradient, weight, out, s, 3);
    else
        input_gradient_of(gradient, weight, out, s, 5);
}

// In place. Negative values have the sign bit.
void relu6(int16_t *values, long count) {
#pragma omp parallel for schedule(static)
    for (long k = 0; k < count; k++) {
        int16_t value = values[k] < 0 ? 0 : values[k];
        values[k] = value < SIX ? value : SIX;
    }
}

// The gradient passes where the result lies strictly between 0 and 6.
void relu6_gradient(const int16_t *result, const int16_t *gradient, int16_t *out, long count) {
#pragma omp parallel for schedule(static)
    for (long k = 0; k < count; k++) out[k] = result[k] > 0 && result[k] < SIX ? gradient[k] : 0;
}
