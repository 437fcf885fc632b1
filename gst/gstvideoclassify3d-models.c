/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The models of videoclassify3d: one is loaded when the element starts; others
 * by a thread of their own while it runs, which also frees those that are no
 * longer used. The streaming thread only takes what is ready.
 */

#include "gst/gstvideoclassify3d-private.h"

#include "gst/idlelabels.h"

GST_DEBUG_CATEGORY_EXTERN (gst_video_classify_3d_debug);
#define GST_CAT_DEFAULT gst_video_classify_3d_debug

/* GstClassifyRetire: nothing uses a network any more. Freeing it waits for clips
 * in work, and for threads to end, so it is the loader's work if there is one. */
static void
retire (gpointer data, GstClassifyNetwork * network)
{
  GstVideoClassify3D *self = data;
  gboolean queued = FALSE;

  g_mutex_lock (&self->models_lock);
  if (self->loader != NULL && !self->loader_quit) {
    g_queue_push_tail (&self->retired, network);
    g_cond_signal (&self->loader_work);
    queued = TRUE;
  }
  g_mutex_unlock (&self->models_lock);
  if (!queued)
    gst_classify_network_free (network);
}

void
gst_video_classify_3d_warn_fallback (GstVideoClassify3D * self,
    const gchar * reason)
{
  gboolean first;

  if (reason == NULL)
    return;
  g_mutex_lock (&self->lock);
  first = !self->fallback_warned;
  self->fallback_warned = TRUE;
  g_mutex_unlock (&self->lock);
  if (first)
    GST_ELEMENT_WARNING (self, RESOURCE, FAILED,
        ("Running on the CPU: %s", reason), ("set the property backend"));
}

/* A typing error would make the class that is meant an action. */
static void
warn_of_idle_labels (GstVideoClassify3D * self,
    const GstClassifyNetwork * network)
{
  g_autofree gchar *unmatched = gst_idle_labels_find (network->model,
      network->settings.idle_labels, NULL);

  if (unmatched != NULL)
    GST_ELEMENT_WARNING (self, LIBRARY, SETTINGS,
        ("idle-labels: the model %s has no class named %s", network->path,
            unmatched), ("see 3dcnn info for the model's labels"));
}

static GstClassifyNetwork *
load (GstVideoClassify3D * self, const GstClassifySettings * s, GError ** error)
{
  GstClassifyNetworkUser user = { gst_video_classify_3d_clip_done,
    (GDestroyNotify) gst_classify_output_unref, retire, self
  };
  GstClassifyNetwork *network = gst_classify_network_load (s, &user, error);

  if (network == NULL)
    return NULL;
  GST_INFO_OBJECT (self, "loaded %s on %s", network->path,
      gst_classify_engine_describe (network->engine));
  gst_video_classify_3d_warn_fallback (self,
      gst_classify_engine_get_fallback (network->engine));
  if (network->rate_is_guessed)
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("The model %s does not say at which rate frames are to be taken; "
            "taking %g a second", network->path, network->rate),
        ("set the property sample-rate"));
  warn_of_idle_labels (self, network);
  return network;
}

static void
copy_settings (GstVideoClassify3D * self, GstClassifySettings * s)
{
  GST_OBJECT_LOCK (self);
  gst_classify_settings_copy (s, &self->settings);
  GST_OBJECT_UNLOCK (self);
}

