/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/videoclassify/gstvideoclassifymeta.h"

struct _GstVideoClassifyResult
{
  gatomicrefcount ref_count;
  gchar *model;
  GstClockTime clip_start, clip_end;
  guint n_classes;
  GstVideoClassifyClass *classes;
  gboolean has_event;
  GstVideoClassifyEvent event;
  gboolean has_object;
  guint64 object;
};

G_DEFINE_BOXED_TYPE (GstVideoClassifyResult, gst_video_classify_result,
    gst_video_classify_result_ref, gst_video_classify_result_unref);

GstVideoClassifyResult *
gst_video_classify_result_new (const gchar * model, GstClockTime clip_start,
    GstClockTime clip_end, const GstVideoClassifyClass * classes,
    guint n_classes)
{
  return gst_video_classify_result_new_with_event (model, clip_start, clip_end,
      classes, n_classes, NULL);
}

GstVideoClassifyResult *
gst_video_classify_result_new_with_event (const gchar * model,
    GstClockTime clip_start, GstClockTime clip_end,
    const GstVideoClassifyClass * classes, guint n_classes,
    const GstVideoClassifyEvent * event)
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
  if (event != NULL) {
    result->has_event = TRUE;
    result->event = *event;
    result->event.label = g_strdup (event->label);
  }
  return result;
}

GstVideoClassifyResult *
gst_video_classify_result_new_for_object (const GstVideoClassifyResult * result,
    guint64 object)
{
  GstVideoClassifyResult *copy;

  g_return_val_if_fail (result != NULL, NULL);

  copy = gst_video_classify_result_new_with_event (result->model,
      result->clip_start, result->clip_end, result->classes, result->n_classes,
      result->has_event ? &result->event : NULL);
  copy->has_object = TRUE;
  copy->object = object;
  return copy;
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
  g_free ((gchar *) result->event.label);
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

const GstVideoClassifyEvent *
gst_video_classify_result_get_event (const GstVideoClassifyResult * result)
{
  g_return_val_if_fail (result != NULL, NULL);

  return result->has_event ? &result->event : NULL;
}

gboolean
gst_video_classify_result_get_object (const GstVideoClassifyResult * result,
    guint64 * object)
{
  g_return_val_if_fail (result != NULL, FALSE);

  if (object != NULL)
    *object = result->object;
  return result->has_object;
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

#if GST_CHECK_VERSION (1, 24, 0)
/* Model, clip, age; index, score and label of the classes; the event, if any,
 * with its index, score, label and times. Little-endian. */
#define SERIALIZED "(sttta(ids)m(idsttt))"
#define SERIALIZED_VERSION 0

static gboolean
gst_video_classify_meta_serialize (const GstMeta * meta,
    GstByteArrayInterface * data, guint8 * version)
{
  const GstVideoClassifyMeta *self = (const GstVideoClassifyMeta *) meta;
  const GstVideoClassifyResult *r = self->result;
  const GstVideoClassifyEvent *e = &r->event;
  GVariantBuilder classes;
  GVariant *event = NULL;
  g_autoptr (GVariant) v = NULL, ordered = NULL;

  g_variant_builder_init (&classes, G_VARIANT_TYPE ("a(ids)"));
  for (guint i = 0; i < r->n_classes; i++)
    g_variant_builder_add (&classes, "(ids)", r->classes[i].index,
        r->classes[i].score, r->classes[i].label ? r->classes[i].label : "");
  if (r->has_event)
    event = g_variant_new ("(idsttt)", e->index, e->score,
        e->label ? e->label : "", e->start, e->peak, e->end);
  v = g_variant_ref_sink (g_variant_new ("(sttta(ids)m@(idsttt))",
          r->model ? r->model : "", r->clip_start, r->clip_end, self->age,
          &classes, event));
  ordered = G_BYTE_ORDER == G_BIG_ENDIAN ? g_variant_byteswap (v)
      : g_variant_ref (v);
  *version = SERIALIZED_VERSION;
  return gst_byte_array_interface_append_data (data,
      g_variant_get_data (ordered), g_variant_get_size (ordered));
}

static GstMeta *
gst_video_classify_meta_deserialize (const GstMetaInfo * info,
    GstBuffer * buffer, const guint8 * data, gsize size, guint8 version)
{
  g_autoptr (GstVideoClassifyResult) result = NULL;
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GVariant) v = NULL, classes = NULL, event = NULL;
  g_autoptr (GArray) found = NULL;
  GstVideoClassifyClass c;
  GstVideoClassifyEvent e;
  GstVideoClassifyMeta *self;
  GstClockTime start, end, age;
  const gchar *model;
  GVariantIter iter;

  if (version != SERIALIZED_VERSION)
    return NULL;
  v = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (SERIALIZED),
          bytes, FALSE));
  if (!g_variant_is_normal_form (v))
    return NULL;
  if (G_BYTE_ORDER == G_BIG_ENDIAN) {
    GVariant *swapped = g_variant_byteswap (v);

    g_variant_unref (v);
    v = swapped;
  }
  g_variant_get (v, "(&sttt@a(ids)m@(idsttt))", &model, &start, &end, &age,
      &classes, &event);
  found = g_array_new (FALSE, FALSE, sizeof c);
  g_variant_iter_init (&iter, classes);
  while (g_variant_iter_next (&iter, "(id&s)", &c.index, &c.score, &c.label))
    g_array_append_val (found, c);
  if (event != NULL)
    g_variant_get (event, "(id&sttt)", &e.index, &e.score, &e.label, &e.start,
        &e.peak, &e.end);
  result = gst_video_classify_result_new_with_event (model, start, end,
      (GstVideoClassifyClass *) found->data, found->len, event ? &e : NULL);
  self = gst_buffer_add_video_classify_meta (buffer, result);
  self->age = age;
  return &self->meta;
}

static const GstMetaInfo *
register_info (void)
{
  GstMetaInfo *info = gst_meta_info_new (GST_VIDEO_CLASSIFY_META_API_TYPE,
      "GstVideoClassifyMeta", sizeof (GstVideoClassifyMeta));

  info->init_func = gst_video_classify_meta_init;
  info->free_func = gst_video_classify_meta_free;
  info->transform_func = gst_video_classify_meta_transform;
  info->serialize_func = gst_video_classify_meta_serialize;
  info->deserialize_func = gst_video_classify_meta_deserialize;
  return gst_meta_info_register (info);
}
#else
static const GstMetaInfo *
register_info (void)
{
  return gst_meta_register (GST_VIDEO_CLASSIFY_META_API_TYPE,
      "GstVideoClassifyMeta", sizeof (GstVideoClassifyMeta),
      gst_video_classify_meta_init, gst_video_classify_meta_free,
      gst_video_classify_meta_transform);
}
#endif

const GstMetaInfo *
gst_video_classify_meta_get_info (void)
{
  static const GstMetaInfo *info = NULL;

  if (g_once_init_enter ((GstMetaInfo **) & info)) {
    const GstMetaInfo *i = register_info ();

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

  /* So that a program that only reads can be sent buffers to come. */
  gst_video_classify_meta_get_info ();
  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state,
              GST_VIDEO_CLASSIFY_META_API_TYPE))) {
    GstVideoClassifyMeta *self = (GstVideoClassifyMeta *) meta;

    if (model == NULL || g_strcmp0 (self->result->model, model) == 0)
      return self;
  }
  return NULL;
}
