/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GstAnalytics, on GStreamer 1.24 and later: objects that a detector and tracker
 * have found, and classifications next to our own metadata. */

#include <glib/gstdio.h>
#include <gst/analytics/analytics.h>
#include <string.h>
#include <unistd.h>

#include "tests/element/common.h"

/* Adds a detection, and what the tracker says of it. */
static void
add_object (GstBuffer * buffer, gint x, guint64 id, gboolean tracked)
{
  GstAnalyticsRelationMeta *relations =
      gst_buffer_add_analytics_relation_meta (buffer);
  GstAnalyticsTrackingMtd track;
  GstAnalyticsODMtd od;

  g_assert_true (gst_analytics_relation_meta_add_od_mtd (relations,
          g_quark_from_static_string ("person"), x, 5, 20, 30, 0.9f, &od));
  if (!tracked)
    return;
  g_assert_true (gst_analytics_relation_meta_add_tracking_mtd (relations, id,
          GST_BUFFER_PTS (buffer), &track));
  g_assert_true (gst_analytics_relation_meta_set_relation (relations,
          GST_ANALYTICS_REL_TYPE_RELATE_TO, od.id, track.id));
}

/* Classifications on a buffer that are related to a detection, or to none. */
static void
count_classifications (GstBuffer * buffer, guint * of_objects, guint * of_picture)
{
  GstAnalyticsRelationMeta *relations =
      gst_buffer_get_analytics_relation_meta (buffer);
  gpointer state = NULL;
  GstAnalyticsMtd cls;

  *of_objects = *of_picture = 0;
  if (relations == NULL)
    return;
  while (gst_analytics_relation_meta_iterate (relations, &state,
          gst_analytics_cls_mtd_get_mtd_type (), &cls)) {
    gpointer objects = NULL;
    GstAnalyticsMtd od;
    gboolean found = FALSE;

    while (gst_analytics_relation_meta_iterate (relations, &objects,
            gst_analytics_od_mtd_get_mtd_type (), &od))
      found |= (gst_analytics_relation_meta_get_relation (relations, od.id,
              cls.id) & GST_ANALYTICS_REL_TYPE_RELATE_TO) != 0;
    *(found ? of_objects : of_picture) += 1;
  }
}

