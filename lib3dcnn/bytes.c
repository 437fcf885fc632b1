/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/bytes.h"

#include "lib3dcnn/session-private.h"

/* What data hold, for errors, and how large one of it is. */
typedef struct {
  gsize size;
  const char *what;
} Unit;

static Unit
frame_unit (const Cnn3dConfig *config, gboolean rgb)
{
  gsize n = (gsize) 3 * (gsize) config->size * (gsize) config->size;

  return rgb ? (Unit){ n, "an RGB frame" } : (Unit){ n * sizeof (float), "a frame of floats" };
}

static Unit
clip_unit (const Cnn3dConfig *config, gboolean rgb)
{
  gsize n = frame_unit (config, rgb).size * (gsize) config->frames;

  return (Unit){ n, rgb ? "an RGB clip" : "a clip of floats" };
}

/* How many units there are; 0 with an error if they are not whole, none or more than max. */
static int
count_units (GBytes *bytes, const Cnn3dConfig *config, Unit unit, int max, GError **error)
{
  gsize size = g_bytes_get_size (bytes);

  if (size > 0 && size % unit.size == 0 && size / unit.size <= (gsize) max)
    return (int) (size / unit.size);
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH,
      "%" G_GSIZE_FORMAT " bytes are not what the model takes: %s has %" G_GSIZE_FORMAT
      " (%d frames of %d x %d make a clip)%s", size, unit.what, unit.size, config->frames,
      config->size, config->size, max > 1 ? ", several a multiple of that" : "");
  return 0;
}

/* Of a slice of other bytes, floats may lie anywhere: then *copy has them. */
static const void *
aligned_data (GBytes *bytes, GBytes **copy)
{
  gsize size;
  gconstpointer data = g_bytes_get_data (bytes, &size);

  if ((guintptr) data % sizeof (float) == 0)
    return data;
  *copy = g_bytes_new (data, size);
  return g_bytes_get_data (*copy, NULL);
}

GBytes *
cnn3d_model_normalize_bytes (Cnn3dModel *model, GBytes *rgb, GError **error)
{
  const Cnn3dConfig *config;
  gsize size;
  float *clip;

  g_return_val_if_fail (model != NULL && rgb != NULL, NULL);

  config = cnn3d_model_get_config (model);
  if (count_units (rgb, config, clip_unit (config, TRUE), 1, error) == 0)
    return NULL;
  size = clip_unit (config, FALSE).size;
  clip = g_malloc (size);
  cnn3d_model_normalize (model, g_bytes_get_data (rgb, NULL), clip);
  return g_bytes_new_take (clip, size);
}

float *
cnn3d_card_scores_array (const Cnn3dCard *card, const float *logits, gsize n, gsize *n_scores,
    GError **error)
{
  float *scores;

  g_return_val_if_fail ((logits != NULL || n == 0) && n <= G_MAXINT && n_scores != NULL, NULL);

  if (n == 0) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH, "there are no logits to make scores of");
    return NULL;
  }
  scores = g_new (float, n);
  cnn3d_card_scores (card, logits, (int) n, scores);
  *n_scores = n;
  return scores;
}

gboolean
cnn3d_unknown_judge_arrays (const Cnn3dUnknown *unknown, const float *logits, gsize n,
    const float *features, gsize n_features, gboolean *is_unknown, GError **error)
{
  gboolean distance = cnn3d_unknown_needs_features (unknown);

  g_return_val_if_fail (n <= G_MAXINT && is_unknown != NULL, FALSE);

  if (n == 0 || (distance && n != (gsize) unknown->n_classes)) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH,
        "%" G_GSIZE_FORMAT " logits are not one for each class", n);
    return FALSE;
  }
  if (distance && (features == NULL || n_features != (gsize) unknown->n_features)) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH,
        "the rule for unknown clips needs %d features, not %" G_GSIZE_FORMAT, unknown->n_features,
        features == NULL ? 0 : n_features);
    return FALSE;
  }
  *is_unknown = cnn3d_unknown_judge (unknown, logits, (int) n, features);
  return TRUE;
}

/* Runs all clips; features may be NULL. */
static float *
run (Cnn3dSession *session, GBytes *bytes, gboolean rgb, gsize *n_logits, float **features,
    gsize *n_features, GError **error)
{
  Cnn3dModel *model = cnn3d_session_get_model (session);
  const Cnn3dConfig *config = cnn3d_model_get_config (model);
  int n = count_units (bytes, config, clip_unit (config, rgb), G_MAXINT, error);
  g_autofree float *logits = NULL, *seen = NULL;
  g_autoptr (GBytes) copy = NULL;
  gsize length = (gsize) n * (gsize) config->classes;
  gsize seen_length = (gsize) n * (gsize) cnn3d_model_get_n_features (model);
  const void *data;

  if (n == 0)
    return NULL;
  data = aligned_data (bytes, &copy);
  logits = g_new (float, length);
  seen = features != NULL ? g_new (float, seen_length) : NULL;
  if (!(rgb ? cnn3d_session_run_rgb_features (session, data, n, logits, seen, error)
            : cnn3d_session_run_features (session, data, n, logits, seen, error)))
    return NULL;
  *n_logits = length;
  if (features != NULL) {
    *features = g_steal_pointer (&seen);
    *n_features = seen_length;
  }
  return g_steal_pointer (&logits);
}

