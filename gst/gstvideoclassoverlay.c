/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-videoclassoverlay
 * @title: videoclassoverlay
 * @short_description: draws what videoclassify3d found
 *
 * Draws the best classes of the newest clip with bars, the action that is going
 * on (#GstVideoClassify3D:events once), and the label of each object
 * (#GstVideoClassify3D:roi meta), as videoclassify3d has attached them to the
 * buffers. Buffers without results are not touched.
 *
 * Where downstream composes overlays itself, as most video sinks do, what is
 * drawn is attached as #GstVideoOverlayCompositionMeta and pixels stay as they
 * are; elsewhere it is blended into the pixels, in any raw format. A panel is
 * painted anew only when there is a new result.
 *
 * All lengths follow the size of the picture, so that it looks alike on every
 * resolution; on small pictures, fewer classes are shown.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! videoclassify3d clip-stride=4 ! videoclassoverlay ! videoconvert ! autovideosink
 * ]| The picture of a camera, with labels.
 * |[
 * gst-launch-1.0 playbin uri=file:///home/me/holiday.mp4 video-filter="videoclassify3d ! videoclassoverlay position=bottom-left"
 * ]| A file in a player.
 *
 * Since: 0.1
 */

#include "gst/gstvideoclassoverlay.h"

#include "gst/overlayscene.h"
#include "gst/overlaysettings.h"

GST_DEBUG_CATEGORY_STATIC (gst_video_class_overlay_debug);
#define GST_CAT_DEFAULT gst_video_class_overlay_debug

struct _GstVideoClassOverlay
{
  GstBaseTransform parent;

  GstOverlaySettings settings;  /* guarded by the object lock, as is changed */
  gboolean changed;

  /* Of the streaming thread. */
  GstOverlayScene *scene;
  GstVideoInfo info;
  gboolean attach;              /* to buffers; else blend */
  gboolean ask_downstream;      /* whether it really composes */
  gboolean never_attach;        /* it does not */
};

G_DEFINE_TYPE (GstVideoClassOverlay, gst_video_class_overlay,
    GST_TYPE_BASE_TRANSFORM);
GST_ELEMENT_REGISTER_DEFINE (videoclassoverlay, "videoclassoverlay",
    GST_RANK_NONE, GST_TYPE_VIDEO_CLASS_OVERLAY);

#define OVERLAY_CAPS GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL) ";" \
  GST_VIDEO_CAPS_MAKE_WITH_FEATURES (GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY "," \
      GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION, \
      GST_VIDEO_FORMATS_ALL)

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (OVERLAY_CAPS));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (OVERLAY_CAPS));