/* The whole picture: a classification with labels and scores, best first. */
static void
test_picture (void)
{
  GstHarness *h = harness_new ("mode=sync top-k=3");
  GstAnalyticsRelationMeta *relations;
  gpointer state = NULL;
  GstAnalyticsMtd mtd;
  GstAnalyticsClsMtd *cls = &mtd;
  GstVideoClassifyMeta *meta;
  guint objects, picture;
  GstBuffer *out;

  push_frames (h, 0, CLIP_FRAMES);
  out = gst_harness_push_and_pull (h, frame_new (CLIP_FRAMES * FRAME));
  count_classifications (out, &objects, &picture);
  g_assert_cmpuint (objects, ==, 0);
  g_assert_cmpuint (picture, ==, 1);
  relations = gst_buffer_get_analytics_relation_meta (out);
  g_assert_true (gst_analytics_relation_meta_iterate (relations, &state,
          gst_analytics_cls_mtd_get_mtd_type (), &mtd));
  g_assert_cmpuint (gst_analytics_cls_mtd_get_length (cls), ==, 3);
  meta = gst_buffer_get_video_classify_meta (out, NULL);
  for (guint i = 0; i < 3; i++) {
    const GstVideoClassifyClass *c =
        gst_video_classify_result_get_class (meta->result, i);

    g_assert_cmpfloat_with_epsilon (gst_analytics_cls_mtd_get_level (cls, i),
        c->score, 1e-6);
    g_assert_cmpstr (g_quark_to_string (gst_analytics_cls_mtd_get_quark (cls,
                i)), ==, c->label);
  }
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

/* Each tracked object has its result related to it; what nobody tracks has none. */
static void
test_objects (void)
{
  GstHarness *h = harness_new ("mode=sync roi=meta");
  g_autoptr (GstBus) bus = harness_bus (h);
  guint objects = 0, picture = 0;

  for (guint i = 0; i < CLIP_FRAMES; i++) {
    GstBuffer *buffer = frame_new (i * FRAME);

    add_object (buffer, i % 30, 11, TRUE);
    add_object (buffer, 30 - i % 30, 12, TRUE);
    add_object (buffer, 10, 13, FALSE);
    buffer = gst_harness_push_and_pull (h, buffer);
    count_classifications (buffer, &objects, &picture);
    if (i < CLIP_FRAMES - 1)
      g_assert_cmpuint (objects, ==, 0);
    g_assert_cmpuint (picture, ==, 0);
    gst_buffer_unref (buffer);
  }
  g_assert_cmpuint (objects, ==, 2);
  g_assert_cmpuint (count_messages (bus, "videoclassify3d"), ==, 2);
  gst_element_set_bus (h->element, NULL);
  gst_harness_teardown (h);
}

/* An object that the tracker has lost is not seen. */
static void
test_lost (void)
{
  GstHarness *h = harness_new ("mode=sync roi=meta");
  g_autoptr (GstBus) bus = harness_bus (h);

  for (guint i = 0; i < CLIP_FRAMES; i++) {
    GstBuffer *buffer = frame_new (i * FRAME);
    GstAnalyticsRelationMeta *relations;
    gpointer state = NULL;
    GstAnalyticsMtd track;

    add_object (buffer, 10, 11, TRUE);
    relations = gst_buffer_get_analytics_relation_meta (buffer);
    g_assert_true (gst_analytics_relation_meta_iterate (relations, &state,
            gst_analytics_tracking_mtd_get_mtd_type (), &track));
    gst_analytics_tracking_mtd_set_lost (&track);
    gst_buffer_unref (gst_harness_push_and_pull (h, buffer));
  }
  g_assert_cmpuint (count_messages (bus, "videoclassify3d"), ==, 0);
  gst_element_set_bus (h->element, NULL);
  gst_harness_teardown (h);
}

/* The same number twice: of a region, and of what GstAnalytics tracks. */
static void
test_kinds (void)
{
  GstHarness *h = harness_new ("mode=sync roi=meta");
  g_autoptr (GstBus) bus = harness_bus (h);
  guint regions = 0, tracked = 0;
  GstMessage *message;

  for (guint i = 0; i < CLIP_FRAMES; i++) {
    GstBuffer *buffer = frame_new (i * FRAME);

    add_object (buffer, 30, 11, TRUE);
    gst_buffer_add_video_region_of_interest_meta (buffer, "person", 5, 5, 20,
        30)->id = 11;
    gst_buffer_unref (gst_harness_push_and_pull (h, buffer));
  }
  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT))) {
    const GstStructure *s = gst_message_get_structure (message);
    const gchar *kind = gst_structure_get_string (s, "object-kind");

    if (gst_structure_has_name (s, "videoclassify3d")) {
      regions += g_strcmp0 (kind, "region") == 0;
      tracked += g_strcmp0 (kind, "tracking") == 0;
    }
    gst_message_unref (message);
  }
  g_assert_cmpuint (regions, ==, 1);
  g_assert_cmpuint (tracked, ==, 1);
  gst_element_set_bus (h->element, NULL);
  gst_harness_teardown (h);
}

static void
relate (GstAnalyticsRelationMeta * relations, guint od, const gchar * label,
    GstAnalyticsRelTypes types)
{
  gfloat level = 0.5;
  GQuark quark = g_quark_from_string (label);
  GstAnalyticsClsMtd cls;

  g_assert_true (gst_analytics_relation_meta_add_cls_mtd (relations, 1, &level,
          &quark, &cls));
  g_assert_true (gst_analytics_relation_meta_set_relation (relations, types,
          od, cls.id));
}

/* A region and a track with the same number are two objects, each a line of its
 * own as long as their labels stay what they are. */
