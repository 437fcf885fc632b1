/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bytes of interleaved pixels to rows of floats, 16 pixels at a time by shuffles of bytes. */

#include "lib3dcnn/cpu/kernels.h"
#include "lib3dcnn/cpu/vector.h"

#define PIXELS 16

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

/* Where each channel goes: in locals, which stores of floats cannot change. */
typedef struct {
  float mean, scale, *plane;
} PixelChannel;

INLINE void
store_channel (const PixelChannel *c, int first, Bytes v)
{
  Floats f;

  /* gcc would take the bytes one by one from where they came. */
#if defined __SSE2__
  __asm__ ("" : "+x" (v));
#endif
  f = __builtin_convertvector (__builtin_convertvector (v, Words), Floats);
  *(FloatsU *) (c->plane + first) = (f - c->mean) * c->scale;
}

INLINE void
pixels_at (const uint8_t *rgb, const PixelChannel *channels, int first)
{
  const uint8_t *x = rgb + 3 * first;
  Bytes b0 = *(const BytesU *) x, b1 = *(const BytesU *) (x + 16), b2 = *(const BytesU *) (x + 32);
  Bytes c0 = channel_bytes (b0, b1, b2, 0), c1 = channel_bytes (b0, b1, b2, 1);
  Bytes c2 = channel_bytes (b0, b1, b2, 2);

  store_channel (&channels[0], first, c0);
  store_channel (&channels[1], first, c1);
  store_channel (&channels[2], first, c2);
}

static void
pixels (const Cnn3dPixelArgs *a)
{
  const uint8_t *rgb = a->rgb;
  PixelChannel channels[3];
  int i = 0, width = a->width;

  for (int p = 0; p < 3; p++)
    channels[a->channel[p]] = (PixelChannel){ a->mean[p], a->scale[p], a->planes[p] };
  for (; i + PIXELS <= width; i += PIXELS)
    pixels_at (rgb, channels, i);
  if (i == width)
    return;
  /* The last ones once more, with the rest. */
  if (width >= PIXELS) {
    pixels_at (rgb, channels, width - PIXELS);
    return;
  }
  for (; i < width; i++)
    for (int c = 0; c < 3; c++)
      channels[c].plane[i] = ((float) rgb[3 * i + c] - channels[c].mean) * channels[c].scale;
}