static void
gst_video_class_overlay_set_property (GObject * object, guint id,
    const GValue * value, GParamSpec * pspec)
{
  GstVideoClassOverlay *self = GST_VIDEO_CLASS_OVERLAY (object);
  gboolean known;

  GST_OBJECT_LOCK (self);
  known = gst_overlay_settings_set (&self->settings, id, value);
  self->changed = TRUE;
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
gst_video_class_overlay_get_property (GObject * object, guint id,
    GValue * value, GParamSpec * pspec)
{
  GstVideoClassOverlay *self = GST_VIDEO_CLASS_OVERLAY (object);
  gboolean known;

  GST_OBJECT_LOCK (self);
  known = gst_overlay_settings_get (&self->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

/* What was set since the last buffer. */
static void
use_settings (GstVideoClassOverlay * self)
{
  GstOverlaySettings settings;
  gboolean changed;

  GST_OBJECT_LOCK (self);
  changed = self->changed;
  self->changed = FALSE;
  if (changed)
    gst_overlay_settings_copy (&settings, &self->settings);
  GST_OBJECT_UNLOCK (self);
  if (changed)
    gst_overlay_scene_take_settings (self->scene, &settings);
}

/* Adds to what other elements have attached. */
static void
attach (GstBuffer * buffer, GstVideoOverlayComposition * composition)
{
  GstVideoOverlayCompositionMeta *meta =
      gst_buffer_get_video_overlay_composition_meta (buffer);
  GstVideoOverlayComposition *both;

  if (meta == NULL) {
    gst_buffer_add_video_overlay_composition_meta (buffer, composition);
    return;
  }
  both = gst_video_overlay_composition_copy (meta->overlay);
  for (guint i = 0; i < gst_video_overlay_composition_n_rectangles (composition); i++)
    gst_video_overlay_composition_add_rectangle (both,
        gst_video_overlay_composition_get_rectangle (composition, i));
  gst_video_overlay_composition_unref (meta->overlay);
  meta->overlay = both;
}

/* Caps with any feature may be taken by an element that knows nothing of this
 * one; then they are negotiated again, without. The answer depends on the caps
 * that downstream has got. */
static void
ask_downstream (GstVideoClassOverlay * self)
{
  GstBaseTransform *trans = GST_BASE_TRANSFORM (self);
  g_autoptr (GstQuery) query = NULL;
  g_autoptr (GstCaps) caps = NULL;

  if (!self->ask_downstream)
    return;
  caps = gst_pad_get_current_caps (trans->srcpad);
  if (caps == NULL)
    return;
  self->ask_downstream = FALSE;
  query = gst_query_new_allocation (caps, FALSE);
  if (gst_pad_peer_query (trans->srcpad, query)
      && gst_query_find_allocation_meta (query,
          GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL))
    return;
  GST_DEBUG_OBJECT (self, "downstream does not compose, blending");
  self->attach = FALSE;
  self->never_attach = TRUE;
  gst_base_transform_reconfigure_src (trans);
}

static GstFlowReturn
gst_video_class_overlay_transform_ip (GstBaseTransform * trans,
    GstBuffer * buffer)
{
  GstVideoClassOverlay *self = GST_VIDEO_CLASS_OVERLAY (trans);
  g_autoptr (GstVideoOverlayComposition) composition = NULL;
  GstVideoFrame frame;

  ask_downstream (self);
  use_settings (self);
  composition = gst_overlay_scene_compose (self->scene, buffer);
  if (composition == NULL)
    return GST_FLOW_OK;
  if (self->attach) {
    attach (buffer, composition);
    return GST_FLOW_OK;
  }
  if (!gst_video_frame_map (&frame, &self->info, buffer, GST_MAP_READWRITE)) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        ("The frame at %" GST_TIME_FORMAT " cannot be drawn on.",
            GST_TIME_ARGS (GST_BUFFER_PTS (buffer))),
        ("buffer %" GST_PTR_FORMAT, buffer));
    return GST_FLOW_ERROR;
  }
  gst_video_overlay_composition_blend (composition, &frame);
  gst_video_frame_unmap (&frame);
  return GST_FLOW_OK;
}

static gboolean
has_composition (GstCaps * caps, guint i)
{
  return gst_caps_features_contains (gst_caps_get_features (caps, i),
      GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION);
}

/* Adds or removes the feature by which downstream says that it composes. */
static GstCaps *
with_composition (GstCaps * caps, gboolean with)
{
  GstCaps *result = gst_caps_copy (caps);

  for (guint i = 0; i < gst_caps_get_size (result); i++) {
    GstCapsFeatures *features = gst_caps_get_features (result, i);

    if (gst_caps_features_is_any (features))
      continue;
    if (with && !has_composition (result, i))
      gst_caps_features_add (features,
          GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION);
    else if (!with)
      gst_caps_features_remove (features,
          GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION);
  }
  return result;
}

/* Overlays that came with the buffers stay attached; others are attached where
 * possible. */
static GstCaps *
gst_video_class_overlay_transform_caps (GstBaseTransform * trans,
    GstPadDirection direction, GstCaps * caps, GstCaps * filter)
{
  GstVideoClassOverlay *self = GST_VIDEO_CLASS_OVERLAY (trans);
  GstCaps *result;

  if (direction == GST_PAD_SRC)
    result = gst_caps_merge (gst_caps_ref (caps), with_composition (caps,
            FALSE));
  else if (self->never_attach)
    result = gst_caps_ref (caps);
  else
    result = gst_caps_merge (with_composition (caps, TRUE),
        gst_caps_ref (caps));
  if (filter != NULL) {
    GstCaps *both = gst_caps_intersect_full (filter, result,
        GST_CAPS_INTERSECT_FIRST);

    gst_caps_unref (result);
    result = both;
  }
  return result;
}

static gboolean
gst_video_class_overlay_set_caps (GstBaseTransform * trans, GstCaps * incaps,
    GstCaps * outcaps)
{
  GstVideoClassOverlay *self = GST_VIDEO_CLASS_OVERLAY (trans);

  if (!gst_video_info_from_caps (&self->info, incaps)) {
    GST_ERROR_OBJECT (self, "invalid caps %" GST_PTR_FORMAT, incaps);
    return FALSE;
  }
  gst_overlay_scene_set_info (self->scene, &self->info);
  self->attach = has_composition (outcaps, 0);
  self->ask_downstream = self->attach && !has_composition (incaps, 0);
  return TRUE;
}

static gboolean
gst_video_class_overlay_propose_allocation (GstBaseTransform * trans,
    GstQuery * decide_query, GstQuery * query)
{
  /* Strides and offsets of any kind are drawn on, so upstream may choose. */
  gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  return
      GST_BASE_TRANSFORM_CLASS
      (gst_video_class_overlay_parent_class)->propose_allocation (trans,
      decide_query, query);
}

static gboolean
gst_video_class_overlay_sink_event (GstBaseTransform * trans, GstEvent * event)
{
  GstVideoClassOverlay *self = GST_VIDEO_CLASS_OVERLAY (trans);
  gboolean is_caps = GST_EVENT_TYPE (event) == GST_EVENT_CAPS, ok;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_STREAM_START:
    case GST_EVENT_FLUSH_STOP:
    case GST_EVENT_SEGMENT:
      gst_overlay_scene_reset (self->scene);
      break;
    default:
      break;
  }
  ok = GST_BASE_TRANSFORM_CLASS
      (gst_video_class_overlay_parent_class)->sink_event (trans, event);
  if (is_caps && ok)
    ask_downstream (self);
  return ok;
}

