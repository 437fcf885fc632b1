/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* videoclassoverlay: what it attaches or blends, when, and where. */

#include <string.h>

#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

#include "tests/element/common.h"

#define CAPS "video/x-raw,format=GRAY8,width=320,height=240,framerate=30/1"
#define COMPOSED "video/x-raw(memory:SystemMemory,meta:GstVideoOverlayComposition)"

/* A harness whose downstream composes overlays itself. */
static GstHarness *
composing_harness (const gchar * properties, const gchar * caps)
{
  g_autofree gchar *launch = g_strdup_printf ("videoclassoverlay %s",
      properties);
  GstHarness *h = gst_harness_new_parse (launch);

  gst_harness_set_sink_caps_str (h, COMPOSED);
  gst_harness_add_propose_allocation_meta (h,
      GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
  gst_harness_set_src_caps_str (h, caps);
  return h;
}

static GstVideoClassifyResult *
result_new (const gchar * label, gdouble score, const gchar * event,
    GstClockTime start)
{
  const GstVideoClassifyClass classes[] = {
    {0, score, label}, {1, (1 - score) / 2, "other"}, {2, 0.01, "third"}
  };
  const GstVideoClassifyEvent e = { 0, score, event, start, start, start };

  return gst_video_classify_result_new_with_event ("m", 0, GST_SECOND, classes,
      G_N_ELEMENTS (classes), event ? &e : NULL);
}

static GstBuffer *
gray_frame (GstClockTime pts, GstVideoClassifyResult * result)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 320 * 240, NULL);

  gst_buffer_memset (buffer, 0, 0x80, 320 * 240);
  GST_BUFFER_PTS (buffer) = pts;
  if (result != NULL)
    gst_buffer_add_video_classify_meta (buffer, result);
  return buffer;
}

/* The overlay of a frame that was pushed, or NULL. */
static GstVideoOverlayComposition *
push (GstHarness * h, GstBuffer * in)
{
  GstBuffer *out = gst_harness_push_and_pull (h, in);
  GstVideoOverlayCompositionMeta *meta;
  GstVideoOverlayComposition *composition = NULL;

  g_assert_nonnull (out);
  meta = gst_buffer_get_video_overlay_composition_meta (out);
  if (meta != NULL)
    composition = gst_video_overlay_composition_ref (meta->overlay);
  gst_buffer_unref (out);
  return composition;
}

static guint
push_count (GstHarness * h, GstBuffer * in)
{
  g_autoptr (GstVideoOverlayComposition) composition = push (h, in);

  return composition ? gst_video_overlay_composition_n_rectangles (composition)
      : 0;
}

static gboolean
has_feature (GstHarness * h)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (h->sinkpad);

  return gst_caps_features_contains (gst_caps_get_features (caps, 0),
      GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION);
}

