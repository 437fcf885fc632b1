/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/labelledobjects.h"

#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

static void
clear_object (gpointer data)
{
  g_free (((GstLabelledObject *) data)->label);
}

static void
find_regions (GstBuffer * buffer, const gchar * model, GArray * found)
{
  gpointer state = NULL;
  GstMeta *meta;

  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state,
              GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
    GstVideoRegionOfInterestMeta *r = (GstVideoRegionOfInterestMeta *) meta;

    for (GList * l = r->params; l != NULL; l = l->next) {
      GstLabelledObject object = { r->id, FALSE, r->x, r->y, r->w, r->h };
      const GstStructure *s = l->data;
      const gchar *label = gst_structure_get_string (s, "label");

      if (!gst_structure_has_name (s, "videoclassify3d") || label == NULL
          || (model != NULL && g_strcmp0 (model, gst_structure_get_string (s,
                      "model")) != 0))
        continue;
      gst_structure_get_double (s, "score", &object.score);
      object.label = g_strdup (label);
      g_array_append_val (found, object);
      break;
    }
  }
}

#ifdef HAVE_GST_ANALYTICS
/* The classification of a detection that is videoclassify3d's, which a detector
 * may have one of, too. It is the newest, and related in both of these ways; what
 * has only one of them may have come through another element. */
static gboolean
find_classification (GstAnalyticsRelationMeta * relations, guint od,
    GstAnalyticsClsMtd * found)
{
  const GstAnalyticsRelTypes ours =
      GST_ANALYTICS_REL_TYPE_RELATE_TO | GST_ANALYTICS_REL_TYPE_CONTAIN;
  gboolean any = FALSE, is_ours = FALSE;
  gpointer state = NULL;
  GstAnalyticsMtd cls;

  while (gst_analytics_relation_meta_get_direct_related (relations, od, ours,
          gst_analytics_cls_mtd_get_mtd_type (), &state, &cls)) {
    gboolean both = (gst_analytics_relation_meta_get_relation (relations, od,
            cls.id) & ours) == ours;

    if (is_ours && !both)
      continue;
    any = TRUE;
    is_ours = both;
    *found = cls;
  }
  return any;
}

static void
find_detections (GstBuffer * buffer, GArray * found)
{
  GstAnalyticsRelationMeta *relations =
      gst_buffer_get_analytics_relation_meta (buffer);
  GstAnalyticsODMtd od;
  gpointer state = NULL;

  if (relations == NULL)
    return;
  while (gst_analytics_relation_meta_iterate (relations, &state,
          gst_analytics_od_mtd_get_mtd_type (), &od)) {
    GstLabelledObject object = { -1, TRUE };
    gpointer tracks = NULL;
    GstAnalyticsTrackingMtd track;
    GstAnalyticsClsMtd cls;
    GstClockTime first, last;
    gfloat confidence;
    gboolean lost;
    guint64 id;

    /* The tracking sets those of videoclassify3d apart from what a detector
     * says that the object is. */
    if (!gst_analytics_relation_meta_get_direct_related (relations, od.id,
            GST_ANALYTICS_REL_TYPE_ANY,
            gst_analytics_tracking_mtd_get_mtd_type (), &tracks, &track)
        || !find_classification (relations, od.id, &cls)
        || !gst_analytics_od_mtd_get_location (&od, &object.x, &object.y,
            &object.w, &object.h, &confidence))
      continue;
    if (gst_analytics_tracking_mtd_get_info (&track, &id, &first, &last, &lost))
      object.id = id;
    object.label = g_strdup (g_quark_to_string
        (gst_analytics_cls_mtd_get_quark (&cls, 0)));
    object.score = gst_analytics_cls_mtd_get_level (&cls, 0);
    g_array_append_val (found, object);
  }
}
#endif

GArray *
gst_labelled_objects_find (GstBuffer * buffer, const gchar * model)
{
  GArray *found = g_array_new (FALSE, FALSE, sizeof (GstLabelledObject));

  g_array_set_clear_func (found, clear_object);
  find_regions (buffer, model, found);
#ifdef HAVE_GST_ANALYTICS
  find_detections (buffer, found);
#endif
  return found;
}
