/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/model-private.h"
#include "lib3dcnn/session.h"

#include <math.h>

static gboolean
verify_backend (Cnn3dModel *model, Cnn3dBackend backend, const float *clip, GError **error)
{
  Cnn3dSessionOptions options = { .backend = backend };
  g_autoptr (Cnn3dSession) session = cnn3d_session_new (model, &options, error);
  g_autofree float *logits = g_new (float, model->config.classes);
  double largest = 0, worst = 0;

  if (session == NULL || !cnn3d_session_run (session, clip, 1, logits, error))
    return FALSE;
  for (int c = 0; c < model->config.classes; c++) {
    double difference = fabs ((double) logits[c] - model->check_logits[c]);

    largest = MAX (largest, fabs (model->check_logits[c]));
    /* Not MAX, which would drop NaN. */
    if (!(difference <= worst))
      worst = difference;
  }
  if (worst <= CNN3D_TOLERANCE * largest)
    return TRUE;
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_VERIFY,
      "self-check failed on %s: logits differ by %.3g, where the largest is %.3g",
      cnn3d_session_describe (session), worst, largest);
  return FALSE;
}

gboolean
cnn3d_model_verify (Cnn3dModel *model, GError **error)
{
  g_autofree float *clip = NULL;

  g_return_val_if_fail (model != NULL, FALSE);

  if (model->check_logits == NULL) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_VERIFY,
        "the model card has no self-check; importing the model adds one");
    return FALSE;
  }
  clip = g_new (float, (gsize) 3 * model->config.frames * model->config.size * model->config.size);
  cnn3d_hash_clip (&model->config, model->check_seed, clip);
  return verify_backend (model, CNN3D_BACKEND_REFERENCE, clip, error)
      && verify_backend (model, CNN3D_BACKEND_AUTO, clip, error);
}