static void
test_attach (void)
{
  GstHarness *h = composing_harness ("", CAPS);
  g_autoptr (GstVideoClassifyResult) result = result_new ("a", 0.9, NULL, 0);
  GstBuffer *in = gray_frame (0, result), *out;
  GstMemory *memory = gst_buffer_peek_memory (in, 0);
  guint8 gray[320 * 240];

  memset (gray, 0x80, sizeof gray);
  out = gst_harness_push_and_pull (h, in);
  g_assert_true (has_feature (h));
  g_assert_true (gst_buffer_peek_memory (out, 0) == memory);
  g_assert_cmpint (gst_buffer_memcmp (out, 0, gray, sizeof gray), ==, 0);
  g_assert_nonnull (gst_buffer_get_video_overlay_composition_meta (out));
  g_assert_nonnull (gst_buffer_get_video_classify_meta (out, "m"));
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

/* Downstream takes any caps, but does not compose. */
static void
test_blend (void)
{
  GstHarness *h = gst_harness_new ("videoclassoverlay");
  g_autoptr (GstVideoClassifyResult) result = result_new ("a", 0.9, NULL, 0);
  GstMapInfo map;
  GstBuffer *out;
  guint changed = 0;

  gst_harness_set_src_caps_str (h, CAPS);
  out = gst_harness_push_and_pull (h, gray_frame (0, result));
  g_assert_false (has_feature (h));
  g_assert_null (gst_buffer_get_video_overlay_composition_meta (out));
  gst_buffer_map (out, &map, GST_MAP_READ);
  for (guint y = 0; y < 240; y++)
    for (guint x = 0; x < 320; x++)
      if (map.data[y * 320 + x] != 0x80) {
        changed++;
        g_assert_cmpuint (x, <, 200);
        g_assert_cmpuint (y, <, 80);
        g_assert_cmpuint (x, >=, 6);
        g_assert_cmpuint (y, >=, 6);
      }
  g_assert_cmpuint (changed, >, 5000);
  gst_buffer_unmap (out, &map);
  gst_buffer_unref (out);

  /* A frame that others have as well is copied before it is drawn on. */
  {
    GstBuffer *in = gray_frame (FRAME, result), *shared = gst_buffer_copy (in);

    out = gst_harness_push_and_pull (h, in);
    gst_buffer_map (shared, &map, GST_MAP_READ);
    for (guint i = 0; i < 320 * 240; i++)
      g_assert_cmpuint (map.data[i], ==, 0x80);
    gst_buffer_unmap (shared, &map);
    gst_buffer_unref (shared);
    gst_buffer_unref (out);
  }
  gst_harness_teardown (h);
}

static void
test_nothing (void)
{
  GstHarness *h = gst_harness_new ("videoclassoverlay");
  g_autoptr (GstVideoClassifyResult) empty =
      gst_video_classify_result_new ("m", 0, 0, NULL, 0);
  GstBuffer *in, *out;
  GstMemory *memory;

  gst_harness_set_src_caps_str (h, CAPS);
  for (guint i = 0; i < 2; i++) {
    in = gray_frame (i * FRAME, i ? empty : NULL);
    memory = gst_buffer_peek_memory (in, 0);
    out = gst_harness_push_and_pull (h, in);
    g_assert_true (gst_buffer_peek_memory (out, 0) == memory);
    g_assert_cmpint (gst_buffer_memcmp (out, 7000, "\x80\x80", 2), ==, 0);
    gst_buffer_unref (out);
  }
  gst_harness_teardown (h);
}

/* Painted once for each result, and anew when a property changes. */
static void
test_cache (void)
{
  GstHarness *h = composing_harness ("name=o", CAPS);
  g_autoptr (GstElement) overlay = gst_bin_get_by_name (GST_BIN (h->element),
      "o");
  g_autoptr (GstVideoClassifyResult) first = result_new ("a", 0.9, NULL, 0);
  g_autoptr (GstVideoClassifyResult) second = result_new ("b", 0.9, NULL, 0);
  g_autoptr (GstVideoOverlayComposition) c0 = push (h, gray_frame (0, first));
  g_autoptr (GstVideoOverlayComposition) c1 = push (h, gray_frame (FRAME,
          first));
  g_autoptr (GstVideoOverlayComposition) c2 = push (h, gray_frame (2 * FRAME,
          second));
  g_autoptr (GstVideoOverlayComposition) c3 = NULL;

  g_assert_true (c0 == c1);
  g_assert_true (c1 != c2);
  g_object_set (overlay, "bar-color", 0xffff0000, NULL);
  c3 = push (h, gray_frame (3 * FRAME, second));
  g_assert_true (c3 != c2);
  g_assert_cmpuint (push_count (h, gray_frame (4 * FRAME, NULL)), ==, 0);
  g_object_set (overlay, "threshold", 0.95, NULL);
  g_assert_cmpuint (push_count (h, gray_frame (5 * FRAME, second)), ==, 0);
  g_object_set (overlay, "threshold", 0.0, "model-name", "another", NULL);
  g_assert_cmpuint (push_count (h, gray_frame (6 * FRAME, second)), ==, 0);
  gst_harness_teardown (h);
}

/* An action is shown while it goes on, and for event-hold after it. */
static void
test_event (void)
{
  GstHarness *h = composing_harness ("event-hold=500", CAPS);
  g_autoptr (GstVideoClassifyResult) with = result_new ("a", 0.9, "a", 0);
  g_autoptr (GstVideoClassifyResult) without = result_new ("a", 0.9, NULL, 0);
  g_autoptr (GstVideoOverlayComposition) c0 = push (h, gray_frame (0, with));
  g_autoptr (GstVideoOverlayComposition) c1 = push (h, gray_frame (FRAME,
          with));
  g_autoptr (GstVideoOverlayComposition) c2 = push (h,
      gray_frame (GST_SECOND, with));

  g_assert_cmpuint (gst_video_overlay_composition_n_rectangles (c0), ==, 2);
  /* The seconds since its start are shown. */
  g_assert_true (c0 == c1);
  g_assert_true (c1 != c2);
  g_assert_cmpuint (push_count (h, gray_frame (GST_SECOND + 15 * FRAME / 2,
              without)), ==, 2);
  g_assert_cmpuint (push_count (h, gray_frame (GST_SECOND + 16 * FRAME,
              without)), ==, 1);
  g_assert_cmpuint (push_count (h, gray_frame (2 * GST_SECOND, with)), ==, 2);
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  {
    GstSegment segment;

    gst_segment_init (&segment, GST_FORMAT_TIME);
    gst_harness_push_event (h, gst_event_new_segment (&segment));
  }
  g_assert_cmpuint (push_count (h, gray_frame (2 * GST_SECOND, without)), ==,
      1);
  gst_harness_teardown (h);
}

static void
test_objects (void)
{
  GstHarness *h = composing_harness ("", CAPS);
  GstBuffer *buffer = gray_frame (0, NULL);
  GstVideoRegionOfInterestMeta *region;

  for (gint i = 0; i < 3; i++) {
    /* In the picture; partly; not at all. */
    region = gst_buffer_add_video_region_of_interest_meta (buffer, "person",
        100 + 150 * i, 60, 80, 100);
    gst_video_region_of_interest_meta_add_param (region,
        gst_structure_new ("videoclassify3d", "model", G_TYPE_STRING, "m",
            "label", G_TYPE_STRING, "walking", "score", G_TYPE_DOUBLE, 0.5,
            NULL));
  }
  /* Not ours. */
  gst_buffer_add_video_region_of_interest_meta (buffer, "face", 10, 10, 20, 20);
  g_assert_cmpuint (push_count (h, buffer), ==, 10);
  gst_harness_teardown (h);
}

#ifdef HAVE_GST_ANALYTICS
/* A detection with a track and a classification; one without a track has the
 * detector's class, which is not ours to show. */
static void
test_detections (void)
{
  GstHarness *h = composing_harness ("", CAPS);
  GstBuffer *buffer = gray_frame (0, NULL);
  GstAnalyticsRelationMeta *relations =
      gst_buffer_add_analytics_relation_meta (buffer);

  for (guint i = 0; i < 2; i++) {
    gfloat level = 0.5;
    GQuark quark = g_quark_from_static_string ("walking");
    GstAnalyticsTrackingMtd track;
    GstAnalyticsClsMtd cls;
    GstAnalyticsODMtd od;

    g_assert_true (gst_analytics_relation_meta_add_od_mtd (relations,
            g_quark_from_static_string ("person"), 50 + 100 * i, 60, 80, 100,
            0.9, &od));
    g_assert_true (gst_analytics_relation_meta_add_cls_mtd (relations, 1,
            &level, &quark, &cls));
    gst_analytics_relation_meta_set_relation (relations,
        GST_ANALYTICS_REL_TYPE_RELATE_TO | GST_ANALYTICS_REL_TYPE_CONTAIN,
        od.id, cls.id);
    if (i == 1)
      continue;
    g_assert_true (gst_analytics_relation_meta_add_tracking_mtd (relations, 3,
            0, &track));
    gst_analytics_relation_meta_set_relation (relations,
        GST_ANALYTICS_REL_TYPE_RELATE_TO, od.id, track.id);
  }
  g_assert_cmpuint (push_count (h, buffer), ==, 5);
  gst_harness_teardown (h);
}
#endif

static void
check_inside (GstVideoOverlayComposition * composition, gint width,
    gint height)
{
  for (guint i = 0; i < gst_video_overlay_composition_n_rectangles
      (composition); i++) {
    GstVideoOverlayRectangle *r =
        gst_video_overlay_composition_get_rectangle (composition, i);
    gint x, y;
    guint w, h;

    gst_video_overlay_rectangle_get_render_rectangle (r, &x, &y, &w, &h);
    g_assert_cmpint (x, >=, 0);
    g_assert_cmpint (y, >=, 0);
    g_assert_cmpint (x + (gint) w, <=, width);
    g_assert_cmpint (y + (gint) h, <=, height);
  }
}

/* From a picture of one pixel to 8K, at every position; what does not fit is
 * left out. */
static void
test_sizes (void)
{
  static const struct
  {
    gint width, height;
    guint rectangles;
  } sizes[] = {
    {1, 1, 0}, {16, 16, 0}, {40, 30, 0}, {64, 48, 1}, {160, 120, 2},
    {177, 145, 2}, {320, 240, 2}, {240, 320, 2}, {1280, 720, 2},
    {7680, 4320, 2}, {4000, 40, 1}, {40, 4000, 0}
  };
  g_autoptr (GstVideoClassifyResult) result = result_new ("waving a flag", 0.9,
      "waving a flag", 0);

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autofree gchar *caps = g_strdup_printf ("video/x-raw,format=GRAY8,"
        "framerate=30/1,width=%d,height=%d", sizes[i].width, sizes[i].height);
    GstHarness *h = composing_harness ("name=o", caps);
    g_autoptr (GstElement) overlay = gst_bin_get_by_name (GST_BIN (h->element),
        "o");

    for (guint position = 0; position < 9; position++) {
      g_autoptr (GstVideoOverlayComposition) c = NULL;

      g_object_set (overlay, "position", position, NULL);
      c = push (h, gray_frame (position * FRAME, result));
      if (c != NULL)
        check_inside (c, sizes[i].width, sizes[i].height);
      g_assert_cmpuint (c ? gst_video_overlay_composition_n_rectangles (c) : 0,
          >=, sizes[i].rectangles);
    }
    gst_harness_teardown (h);
  }
}

