/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/framescaler.h"

#include <math.h>

#include "gst/rowscaler.h"

struct _GstFrameScaler
{
  GstVideoInfo in, out;
  GstVideoRectangle crop;
  GstRowScaler *rows;           /* or NULL; comes first */
  GstBuffer *row_buffer;        /* what it makes */
  GstVideoConverter *converter;
  GstBuffer *buffer;            /* rows of out, padded as GstVideo likes them */

  /* Of formats of which the converter cannot take parts: the whole picture in
   * one of which it can, and a scaler of that. */
  GstVideoInfo plain;
  GstBuffer *plain_buffer;
  GstFrameScaler *after;
};

/* Where a square lies on the longer side, as the training code's crop puts it:
 * in a picture that is scaled to a whole number of pixels. */
static void
crop_side (gdouble longer, gdouble shorter, gint size, gint n, gint * first,
    gint * length)
{
  gint scaled = (gint) (size * longer / shorter);
  gdouble left = rint ((scaled - size) / 2.0);

  *first = (gint) rint (left * n / scaled);
  *length = CLAMP ((gint) rint ((gdouble) size * n / scaled), 1, n - *first);
}

/* The part of the picture that is used, in its pixels. */
static void
find_crop (const GstVideoInfo * info, guint size, Cnn3dResize resize,
    GstVideoRectangle * r)
{
  gint w = GST_VIDEO_INFO_WIDTH (info), h = GST_VIDEO_INFO_HEIGHT (info);
  gdouble shown = (gdouble) w * GST_VIDEO_INFO_PAR_N (info)
      / GST_VIDEO_INFO_PAR_D (info);

  *r = (GstVideoRectangle) {
  0, 0, w, h};
  if (resize == CNN3D_RESIZE_CROP && shown > h)
    crop_side (shown, h, size, w, &r->x, &r->w);
  else if (resize == CNN3D_RESIZE_CROP && h > shown)
    crop_side (h, shown, size, h, &r->y, &r->h);
}

GstFrameScaler *
gst_frame_scaler_new (const GstVideoInfo * info, guint size, Cnn3dResize resize)
{
  GstVideoRectangle crop;

  find_crop (info, size, resize, &crop);
  return gst_frame_scaler_new_crop (info, size, &crop);
}

gboolean
gst_frame_scaler_has_crop (const GstFrameScaler * scaler,
    const GstVideoRectangle * crop)
{
  return scaler->crop.x == crop->x && scaler->crop.y == crop->y
      && scaler->crop.w == crop->w && scaler->crop.h == crop->h;
}

void
gst_frame_scaler_free (GstFrameScaler * scaler)
{
  g_clear_pointer (&scaler->converter, gst_video_converter_free);
  g_clear_pointer (&scaler->rows, gst_row_scaler_free);
  gst_clear_buffer (&scaler->row_buffer);
  gst_clear_buffer (&scaler->buffer);
  gst_clear_buffer (&scaler->plain_buffer);
  g_clear_pointer (&scaler->after, gst_frame_scaler_free);
  g_free (scaler);
}

/* What a row is tried with: at PROBE, groups of pixels of every format begin. */
#define PROBE 48
#define PROBE_ROWS 16

/* Some formats are unpacked from the start of a row, whatever the converter asks
 * for: tries whether pixels from the middle are those of the whole row. */
