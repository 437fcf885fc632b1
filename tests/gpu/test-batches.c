/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The engine of videoclassify3d on a GPU: clips that are ready at the same time, of several elements and of
 * one, far apart or overlapping, are one launch, with the logits that each has by itself.
 */

#include "gst/classifyengine.h"

#include <math.h>

#include "tests/gpu/faults.h"
#include "tests/gpu/tiny-model.h"

#define CLIP (TINY_FRAMES * TINY_SIZE * TINY_SIZE * 3)
#define MAX_CLIPS 40

static char *model_file;

/* What came back of each clip; its number is its start. A gate holds the engine's thread at clip 0. */
typedef struct {
  GMutex lock;
  GCond cond;
  gboolean open, reached;
  guint n;
  float logits[MAX_CLIPS][TINY_CLASSES];
  gboolean fell_back[MAX_CLIPS];
} Record;

static void
on_done (gpointer data, const GstClassifyJob *job)
{
  Record *r = data;

  g_assert_no_error (job->error);
  g_mutex_lock (&r->lock);
  memcpy (r->logits[job->start], job->logits, sizeof r->logits[0]);
  r->fell_back[job->start] = job->fallback != NULL;
  r->n++;
  if (job->start == 0) {
    r->reached = TRUE;
    g_cond_broadcast (&r->cond);
    while (!r->open)
      g_cond_wait (&r->cond, &r->lock);
  }
  g_mutex_unlock (&r->lock);
}

static void
record_init (Record *r)
{
  *r = (Record){ 0 };
  g_mutex_init (&r->lock);
  g_cond_init (&r->cond);
}

static GstClassifyEngine *
get_engine (Cnn3dBackend backend, guint stride)
{
  GstClassifyEngineConfig config = { .model_file = model_file, .backend = backend, .threads = 1,
    .clip_stride = stride };
  g_autoptr (GError) error = NULL;
  GstClassifyEngine *engine = gst_classify_engine_get (&config, &error);

  g_assert_no_error (error);
  return engine;
}

static void
submit (GstClassifyClient *client, guint number, gint64 position, GstClassifySubmit how)
{
  GstClassifyJob *job = gst_classify_client_begin (client);

  for (gsize i = 0; i < CLIP; i++)
    job->rgb[i] = (guint8) ((i + number * 977) * 2654435761u >> 24);
  job->start = number;
  job->stream = 0;
  job->position = position;
  job->owner = NULL;
  g_assert_cmpuint (gst_classify_client_submit (client, job, how), ==, 0);
}

/* Holds the engine's thread with clip 0. */
static void
hold (Record *r, GstClassifyClient *client)
{
  submit (client, 0, -1, GST_CLASSIFY_SUBMIT_NEWEST);
  g_mutex_lock (&r->lock);
  while (!r->reached)
    g_cond_wait (&r->cond, &r->lock);
  g_mutex_unlock (&r->lock);
}

static void
release (Record *r)
{
  g_mutex_lock (&r->lock);
  r->open = TRUE;
  g_cond_broadcast (&r->cond);
  g_mutex_unlock (&r->lock);
}

/* Clips 1 to n, one by one. */
static void
run_alone (guint n, Record *r)
{
  GstClassifyEngine *engine = get_engine (CNN3D_BACKEND_CUDNN, 0);
  GstClassifyClient *client = gst_classify_client_new (engine, 0, on_done, NULL, r);

  record_init (r);
  for (guint i = 1; i <= n; i++) {
    double_counts = (DoubleCounts){ 0 };
    submit (client, i, -1, GST_CLASSIFY_SUBMIT_DONE);
    g_assert_cmpint (double_counts.graphs, ==, 1);
  }
  g_assert_cmpuint (r->n, ==, n);
  gst_classify_client_free (client);
  gst_classify_engine_unref (engine);
}

static gboolean
begin (void)
{
  if (!faults_install ())
    return FALSE;
  faults = (Faults){ .at = -1 };
  double_settings = (DoubleSettings){ .count = 1, .device = "h100", .capability = 90 };
  return TRUE;
}

static void
end (void)
{
  double_check_clean ();
  cnn3d_cuda_replace (NULL);
}

