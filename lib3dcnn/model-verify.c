/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/model-private.h"
#include "lib3dcnn/session.h"

#include <math.h>

static double
tolerance (Cnn3dPrecision precision)
{
  return precision == CNN3D_PRECISION_FP16 ? CNN3D_FP16_TOLERANCE
      : precision == CNN3D_PRECISION_BF16  ? CNN3D_BF16_TOLERANCE
                                           : CNN3D_TOLERANCE;
}

gboolean
cnn3d_session_verify (Cnn3dSession *session, double *difference, GError **error)
{
  Cnn3dModel *model;
  g_autofree float *clip = NULL, *logits = NULL;
  double largest = 0, worst = 0;

  g_return_val_if_fail (session != NULL, FALSE);

  model = cnn3d_session_get_model (session);
  if (model->check_logits == NULL) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_VERIFY,
        "the model card has no self-check; importing the model adds one");
    return FALSE;
  }
  clip = g_new (float, (gsize) 3 * model->config.frames * model->config.size * model->config.size);
  cnn3d_hash_clip (&model->config, model->check_seed, clip);
  logits = g_new (float, model->config.classes);
  if (!cnn3d_session_run (session, clip, 1, logits, error))
    return FALSE;
  for (int c = 0; c < model->config.classes; c++) {
    double d = fabs ((double) logits[c] - model->check_logits[c]);

    largest = MAX (largest, fabs (model->check_logits[c]));
    /* Not MAX, which would drop NaN. */
    if (!(d <= worst))
      worst = d;
  }
  if (difference != NULL)
    *difference = largest > 0 ? worst / largest : worst;
  if (worst <= tolerance (cnn3d_session_get_precision (session)) * largest)
    return TRUE;
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_VERIFY,
      "self-check failed on %s: logits differ by %.3g, where the largest is %.3g",
      cnn3d_session_describe (session), worst, largest);
  return FALSE;
}

static gboolean
verify_backend (Cnn3dModel *model, Cnn3dBackend backend, GError **error)
{
  Cnn3dSessionOptions options = { .backend = backend };
  g_autoptr (Cnn3dSession) session = cnn3d_session_new (model, &options, error);

  return session != NULL && cnn3d_session_verify (session, NULL, error);
}

gboolean
cnn3d_model_verify (Cnn3dModel *model, GError **error)
{
  g_return_val_if_fail (model != NULL, FALSE);

  return verify_backend (model, CNN3D_BACKEND_REFERENCE, error)
      && verify_backend (model, CNN3D_BACKEND_AUTO, error);
}