static void
find_place (const gchar * properties, const gchar * caps, gint * x, gint * y,
    gint * w, gint * height)
{
  GstHarness *h = composing_harness (properties, caps);
  g_autoptr (GstVideoClassifyResult) result = result_new ("a", 0.9, NULL, 0);
  g_autoptr (GstVideoOverlayComposition) c = push (h, gray_frame (0, result));

  g_assert_nonnull (c);
  gst_video_overlay_rectangle_get_render_rectangle
      (gst_video_overlay_composition_get_rectangle (c, 0), x, y, (guint *) w,
      (guint *) height);
  gst_harness_teardown (h);
}

static void
test_positions (void)
{
  gint x, y, w, h, w2, h2;

  find_place ("position=top-left", CAPS, &x, &y, &w, &h);
  g_assert_cmpint (x, ==, 6);
  g_assert_cmpint (y, ==, 6);
  find_place ("position=top-left xpad=30 ypad=0", CAPS, &x, &y, &w, &h);
  g_assert_cmpint (x, ==, 30);
  g_assert_cmpint (y, ==, 0);
  find_place ("position=bottom-right", CAPS, &x, &y, &w, &h);
  g_assert_cmpint (x + w, ==, 314);
  g_assert_cmpint (y + h, ==, 234);
  find_place ("position=center", CAPS, &x, &y, &w, &h);
  g_assert_cmpint (ABS (2 * x + w - 320), <=, 2);
  g_assert_cmpint (ABS (2 * y + h - 240), <=, 2);
  /* Sizes follow the picture's, and pixels that are not square. */
  find_place ("", "video/x-raw,format=GRAY8,width=1280,height=720", &x, &y, &w,
      &h);
  find_place ("", "video/x-raw,format=GRAY8,width=2560,height=1440", &x, &y,
      &w2, &h2);
  g_assert_cmpint (ABS (w2 - 2 * w), <=, 4);
  g_assert_cmpint (ABS (h2 - 2 * h), <=, 12);
  find_place ("", "video/x-raw,format=GRAY8,width=640,height=720,"
      "pixel-aspect-ratio=2/1", &x, &y, &w2, &h2);
  g_assert_cmpint (ABS (2 * w2 - w), <=, 4);
  g_assert_cmpint (h2, ==, h);
}