static gint
find_error_code (const GError * error)
{
  if (g_error_matches (error, CNN3D_ERROR, CNN3D_ERROR_NOT_FOUND)
      || g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    return GST_RESOURCE_ERROR_NOT_FOUND;
  if (g_error_matches (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND))
    return GST_RESOURCE_ERROR_FAILED;
  return GST_RESOURCE_ERROR_READ;
}

static void
post_load_error (GstVideoClassify3D * self, GstMessageType type,
    const GError * error, const gchar * debug)
{
  gst_element_message_full (GST_ELEMENT (self), type, GST_RESOURCE_ERROR,
      find_error_code (error), g_strdup (error->message), g_strdup (debug),
      __FILE__, GST_FUNCTION, __LINE__);
}

gboolean
gst_video_classify_3d_start_models (GstVideoClassify3D * self)
{
  g_autoptr (GError) error = NULL;
  GstClassifySettings s;

  self->fallback_warned = FALSE;
  copy_settings (self, &s);
  self->network = load (self, &s, &error);
  gst_classify_settings_clear (&s);
  if (self->network == NULL) {
    post_load_error (self, GST_MESSAGE_ERROR, error,
        g_error_matches (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND)
        ? "see the properties backend, precision, device and threads"
        : "see the properties model, model-file and labels-file");
    return FALSE;
  }
  g_mutex_lock (&self->models_lock);
  self->newest = gst_classify_network_ref (self->network);
  self->running = TRUE;
  g_mutex_unlock (&self->models_lock);
  return TRUE;
}

/* A model that cannot be loaded: the settings are again those of the one that is
 * in use, so that they tell the truth, and a restart works. */
static void
keep_model (GstVideoClassify3D * self, const GError * error)
{
  g_autoptr (GstClassifyNetwork) used = NULL;
  g_autofree gchar *debug = NULL;

  g_mutex_lock (&self->models_lock);
  if (!self->reload)
    used = gst_classify_network_ref (self->newest);
  g_mutex_unlock (&self->models_lock);
  if (used == NULL)
    return;                     /* there are newer settings */
  GST_OBJECT_LOCK (self);
  gst_classify_settings_copy_model (&self->settings, &used->settings);
  GST_OBJECT_UNLOCK (self);
  debug = g_strdup_printf ("%s stays in use", used->path);
  post_load_error (self, GST_MESSAGE_WARNING, error, debug);
  g_object_freeze_notify (G_OBJECT (self));
  g_object_notify (G_OBJECT (self), "model");
  g_object_notify (G_OBJECT (self), "model-file");
  g_object_notify (G_OBJECT (self), "labels-file");
  g_object_notify (G_OBJECT (self), "idle-labels");
  g_object_thaw_notify (G_OBJECT (self));
}

/* Called by the loader. */
static void
change_model (GstVideoClassify3D * self)
{
  GstClassifyNetwork *network, *old_newest = NULL, *old_pending = NULL;
  g_autoptr (GError) error = NULL;
  GstClassifySettings s;

  copy_settings (self, &s);
  network = load (self, &s, &error);
  gst_classify_settings_clear (&s);
  if (network == NULL) {
    keep_model (self, error);
    return;
  }
  g_mutex_lock (&self->models_lock);
  old_newest = self->newest;
  old_pending = self->pending;
  self->newest = network;
  self->pending = gst_classify_network_ref (network);
  g_mutex_unlock (&self->models_lock);
  gst_classify_network_unref (old_newest);
  g_clear_pointer (&old_pending, gst_classify_network_unref);
}

static gpointer
loader (gpointer data)
{
  GstVideoClassify3D *self = data;
  GstClassifyNetwork *network;

  g_mutex_lock (&self->models_lock);
  while (!self->loader_quit) {
    if ((network = g_queue_pop_head (&self->retired)) != NULL) {
      g_mutex_unlock (&self->models_lock);
      gst_classify_network_free (network);
      g_mutex_lock (&self->models_lock);
    } else if (self->reload) {
      self->reload = FALSE;
      g_mutex_unlock (&self->models_lock);
      change_model (self);
      g_mutex_lock (&self->models_lock);
    } else {
      g_cond_wait (&self->loader_work, &self->models_lock);
    }
  }
  g_mutex_unlock (&self->models_lock);
  return NULL;
}

void
gst_video_classify_3d_change_model (GstVideoClassify3D * self)
{
  g_mutex_lock (&self->models_lock);
  if (self->running) {
    self->reload = TRUE;
    if (self->loader == NULL)
      self->loader = g_thread_new ("videoclassify3d-load", loader, self);
    g_cond_signal (&self->loader_work);
  }
  g_mutex_unlock (&self->models_lock);
}

gboolean
gst_video_classify_3d_is_loader (GstVideoClassify3D * self)
{
  gboolean is_loader;

  g_mutex_lock (&self->models_lock);
  is_loader = self->loader == g_thread_self ();
  g_mutex_unlock (&self->models_lock);
  return is_loader;
}

/* When lanes are gone already. */
void
gst_video_classify_3d_stop_models (GstVideoClassify3D * self)
{
  GstClassifyNetwork *network, *pending, *newest;
  GThread *thread;

  g_mutex_lock (&self->models_lock);
  self->running = FALSE;
  self->loader_quit = TRUE;
  thread = self->loader;
  g_cond_signal (&self->loader_work);
  g_mutex_unlock (&self->models_lock);
  if (thread != NULL)
    g_thread_join (thread);

  g_mutex_lock (&self->models_lock);
  self->loader = NULL;
  self->loader_quit = FALSE;
  self->reload = FALSE;
  pending = g_steal_pointer (&self->pending);
  newest = g_steal_pointer (&self->newest);
  g_mutex_unlock (&self->models_lock);
  g_clear_pointer (&pending, gst_classify_network_unref);
  g_clear_pointer (&newest, gst_classify_network_unref);
  g_clear_pointer (&self->network, gst_classify_network_unref);
  while ((network = g_queue_pop_head (&self->retired)) != NULL)
    gst_classify_network_free (network);
}

void
gst_video_classify_3d_take_model (GstVideoClassify3D * self)
{
  GstClassifyNetwork *pending;

  g_mutex_lock (&self->models_lock);
  pending = g_steal_pointer (&self->pending);
  g_mutex_unlock (&self->models_lock);
  if (pending == NULL)
    return;
  gst_classify_network_unref (self->network);
  self->network = pending;
}
