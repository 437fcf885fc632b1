/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/classifyengine-private.h"

#include <glib/gstdio.h>
#include <string.h>

/* For tests: milliseconds by which each run is slowed down. */
#define SLOW_ENV "GST_VIDEO_CLASSIFY_3D_SLOW_MS"

static GMutex engines_lock;
static GHashTable *engines;     /* key -> engine, borrowed */

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_free (entry->job.rgb);
  g_free (entry->job.logits);
  g_free (entry->job.features);
  g_clear_error (&entry->job.error);
  g_free (entry);
}

static void
release_owner (Entry * entry)
{
  if (entry->job.owner != NULL)
    entry->client->free_owner (entry->job.owner);
  entry->job.owner = NULL;
}

void
gst_classify_engine_recycle (GstClassifyEngine * engine, Entry * entry)
{
  release_owner (entry);
  g_ptr_array_add (engine->idle, entry);
}

/* What waits, up to MAX_BATCH, in order. Called with the lock held. */
static guint
take_jobs (GstClassifyEngine * engine, Entry ** entries)
{
  guint n = 0;

  while (n < MAX_BATCH && !g_queue_is_empty (&engine->jobs)) {
    entries[n] = g_queue_pop_head (&engine->jobs);
    entries[n]->client->n_running++;
    n++;
  }
  return n;
}

static Cnn3dSession *
get_session (GstClassifyClient * client)
{
  return client->engine->sessions[client->direct];
}

/* Called where the session is made or run, as other threads may not ask it. */
static void
find_backend (GstClassifyEngine * engine, Cnn3dSession * session)
{
  gboolean on_gpu = cnn3d_session_get_backend (session) == CNN3D_BACKEND_CUDNN;

  g_mutex_lock (&engine->lock);
  for (guint i = 0; i < G_N_ELEMENTS (engine->sessions); i++)
    if (engine->sessions[i] == session)
      g_atomic_int_set (&engine->on_gpu[i], on_gpu);
  g_mutex_unlock (&engine->lock);
}

/* Calls back with what has come of a job. */
static void
finish_job (GstClassifyEngine * engine, Entry * entry, const gfloat * logits,
    const gfloat * features, const GError * error)
{
  GstClassifyJob *job = &entry->job;

  if (logits != job->logits)
    memcpy (job->logits, logits, engine->classes * sizeof (gfloat));
  if (features != job->features)
    memcpy (job->features, features, engine->n_features * sizeof (gfloat));
  g_clear_error (&job->error);
  if (error != NULL)
    job->error = g_error_copy (error);
  job->fallback = cnn3d_session_get_fallback (get_session (entry->client));
  job->done = g_get_monotonic_time ();
  entry->client->done (entry->client->data, job);
}

static GstClassifyStream *
get_stream (GstClassifyClient * client)
{
  if (client->stream == NULL)
    client->stream = gst_classify_stream_new (get_session (client),
        client->clip_stride);
  return client->stream;
}

static gboolean
is_incremental (const Entry * entry)
{
  return entry->job.position >= 0
      && gst_classify_client_wants_frames (entry->client);
}

static void
run_incremental (GstClassifyEngine * engine, Entry * entry)
{
  g_autoptr (GError) error = NULL;
  GstClassifyJob *job = &entry->job;

  gst_classify_stream_run (get_stream (entry->client), job->rgb, job->position,
      job->logits, job->features, &error);
  finish_job (engine, entry, job->logits, job->features, error);
}

/* Clips that are run from scratch by the same session, as a batch. */
static void
run_batch (GstClassifyEngine * engine, Cnn3dSession * session, Entry ** entries,
    guint n)
{
  g_autoptr (GError) error = NULL;
  const guint8 *clips = entries[0]->job.rgb;

  if (n > 1) {
    for (guint i = 0; i < n; i++)
      memcpy (engine->batch + i * engine->clip_size, entries[i]->job.rgb,
          engine->clip_size);
    clips = engine->batch;
  }
  cnn3d_session_run_rgb_features (session, clips, n, engine->logits,
      engine->features, &error);
  find_backend (engine, session);
  for (guint i = 0; i < n; i++)
    finish_job (engine, entries[i], engine->logits + i * engine->classes,
        engine->features ? engine->features + i * engine->n_features : NULL,
        error);
}

static void
run_jobs (GstClassifyEngine * engine, Entry ** entries, guint n)
{
  Entry *incremental[MAX_BATCH], *scratch[MAX_BATCH], *batch[MAX_BATCH];
  guint n_incremental = 0, n_scratch = 0;

  if (engine->slow_us > 0)
    g_usleep (engine->slow_us);
  for (guint i = 0; i < n; i++) {
    if (is_incremental (entries[i]))
      incremental[n_incremental++] = entries[i];
    else
      scratch[n_scratch++] = entries[i];
  }
  while (n_scratch > 0) {
    Cnn3dSession *session = get_session (scratch[0]->client);
    guint n_batch = 0, n_left = 0;

    for (guint i = 0; i < n_scratch; i++) {
      if (get_session (scratch[i]->client) == session)
        batch[n_batch++] = scratch[i];
      else
        scratch[n_left++] = scratch[i];
    }
    run_batch (engine, session, batch, n_batch);
    n_scratch = n_left;
  }
  for (guint i = 0; i < n_incremental; i++)
    run_incremental (engine, incremental[i]);
}