/* A copy of what is drawn in the first rectangle. */
static GstBuffer *
panel_pixels (const gchar * properties, const gchar * caps,
    const gchar * label)
{
  GstHarness *h = composing_harness (properties, caps);
  g_autoptr (GstVideoClassifyResult) result = result_new (label, 0.9, label, 0);
  g_autoptr (GstVideoOverlayComposition) c = push (h, gray_frame (0, result));
  GstBuffer *pixels;

  g_assert_nonnull (c);
  /* The action is there too. */
  g_assert_cmpuint (gst_video_overlay_composition_n_rectangles (c), ==, 2);
  pixels = gst_buffer_copy_deep
      (gst_video_overlay_rectangle_get_pixels_unscaled_raw
      (gst_video_overlay_composition_get_rectangle (c, 0),
          GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA));
  gst_harness_teardown (h);
  return pixels;
}

static gboolean
same_pixels (GstBuffer * a, GstBuffer * b)
{
  GstMapInfo map;
  gboolean same;

  gst_buffer_map (a, &map, GST_MAP_READ);
  same = map.size == gst_buffer_get_size (b)
      && gst_buffer_memcmp (b, 0, map.data, map.size) == 0;
  gst_buffer_unmap (a, &map);
  return same;
}

/* However large the text, a label is there, and not its score alone. */
static void
test_large_text (void)
{
  static const gchar *const caps[] = {
    "video/x-raw,format=GRAY8,framerate=30/1,width=160,height=120",
    "video/x-raw,format=GRAY8,framerate=30/1,width=640,height=480",
    "video/x-raw,format=GRAY8,framerate=30/1,width=1280,height=720",
    "video/x-raw,format=GRAY8,framerate=30/1,width=480,height=640"
  };
  static const gchar *const sizes[] = { "size=0.005", "size=0.1", "size=0.2",
    "size=0.3", "size=0.5"
  };

  for (guint i = 0; i < G_N_ELEMENTS (caps); i++)
    for (guint k = 0; k < G_N_ELEMENTS (sizes); k++) {
      g_autoptr (GstBuffer) a = panel_pixels (sizes[k], caps[i], "walks home");
      g_autoptr (GstBuffer) b = panel_pixels (sizes[k], caps[i], "sleeps here");

      g_assert_false (same_pixels (a, b));
    }
}

