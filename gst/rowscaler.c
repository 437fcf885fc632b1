/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/rowscaler.h"

#include <math.h>
#include <string.h>

/* Weights are in 1/256, so that a sum over bytes fits into 16 bits. */
#define ONE 256

/* The weights of the rows that make up a row of the result. */
typedef struct
{
  gint first, n;
  const guint16 *weights;
} Row;

/* One for the planes with all rows, one for chroma with half of them. */
typedef struct
{
  Row *rows;
  guint16 *weights;
} Taps;

struct _GstRowScaler
{
  GstVideoInfo in, out;
  gint out_height;
  Taps taps[GST_VIDEO_MAX_PLANES];
  guint16 *sums;                /* of a row */
};

/* The same, with as many rows of chroma as of luma. */
static const struct
{
  GstVideoFormat in, out;
} full_chroma[] = {
  {GST_VIDEO_FORMAT_I420, GST_VIDEO_FORMAT_Y42B},
  {GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_NV16},
  {GST_VIDEO_FORMAT_NV21, GST_VIDEO_FORMAT_NV61},
};

/* The format of the result; UNKNOWN if rows of this one cannot be averaged. */
static GstVideoFormat
find_format (const GstVideoFormatInfo * f)
{
  GstVideoFormat format = GST_VIDEO_FORMAT_INFO_FORMAT (f);

  for (guint i = 0; i < G_N_ELEMENTS (full_chroma); i++)
    if (full_chroma[i].in == format)
      return full_chroma[i].out;
  if (GST_VIDEO_FORMAT_INFO_HAS_PALETTE (f)
      || GST_VIDEO_FORMAT_INFO_IS_COMPLEX (f)
      || GST_VIDEO_FORMAT_INFO_IS_TILED (f)
      || GST_VIDEO_FORMAT_INFO_BITS (f) != 8)
    return GST_VIDEO_FORMAT_UNKNOWN;
  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS (f); c++)
    if (GST_VIDEO_FORMAT_INFO_H_SUB (f, c) != 0
        || GST_VIDEO_FORMAT_INFO_PSTRIDE (f, c) == 0
        || GST_VIDEO_FORMAT_INFO_DEPTH (f, c) != 8
        || GST_VIDEO_FORMAT_INFO_SHIFT (f, c) != 0)
      return GST_VIDEO_FORMAT_UNKNOWN;
  return format;
}

/* A triangle as wide as the reduction asks for, as PIL's bilinear filter with
 * antialiasing. Chroma of half as many rows lies halfway between two rows of
 * luma, so that both cover the same height. */
static void
make_taps (Taps * taps, gdouble y, gdouble height, gint n_in, gint n_out)
{
  gdouble scale = height / n_out;
  gint max = (gint) ceil (2 * scale) + 2;
  gint begin = MAX ((gint) floor (y), 0);
  gint end = MIN ((gint) ceil (y + height), n_in);
  gdouble *w = g_new (gdouble, max);

  taps->rows = g_new (Row, n_out);
  taps->weights = g_new0 (guint16, (gsize) n_out * max);
  for (gint i = 0; i < n_out; i++) {
    guint16 *weights = taps->weights + i * max;
    gdouble centre = y + (i + 0.5) * scale, sum = 0, carried = 0;
    gint first = MAX ((gint) floor (centre - scale + 0.5), begin);
    gint last = MIN ((gint) floor (centre + scale + 0.5), end);
    gint n = CLAMP (last - first, 1, max);

    first = MIN (first, n_in - n);
    for (gint k = 0; k < n; k++) {
      w[k] = MAX (1 - fabs (first + k + 0.5 - centre) / scale, 0);
      sum += w[k];
    }
    /* What rounding leaves over goes to the next, so that all are ONE. */
    for (gint k = 0; k < n; k++) {
      carried += sum > 0 ? w[k] / sum * ONE : (gdouble) ONE / n;
      weights[k] = (guint16) (carried + 0.5);
      carried -= weights[k];
    }
    taps->rows[i] = (Row) {
    first, n, weights};
  }
  g_free (w);
}