/* Works on a frame that was announced, with nothing else to do. Called with the
 * lock held, which it gives up meanwhile. */
static gboolean
run_announced (GstClassifyEngine * engine)
{
  Frame *frame = g_queue_pop_head (&engine->announced);

  if (frame == NULL)
    return FALSE;
  frame->client->n_announced--;
  frame->client->n_running++;
  g_mutex_unlock (&engine->lock);
  gst_classify_stream_prepare (get_stream (frame->client), frame->rgb,
      frame->position);
  g_mutex_lock (&engine->lock);
  frame->client->n_running--;
  g_free (frame);
  g_cond_broadcast (&engine->done);
  return TRUE;
}

static gpointer
work (gpointer data)
{
  GstClassifyEngine *engine = data;
  Entry *entries[MAX_BATCH];

  g_mutex_lock (&engine->lock);
  while (!engine->quit) {
    guint n = take_jobs (engine, entries);

    if (n == 0) {
      if (!run_announced (engine))
        g_cond_wait (&engine->work, &engine->lock);
      continue;
    }
    /* There is room again for who waits for it. */
    g_cond_broadcast (&engine->done);
    g_mutex_unlock (&engine->lock);
    run_jobs (engine, entries, n);
    g_mutex_lock (&engine->lock);
    for (guint i = 0; i < n; i++) {
      Entry *entry = entries[i];

      /* A client without running jobs may be gone. */
      gst_classify_engine_recycle (engine, entry);
      entry->client->n_running--;
    }
    g_cond_broadcast (&engine->done);
  }
  g_mutex_unlock (&engine->lock);
  return NULL;
}

static GstClassifyEngine *
engine_new (const GstClassifyEngineConfig * config, GError ** error)
{
  Cnn3dLoadOptions load_options = {.labels_file = config->labels_file };
  GstClassifyEngine *engine;
  const Cnn3dConfig *network;
  Cnn3dModel *model;
  const gchar *slow = g_getenv (SLOW_ENV);

  model = cnn3d_model_load (config->model_file, &load_options, error);
  if (model == NULL)
    return NULL;
  network = cnn3d_model_get_config (model);
  engine = g_new0 (GstClassifyEngine, 1);
  engine->model = model;
  engine->classes = network->classes;
  engine->frames = network->frames;
  engine->frame_size = (gsize) network->size * network->size * 3;
  engine->clip_size = engine->frames * engine->frame_size;
  engine->batch = g_malloc (MAX_BATCH * engine->clip_size);
  engine->logits = g_new (gfloat, MAX_BATCH * engine->classes);
  if (cnn3d_unknown_needs_features (cnn3d_model_get_card (model)->unknown)) {
    engine->n_features = cnn3d_model_get_n_features (model);
    engine->features = g_new (gfloat, MAX_BATCH * engine->n_features);
  }
  engine->idle = g_ptr_array_new_with_free_func (entry_free);
  engine->slow_us = slow ? 1000 * g_ascii_strtoull (slow, NULL, 10) : 0;
  g_mutex_init (&engine->lock);
  g_cond_init (&engine->work);
  g_cond_init (&engine->done);
  g_queue_init (&engine->jobs);
  g_queue_init (&engine->announced);
  engine->thread = g_thread_new ("videoclassify3d", work, engine);
  return engine;
}

/* A file that was written anew is another model. */
static gchar *
make_key (const GstClassifyEngineConfig * config)
{
  GStatBuf stats[2] = { 0 };

  g_stat (config->model_file, &stats[0]);
  if (config->labels_file)
    g_stat (config->labels_file, &stats[1]);
  return g_strdup_printf ("%s|%" G_GINT64_FORMAT "|%" G_GINT64_FORMAT "|%"
      G_GINT64_FORMAT "|%s|%" G_GINT64_FORMAT "|%d|%s|%d|%d|%u",
      config->model_file,
      (gint64) stats[0].st_mtime, (gint64) stats[0].st_size,
      (gint64) stats[0].st_ino,
      config->labels_file ? config->labels_file : "",
      (gint64) stats[1].st_mtime, config->backend,
      config->device ? config->device : "", config->precision,
      config->allow_tf32, config->threads);
}

gboolean
gst_classify_engine_overlaps_enough (GstClassifyEngine * engine, guint clip_stride)
{
  return clip_stride > 0 && 2 * clip_stride <= engine->frames;
}

gboolean
gst_classify_engine_wants_direct (GstClassifyEngine * engine, guint clip_stride)
{
  return gst_classify_engine_overlaps_enough (engine, clip_stride)
      && cnn3d_stream_wants_direct_stem (clip_stride);
}