static gboolean
can_take_parts (const GstVideoInfo * info)
{
  const GstVideoFormatInfo *finfo = info->finfo;
  gint pixel = finfo->unpack_format == GST_VIDEO_FORMAT_UNKNOWN ? 0
      : gst_video_format_get_info (finfo->unpack_format)->pixel_stride[0];
  g_autofree guint8 *bytes = NULL, *row = NULL, *part = NULL;
  gpointer planes[GST_VIDEO_MAX_PLANES] = { NULL };
  GstVideoInfo probe;

  if (pixel == 0 || GST_VIDEO_FORMAT_INFO_IS_TILED (finfo))
    return FALSE;
  if (GST_VIDEO_FORMAT_INFO_HAS_PALETTE (finfo))
    return TRUE;
  gst_video_info_set_format (&probe, GST_VIDEO_INFO_FORMAT (info), 2 * PROBE,
      PROBE_ROWS);
  bytes = g_malloc (probe.size);
  for (gsize i = 0; i < probe.size; i++)
    bytes[i] = (guint8) (i * 2654435761u >> 24);
  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES (&probe); i++)
    planes[i] = bytes + probe.offset[i];
  row = g_malloc0 ((gsize) 2 * PROBE * pixel);
  part = g_malloc0 ((gsize) PROBE * pixel);
  finfo->unpack_func (finfo, GST_VIDEO_PACK_FLAG_NONE, row, planes,
      probe.stride, 0, 0, 2 * PROBE);
  finfo->unpack_func (finfo, GST_VIDEO_PACK_FLAG_NONE, part, planes,
      probe.stride, PROBE, 0, PROBE);
  return memcmp (part, row + PROBE * pixel, (gsize) PROBE * pixel) == 0;
}

/* Makes the scaler of a format that has to be converted whole. */
static gboolean
prepare_whole (GstFrameScaler * scaler, guint size)
{
  GstVideoInfo *plain = &scaler->plain, in = scaler->in;

  gst_video_info_set_format (plain, in.finfo->unpack_format,
      GST_VIDEO_INFO_WIDTH (&in), GST_VIDEO_INFO_HEIGHT (&in));
  plain->colorimetry = in.colorimetry;
  plain->fps_n = in.fps_n;
  plain->fps_d = in.fps_d;
  in.interlace_mode = GST_VIDEO_INTERLACE_MODE_PROGRESSIVE;
  scaler->converter = gst_video_converter_new (&in, plain, NULL);
  scaler->plain_buffer = gst_buffer_new_allocate (NULL,
      GST_VIDEO_INFO_SIZE (plain), NULL);
  scaler->after = gst_frame_scaler_new_crop (plain, size, &scaler->crop);
  return scaler->converter != NULL && scaler->after != NULL;
}

GstFrameScaler *
gst_frame_scaler_new_crop (const GstVideoInfo * info, guint size,
    const GstVideoRectangle * crop)
{
  GstFrameScaler *scaler = g_new0 (GstFrameScaler, 1);
  GstVideoInfo in = *info;
  gint y = crop->y, height = crop->h;
  GstStructure *options;

  scaler->in = *info;
  scaler->crop = *crop;
  if (GST_VIDEO_FORMAT_INFO_IS_TILED (info->finfo)
      || (crop->x > 0 && !can_take_parts (info))) {
    if (!prepare_whole (scaler, size))
      g_clear_pointer (&scaler, gst_frame_scaler_free);
    return scaler;
  }
  gst_video_info_set_format (&scaler->out, GST_VIDEO_FORMAT_RGB, size, size);
  scaler->rows = gst_row_scaler_new (info, y, height, size);
  if (scaler->rows != NULL) {
    in = *gst_row_scaler_get_info (scaler->rows);
    y = 0;
    height = size;
    scaler->row_buffer = gst_buffer_new_allocate (NULL,
        GST_VIDEO_INFO_SIZE (&in), NULL);
  }
  /* Both fields of an interlaced picture are scaled as one (see
   * map()); the converter would want the output to be
   * interlaced as well. */
  in.interlace_mode = GST_VIDEO_INTERLACE_MODE_PROGRESSIVE;
  /* Nor does it convert frame rates. */
  scaler->out.fps_n = in.fps_n;
  scaler->out.fps_d = in.fps_d;

  /* Linear, with as many taps as the reduction needs: what PIL calls bilinear
   * with antialiasing, which the published models were trained with. */
  options = gst_structure_new ("GstVideoConverter",
      GST_VIDEO_CONVERTER_OPT_RESAMPLER_METHOD, GST_TYPE_VIDEO_RESAMPLER_METHOD,
      GST_VIDEO_RESAMPLER_METHOD_LINEAR,
      GST_VIDEO_CONVERTER_OPT_ALPHA_MODE, GST_TYPE_VIDEO_ALPHA_MODE,
      GST_VIDEO_ALPHA_MODE_COPY,
      GST_VIDEO_CONVERTER_OPT_SRC_X, G_TYPE_INT, crop->x,
      GST_VIDEO_CONVERTER_OPT_SRC_Y, G_TYPE_INT, y,
      GST_VIDEO_CONVERTER_OPT_SRC_WIDTH, G_TYPE_INT, crop->w,
      GST_VIDEO_CONVERTER_OPT_SRC_HEIGHT, G_TYPE_INT, height, NULL);
  scaler->converter = gst_video_converter_new (&in, &scaler->out, options);
  if (scaler->converter == NULL) {
    gst_frame_scaler_free (scaler);
    return NULL;
  }
  scaler->buffer = gst_buffer_new_allocate (NULL,
      GST_VIDEO_INFO_SIZE (&scaler->out), NULL);
  return scaler;
}