static gint
panel_width (GstHarness * h, const gchar * label)
{
  g_autoptr (GstVideoClassifyResult) result = result_new (label, 0.9, NULL, 0);
  g_autoptr (GstVideoOverlayComposition) c = push (h, gray_frame (0, result));
  gint x, y;
  guint w, height;

  gst_video_overlay_rectangle_get_render_rectangle
      (gst_video_overlay_composition_get_rectangle (c, 0), &x, &y, &w, &height);
  return w;
}

/* Long labels make it wider, up to half of the picture, and it stays so. */
static void
test_wide_panel (void)
{
  GstHarness *h = composing_harness ("",
      "video/x-raw,format=GRAY8,framerate=30/1,width=1920,height=1080");
  gint narrow = panel_width (h, "a"), wide, widest;

  wide = panel_width (h, "playing the glockenspiel outdoors in the rain");
  g_assert_cmpint (wide, >, narrow + 50);
  g_assert_cmpint (panel_width (h, "a"), ==, wide);
  widest = panel_width (h, "a label that is much longer than there is room "
      "for it in half of the picture, even if that picture is a large one");
  g_assert_cmpint (widest, >=, wide);
  g_assert_cmpint (widest, <=, 960);
  gst_harness_teardown (h);
}

/* Labels that are long, empty, in other scripts or no UTF-8; all fonts. */
static void
test_labels (void)
{
  static const gchar *const labels[] = { "", "\xff\xfe", "a\nb\tc", "<b>&amp;",
    "الجري في الحديقة", "走路", "हाथ हिलाना", "e\xcc\x81\xcc\x81\xcc\x81\xcc\x81",
    "🏃 running", "a label that is much longer than there is room for it here"
  };
  static const gchar *const fonts[] = { "font-desc=\"Serif Italic 50\"",
    "font-desc=\"\"", "font-desc=\"No such font\" size=0.5", "size=0.005",
    "background-color=0"
  };

  for (guint f = 0; f < G_N_ELEMENTS (fonts); f++) {
    GstHarness *h = composing_harness (fonts[f], CAPS);

    for (guint i = 0; i < G_N_ELEMENTS (labels); i++) {
      g_autoptr (GstVideoClassifyResult) result = result_new (labels[i], 0.5,
          labels[i], 0);
      g_autoptr (GstVideoOverlayComposition) c = push (h, gray_frame (i,
              result));

      if (c != NULL)
        check_inside (c, 320, 240);
    }
    gst_harness_teardown (h);
  }
}