/* A GPU runs all clips alike. */
static gboolean
share_session (GstClassifyEngine * engine, gboolean direct)
{
  gboolean on_gpu;

  g_mutex_lock (&engine->lock);
  on_gpu = g_atomic_int_get (&engine->on_gpu[!direct]);
  if (on_gpu) {
    engine->sessions[direct] = cnn3d_session_ref (engine->sessions[!direct]);
    g_atomic_int_set (&engine->on_gpu[direct], TRUE);
  }
  g_mutex_unlock (&engine->lock);
  if (on_gpu)
    engine->descriptions[direct] = g_strdup (engine->descriptions[!direct]);
  return on_gpu;
}

/* Makes the session for clips of this stride, if there is none. */
static gboolean
open_session (GstClassifyEngine * engine,
    const GstClassifyEngineConfig * config, GError ** error)
{
  gboolean direct = gst_classify_engine_wants_direct (engine, config->clip_stride);
  Cnn3dSessionOptions options = {.backend = config->backend,
    .threads = config->threads,.direct_stem = direct,
    .device = config->device,.precision = config->precision,
    .allow_tf32 = config->allow_tf32
  };
  Cnn3dSession *session;

  if (engine->sessions[direct] != NULL)
    return TRUE;
  if (share_session (engine, direct))
    return TRUE;
  session = cnn3d_session_new (engine->model, &options, error);
  if (session == NULL)
    return FALSE;
  engine->descriptions[direct] = g_strdup (cnn3d_session_describe (session));
  engine->fallbacks[direct] = g_strdup (cnn3d_session_get_fallback (session));
  g_mutex_lock (&engine->lock);
  engine->sessions[direct] = session;
  g_mutex_unlock (&engine->lock);
  find_backend (engine, session);
  return TRUE;
}

static void
engine_free (GstClassifyEngine * engine)
{
  g_mutex_lock (&engine->lock);
  engine->quit = TRUE;
  g_cond_broadcast (&engine->work);
  g_mutex_unlock (&engine->lock);
  g_thread_join (engine->thread);
  g_queue_clear_full (&engine->jobs, entry_free);
  g_queue_clear_full (&engine->announced, g_free);
  g_ptr_array_unref (engine->idle);
  for (guint i = 0; i < G_N_ELEMENTS (engine->sessions); i++) {
    g_clear_pointer (&engine->sessions[i], cnn3d_session_unref);
    g_free (engine->descriptions[i]);
    g_free (engine->fallbacks[i]);
  }
  cnn3d_model_unref (engine->model);
  g_free (engine->batch);
  g_free (engine->logits);
  g_free (engine->features);
  g_free (engine->key);
  g_mutex_clear (&engine->lock);
  g_cond_clear (&engine->work);
  g_cond_clear (&engine->done);
  g_free (engine);
}

GstClassifyEngine *
gst_classify_engine_get (const GstClassifyEngineConfig * config,
    GError ** error)
{
  g_autofree gchar *key = make_key (config);
  GstClassifyEngine *engine;

  /* Loading takes the lock, so that two elements do not load at once. */
  g_mutex_lock (&engines_lock);
  if (engines == NULL)
    engines = g_hash_table_new (g_str_hash, g_str_equal);
  engine = g_hash_table_lookup (engines, key);
  if (engine == NULL) {
    engine = engine_new (config, error);
    if (engine != NULL && !open_session (engine, config, error))
      g_clear_pointer (&engine, engine_free);
    if (engine != NULL) {
      engine->key = g_steal_pointer (&key);
      g_hash_table_insert (engines, engine->key, engine);
    }
  } else if (!open_session (engine, config, error)) {
    engine = NULL;
  }
  if (engine != NULL)
    engine->ref_count++;
  else if (g_hash_table_size (engines) == 0)
    g_clear_pointer (&engines, g_hash_table_unref);
  g_mutex_unlock (&engines_lock);
  return engine;
}

GstClassifyEngine *
gst_classify_engine_ref (GstClassifyEngine * engine)
{
  g_mutex_lock (&engines_lock);
  engine->ref_count++;
  g_mutex_unlock (&engines_lock);
  return engine;
}

void
gst_classify_engine_unref (GstClassifyEngine * engine)
{
  gboolean last;

  g_mutex_lock (&engines_lock);
  last = --engine->ref_count == 0;
  if (last) {
    g_hash_table_remove (engines, engine->key);
    if (g_hash_table_size (engines) == 0)
      g_clear_pointer (&engines, g_hash_table_unref);
  }
  g_mutex_unlock (&engines_lock);
  if (last)
    engine_free (engine);
}

Cnn3dModel *
gst_classify_engine_get_model (GstClassifyEngine * engine)
{
  return engine->model;
}

const gchar *
gst_classify_engine_describe (GstClassifyEngine * engine)
{
  const gchar *description;

  g_mutex_lock (&engines_lock);
  description = engine->descriptions[engine->sessions[TRUE] != NULL];
  g_mutex_unlock (&engines_lock);
  return description;
}

const gchar *
gst_classify_engine_get_fallback (GstClassifyEngine * engine)
{
  const gchar *fallback;

  g_mutex_lock (&engines_lock);
  fallback = engine->fallbacks[FALSE] ? engine->fallbacks[FALSE]
      : engine->fallbacks[TRUE];
  g_mutex_unlock (&engines_lock);
  return fallback;
}