/* A clip each of n elements with these strides in turn, all with one engine. */
static void
check_streams (guint n, guint stride_a, guint stride_b)
{
  guint strides[2] = { stride_a, stride_b };
  GstClassifyEngine *engines[2] = { get_engine (CNN3D_BACKEND_CUDNN, stride_a),
    get_engine (CNN3D_BACKEND_CUDNN, stride_b) };
  GstClassifyClient *clients[MAX_CLIPS];
  Record together, alone;

  g_assert_true (engines[0] == engines[1]);
  record_init (&together);
  clients[0] = gst_classify_client_new (engines[0], stride_a, on_done, NULL, &together);
  hold (&together, clients[0]);
  for (guint i = 1; i <= n; i++) {
    clients[i] = gst_classify_client_new (engines[0], strides[i % 2], on_done, NULL, &together);
    g_assert_false (gst_classify_client_wants_frames (clients[i]));
    submit (clients[i], i, 3 * i, GST_CLASSIFY_SUBMIT_NEWEST);
  }
  double_counts = (DoubleCounts){ 0 };
  release (&together);
  for (guint i = 0; i <= n; i++) {
    gst_classify_client_drain (clients[i]);
    gst_classify_client_free (clients[i]);
  }
  g_assert_cmpint (double_counts.graphs, ==, (n + 7) / 8);
  g_assert_cmpint (double_counts.syncs, ==, 1);
  g_assert_cmpuint (together.n, ==, n + 1);
  gst_classify_engine_unref (engines[0]);
  gst_classify_engine_unref (engines[1]);
  end ();

  begin ();
  run_alone (n, &alone);
  g_assert_cmpmem (together.logits[1], n * sizeof together.logits[0], alone.logits[1],
      n * sizeof alone.logits[0]);
  end ();
}

static void
test_streams (void)
{
  for (guint n = 1; n <= 16; n += n < 4 ? 1 : 4) {
    if (!begin ())
      return;
    check_streams (n, 0, 0);
  }
}

/* Strides of 1 and 2, of 4 frames: on the CPU they would be run incrementally. */
static void
test_overlap (void)
{
  if (!begin ())
    return;
  check_streams (5, 1, 2);
  begin ();
  check_streams (8, 0, 1);
}

/* One element whose clips wait, as with mode=queue. */
static void
test_queue (void)
{
  enum { N = 13 };
  GstClassifyEngine *engine;
  GstClassifyClient *client;
  Record together, alone;

  if (!begin ())
    return;
  engine = get_engine (CNN3D_BACKEND_CUDNN, 1);
  record_init (&together);
  client = gst_classify_client_new (engine, 1, on_done, NULL, &together);
  hold (&together, client);
  for (guint i = 1; i <= N; i++)
    submit (client, i, i, GST_CLASSIFY_SUBMIT_ALL);
  double_counts = (DoubleCounts){ 0 };
  release (&together);
  gst_classify_client_drain (client);
  g_assert_cmpint (double_counts.graphs, ==, 2);
  g_assert_cmpint (double_counts.syncs, ==, 1);
  gst_classify_client_free (client);
  gst_classify_engine_unref (engine);
  end ();

  begin ();
  run_alone (N, &alone);
  g_assert_cmpmem (together.logits[1], N * sizeof together.logits[0], alone.logits[1],
      N * sizeof alone.logits[0]);
  end ();
}

/* The GPU is lost while a batch runs: all of it, and what comes after, has the CPU's logits; and clips that
 * overlap are incremental from then on. */
static void
test_lost (void)
{
  GstClassifyEngine *engine, *cpu;
  GstClassifyClient *clients[3], *plain;
  Record record, expected;

  if (!begin ())
    return;
  engine = get_engine (CNN3D_BACKEND_AUTO, 1);
  record_init (&record);
  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    clients[i] = gst_classify_client_new (engine, 1, on_done, NULL, &record);
  hold (&record, clients[0]);
  g_assert_false (record.fell_back[0]);
  for (guint i = 1; i < G_N_ELEMENTS (clients); i++)
    submit (clients[i], i, 0, GST_CLASSIFY_SUBMIT_NEWEST);
  faults = (Faults){ .function = "cudaGraphLaunch", .at = 0, .lost = TRUE };
  release (&record);
  for (guint i = 1; i < G_N_ELEMENTS (clients); i++)
    gst_classify_client_drain (clients[i]);
  g_assert_true (faults.hit);
  g_assert_true (record.fell_back[1] && record.fell_back[2]);
  g_assert_true (gst_classify_client_wants_frames (clients[1]));
  submit (clients[1], 3, 1, GST_CLASSIFY_SUBMIT_DONE);

  cpu = get_engine (CNN3D_BACKEND_CPU, 0);
  record_init (&expected);
  plain = gst_classify_client_new (cpu, 0, on_done, NULL, &expected);
  for (guint i = 1; i <= 3; i++) {
    submit (plain, i, -1, GST_CLASSIFY_SUBMIT_DONE);
    for (int c = 0; c < TINY_CLASSES; c++)
      g_assert_cmpfloat (fabs ((double) record.logits[i][c] - expected.logits[i][c]), <=,
          1e-4 * MAX (1, fabs (expected.logits[i][c])));
  }
  gst_classify_client_free (plain);
  gst_classify_engine_unref (cpu);
  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    gst_classify_client_free (clients[i]);
  gst_classify_engine_unref (engine);
  end ();
}

int
main (int argc, char **argv)
{
  int status;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  model_file = tiny_model_write ();
  g_test_add_func ("/gpu/batches/streams", test_streams);
  g_test_add_func ("/gpu/batches/overlap", test_overlap);
  g_test_add_func ("/gpu/batches/queue", test_queue);
  g_test_add_func ("/gpu/batches/lost", test_lost);
  status = g_test_run ();
  tiny_model_remove (model_file);
  return status;
}