/* What an element upstream has attached stays, below ours. */
static void
test_upstream_overlay (void)
{
  GstHarness *h = composing_harness ("", COMPOSED ",format=GRAY8,width=320,"
      "height=240,framerate=30/1");
  g_autoptr (GstVideoClassifyResult) result = result_new ("a", 0.9, NULL, 0);
  GstBuffer *pixels = gst_buffer_new_allocate (NULL, 8 * 8 * 4, NULL);
  GstBuffer *in = gray_frame (0, result);
  GstVideoOverlayComposition *theirs;
  GstVideoOverlayRectangle *rectangle;
  g_autoptr (GstVideoOverlayComposition) c = NULL;
  gint x, y;
  guint w, height;

  gst_buffer_memset (pixels, 0, 0xff, -1);
  gst_buffer_add_video_meta (pixels, GST_VIDEO_FRAME_FLAG_NONE,
      GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB, 8, 8);
  rectangle = gst_video_overlay_rectangle_new_raw (pixels, 1, 2, 8, 8,
      GST_VIDEO_OVERLAY_FORMAT_FLAG_NONE);
  theirs = gst_video_overlay_composition_new (rectangle);
  gst_buffer_add_video_overlay_composition_meta (in, theirs);
  c = push (h, in);
  g_assert_cmpuint (gst_video_overlay_composition_n_rectangles (c), ==, 2);
  gst_video_overlay_rectangle_get_render_rectangle
      (gst_video_overlay_composition_get_rectangle (c, 0), &x, &y, &w, &height);
  g_assert_cmpint (x, ==, 1);
  g_assert_cmpint (y, ==, 2);
  g_assert_cmpuint (w, ==, 8);
  g_assert_cmpuint (gst_video_overlay_composition_n_rectangles (theirs), ==, 1);
  gst_video_overlay_rectangle_unref (rectangle);
  gst_video_overlay_composition_unref (theirs);
  gst_buffer_unref (pixels);
  gst_harness_teardown (h);
}

static void
test_new_caps (void)
{
  GstHarness *h = composing_harness ("position=bottom-right", CAPS);
  g_autoptr (GstVideoClassifyResult) result = result_new ("a", 0.9, NULL, 0);
  g_autoptr (GstVideoOverlayComposition) large = push (h, gray_frame (0,
          result));
  g_autoptr (GstVideoOverlayComposition) small = NULL;

  check_inside (large, 320, 240);
  gst_harness_set_src_caps_str (h,
      "video/x-raw,format=GRAY8,width=160,height=120,framerate=30/1");
  small = push (h, gray_frame (FRAME, result));
  g_assert_nonnull (small);
  check_inside (small, 160, 120);
  gst_harness_teardown (h);
}

