/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GstVideoClassifyMeta: what it carries, and what it survives. */

#include "tests/element/common.h"

static GstVideoClassifyResult *
result_new (gboolean with_event)
{
  const GstVideoClassifyClass classes[] = {
    {3, 0.75, "Wave « hello »"}, {0, 0.125, "Nothing"}
  };
  const GstVideoClassifyEvent event = { 3, 0.875, "Wave « hello »",
    GST_SECOND, 2 * GST_SECOND, 3 * GST_SECOND
  };

  return gst_video_classify_result_new_with_event ("model", GST_SECOND,
      3 * GST_SECOND, classes, G_N_ELEMENTS (classes),
      with_event ? &event : NULL);
}

static void
check_result (const GstVideoClassifyResult * result, gboolean with_event)
{
  const GstVideoClassifyClass *c;
  const GstVideoClassifyEvent *e;

  g_assert_cmpstr (gst_video_classify_result_get_model (result), ==, "model");
  g_assert_cmpuint (gst_video_classify_result_get_clip_start (result), ==,
      GST_SECOND);
  g_assert_cmpuint (gst_video_classify_result_get_clip_end (result), ==,
      3 * GST_SECOND);
  g_assert_cmpuint (gst_video_classify_result_get_n_classes (result), ==, 2);
  c = gst_video_classify_result_get_class (result, 0);
  g_assert_cmpint (c->index, ==, 3);
  g_assert_cmpfloat (c->score, ==, 0.75);
  g_assert_cmpstr (c->label, ==, "Wave « hello »");
  c = gst_video_classify_result_get_class (result, 1);
  g_assert_cmpstr (c->label, ==, "Nothing");
  e = gst_video_classify_result_get_event (result);
  g_assert_cmpint (e != NULL, ==, with_event);
  if (with_event) {
    g_assert_cmpint (e->index, ==, 3);
    g_assert_cmpfloat (e->score, ==, 0.875);
    g_assert_cmpstr (e->label, ==, "Wave « hello »");
    g_assert_cmpuint (e->start, ==, GST_SECOND);
    g_assert_cmpuint (e->peak, ==, 2 * GST_SECOND);
    g_assert_cmpuint (e->end, ==, 3 * GST_SECOND);
  }
}

static void
test_result (void)
{
  g_autoptr (GstVideoClassifyResult) with = result_new (TRUE);
  g_autoptr (GstVideoClassifyResult) without = result_new (FALSE);

  check_result (with, TRUE);
  check_result (without, FALSE);
}

/* A result of an object is the same otherwise. */
static void
test_object (void)
{
  for (gint with_event = 0; with_event < 2; with_event++) {
    g_autoptr (GstVideoClassifyResult) of_picture = result_new (with_event);
    g_autoptr (GstVideoClassifyResult) of_object =
        gst_video_classify_result_new_for_object (of_picture, 1ull << 40);
    guint64 object;

    g_assert_false (gst_video_classify_result_get_object (of_picture, NULL));
    g_assert_true (gst_video_classify_result_get_object (of_object, &object));
    g_assert_cmpuint (object, ==, 1ull << 40);
    check_result (of_object, with_event);
  }
}

static void
test_copy (void)
{
  g_autoptr (GstVideoClassifyResult) result = result_new (TRUE);
  GstBuffer *buffer = gst_buffer_new (), *copy;
  GstVideoClassifyMeta *meta;

  gst_buffer_add_video_classify_meta (buffer, result)->age = 5;
  copy = gst_buffer_copy (buffer);
  gst_buffer_unref (buffer);
  meta = gst_buffer_get_video_classify_meta (copy, "model");
  g_assert_true (meta->result == result);
  g_assert_cmpuint (meta->age, ==, 5);
  gst_buffer_unref (copy);
}

/* What pipelines do to buffers leaves it on them, with the action. */
static void
test_survival (void)
{
  static const gchar *const elements[] = {
    "tee ! identity", "queue", "identity", "videorate",
    "videoconvert ! video/x-raw,format=BGRA ! identity",
    "videoscale ! video/x-raw,width=20,height=30 ! identity",
    "videocrop left=10", "videoflip method=clockwise",
    "videoconvert ! videobalance hue=0.5",
    "videoconvert ! videobox top=-10", "jpegenc ! jpegdec", "pngenc ! pngdec",
    ("tee ! queue ! videoconvert ! videoscale ! video/x-raw,format=NV12,width=32 "
        "! identity"),
  };

  for (guint i = 0; i < G_N_ELEMENTS (elements); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GstElement) bin = gst_parse_bin_from_description (elements[i],
        TRUE, &error);
    g_autoptr (GstVideoClassifyResult) result = result_new (TRUE);
    GstVideoClassifyMeta *meta;
    GstBuffer *buffer, *out;
    GstHarness *h;

    g_assert_no_error (error);
    gst_object_ref_sink (bin);
    h = gst_harness_new_with_element (bin, "sink", "src");
    gst_harness_set_src_caps_str (h,
        "video/x-raw,format=GRAY8,width=64,height=48,framerate=30/1");
    for (guint f = 0; f < 3; f++) {
      buffer = frame_new (f * FRAME);
      gst_buffer_add_video_classify_meta (buffer, result)->age = 3;
      gst_harness_push (h, buffer);
    }
    gst_harness_push_event (h, gst_event_new_eos ());
    g_test_message ("%s", elements[i]);
    out = gst_harness_pull (h);
    g_assert_nonnull (out);
    meta = gst_buffer_get_video_classify_meta (out, "model");
    if (meta == NULL)
      g_error ("lost by %s", elements[i]);
    check_result (meta->result, TRUE);
    g_assert_cmpuint (meta->age, ==, 3);
    gst_buffer_unref (out);
    gst_harness_teardown (h);
  }
}

