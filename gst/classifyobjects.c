/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/classifyobjects.h"

#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

static void
add_object (GArray * objects, const GstClassifyObject * object)
{
  for (guint i = 0; i < objects->len; i++) {
    const GstClassifySubject *other =
        &g_array_index (objects, GstClassifyObject, i).subject;

    if (other->kind == object->subject.kind && other->id == object->subject.id)
      return;
  }
  g_array_append_val (objects, *object);
}

#ifdef HAVE_GST_ANALYTICS
static void
find_mtds (GstBuffer * buffer, GArray * objects)
{
  GstAnalyticsRelationMeta *relations =
      gst_buffer_get_analytics_relation_meta (buffer);
  GstAnalyticsTrackingMtd track;
  GstAnalyticsODMtd od;
  gpointer state = NULL;

  if (relations == NULL)
    return;
  while (gst_analytics_relation_meta_iterate (relations, &state,
          gst_analytics_od_mtd_get_mtd_type (), &od)) {
    gpointer related = NULL;
    gint x, y, w, h;
    GstClockTime first, last;
    gboolean lost;
    gfloat confidence;
    guint64 id;

    if (!gst_analytics_relation_meta_get_direct_related (relations, od.id,
            GST_ANALYTICS_REL_TYPE_ANY,
            gst_analytics_tracking_mtd_get_mtd_type (), &related, &track)
        || !gst_analytics_tracking_mtd_get_info (&track, &id, &first, &last,
            &lost) || lost
        || !gst_analytics_od_mtd_get_location (&od, &x, &y, &w, &h,
            &confidence))
      continue;
    add_object (objects, &(GstClassifyObject) {
        {GST_CLASSIFY_TRACKED, id}, x, y, w, h, NULL, od.id});
  }
}

static void
add_classification (const GstClassifyObject * object, GstBuffer * buffer,
    GstVideoClassifyResult * result)
{
  guint n = gst_video_classify_result_get_n_classes (result);
  g_autofree gfloat *scores = g_new (gfloat, n);
  g_autofree GQuark *quarks = g_new (GQuark, n);
  GstAnalyticsRelationMeta *relations;
  GstAnalyticsClsMtd cls;

  if (n == 0)
    return;
  for (guint i = 0; i < n; i++) {
    const GstVideoClassifyClass *c =
        gst_video_classify_result_get_class (result, i);

    scores[i] = c->score;
    /* Labels are of a fixed list, so that quarks do not grow in number. */
    quarks[i] = g_quark_from_string (c->label);
  }
  relations = gst_buffer_add_analytics_relation_meta (buffer);
  if (gst_analytics_relation_meta_add_cls_mtd (relations, n, scores, quarks,
          &cls) && object != NULL)
    gst_analytics_relation_meta_set_relation (relations,
        GST_ANALYTICS_REL_TYPE_RELATE_TO | GST_ANALYTICS_REL_TYPE_CONTAIN,
        object->mtd, cls.id);
}
#endif

static gboolean
is_usable (const GstVideoRegionOfInterestMeta * region)
{
  return region->id >= 0 && region->w > 0 && region->h > 0;
}

static guint
count_nameless (GstBuffer * buffer)
{
  gpointer state = NULL;
  GstMeta *meta;
  guint n = 0;

  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state,
              GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
    GstVideoRegionOfInterestMeta *r = (GstVideoRegionOfInterestMeta *) meta;

    n += is_usable (r) && r->id == 0;
  }
  return n;
}

GArray *
gst_classify_objects_find (GstBuffer * buffer, guint * n_nameless)
{
  GArray *objects = g_array_new (FALSE, FALSE, sizeof (GstClassifyObject));
  guint n = count_nameless (buffer);
  gpointer state = NULL;
  GstMeta *meta;

  /* A single one may well be the tracker's first. */
  *n_nameless = n > 1 ? n : 0;
  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state,
              GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
    GstVideoRegionOfInterestMeta *r = (GstVideoRegionOfInterestMeta *) meta;

    if (is_usable (r) && (r->id != 0 || *n_nameless == 0))
      add_object (objects, &(GstClassifyObject) {
          {GST_CLASSIFY_REGION, r->id}, r->x, r->y, r->w, r->h, r, 0});
  }
#ifdef HAVE_GST_ANALYTICS
  find_mtds (buffer, objects);
#endif
  return objects;
}

static GstStructure *
make_param (const GstVideoClassifyResult * result, GstClockTime age)
{
  const GstVideoClassifyClass *best =
      gst_video_classify_result_get_class (result, 0);
  GstStructure *s = gst_classify_output_describe (result);

  if (best != NULL)
    gst_structure_set (s, "index", G_TYPE_INT, best->index, NULL);
  gst_structure_set (s, "clip-start", G_TYPE_UINT64,
      gst_video_classify_result_get_clip_start (result), "clip-end",
      G_TYPE_UINT64, gst_video_classify_result_get_clip_end (result), "age",
      G_TYPE_UINT64, age, NULL);
  return s;
}

void
gst_classify_object_attach (const GstClassifyObject * object,
    GstBuffer * buffer, GstVideoClassifyResult * result, GstClockTime age)
{
  if (object != NULL && object->region != NULL) {
    gst_video_region_of_interest_meta_add_param (object->region,
        make_param (result, age));
    return;
  }
#ifdef HAVE_GST_ANALYTICS
  add_classification (object, buffer, result);
#endif
}
