/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "tools/bench.h"
#include "tools/session-options.h"

/* Frames of the video that is shown over and over. */
#define N_FRAMES 64

typedef struct {
  Cnn3dSession *plain, *direct; /* as sessions are by default, and with direct_stem */
  gboolean use_direct;          /* for the stream */
  Cnn3dStream *stream;
  gsize frame_bytes;
  guint8 *video; /* N_FRAMES and, once more, a clip */
  float *logits, *expected;
  int classes;
  gint64 frame; /* the next */
} Run;

static double
ms_since (gint64 begin)
{
  return (double) (g_get_monotonic_time () - begin) * 1e-3;
}

static guint8 *
frame_at (const Run *r, gint64 frame)
{
  return r->video + (gsize) (frame % N_FRAMES) * r->frame_bytes;
}

/* The frames up to the next clip, and the clip: its time, and that from its last frame on. */
static gboolean
run_incremental (Run *r, double *ms, double *latency, GError **error)
{
  gboolean due = FALSE;
  gint64 begin = 0;

  *ms = 0;
  while (!due) {
    begin = g_get_monotonic_time ();
    cnn3d_stream_push_rgb (r->stream, frame_at (r, r->frame++));
    due = cnn3d_stream_is_due (r->stream);
    if (!due)
      *ms += ms_since (begin);
  }
  if (!cnn3d_stream_run (r->stream, r->logits, error))
    return FALSE;
  *latency = ms_since (begin);
  *ms += *latency;
  return TRUE;
}

static gboolean
run_scratch (Run *r, Cnn3dSession *session, int frames, double *ms, GError **error)
{
  gint64 begin = g_get_monotonic_time ();
  gboolean ok = cnn3d_session_run_rgb (session, frame_at (r, r->frame - frames), 1, r->expected, error);

  *ms = ms_since (begin);
  return ok;
}

static gboolean
measure (Run *r, const Bench *bench, int frames, double *medians, GError **error)
{
  g_autofree double *ms = g_new (double, 4 * bench->runs);
  double *plain = ms, *direct = ms + bench->runs, *clip = ms + 2 * bench->runs, *latency = ms + 3 * bench->runs;

  for (int i = -2; i < bench->runs; i++) {
    int k = MAX (i, 0);

    /* Each is warm from its own last run only, as it would be in an application. */
    if (!run_incremental (r, &clip[k], &latency[k], error)
        || !run_scratch (r, r->use_direct ? r->plain : r->direct, frames, r->use_direct ? &plain[k] : &direct[k], error)
        || !run_scratch (r, r->use_direct ? r->direct : r->plain, frames, r->use_direct ? &direct[k] : &plain[k], error))
      return FALSE;
    if (memcmp (r->logits, r->expected, (gsize) r->classes * sizeof (float)) != 0) {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
          "incremental logits differ from those of a run from scratch at frame %" G_GINT64_FORMAT, r->frame);
      return FALSE;
    }
  }
  for (int k = 0; k < 4; k++)
    medians[k] = bench_median (ms + k * bench->runs, bench->runs);
  return TRUE;
}

static gboolean
open_run (Run *r, const Bench *bench, Cnn3dModel *model, int threads, GError **error)
{
  const Cnn3dConfig *config = cnn3d_model_get_config (model);
  Cnn3dSessionOptions options = bench->session;

  options.threads = threads;
  r->plain = cnn3d_session_new (model, &options, error);
  options.direct_stem = TRUE;
  r->direct = r->plain != NULL ? cnn3d_session_new (model, &options, error) : NULL;
  if (r->direct == NULL)
    return FALSE;
  r->use_direct = cnn3d_stream_wants_direct_stem (bench->stride);
  r->stream = cnn3d_stream_new (r->use_direct ? r->direct : r->plain, bench->stride);
  r->frame_bytes = (gsize) 3 * config->size * config->size;
  r->video = g_malloc ((gsize) (N_FRAMES + config->frames) * r->frame_bytes);
  bench_fill (r->video, N_FRAMES * r->frame_bytes);
  for (int i = 0; i < config->frames; i++)
    memcpy (r->video + (gsize) (N_FRAMES + i) * r->frame_bytes, frame_at (r, i), r->frame_bytes);
  r->classes = config->classes;
  r->logits = g_new (float, r->classes);
  r->expected = g_new (float, r->classes);
  return TRUE;
}

static void
close_run (Run *r)
{
  g_clear_pointer (&r->stream, cnn3d_stream_unref);
  g_clear_pointer (&r->plain, cnn3d_session_unref);
  g_clear_pointer (&r->direct, cnn3d_session_unref);
  g_free (r->video);
  g_free (r->logits);
  g_free (r->expected);
}

static void
print_head (void)
{
  printf ("%-34s %7s %6s %8s %8s %8s %7s %8s %7s\n", "network", "threads", "stride", "run", "direct",
      "stream", "faster", "latency", "of run");
}

gboolean
bench_stream (const Bench *bench, Cnn3dModel *model, int threads, GError **error)
{
  g_autofree char *network = cnn3d_config_describe (cnn3d_model_get_config (model));
  Run r = { 0 };
  double m[4];
  gboolean ok = open_run (&r, bench, model, threads, error)
      && measure (&r, bench, cnn3d_model_get_config (model)->frames, m, error);

  if (ok && bench->json != NULL) {
    json_builder_begin_object (bench->json);
    tool_json_string (bench->json, "network", network);
    bench_describe (bench, r.direct, print_head);
    tool_json_int (bench->json, "threads", threads);
    tool_json_int (bench->json, "stride", bench->stride);
    tool_json_double (bench->json, "run_ms", m[0]);
    tool_json_double (bench->json, "direct_ms", m[1]);
    tool_json_double (bench->json, "stream_ms", m[2]);
    tool_json_double (bench->json, "latency_ms", m[3]);
    json_builder_end_object (bench->json);
  } else if (ok) {
    bench_describe (bench, r.direct, print_head);
    printf ("%-34s %7d %6d %8.2f %8.2f %8.2f %7.2f %8.2f %7.2f\n", network, threads, bench->stride, m[0],
        m[1], m[2], m[0] / m[2], m[3], m[3] / m[0]);
    fflush (stdout);
  }
  if (ok)
    tool_session_warn (r.plain);
  close_run (&r);
  return ok;
}
