/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What elements ask of an engine: clips to run, frames on their way to it. */

#include "gst/classifyengine-private.h"

#include <string.h>

GstClassifyClient *
gst_classify_client_new (GstClassifyEngine * engine, guint clip_stride,
    GstClassifyDone done, GDestroyNotify free_owner, gpointer data)
{
  GstClassifyClient *client = g_new0 (GstClassifyClient, 1);

  client->engine = gst_classify_engine_ref (engine);
  client->clip_stride = clip_stride;
  client->overlaps = gst_classify_engine_overlaps_enough (engine, clip_stride);
  client->direct = gst_classify_engine_wants_direct (engine, clip_stride);
  client->done = done;
  client->free_owner = free_owner;
  client->data = data;
  return client;
}

/* The client's job that waits, of one stream or of any. */
static GList *
find_waiting (GstClassifyClient * client, gboolean any, guint stream)
{
  for (GList * l = client->engine->jobs.head; l; l = l->next) {
    Entry *entry = l->data;

    if (entry->client == client && (any || entry->job.stream == stream))
      return l;
  }
  return NULL;
}

static void
drop_announced (GstClassifyClient * client)
{
  GList *next;

  for (GList * l = client->engine->announced.head; l; l = next) {
    Frame *frame = l->data;

    next = l->next;
    if (frame->client != client)
      continue;
    g_free (frame);
    g_queue_delete_link (&client->engine->announced, l);
  }
  client->n_announced = 0;
}

static guint
drop_waiting (GstClassifyClient * client)
{
  guint n = 0;
  GList *l;

  drop_announced (client);

  while ((l = find_waiting (client, TRUE, 0)) != NULL) {
    gst_classify_engine_recycle (client->engine, l->data);
    g_queue_delete_link (&client->engine->jobs, l);
    n++;
  }
  return n;
}

void
gst_classify_client_free (GstClassifyClient * client)
{
  GstClassifyEngine *engine = client->engine;

  g_mutex_lock (&engine->lock);
  drop_waiting (client);
  while (client->n_running > 0)
    g_cond_wait (&engine->done, &engine->lock);
  g_mutex_unlock (&engine->lock);
  g_clear_pointer (&client->stream, gst_classify_stream_free);
  g_free (client);
  gst_classify_engine_unref (engine);
}

GstClassifyJob *
gst_classify_client_begin (GstClassifyClient * client)
{
  GstClassifyEngine *engine = client->engine;
  Entry *entry = NULL;

  g_mutex_lock (&engine->lock);
  if (engine->idle->len > 0)
    entry = g_ptr_array_steal_index_fast (engine->idle, engine->idle->len - 1);
  g_mutex_unlock (&engine->lock);
  if (entry == NULL) {
    entry = g_new0 (Entry, 1);
    entry->job.rgb = g_malloc (engine->clip_size);
    entry->job.logits = g_new (gfloat, engine->classes);
    if (engine->n_features > 0)
      entry->job.features = g_new (gfloat, engine->n_features);
  }
  entry->client = client;
  entry->job.position = -1;
  return &entry->job;
}

gboolean
gst_classify_client_wants_frames (GstClassifyClient * client)
{
  return client->overlaps
      && !g_atomic_int_get (&client->engine->on_gpu[client->direct]);
}

void
gst_classify_client_announce (GstClassifyClient * client, const guint8 * rgb,
    gint64 position)
{
  GstClassifyEngine *engine = client->engine;
  Frame *frame;

  if (!gst_classify_client_wants_frames (client))
    return;
  g_mutex_lock (&engine->lock);
  /* With a clip's worth waiting, the engine does not keep up. */
  if (client->n_announced < engine->frames) {
    frame = g_malloc (sizeof (Frame) + engine->frame_size);
    frame->client = client;
    frame->position = position;
    memcpy (frame->rgb, rgb, engine->frame_size);
    g_queue_push_tail (&engine->announced, frame);
    client->n_announced++;
    g_cond_signal (&engine->work);
  }
  g_mutex_unlock (&engine->lock);
}

/* Whether the client is to wait before it goes on. */
static gboolean
is_behind (GstClassifyClient * client, GstClassifySubmit how)
{
  guint n = 0;

  if (how == GST_CLASSIFY_SUBMIT_DONE)
    return client->n_running > 0 || find_waiting (client, TRUE, 0) != NULL;
  for (GList * l = client->engine->jobs.head; l; l = l->next)
    n += ((Entry *) l->data)->client == client;
  return n >= MAX_BATCH;
}

guint
gst_classify_client_submit (GstClassifyClient * client, GstClassifyJob * job,
    GstClassifySubmit how)
{
  GstClassifyEngine *engine = client->engine;
  GList *waiting = NULL;

  g_mutex_lock (&engine->lock);
  job->submitted = g_get_monotonic_time ();
  if (how == GST_CLASSIFY_SUBMIT_NEWEST)
    waiting = find_waiting (client, FALSE, job->stream);
  if (waiting != NULL) {
    /* In the older one's place, so that every stream gets its turn. */
    gst_classify_engine_recycle (engine, waiting->data);
    waiting->data = job;
  } else {
    g_queue_push_tail (&engine->jobs, job);
  }
  g_cond_signal (&engine->work);
  while (how != GST_CLASSIFY_SUBMIT_NEWEST && is_behind (client, how))
    g_cond_wait (&engine->done, &engine->lock);
  g_mutex_unlock (&engine->lock);
  return waiting != NULL;
}

void
gst_classify_client_drain (GstClassifyClient * client)
{
  GstClassifyEngine *engine = client->engine;

  g_mutex_lock (&engine->lock);
  while (client->n_running > 0 || find_waiting (client, TRUE, 0) != NULL)
    g_cond_wait (&engine->done, &engine->lock);
  g_mutex_unlock (&engine->lock);
}

guint
gst_classify_client_flush (GstClassifyClient * client)
{
  guint n;

  g_mutex_lock (&client->engine->lock);
  n = drop_waiting (client);
  g_cond_broadcast (&client->engine->done);
  g_mutex_unlock (&client->engine->lock);
  return n;
}