static gboolean
gst_video_class_overlay_src_event (GstBaseTransform * trans, GstEvent * event)
{
  /* Another sink may be there. */
  if (GST_EVENT_TYPE (event) == GST_EVENT_RECONFIGURE)
    GST_VIDEO_CLASS_OVERLAY (trans)->never_attach = FALSE;
  return
      GST_BASE_TRANSFORM_CLASS
      (gst_video_class_overlay_parent_class)->src_event (trans, event);
}

static gboolean
gst_video_class_overlay_start (GstBaseTransform * trans)
{
  GstVideoClassOverlay *self = GST_VIDEO_CLASS_OVERLAY (trans);

  self->scene = gst_overlay_scene_new ();
  self->changed = TRUE;
  self->never_attach = FALSE;
  return TRUE;
}

static gboolean
gst_video_class_overlay_stop (GstBaseTransform * trans)
{
  GstVideoClassOverlay *self = GST_VIDEO_CLASS_OVERLAY (trans);

  g_clear_pointer (&self->scene, gst_overlay_scene_free);
  return TRUE;
}

static void
gst_video_class_overlay_finalize (GObject * object)
{
  GstVideoClassOverlay *self = GST_VIDEO_CLASS_OVERLAY (object);

  gst_overlay_settings_clear (&self->settings);
  G_OBJECT_CLASS (gst_video_class_overlay_parent_class)->finalize (object);
}

static void
gst_video_class_overlay_init (GstVideoClassOverlay * self)
{
  gst_overlay_settings_init (&self->settings);
  gst_base_transform_set_in_place (GST_BASE_TRANSFORM (self), TRUE);
  gst_base_transform_set_passthrough (GST_BASE_TRANSFORM (self), FALSE);
}

static void
gst_video_class_overlay_class_init (GstVideoClassOverlayClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_video_class_overlay_debug, "videoclassoverlay",
      0, "overlay of classes of video clips");

  object_class->set_property = gst_video_class_overlay_set_property;
  object_class->get_property = gst_video_class_overlay_get_property;
  object_class->finalize = gst_video_class_overlay_finalize;
  gst_overlay_settings_install (object_class);

  gst_element_class_set_static_metadata (element_class,
      "Video class overlay", "Filter/Editor/Video",
      "Draws the classes and actions that videoclassify3d found",
      "The lib3dcnn maintainers");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);

  trans_class->start = gst_video_class_overlay_start;
  trans_class->stop = gst_video_class_overlay_stop;
  trans_class->transform_caps = gst_video_class_overlay_transform_caps;
  trans_class->set_caps = gst_video_class_overlay_set_caps;
  trans_class->transform_ip = gst_video_class_overlay_transform_ip;
  trans_class->sink_event = gst_video_class_overlay_sink_event;
  trans_class->src_event = gst_video_class_overlay_src_event;
  trans_class->propose_allocation = gst_video_class_overlay_propose_allocation;
}