GstRowScaler *
gst_row_scaler_new (const GstVideoInfo * info, gint y, gint height,
    gint out_height)
{
  GstVideoFormat format = find_format (info->finfo);
  GstRowScaler *scaler;
  gsize row = 0;

  /* Little is gained below. */
  if (format == GST_VIDEO_FORMAT_UNKNOWN || height < 2 * out_height)
    return NULL;
  scaler = g_new0 (GstRowScaler, 1);
  scaler->in = *info;
  scaler->out_height = out_height;
  gst_video_info_set_format (&scaler->out, format,
      GST_VIDEO_INFO_WIDTH (info), out_height);
  scaler->out.colorimetry = info->colorimetry;
  scaler->out.chroma_site = info->chroma_site;
  scaler->out.fps_n = info->fps_n;
  scaler->out.fps_d = info->fps_d;
  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (info); p++) {
    gint component[GST_VIDEO_MAX_COMPONENTS];
    gint sub;

    gst_video_format_info_component (info->finfo, p, component);
    sub = GST_VIDEO_FORMAT_INFO_H_SUB (info->finfo, component[0]);
    make_taps (&scaler->taps[p], y / (gdouble) (1 << sub),
        height / (gdouble) (1 << sub),
        GST_VIDEO_INFO_COMP_HEIGHT (info, component[0]), out_height);
    row = MAX (row, (gsize) GST_VIDEO_INFO_PLANE_STRIDE (&scaler->out, p));
  }
  scaler->sums = g_new (guint16, row);
  return scaler;
}

void
gst_row_scaler_free (GstRowScaler * scaler)
{
  for (guint p = 0; p < GST_VIDEO_MAX_PLANES; p++) {
    g_free (scaler->taps[p].rows);
    g_free (scaler->taps[p].weights);
  }
  g_free (scaler->sums);
  g_free (scaler);
}

const GstVideoInfo *
gst_row_scaler_get_info (GstRowScaler * scaler)
{
  return &scaler->out;
}

/* The compiler makes vectors of these loops. */
static void
average_rows (const Row * row, const guint8 * in, gint stride, guint8 * out,
    gsize n, guint16 * restrict sums)
{
  for (gsize i = 0; i < n; i++)
    sums[i] = ONE / 2;
  for (gint k = 0; k < row->n; k++) {
    const guint8 *src = in + (gssize) (row->first + k) * stride;
    guint16 w = row->weights[k];

    for (gsize i = 0; i < n; i++)
      sums[i] += src[i] * w;
  }
  for (gsize i = 0; i < n; i++)
    out[i] = sums[i] >> 8;
}

/* Bytes of a row of a plane that mean something. */
static gsize
get_row_size (const GstVideoFrame * frame, guint plane)
{
  gint component[GST_VIDEO_MAX_COMPONENTS];
  gsize size = 0;

  gst_video_format_info_component (frame->info.finfo, plane, component);
  for (guint i = 0; i < GST_VIDEO_MAX_COMPONENTS && component[i] >= 0; i++)
    size = MAX (size, (gsize) GST_VIDEO_FRAME_COMP_WIDTH (frame, component[i])
        * GST_VIDEO_FRAME_COMP_PSTRIDE (frame, component[i]));
  return size;
}

void
gst_row_scaler_run (GstRowScaler * scaler, const GstVideoFrame * frame,
    GstVideoFrame * out)
{
  for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES (frame); p++) {
    gsize n = get_row_size (frame, p);

    for (gint y = 0; y < scaler->out_height; y++)
      average_rows (&scaler->taps[p].rows[y],
          GST_VIDEO_FRAME_PLANE_DATA (frame, p),
          GST_VIDEO_FRAME_PLANE_STRIDE (frame, p),
          (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (out, p)
          + y * GST_VIDEO_FRAME_PLANE_STRIDE (out, p), n, scaler->sums);
  }
}
