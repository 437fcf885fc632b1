/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bytes of interleaved pixels to rows of floats, 16 pixels at a time by shuffles of bytes. */

#include "lib3dcnn/cpu/kernels.h"
#include "lib3dcnn/cpu/vector.h"

#define PIXELS 16

#if CNN3D_VW >= 8

/* In each 16 bytes, the first of 4 pixels' 3 bytes as words of 32 bits; those of the others are so many bytes on. */
#define PICK 0, -128, -128, -128, 3, -128, -128, -128, 6, -128, -128, -128, 9, -128, -128, -128

INLINE void
store_channel (const Cnn3dPixelArgs *a, const int channel, int first, V v)
{
  store (a->planes[channel] + first, (v - a->mean[channel]) * a->scale[channel]);
}

#endif

#if CNN3D_VW == 16

INLINE void
pixels_at (const Cnn3dPixelArgs *a, int first)
{
  static const int8_t pick[] __attribute__ ((aligned (64))) = { PICK, PICK, PICK, PICK };
  const __m512i fours = _mm512_set_epi32 (0, 11, 10, 9, 0, 8, 7, 6, 0, 5, 4, 3, 0, 2, 1, 0);
  __m512i x = _mm512_permutexvar_epi32 (fours, _mm512_maskz_loadu_epi8 (((__mmask64) 1 << 48) - 1, a->rgb + 3 * first));

  UNROLL for (int c = 0; c < 3; c++) {
    __m512i channel = _mm512_add_epi8 (_mm512_load_si512 (pick), _mm512_set1_epi8 ((char) c));

    store_channel (a, c, first, (V) _mm512_cvtepi32_ps (_mm512_shuffle_epi8 (x, channel)));
  }
}

#elif CNN3D_VW == 8

INLINE void
pixels_at (const Cnn3dPixelArgs *a, int first)
{
  /* The upper half is read from byte 8 on, and not from 12, so that all is inside of 8 pixels. */
  const __m256i four = _mm256_set_m128i (_mm_set1_epi8 (4), _mm_setzero_si128 ());
  const __m256i pick = _mm256_add_epi8 (_mm256_setr_epi8 (PICK, PICK), four);

  UNROLL for (int i = 0; i < PIXELS; i += 8) {
    const uint8_t *at = a->rgb + 3 * (first + i);
    __m256i x = _mm256_loadu2_m128i ((const __m128i_u *) (at + 8), (const __m128i_u *) at);

    UNROLL for (int c = 0; c < 3; c++) {
      __m256i channel = _mm256_add_epi8 (pick, _mm256_set1_epi8 ((char) c));

      store_channel (a, c, first + i, (V) _mm256_cvtepi32_ps (_mm256_shuffle_epi8 (x, channel)));
    }
  }
}

#else

typedef uint8_t Bytes __attribute__ ((vector_size (PIXELS)));
typedef uint8_t BytesU __attribute__ ((vector_size (PIXELS), aligned (1), may_alias));
typedef int32_t Words __attribute__ ((vector_size (PIXELS * 4)));
typedef float Floats __attribute__ ((vector_size (PIXELS * 4)));
typedef float FloatsU __attribute__ ((vector_size (PIXELS * 4), aligned (4), may_alias));

/* Bytes 3 i + channel of 48: first those of the first 32, then the others. */
INLINE Bytes
channel_bytes (Bytes b0, Bytes b1, Bytes b2, const int channel)
{
  Bytes v;

  switch (channel) {
    case 0:
      v = __builtin_shufflevector (b0, b1,
          0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 0, 0, 0, 0, 0);
      return __builtin_shufflevector (v, b2,
          0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 20, 23, 26, 29);
    case 1:
      v = __builtin_shufflevector (b0, b1,
          1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31, 0, 0, 0, 0, 0);
      return __builtin_shufflevector (v, b2,
          0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18, 21, 24, 27, 30);
    default:
      v = __builtin_shufflevector (b0, b1,
          2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 0, 0, 0, 0, 0, 0);
      return __builtin_shufflevector (v, b2,
          0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 19, 22, 25, 28, 31);
  }
}

INLINE void
store_channel (const Cnn3dPixelArgs *a, const int channel, int first, Bytes v)
{
  Floats f;

  /* gcc would take the bytes one by one from where they came. */
#if defined __SSE2__
  __asm__ ("" : "+x" (v));
#endif
  f = __builtin_convertvector (__builtin_convertvector (v, Words), Floats);
  *(FloatsU *) (a->planes[channel] + first) = (f - a->mean[channel]) * a->scale[channel];
}

INLINE void
pixels_at (const Cnn3dPixelArgs *a, int first)
{
  const uint8_t *x = a->rgb + 3 * first;
  Bytes b0 = *(const BytesU *) x, b1 = *(const BytesU *) (x + 16), b2 = *(const BytesU *) (x + 32);
  Bytes c0 = channel_bytes (b0, b1, b2, 0), c1 = channel_bytes (b0, b1, b2, 1);
  Bytes c2 = channel_bytes (b0, b1, b2, 2);

  store_channel (a, 0, first, c0);
  store_channel (a, 1, first, c1);
  store_channel (a, 2, first, c2);
}

#endif

static void
pixels (const Cnn3dPixelArgs *args)
{
  /* In registers, where stores of floats cannot change them. */
  const float mean[] = { args->mean[0], args->mean[1], args->mean[2] };
  const float scale[] = { args->scale[0], args->scale[1], args->scale[2] };
  const Cnn3dPixelArgs a = { .rgb = args->rgb, .width = args->width, .mean = mean, .scale = scale,
    .planes = { args->planes[0], args->planes[1], args->planes[2] } };
  int i = 0;

  for (; i + PIXELS <= a.width; i += PIXELS)
    pixels_at (&a, i);
  if (i == a.width)
    return;
  /* The last ones once more, with the rest. */
  if (a.width >= PIXELS) {
    pixels_at (&a, a.width - PIXELS);
    return;
  }
  for (; i < a.width; i++)
    for (int c = 0; c < 3; c++)
      a.planes[c][i] = ((float) a.rgb[3 * i + c] - mean[c]) * scale[c];
}
