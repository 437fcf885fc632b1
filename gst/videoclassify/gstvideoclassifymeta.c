/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/videoclassify/gstvideoclassifymeta.h"

struct _GstVideoClassifyResult
{
  gatomicrefcount ref_count;
  gchar *model;
  GstClockTime clip_start, clip_end;
  guint n_classes;
  GstVideoClassifyClass *classes;
};

G_DEFINE_BOXED_TYPE (GstVideoClassifyResult, gst_video_classify_result,
    gst_video_classify_result_ref, gst_video_classify_result_unref);

GstVideoClassifyResult *
gst_video_classify_result_new (const gchar * model, GstClockTime clip_start,
    GstClockTime clip_end, const GstVideoClassifyClass * classes,
    guint n_classes)
{
  GstVideoClassifyResult *result = g_new0 (GstVideoClassifyResult, 1);

  g_atomic_ref_count_init (&result->ref_count);
  result->model = g_strdup (model);
  result->clip_start = clip_start;
  result->clip_end = clip_end;
  result->n_classes = n_classes;
  result->classes = g_new (GstVideoClassifyClass, n_classes);
  for (guint i = 0; i < n_classes; i++) {
    result->classes[i] = classes[i];
    result->classes[i].label = g_strdup (classes[i].label);
  }
  return result;
}

GstVideoClassifyResult *
gst_video_classify_result_ref (GstVideoClassifyResult * result)
{
  g_return_val_if_fail (result != NULL, NULL);

  g_atomic_ref_count_inc (&result->ref_count);
  return result;
}

void
gst_video_classify_result_unref (GstVideoClassifyResult * result)
{
  g_return_if_fail (result != NULL);

  if (!g_atomic_ref_count_dec (&result->ref_count))
    return;
  for (guint i = 0; i < result->n_classes; i++)
    g_free ((gchar *) result->classes[i].label);
  g_free (result->classes);
  g_free (result->model);
  g_free (result);
}

const gchar *
gst_video_classify_result_get_model (const GstVideoClassifyResult * result)
{
  g_return_val_if_fail (result != NULL, NULL);

  return result->model;
}

GstClockTime
gst_video_classify_result_get_clip_start (const GstVideoClassifyResult * result)
{
  g_return_val_if_fail (result != NULL, GST_CLOCK_TIME_NONE);

  return result->clip_start;
}

GstClockTime
gst_video_classify_result_get_clip_end (const GstVideoClassifyResult * result)
{
  g_return_val_if_fail (result != NULL, GST_CLOCK_TIME_NONE);

  return result->clip_end;
}

guint
gst_video_classify_result_get_n_classes (const GstVideoClassifyResult * result)
{
  g_return_val_if_fail (result != NULL, 0);

  return result->n_classes;
}

const GstVideoClassifyClass *
gst_video_classify_result_get_class (const GstVideoClassifyResult * result,
    guint i)
{
  g_return_val_if_fail (result != NULL, NULL);

  return i < result->n_classes ? &result->classes[i] : NULL;
}

GType
gst_video_classify_meta_api_get_type (void)
{
  static gsize type = 0;

  if (g_once_init_enter (&type)) {
    /* No tags: it describes the content, which no conversion changes. */
    static const gchar *tags[] = { NULL };
    GType t = gst_meta_api_type_register ("GstVideoClassifyMetaAPI", tags);

    g_once_init_leave (&type, t);
  }
  return type;
}

static gboolean
gst_video_classify_meta_init (GstMeta * meta, gpointer params,
    GstBuffer * buffer)
{
  ((GstVideoClassifyMeta *) meta)->result = NULL;
  ((GstVideoClassifyMeta *) meta)->age = 0;
  return TRUE;
}

static void
gst_video_classify_meta_free (GstMeta * meta, GstBuffer * buffer)
{
  GstVideoClassifyMeta *self = (GstVideoClassifyMeta *) meta;

  g_clear_pointer (&self->result, gst_video_classify_result_unref);
}

/* A copy is right for every kind of transform. */
static gboolean
gst_video_classify_meta_transform (GstBuffer * dest, GstMeta * meta,
    GstBuffer * buffer, GQuark type, gpointer data)
{
  GstVideoClassifyMeta *self = (GstVideoClassifyMeta *) meta;

  gst_buffer_add_video_classify_meta (dest, self->result)->age = self->age;
  return TRUE;
}

const GstMetaInfo *
gst_video_classify_meta_get_info (void)
{
  static const GstMetaInfo *info = NULL;

  if (g_once_init_enter ((GstMetaInfo **) & info)) {
    const GstMetaInfo *i =
        gst_meta_register (GST_VIDEO_CLASSIFY_META_API_TYPE,
        "GstVideoClassifyMeta", sizeof (GstVideoClassifyMeta),
        gst_video_classify_meta_init, gst_video_classify_meta_free,
        gst_video_classify_meta_transform);

    g_once_init_leave ((GstMetaInfo **) & info, (GstMetaInfo *) i);
  }
  return info;
}

GstVideoClassifyMeta *
gst_buffer_add_video_classify_meta (GstBuffer * buffer,
    GstVideoClassifyResult * result)
{
  GstVideoClassifyMeta *meta;

  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);
  g_return_val_if_fail (result != NULL, NULL);

  meta = (GstVideoClassifyMeta *) gst_buffer_add_meta (buffer,
      GST_VIDEO_CLASSIFY_META_INFO, NULL);
  meta->result = gst_video_classify_result_ref (result);
  return meta;
}

GstVideoClassifyMeta *
gst_buffer_get_video_classify_meta (GstBuffer * buffer, const gchar * model)
{
  gpointer state = NULL;
  GstMeta *meta;

  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);

  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state,
              GST_VIDEO_CLASSIFY_META_API_TYPE))) {
    GstVideoClassifyMeta *self = (GstVideoClassifyMeta *) meta;

    if (model == NULL || g_strcmp0 (self->result->model, model) == 0)
      return self;
  }
  return NULL;
}