/* Converts a frame that is mapped, through fewer rows if that can be. */
static gboolean
convert (GstFrameScaler * scaler, const GstVideoFrame * in, GstVideoFrame * out)
{
  GstVideoFrame rows;

  if (scaler->rows == NULL) {
    gst_video_converter_frame (scaler->converter, in, out);
    return TRUE;
  }
  if (!gst_video_frame_map (&rows, gst_row_scaler_get_info (scaler->rows),
          scaler->row_buffer, GST_MAP_READWRITE))
    return FALSE;
  gst_row_scaler_run (scaler->rows, in, &rows);
  gst_video_converter_frame (scaler->converter, &rows, out);
  gst_video_frame_unmap (&rows);
  return TRUE;
}

/* Maps two buffers, the first for reading, both fields of a picture as one. */
static gboolean
map (GstVideoFrame * in, const GstVideoInfo * in_info, GstBuffer * in_buffer,
    GstVideoFrame * out, const GstVideoInfo * out_info, GstBuffer * out_buffer)
{
  if (!gst_video_frame_map (in, in_info, in_buffer, GST_MAP_READ))
    return FALSE;
  if (!gst_video_frame_map (out, out_info, out_buffer, GST_MAP_WRITE)) {
    gst_video_frame_unmap (in);
    return FALSE;
  }
  in->flags &= ~GST_VIDEO_FRAME_FLAG_INTERLACED;
  return TRUE;
}

static gboolean
run_whole (GstFrameScaler * scaler, GstBuffer * buffer, guint8 * rgb)
{
  GstVideoFrame in, plain;

  if (!map (&in, &scaler->in, buffer, &plain, &scaler->plain,
          scaler->plain_buffer))
    return FALSE;
  gst_video_converter_frame (scaler->converter, &in, &plain);
  gst_video_frame_unmap (&plain);
  gst_video_frame_unmap (&in);
  return gst_frame_scaler_run (scaler->after, scaler->plain_buffer, rgb);
}

gboolean
gst_frame_scaler_run (GstFrameScaler * scaler, GstBuffer * buffer, guint8 * rgb)
{
  GstVideoFrame in, out;
  gsize row = GST_VIDEO_INFO_WIDTH (&scaler->out) * 3;
  gboolean ok;

  if (scaler->after != NULL)
    return run_whole (scaler, buffer, rgb);
  if (!map (&in, &scaler->in, buffer, &out, &scaler->out, scaler->buffer))
    return FALSE;
  ok = convert (scaler, &in, &out);
  for (gint y = 0; ok && y < GST_VIDEO_INFO_HEIGHT (&scaler->out); y++)
    memcpy (rgb + y * row, (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&out, 0)
        + y * GST_VIDEO_FRAME_PLANE_STRIDE (&out, 0), row);
  gst_video_frame_unmap (&out);
  gst_video_frame_unmap (&in);
  return ok;
}
