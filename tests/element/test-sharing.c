/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The engine by itself: what is shared, what runs as one batch, who gets his turn. */

#include <string.h>

#include "gst/classifyengine.h"

static GstClassifyEngine *
engine_get (guint threads, GError ** error)
{
  g_autofree gchar *path = cnn3d_model_find ("shufflenet", NULL);
  GstClassifyEngineConfig config = {.model_file = path,.threads = threads };

  return gst_classify_engine_get (&config, error);
}

/* What came back, in order. */
typedef struct
{
  GMutex lock;
  GCond cond;
  gboolean closed, waiting;
  guint n;
  gint64 end[64];
  gfloat first_logit[64];
} Record;

static void
on_done (gpointer data, const GstClassifyJob * job)
{
  Record *record = data;

  g_assert_no_error (job->error);
  g_mutex_lock (&record->lock);
  record->end[record->n] = job->end;
  record->first_logit[record->n++] = job->logits[0];
  record->waiting = TRUE;
  g_cond_broadcast (&record->cond);
  while (record->closed)
    g_cond_wait (&record->cond, &record->lock);
  record->waiting = FALSE;
  g_mutex_unlock (&record->lock);
}

static void
record_init (Record * record)
{
  memset (record, 0, sizeof *record);
  g_mutex_init (&record->lock);
  g_cond_init (&record->cond);
}

static void
record_clear (Record * record)
{
  g_mutex_clear (&record->lock);
  g_cond_clear (&record->cond);
}

static guint
submit (GstClassifyEngine * engine, GstClassifyClient * client, guint stream,
    gint64 end, GstClassifySubmit how)
{
  const Cnn3dConfig *c =
      cnn3d_model_get_config (gst_classify_engine_get_model (engine));
  GstClassifyJob *job = gst_classify_client_begin (client);

  memset (job->rgb, (guint8) end, (gsize) c->frames * c->size * c->size * 3);
  job->start = end - 1;
  job->end = end;
  job->stream = stream;
  job->epoch = 0;
  job->owner = NULL;
  return gst_classify_client_submit (client, job, how);
}

/* The same file and options: the same engine, and so the same network. */
static void
test_shared (void)
{
  GstClassifyEngine *a = engine_get (1, NULL), *b = engine_get (1, NULL);
  GstClassifyEngine *c = engine_get (2, NULL);

  g_assert_nonnull (a);
  g_assert_true (a == b);
  g_assert_true (a != c);
  gst_classify_engine_unref (a);
  gst_classify_engine_unref (b);
  gst_classify_engine_unref (c);
}

/* Returns when the engine's thread waits in on_done(). */
static void
await (Record * record)
{
  g_mutex_lock (&record->lock);
  while (!record->waiting)
    g_cond_wait (&record->cond, &record->lock);
  g_mutex_unlock (&record->lock);
}

static void
hold (Record * record, GstClassifyEngine * engine, GstClassifyClient * client)
{
  record->closed = TRUE;
  submit (engine, client, 0, 1, GST_CLASSIFY_SUBMIT_NEWEST);
  await (record);
}

static void
release (Record * record)
{
  g_mutex_lock (&record->lock);
  record->closed = FALSE;
  g_cond_broadcast (&record->cond);
  g_mutex_unlock (&record->lock);
}

/* Clips of eight elements that are ready at once run as one batch: when the first
 * is done, none of the others waits. Each has the scores it has by itself. */
static void
test_batch (void)
{
  GstClassifyEngine *engine = engine_get (1, NULL);
  GstClassifyClient *first, *clients[8];
  Record held, record, alone;

  record_init (&held);
  record_init (&record);
  record_init (&alone);
  first = gst_classify_client_new (engine, 0, on_done, NULL, &held);
  hold (&held, engine, first);
  for (guint i = 0; i < 8; i++) {
    clients[i] = gst_classify_client_new (engine, 0, on_done, NULL, &record);
    g_assert_cmpuint (submit (engine, clients[i], 0, 10 + i,
            GST_CLASSIFY_SUBMIT_NEWEST), ==, 0);
  }
  record.closed = TRUE;
  release (&held);
  await (&record);
  for (guint i = 0; i < 8; i++)
    g_assert_cmpuint (gst_classify_client_flush (clients[i]), ==, 0);
  release (&record);
  for (guint i = 0; i < 8; i++) {
    gst_classify_client_drain (clients[i]);
    gst_classify_client_free (clients[i]);
  }
  gst_classify_client_free (first);
  g_assert_cmpuint (record.n, ==, 8);
  first = gst_classify_client_new (engine, 0, on_done, NULL, &alone);
  for (guint i = 0; i < 8; i++) {
    g_assert_cmpint (record.end[i], ==, 10 + i);
    submit (engine, first, 0, 10 + i, GST_CLASSIFY_SUBMIT_DONE);
    g_assert_cmpuint (alone.n, ==, i + 1);
    g_assert_true (alone.first_logit[i] == record.first_logit[i]);
  }
  gst_classify_client_free (first);
  gst_classify_engine_unref (engine);
  record_clear (&held);
  record_clear (&record);
  record_clear (&alone);
}

/* A stream that has many clips does not keep others from theirs: it has one that
 * waits, the newest, in the place of the first. */
