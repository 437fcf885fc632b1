/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/classifynetwork.h"

#include <string.h>

/* Used if neither the settings nor the model card give a rate. */
#define FALLBACK_RATE 7.5

/* The file's name without its ending: what the model is called in results. */
static gchar *
make_name (const gchar * path)
{
  gchar *name = g_path_get_basename (path);
  gchar *dot = strrchr (name, '.');

  if (dot != NULL && dot > name)
    *dot = '\0';
  return name;
}

static gchar *
find_path (const GstClassifySettings * s, GError ** error)
{
  if (s->model_file != NULL && *s->model_file != '\0')
    return g_strdup (s->model_file);
  return cnn3d_model_find (cnn3d_arch_get_name (s->model), error);
}

GstClassifyNetwork *
gst_classify_network_load (const GstClassifySettings * settings,
    const GstClassifyNetworkUser * user, GError ** error)
{
  g_autofree gchar *path = find_path (settings, error);
  GstClassifyEngineConfig config = {.model_file = path,
    .labels_file = settings->labels_file,.backend = settings->backend,
    .threads = settings->threads,.device = settings->device,
    .precision = settings->precision,.allow_tf32 = settings->allow_tf32
  };
  GstClassifyNetwork *network;
  GstClassifyEngine *engine;
  const Cnn3dConfig *c;

  if (path == NULL)
    return NULL;
  /* Objects' clips are run from scratch: what is kept for incremental ones
   * would take too much memory for each of many. */
  if (settings->roi != GST_CLASSIFY_ROI_META)
    config.clip_stride = settings->clip_stride;
  engine = gst_classify_engine_get (&config, error);
  if (engine == NULL)
    return NULL;
  network = g_new0 (GstClassifyNetwork, 1);
  g_atomic_ref_count_init (&network->ref_count);
  network->user = *user;
  gst_classify_settings_copy (&network->settings, settings);
  network->engine = engine;
  network->client = gst_classify_client_new (engine, config.clip_stride,
      user->done, user->free_owner, user->data);
  network->model = gst_classify_engine_get_model (engine);
  network->path = g_steal_pointer (&path);
  network->name = make_name (network->path);
  c = cnn3d_model_get_config (network->model);
  network->frames = c->frames;
  network->size = c->size;
  network->frame_size = (gsize) c->size * c->size * 3;
  network->clip_stride = settings->clip_stride > 0 ? settings->clip_stride
      : network->frames;
  network->rate = settings->sample_rate;
  if (network->rate <= 0)
    network->rate = cnn3d_model_get_card (network->model)->sample_rate;
  if (network->rate <= 0) {
    network->rate = FALLBACK_RATE;
    network->rate_is_guessed = TRUE;
  }
  return network;
}

GstClassifyNetwork *
gst_classify_network_ref (GstClassifyNetwork * network)
{
  g_atomic_ref_count_inc (&network->ref_count);
  return network;
}

void
gst_classify_network_unref (GstClassifyNetwork * network)
{
  if (g_atomic_ref_count_dec (&network->ref_count))
    network->user.retire (network->user.data, network);
}

void
gst_classify_network_free (GstClassifyNetwork * network)
{
  gst_classify_client_drain (network->client);
  gst_classify_client_free (network->client);
  gst_classify_engine_unref (network->engine);
  gst_classify_settings_clear (&network->settings);
  g_free (network->path);
  g_free (network->name);
  g_free (network);
}

gboolean
gst_classify_network_same_frames (const GstClassifyNetwork * a,
    const GstClassifyNetwork * b)
{
  return a->frames == b->frames && a->size == b->size && a->rate == b->rate
      && a->clip_stride == b->clip_stride
      && cnn3d_model_get_card (a->model)->resize
      == cnn3d_model_get_card (b->model)->resize;
}

GstClockTime
gst_classify_network_get_clip_duration (const GstClassifyNetwork * network)
{
  return network->frames * (GST_SECOND / network->rate);
}
