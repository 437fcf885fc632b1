/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/stream.h"

#include "lib3dcnn/session-private.h"

/* What frames were pushed as. */
typedef enum { KIND_ANY, KIND_PLANES, KIND_RGB } Kind;

struct _Cnn3dStream {
  gatomicrefcount ref_count;
  Cnn3dSession *session;
  const Cnn3dStreamClass *klass; /* NULL: frames are only collected */
  gpointer state;
  int frames, stride;
  gsize pixels; /* of a frame */
  Kind kind;
  gint64 n_frames;
  gint64 clip; /* number of the first frame of the clip that is due next */
  /* Without a class: frames in a ring, and the clip in order. */
  float *planes, *clip_planes;
  guint8 *rgb, *clip_rgb;
};

G_DEFINE_BOXED_TYPE (Cnn3dStream, cnn3d_stream, cnn3d_stream_ref, cnn3d_stream_unref)

gboolean
cnn3d_stream_wants_direct_stem (int stride)
{
  g_return_val_if_fail (stride >= 1, FALSE);
  return stride % 4 != 0;
}

Cnn3dStream *
cnn3d_stream_new (Cnn3dSession *session, int stride)
{
  const Cnn3dConfig *config;
  Cnn3dStream *stream;
  gpointer engine;

  g_return_val_if_fail (session != NULL && stride >= 1, NULL);

  config = cnn3d_model_get_config (cnn3d_session_get_model (session));
  stream = g_new0 (Cnn3dStream, 1);
  g_atomic_ref_count_init (&stream->ref_count);
  stream->session = cnn3d_session_ref (session);
  stream->frames = config->frames;
  stream->stride = stride;
  stream->pixels = (gsize) config->size * (gsize) config->size;
  stream->klass = cnn3d_session_get_stream_class (session, &engine);
  if (stream->klass != NULL)
    stream->state = stream->klass->create (engine);
  if (stream->state == NULL)
    stream->klass = NULL;
  return stream;
}

Cnn3dStream *
cnn3d_stream_ref (Cnn3dStream *stream)
{
  g_return_val_if_fail (stream != NULL, NULL);
  g_atomic_ref_count_inc (&stream->ref_count);
  return stream;
}

void
cnn3d_stream_unref (Cnn3dStream *stream)
{
  g_return_if_fail (stream != NULL);
  if (!g_atomic_ref_count_dec (&stream->ref_count))
    return;
  if (stream->klass != NULL)
    stream->klass->destroy (stream->state);
  cnn3d_session_unref (stream->session);
  g_free (stream->planes);
  g_free (stream->clip_planes);
  g_free (stream->rgb);
  g_free (stream->clip_rgb);
  g_free (stream);
}

void
cnn3d_stream_set_stride (Cnn3dStream *stream, int stride)
{
  g_return_if_fail (stream != NULL && stride >= 1);

  /* What is due next then follows on the clip before it. */
  if (stream->clip > 0)
    stream->clip = MAX (stream->clip - stream->stride + stride, 0);
  stream->stride = stride;
}

void
cnn3d_stream_reset (Cnn3dStream *stream)
{
  g_return_if_fail (stream != NULL);

  stream->kind = KIND_ANY;
  stream->n_frames = 0;
  stream->clip = 0;
  if (stream->klass != NULL)
    stream->klass->reset (stream->state);
}

/* Keeps a frame for backends that do not. */
static void
collect (Cnn3dStream *stream, const Cnn3dClip *frame)
{
  gsize n = 3 * stream->pixels, total = n * (gsize) stream->frames;
  gsize offset = n * (gsize) ((stream->n_frames - 1) % stream->frames);

  if (frame->planes != NULL) {
    if (stream->planes == NULL) {
      stream->planes = g_new (float, total);
      stream->clip_planes = g_new (float, total);
    }
    memcpy (stream->planes + offset, frame->planes, n * sizeof (float));
  } else {
    if (stream->rgb == NULL) {
      stream->rgb = g_malloc (total);
      stream->clip_rgb = g_malloc (total);
    }
    memcpy (stream->rgb + offset, frame->rgb, n);
  }
}

static void
push (Cnn3dStream *stream, Kind kind, const Cnn3dClip *frame)
{
  g_return_if_fail (stream->kind == KIND_ANY || stream->kind == kind);

  stream->kind = kind;
  stream->n_frames++;
  /* A clip that was due and has not been run is passed over. */
  while (stream->clip + stream->frames < stream->n_frames)
    stream->clip += stream->stride;
  if (stream->klass != NULL)
    stream->klass->push (stream->state, frame, stream->clip, stream->stride);
  else
    collect (stream, frame);
}

gboolean
cnn3d_stream_takes (Cnn3dStream *stream, gboolean rgb)
{
  return stream->kind == KIND_ANY || stream->kind == (rgb ? KIND_RGB : KIND_PLANES);
}

void
cnn3d_stream_push (Cnn3dStream *stream, const float *frame)
{
  g_return_if_fail (stream != NULL && frame != NULL);
  push (stream, KIND_PLANES, &(Cnn3dClip){ .planes = frame });
}

void
cnn3d_stream_push_rgb (Cnn3dStream *stream, const guint8 *rgb)
{
  g_return_if_fail (stream != NULL && rgb != NULL);
  push (stream, KIND_RGB, &(Cnn3dClip){ .rgb = rgb });
}

gint64
cnn3d_stream_get_n_frames (Cnn3dStream *stream)
{
  g_return_val_if_fail (stream != NULL, 0);
  return stream->n_frames;
}

gboolean
cnn3d_stream_is_due (Cnn3dStream *stream)
{
  g_return_val_if_fail (stream != NULL, FALSE);
  return stream->n_frames == stream->clip + stream->frames;
}

/* Runs the frames that were collected. */
static gboolean
run_collected (Cnn3dStream *stream, float *logits, float *features, GError **error)
{
  gsize n = stream->pixels;

  for (int t = 0; t < stream->frames; t++) {
    gsize slot = (gsize) ((stream->n_frames + t) % stream->frames);

    if (stream->kind == KIND_RGB)
      memcpy (stream->clip_rgb + (gsize) t * 3 * n, stream->rgb + slot * 3 * n, 3 * n);
    for (gsize p = 0; p < 3 && stream->kind == KIND_PLANES; p++)
      memcpy (stream->clip_planes + (p * (gsize) stream->frames + (gsize) t) * n,
          stream->planes + (slot * 3 + p) * n, n * sizeof (float));
  }
  return stream->kind == KIND_RGB
      ? cnn3d_session_run_rgb_features (stream->session, stream->clip_rgb, 1, logits, features, error)
      : cnn3d_session_run_features (stream->session, stream->clip_planes, 1, logits, features, error);
}

gboolean
cnn3d_stream_run (Cnn3dStream *stream, float *logits, GError **error)
{
  return cnn3d_stream_run_features (stream, logits, NULL, error);
}

gboolean
cnn3d_stream_run_features (Cnn3dStream *stream, float *logits, float *features, GError **error)
{
  g_return_val_if_fail (stream != NULL && logits != NULL, FALSE);
  g_return_val_if_fail (stream->n_frames >= stream->frames, FALSE);

  stream->clip = stream->n_frames - stream->frames + stream->stride;
  if (stream->klass == NULL)
    return run_collected (stream, logits, features, error);
  stream->klass->run (stream->state, logits, features);
  return TRUE;
}

Cnn3dSession *
cnn3d_stream_get_session (Cnn3dStream *stream)
{
  g_return_val_if_fail (stream != NULL, NULL);
  return stream->session;
}
