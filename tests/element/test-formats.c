/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the network sees of each raw format: the same as of a picture in RGB, from
 * the same part of the picture. */

#include <gst/gst.h>

#include <math.h>

#include "gst/framescaler.h"

#define SIZE 112
#define BYTES (SIZE * SIZE * 3)
/* Of 255, on the mean. A part may begin between two columns of chroma, which are
 * taken from the one before then: of a quarter of the columns, up to three off. */
#define TOLERANCE 3

static GstBuffer *
convert (const GstVideoInfo * from, GstBuffer * buffer, const GstVideoInfo * to)
{
  GstVideoConverter *converter = gst_video_converter_new (from, to, NULL);
  GstBuffer *out = gst_buffer_new_allocate (NULL, to->size, NULL);
  GstVideoFrame a, b;

  g_assert_nonnull (converter);
  g_assert_true (gst_video_frame_map (&a, from, buffer, GST_MAP_READ));
  g_assert_true (gst_video_frame_map (&b, to, out, GST_MAP_WRITE));
  gst_video_converter_frame (converter, &a, &b);
  gst_video_frame_unmap (&b);
  gst_video_frame_unmap (&a);
  gst_video_converter_free (converter);
  return out;
}

/* Waves and a ramp, so that each part of the picture differs from the others. */
static GstBuffer *
draw (const GstVideoInfo * rgb)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, rgb->size, NULL);
  GstVideoFrame f;

  g_assert_true (gst_video_frame_map (&f, rgb, buffer, GST_MAP_WRITE));
  for (gint y = 0; y < rgb->height; y++)
    for (gint x = 0; x < rgb->width; x++) {
      guint8 *p = (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&f, 0)
          + y * GST_VIDEO_FRAME_PLANE_STRIDE (&f, 0) + 3 * x;

      p[0] = (guint8) (127 + 100 * sin (x * 0.05) * cos (y * 0.03));
      p[1] = (guint8) (127 + 100 * sin (x * 0.031 + 1) * cos (y * 0.02));
      p[2] = (guint8) (x * 255 / rgb->width);
    }
  gst_video_frame_unmap (&f);
  return buffer;
}

static void
scale (const GstVideoInfo * info, GstBuffer * buffer,
    const GstVideoRectangle * crop, guint8 * rgb)
{
  GstFrameScaler *scaler = crop ? gst_frame_scaler_new_crop (info, SIZE, crop)
      : gst_frame_scaler_new (info, SIZE, CNN3D_RESIZE_CROP);

  g_assert_nonnull (scaler);
  g_assert_true (gst_frame_scaler_run (scaler, buffer, rgb));
  gst_frame_scaler_free (scaler);
}

static void
check_format (GstVideoFormat format, const GstVideoInfo * rgb,
    GstBuffer * picture, const GstVideoRectangle * crop)
{
  g_autoptr (GstBuffer) coded = NULL, decoded = NULL;
  guint8 seen[BYTES], expected[BYTES];
  GstVideoInfo info;
  gdouble sum = 0;

  gst_video_info_set_format (&info, format, rgb->width, rgb->height);
  coded = convert (rgb, picture, &info);
  decoded = convert (&info, coded, rgb);
  scale (&info, coded, crop, seen);
  scale (rgb, decoded, crop, expected);
  for (gint i = 0; i < BYTES; i++)
    sum += abs (seen[i] - expected[i]);
  if (sum > TOLERANCE * BYTES)
    g_error ("%s of %dx%d: mean error %.1f", gst_video_format_to_string (format),
        rgb->width, rgb->height, sum / BYTES);
}

static gboolean
is_raw (const gchar * name)
{
  const GstVideoFormatInfo *info =
      gst_video_format_get_info (gst_video_format_from_string (name));

  /* Of memory that is no system memory there is nothing to unpack. */
  return info->unpack_func != NULL;
}

/* The shape of a picture, and a part of it, or none. */
typedef struct
{
  gint width, height;
  GstVideoRectangle crop;
} Shape;

static void
test_formats (gconstpointer data)
{
  const Shape *shape = data;
  g_autoptr (GstBuffer) picture = NULL;
  const GValue *list;
  GstCaps *caps = gst_caps_from_string (GST_VIDEO_CAPS_MAKE
      (GST_VIDEO_FORMATS_ALL));
  GstVideoInfo rgb;
  guint n = 0;

  list = gst_structure_get_value (gst_caps_get_structure (caps, 0), "format");
  gst_video_info_set_format (&rgb, GST_VIDEO_FORMAT_RGB, shape->width,
      shape->height);
  picture = draw (&rgb);
  for (guint i = 0; i < gst_value_list_get_size (list); i++) {
    const gchar *name =
        g_value_get_string (gst_value_list_get_value (list, i));

    if (!is_raw (name))
      continue;
    check_format (gst_video_format_from_string (name), &rgb, picture,
        shape->crop.w > 0 ? &shape->crop : NULL);
    n++;
  }
  g_test_message ("%u formats", n);
  g_assert_cmpuint (n, >, 90);
  gst_caps_unref (caps);
}

int
main (int argc, char **argv)
{
  static const Shape landscape = { 640, 360, {0, 0, 0, 0} };
  static const Shape portrait = { 360, 640, {0, 0, 0, 0} };
  static const Shape part = { 640, 480, {300, 100, 200, 300} };

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/formats/landscape", &landscape, test_formats);
  g_test_add_data_func ("/formats/portrait", &portrait, test_formats);
  g_test_add_data_func ("/formats/part", &part, test_formats);
  return g_test_run ();
}