float *
cnn3d_session_run_bytes (Cnn3dSession *session, GBytes *clips, gsize *n_logits, GError **error)
{
  g_return_val_if_fail (session != NULL && clips != NULL && n_logits != NULL, NULL);
  return run (session, clips, FALSE, n_logits, NULL, NULL, error);
}

float *
cnn3d_session_run_rgb_bytes (Cnn3dSession *session, GBytes *rgb, gsize *n_logits, GError **error)
{
  g_return_val_if_fail (session != NULL && rgb != NULL && n_logits != NULL, NULL);
  return run (session, rgb, TRUE, n_logits, NULL, NULL, error);
}

float *
cnn3d_session_run_features_bytes (Cnn3dSession *session, GBytes *clips, gsize *n_logits,
    float **features, gsize *n_features, GError **error)
{
  g_return_val_if_fail (session != NULL && clips != NULL && n_logits != NULL, NULL);
  g_return_val_if_fail (features != NULL && n_features != NULL, NULL);
  return run (session, clips, FALSE, n_logits, features, n_features, error);
}

float *
cnn3d_session_run_rgb_features_bytes (Cnn3dSession *session, GBytes *rgb, gsize *n_logits,
    float **features, gsize *n_features, GError **error)
{
  g_return_val_if_fail (session != NULL && rgb != NULL && n_logits != NULL, NULL);
  g_return_val_if_fail (features != NULL && n_features != NULL, NULL);
  return run (session, rgb, TRUE, n_logits, features, n_features, error);
}

static const Cnn3dConfig *
stream_config (Cnn3dStream *stream)
{
  return cnn3d_model_get_config (cnn3d_session_get_model (cnn3d_stream_get_session (stream)));
}

/* Whether the frame fits the model and those before it. */
static gboolean
check_frame (Cnn3dStream *stream, GBytes *frame, gboolean rgb, GError **error)
{
  const Cnn3dConfig *config = stream_config (stream);

  if (count_units (frame, config, frame_unit (config, rgb), 1, error) == 0)
    return FALSE;
  if (cnn3d_stream_takes (stream, rgb))
    return TRUE;
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH,
      "frames before this one were %s; the stream has to be reset before it takes %s",
      rgb ? "floats" : "RGB", rgb ? "RGB" : "floats");
  return FALSE;
}

gboolean
cnn3d_stream_push_bytes (Cnn3dStream *stream, GBytes *frame, GError **error)
{
  g_autoptr (GBytes) copy = NULL;

  g_return_val_if_fail (stream != NULL && frame != NULL, FALSE);
  if (!check_frame (stream, frame, FALSE, error))
    return FALSE;
  cnn3d_stream_push (stream, aligned_data (frame, &copy));
  return TRUE;
}

gboolean
cnn3d_stream_push_rgb_bytes (Cnn3dStream *stream, GBytes *rgb, GError **error)
{
  g_return_val_if_fail (stream != NULL && rgb != NULL, FALSE);
  if (!check_frame (stream, rgb, TRUE, error))
    return FALSE;
  cnn3d_stream_push_rgb (stream, g_bytes_get_data (rgb, NULL));
  return TRUE;
}

/* features may be NULL. */
static float *
run_stream (Cnn3dStream *stream, gsize *n_logits, float **features, gsize *n_features,
    GError **error)
{
  const Cnn3dConfig *config = stream_config (stream);
  gsize length = (gsize) config->classes;
  gsize seen_length = (gsize) cnn3d_model_get_n_features (
      cnn3d_session_get_model (cnn3d_stream_get_session (stream)));
  g_autofree float *logits = NULL, *seen = NULL;

  if (cnn3d_stream_get_n_frames (stream) < config->frames) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH,
        "a clip has %d frames, and only %" G_GINT64_FORMAT " were pushed", config->frames,
        cnn3d_stream_get_n_frames (stream));
    return NULL;
  }
  logits = g_new (float, length);
  seen = features != NULL ? g_new (float, seen_length) : NULL;
  if (!cnn3d_stream_run_features (stream, logits, seen, error))
    return NULL;
  *n_logits = length;
  if (features != NULL) {
    *features = g_steal_pointer (&seen);
    *n_features = seen_length;
  }
  return g_steal_pointer (&logits);
}

float *
cnn3d_stream_run_array (Cnn3dStream *stream, gsize *n_logits, GError **error)
{
  g_return_val_if_fail (stream != NULL && n_logits != NULL, NULL);
  return run_stream (stream, n_logits, NULL, NULL, error);
}

float *
cnn3d_stream_run_features_array (Cnn3dStream *stream, gsize *n_logits, float **features,
    gsize *n_features, GError **error)
{
  g_return_val_if_fail (stream != NULL && n_logits != NULL, NULL);
  g_return_val_if_fail (features != NULL && n_features != NULL, NULL);
  return run_stream (stream, n_logits, features, n_features, error);
}
