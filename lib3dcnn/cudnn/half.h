/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Halves as the GPU has them, without a compiler that knows them. */

#include <stdint.h>
#include <string.h>

/* The largest. */
#define CNN3D_HALF_MAX 65504.0f

/* Rounds to the nearest, ties to even; too large becomes infinity. */
static inline uint16_t
cnn3d_half_from_float (float value)
{
  uint32_t bits, sign, rest;

  memcpy (&bits, &value, sizeof bits);
  sign = bits >> 16 & 0x8000;
  bits &= 0x7fffffff;
  if (bits > 0x7f800000)
    return (uint16_t) (sign | 0x7e00);
  if (bits >= 0x477ff000)
    return (uint16_t) (sign | 0x7c00);
  if (bits < 0x38800000) {
    /* Subnormal: let the addition to a number of the right exponent round. */
    float magic = 0.5f, sum;

    memcpy (&sum, &bits, sizeof sum);
    sum += magic;
    memcpy (&bits, &sum, sizeof bits);
    return (uint16_t) (sign | (bits - 0x3f000000));
  }
  rest = bits & 0x1fff;
  bits = (bits - 0x38000000) >> 13;
  bits += rest > 0x1000 || (rest == 0x1000 && (bits & 1));
  return (uint16_t) (sign | bits);
}

static inline float
cnn3d_half_to_float (uint16_t half)
{
  uint32_t sign = (uint32_t) (half & 0x8000) << 16, rest = half & 0x7fff, bits;
  float value;

  if (rest >= 0x7c00) {
    bits = sign | 0x7f800000 | (rest & 0x3ff) << 13;
    memcpy (&value, &bits, sizeof value);
    return value;
  }
  if (rest < 0x0400) {
    value = (float) rest * 0x1p-24f;
    return sign ? -value : value;
  }
  bits = sign | ((rest << 13) + 0x38000000);
  memcpy (&value, &bits, sizeof value);
  return value;
}
