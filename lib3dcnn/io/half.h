/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* IEEE 754 binary16. */

#include <glib.h>
#include <string.h>

/* Denormals, infinities and NaN included. */
static inline float
cnn3d_half_to_float (guint16 h)
{
  guint32 sign = (guint32) (h & 0x8000) << 16, exponent = h >> 10 & 0x1f, fraction = h & 0x3ff, bits;
  float f;

  if (exponent == 0)
    return (sign ? -1.0f : 1.0f) * (float) fraction * 0x1p-24f;
  bits = sign | (exponent == 0x1f ? 0x7f800000 : (exponent + 112) << 23) | fraction << 13;
  memcpy (&f, &bits, sizeof f);
  return f;
}

/* Rounds to nearest, ties to even; what is too large becomes infinite. */
static inline guint16
cnn3d_half_from_float (float f)
{
  guint32 bits, magnitude;
  guint16 sign;

  memcpy (&bits, &f, sizeof bits);
  sign = (guint16) (bits >> 16 & 0x8000);
  magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000)
    return (guint16) (sign | 0x7e00);
  if (magnitude >= 0x477ff000) /* 65520 and more */
    return (guint16) (sign | 0x7c00);
  if (magnitude < 0x38800000) { /* below 2^-14: a denormal, whose unit is 2^-24 */
    float scaled;

    memcpy (&scaled, &magnitude, sizeof scaled);
    scaled = scaled + 0.5f; /* whose last bit is worth 2^-24: the addition rounds */
    memcpy (&bits, &scaled, sizeof bits);
    return (guint16) (sign | (bits - 0x3f000000));
  }
  magnitude += 0xfff + (magnitude >> 13 & 1);
  return (guint16) (sign | ((magnitude >> 13) - (112 << 10)));
}
