/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/train.h"

#include <math.h>

/* Relative improvement of the loss that counts. */
#define THRESHOLD 1e-4

double
cnn3d_schedule_get_rate (const Cnn3dSchedule *schedule, const Cnn3dScheduleState *state, double epoch)
{
  double rate, factor;

  g_return_val_if_fail (schedule != NULL, 0);
  rate = schedule->rate > 0 ? schedule->rate : 0.1;
  factor = schedule->factor > 0 ? schedule->factor : 0.1;

  if (epoch < schedule->warmup)
    return rate * MIN ((epoch + (schedule->batches > 0 ? 1.0 / schedule->batches : 0)) / schedule->warmup, 1);
  switch (schedule->kind) {
    case CNN3D_SCHEDULE_PLATEAU:
      return state ? rate * pow (factor, state->reductions) : rate;
    case CNN3D_SCHEDULE_STEPS:
      for (int i = 0; i < MIN (schedule->n_steps, CNN3D_SCHEDULE_MAX_STEPS); i++)
        if (epoch >= schedule->steps[i])
          rate *= factor;
      return rate;
    case CNN3D_SCHEDULE_COSINE: {
      double length = schedule->epochs - schedule->warmup;
      double part = length > 0 ? (epoch - schedule->warmup) / length : 1;
      return rate * 0.5 * (1 + cos (G_PI * MIN (part, 1)));
    }
  }
  return rate;
}

gboolean
cnn3d_schedule_report (const Cnn3dSchedule *schedule, Cnn3dScheduleState *state, double loss)
{
  int patience;

  g_return_val_if_fail (schedule != NULL && state != NULL, FALSE);
  if (schedule->kind != CNN3D_SCHEDULE_PLATEAU)
    return FALSE;
  patience = schedule->patience > 0 ? schedule->patience : 10;
  if (!state->started || loss < state->best * (1 - THRESHOLD)) {
    state->started = TRUE;
    state->best = loss;
    state->bad_epochs = 0;
    return FALSE;
  }
  if (++state->bad_epochs <= patience)
    return FALSE;
  state->bad_epochs = 0;
  state->reductions++;
  return TRUE;
}