static void
test_fair (void)
{
  GstClassifyEngine *engine = engine_get (1, NULL);
  GstClassifyClient *busy, *other;
  Record held, record;
  guint dropped = 0;

  record_init (&held);
  record_init (&record);
  busy = gst_classify_client_new (engine, 0, on_done, NULL, &held);
  hold (&held, engine, busy);
  for (guint i = 0; i < 20; i++)
    dropped += submit (engine, busy, 0, 100 + i, GST_CLASSIFY_SUBMIT_NEWEST);
  g_assert_cmpuint (dropped, ==, 19);
  other = gst_classify_client_new (engine, 0, on_done, NULL, &record);
  /* Streams of one element are told apart. */
  g_assert_cmpuint (submit (engine, other, 1, 5, GST_CLASSIFY_SUBMIT_NEWEST),
      ==, 0);
  g_assert_cmpuint (submit (engine, other, 2, 6, GST_CLASSIFY_SUBMIT_NEWEST),
      ==, 0);
  release (&held);
  gst_classify_client_drain (other);
  gst_classify_client_drain (busy);
  g_assert_cmpuint (record.n, ==, 2);
  g_assert_cmpuint (held.n, ==, 2);
  g_assert_cmpint (held.end[1], ==, 119);
  gst_classify_client_free (busy);
  gst_classify_client_free (other);
  gst_classify_engine_unref (engine);
  record_clear (&held);
  record_clear (&record);
}

typedef struct
{
  GstClassifyEngine *engine;
  GstClassifyClient *client;
  gint n_submitted;             /* atomic */
} Producer;

static gpointer
produce (gpointer data)
{
  Producer *p = data;

  for (guint i = 0; i < 40; i++) {
    g_assert_cmpuint (submit (p->engine, p->client, 0, 100 + i,
            GST_CLASSIFY_SUBMIT_ALL), ==, 0);
    g_atomic_int_inc (&p->n_submitted);
  }
  return NULL;
}

/* Who wants all clips done, but not now, is held up when a batch of them waits; and
 * goes on when the engine has taken it. None is dropped, and they keep their
 * order. */
static void
test_queue (void)
{
  GstClassifyEngine *engine = engine_get (1, NULL);
  Producer producer = {.engine = engine };
  GstClassifyClient *first;
  Record held, record;
  GThread *thread;

  record_init (&held);
  record_init (&record);
  first = gst_classify_client_new (engine, 0, on_done, NULL, &held);
  producer.client = gst_classify_client_new (engine, 0, on_done, NULL, &record);
  hold (&held, engine, first);
  thread = g_thread_new ("producer", produce, &producer);
  while (g_atomic_int_get (&producer.n_submitted) < 15)
    g_usleep (1000);
  g_usleep (50000);
  g_assert_cmpint (g_atomic_int_get (&producer.n_submitted), ==, 15);
  record.closed = TRUE;
  release (&held);
  await (&record);
  /* The engine works on 16, and 16 more wait, of which one holds up. */
  while (g_atomic_int_get (&producer.n_submitted) < 31)
    g_usleep (1000);
  release (&record);
  g_thread_join (thread);
  gst_classify_client_drain (producer.client);
  g_assert_cmpuint (record.n, ==, 40);
  for (guint i = 0; i < 40; i++)
    g_assert_cmpint (record.end[i], ==, 100 + i);
  gst_classify_client_free (producer.client);
  gst_classify_client_free (first);
  gst_classify_engine_unref (engine);
  record_clear (&held);
  record_clear (&record);
}

static guint n_freed;

static void
free_owner (gpointer owner)
{
  n_freed++;
}

/* What is dropped is counted, and its owner freed. */
static void
test_flush (void)
{
  GstClassifyEngine *engine = engine_get (1, NULL);
  GstClassifyClient *client;
  GstClassifyJob *job;
  Record held;

  n_freed = 0;
  record_init (&held);
  client = gst_classify_client_new (engine, 0, on_done, free_owner, &held);
  hold (&held, engine, client);
  for (guint stream = 1; stream <= 3; stream++) {
    job = gst_classify_client_begin (client);
    job->stream = stream;
    job->owner = &held;
    gst_classify_client_submit (client, job, GST_CLASSIFY_SUBMIT_NEWEST);
  }
  g_assert_cmpuint (gst_classify_client_flush (client), ==, 3);
  g_assert_cmpuint (n_freed, ==, 3);
  g_assert_cmpuint (gst_classify_client_flush (client), ==, 0);
  release (&held);
  gst_classify_client_free (client);
  gst_classify_engine_unref (engine);
  record_clear (&held);
}

static void
test_no_file (void)
{
  GstClassifyEngineConfig config = {.model_file = "/nonexistent.pth" };
  g_autoptr (GError) error = NULL;

  g_assert_null (gst_classify_engine_get (&config, &error));
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, "/nonexistent.pth"));
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sharing/shared", test_shared);
  g_test_add_func ("/sharing/batch", test_batch);
  g_test_add_func ("/sharing/fair", test_fair);
  g_test_add_func ("/sharing/queue", test_queue);
  g_test_add_func ("/sharing/flush", test_flush);
  g_test_add_func ("/sharing/no-file", test_no_file);
  return g_test_run ();
}