static GstPadProbeReturn
add_result (GstPad * pad, GstPadProbeInfo * info, gpointer result)
{
  GstBuffer *buffer = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));

  gst_buffer_add_video_classify_meta (buffer, result);
  info->data = buffer;
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
count_changed (GstPad * pad, GstPadProbeInfo * info, gpointer changed)
{
  GstMapInfo map;

  gst_buffer_map (GST_PAD_PROBE_INFO_BUFFER (info), &map, GST_MAP_READ);
  for (gsize i = 0; i < map.size; i++)
    *(guint *) changed += map.data[i] > 64;
  gst_buffer_unmap (GST_PAD_PROBE_INFO_BUFFER (info), &map);
  return GST_PAD_PROBE_OK;
}

/* Draws on black of this format, and looks at it in grey. */
static guint
draw_on (const gchar * caps)
{
  g_autofree gchar *launch = g_strdup_printf ("videotestsrc num-buffers=1 "
      "pattern=black ! video/x-raw,format=AYUV,width=163,height=121 "
      "! videoconvert ! capsfilter name=c caps=%s ! videoclassoverlay name=o "
      "! videoconvert ! video/x-raw,format=GRAY8 ! fakesink name=s", caps);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch (launch, &error);
  g_autoptr (GstElement) overlay = gst_bin_get_by_name (GST_BIN (pipeline),
      "o");
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  g_autoptr (GstPad) in = gst_element_get_static_pad (overlay, "sink");
  g_autoptr (GstPad) out = gst_element_get_static_pad (sink, "sink");
  g_autoptr (GstVideoClassifyResult) result = result_new ("a", 0.9, "b", 0);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;
  guint changed = 0;

  g_assert_no_error (error);
  gst_pad_add_probe (in, GST_PAD_PROBE_TYPE_BUFFER, add_result, result, NULL);
  gst_pad_add_probe (out, GST_PAD_PROBE_TYPE_BUFFER, count_changed, &changed,
      NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return changed;
}

static void
test_every_format (void)
{
  guint n_formats, tested = 0;
  const GstVideoFormat *formats = gst_video_formats_raw (&n_formats);

  for (guint i = 0; i < n_formats; i++) {
    const GstVideoFormatInfo *info = gst_video_format_get_info (formats[i]);
    const gchar *name = gst_video_format_to_string (formats[i]);
    g_autofree gchar *caps = g_strdup_printf ("video/x-raw,format=%s", name);
    guint changed;

    /* Those that videoconvert cannot write. */
    if (GST_VIDEO_FORMAT_INFO_HAS_PALETTE (info) || info->pack_func == NULL
        || GST_VIDEO_FORMAT_INFO_IS_TILED (info))
      continue;
    changed = draw_on (caps);
    if (changed < 2000)
      g_test_message ("%s: %u", name, changed);
    g_assert_cmpuint (changed, >, 2000);
    tested++;
  }
  g_test_message ("%u formats", tested);
  g_assert_cmpuint (tested, >, 60);
  g_assert_cmpuint (draw_on ("video/x-raw,format=I420,"
          "interlace-mode=interleaved"), >, 2000);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/overlay/attach", test_attach);
  g_test_add_func ("/overlay/blend", test_blend);
  g_test_add_func ("/overlay/nothing", test_nothing);
  g_test_add_func ("/overlay/cache", test_cache);
  g_test_add_func ("/overlay/event", test_event);
  g_test_add_func ("/overlay/objects", test_objects);
#ifdef HAVE_GST_ANALYTICS
  g_test_add_func ("/overlay/detections", test_detections);
#endif
  g_test_add_func ("/overlay/sizes", test_sizes);
  g_test_add_func ("/overlay/positions", test_positions);
  g_test_add_func ("/overlay/large-text", test_large_text);
  g_test_add_func ("/overlay/wide-panel", test_wide_panel);
  g_test_add_func ("/overlay/labels", test_labels);
  g_test_add_func ("/overlay/upstream-overlay", test_upstream_overlay);
  g_test_add_func ("/overlay/new-caps", test_new_caps);
  g_test_add_func ("/overlay/every-format", test_every_format);
  return g_test_run ();
}