/* The element says which action is going on, on each buffer. */
static void
test_event (void)
{
  GstHarness *h = harness_new ("mode=sync events=once event-threshold=0.1 "
      "clip-stride=4");
  guint with_event = 0;

  for (guint i = 0; i < CLIP_FRAMES + 40; i++) {
    GstBuffer *out = gst_harness_push_and_pull (h, frame_new (i * FRAME));
    GstVideoClassifyMeta *meta = gst_buffer_get_video_classify_meta (out, NULL);
    const GstVideoClassifyEvent *e = meta ?
        gst_video_classify_result_get_event (meta->result) : NULL;

    if (e != NULL) {
      g_assert_cmpuint (e->start, <=, e->peak);
      g_assert_cmpuint (e->peak, <=, e->end);
      g_assert_cmpuint (e->end, ==,
          gst_video_classify_result_get_clip_end (meta->result));
      g_assert_cmpfloat (e->score, >=, 0.1);
      g_assert_nonnull (e->label);
      with_event++;
    }
    gst_buffer_unref (out);
  }
  g_assert_cmpuint (with_event, ==, 41);
  gst_harness_teardown (h);
}

#if GST_CHECK_VERSION (1, 24, 0)
static void
check_serialized (gboolean with_event)
{
  g_autoptr (GstVideoClassifyResult) result = result_new (with_event);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  GstBuffer *from = gst_buffer_new (), *to = gst_buffer_new ();
  GstVideoClassifyMeta *meta =
      gst_buffer_add_video_classify_meta (from, result);
  guint32 consumed = 0;

  meta->age = 7;
  g_assert_true (gst_meta_serialize_simple (&meta->meta, bytes));
  g_assert_nonnull (gst_meta_deserialize (to, bytes->data, bytes->len,
          &consumed));
  g_assert_cmpuint (consumed, ==, bytes->len);
  meta = gst_buffer_get_video_classify_meta (to, "model");
  g_assert_nonnull (meta);
  check_result (meta->result, with_event);
  g_assert_cmpuint (meta->age, ==, 7);
  gst_buffer_unref (from);
  gst_buffer_unref (to);

  /* Damaged bytes are refused or read as something else; nothing breaks. */
  for (guint i = 0; i < bytes->len; i++) {
    GstBuffer *buffer = gst_buffer_new ();

    bytes->data[i] ^= 0xff;
    gst_meta_deserialize (buffer, bytes->data, bytes->len, &consumed);
    bytes->data[i] ^= 0xff;
    gst_buffer_unref (buffer);
  }
}

static void
test_serialized (void)
{
  check_serialized (TRUE);
  check_serialized (FALSE);
}
#endif

/* In a process that adds none itself, as one that is sent buffers of another. */
static void
check_registered (void (*prepare) (void))
{
  if (g_test_subprocess ()) {
    g_assert_null (gst_meta_get_info ("GstVideoClassifyMeta"));
    prepare ();
    g_assert_nonnull (gst_meta_get_info ("GstVideoClassifyMeta"));
    return;
  }
  g_test_trap_subprocess (NULL, 120 * G_USEC_PER_SEC, 0);
  g_test_trap_assert_passed ();
}

static void
load_plugin (void)
{
  GstElement *element = gst_element_factory_make ("videoclasstext", NULL);

  g_assert_nonnull (element);
  gst_object_unref (element);
}

static void
look_at_buffer (void)
{
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();

  g_assert_null (gst_buffer_get_video_classify_meta (buffer, NULL));
}

static void
test_registered (void)
{
  check_registered (load_plugin);
}

static void
test_registered_by_reader (void)
{
  check_registered (look_at_buffer);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/meta/result", test_result);
  g_test_add_func ("/meta/object", test_object);
  g_test_add_func ("/meta/registered", test_registered);
  g_test_add_func ("/meta/reader", test_registered_by_reader);
  g_test_add_func ("/meta/copy", test_copy);
  g_test_add_func ("/meta/survival", test_survival);
  g_test_add_func ("/meta/event", test_event);
#if GST_CHECK_VERSION (1, 24, 0)
  g_test_add_func ("/meta/serialized", test_serialized);
#endif
  return g_test_run ();
}