static void
test_same_number (void)
{
  g_autofree gchar *path = NULL, *properties = NULL, *text = NULL;
  g_auto (GStrv) lines = NULL;
  gint fd = g_file_open_tmp ("analytics-XXXXXX", &path, NULL);
  GstHarness *h;

  g_assert_cmpint (fd, >=, 0);
  close (fd);
  properties = g_strdup_printf ("lines=objects location=%s", path);
  h = companion_new ("videoclassjson", properties);
  for (guint i = 0; i < 3; i++) {
    GstBuffer *buffer = frame_new (i * FRAME);
    gpointer state = NULL;
    GstAnalyticsMtd od;

    add_object (buffer, 10, 11, TRUE);
    g_assert_true (gst_analytics_relation_meta_iterate
        (gst_buffer_get_analytics_relation_meta (buffer), &state,
            gst_analytics_od_mtd_get_mtd_type (), &od));
    relate (gst_buffer_get_analytics_relation_meta (buffer), od.id, "waving",
        GST_ANALYTICS_REL_TYPE_RELATE_TO | GST_ANALYTICS_REL_TYPE_CONTAIN);
    gst_video_region_of_interest_meta_add_param
        (gst_buffer_add_video_region_of_interest_meta (buffer, "person", 5, 5,
            20, 30), gst_structure_new ("videoclassify3d", "label",
            G_TYPE_STRING, "walking", NULL));
    ((GstVideoRegionOfInterestMeta *) gst_buffer_get_meta (buffer,
            GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))->id = 11;
    gst_buffer_unref (gst_harness_push_and_pull (h, buffer));
  }
  gst_harness_teardown (h);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  lines = g_strsplit (text, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 3);
  g_assert_nonnull (strstr (lines[0], "\"kind\":\"region\""));
  g_assert_nonnull (strstr (lines[1], "\"kind\":\"tracking\""));
  g_remove (path);
}

/* What a detector, or what comes after, says of the object does not hide ours. */
static void
test_other_classes (void)
{
  g_autofree gchar *path = NULL, *properties = NULL, *text = NULL;
  gint fd = g_file_open_tmp ("analytics-XXXXXX", &path, NULL);
  GstHarness *h;
  GstBuffer *buffer = frame_new (0);
  GstAnalyticsRelationMeta *relations;
  gpointer state = NULL;
  GstAnalyticsMtd od;

  g_assert_cmpint (fd, >=, 0);
  close (fd);
  properties = g_strdup_printf ("lines=objects location=%s", path);
  h = companion_new ("videoclassjson", properties);
  add_object (buffer, 10, 11, TRUE);
  relations = gst_buffer_get_analytics_relation_meta (buffer);
  g_assert_true (gst_analytics_relation_meta_iterate (relations, &state,
          gst_analytics_od_mtd_get_mtd_type (), &od));
  relate (relations, od.id, "person", GST_ANALYTICS_REL_TYPE_RELATE_TO);
  relate (relations, od.id, "man", GST_ANALYTICS_REL_TYPE_RELATE_TO
      | GST_ANALYTICS_REL_TYPE_CONTAIN);
  relate (relations, od.id, "waving", GST_ANALYTICS_REL_TYPE_RELATE_TO
      | GST_ANALYTICS_REL_TYPE_CONTAIN);
  relate (relations, od.id, "tall", GST_ANALYTICS_REL_TYPE_CONTAIN);
  gst_buffer_unref (gst_harness_push_and_pull (h, buffer));
  gst_harness_teardown (h);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "\"label\":\"waving\""));
  g_assert_null (strchr (strchr (text, '\n') + 1, '\n'));
  g_remove (path);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/analytics/picture", test_picture);
  g_test_add_func ("/analytics/objects", test_objects);
  g_test_add_func ("/analytics/lost", test_lost);
  g_test_add_func ("/analytics/kinds", test_kinds);
  g_test_add_func ("/analytics/other-classes", test_other_classes);
  g_test_add_func ("/analytics/same-number", test_same_number);
  return g_test_run ();
}
