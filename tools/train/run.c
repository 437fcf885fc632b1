/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/run.h"

#include <math.h>
#include <stdio.h>

#include "tools/parallel.h"
#include "tools/progress.h"
#include "tools/train/interrupt.h"
#include "tools/train/log.h"
#include "tools/train/plot.h"

/*
 * Until all epochs are done, of which this one's validation is done so far; clips_per_second is that of
 * training. Before the first validation, its clips are thought to take a third of what those of training take.
 */
static double
get_seconds_left (const Run *run, const RunState *state, double clips_per_second, double validated)
{
  double train = (double) (run->epochs - state->epoch) * (double) cnn3d_loader_get_n_used (run->data)
      - (double) state->seen;
  double val = run->val ? (double) cnn3d_loader_get_n_clips (run->val) / (3 * clips_per_second) : 0;

  if (run->val_seconds > 0)
    val = run->val_seconds;
  return train / clips_per_second + (run->epochs - state->epoch - validated) * val;
}

static void
show_validation (Run *run, const RunState *state, const double *sums, double part, double seconds,
    double clips_per_second)
{
  double speed = sums[2] * parallel_ranks () / MAX (seconds, 1e-6);
  Progress progress = { state->epoch + 1, run->epochs, part, sums[0] / sums[2], sums[1] / sums[2], speed, 0 };

  run->val_seconds = seconds / part;
  progress.seconds_left = get_seconds_left (run, state, clips_per_second > 0 ? clips_per_second : speed / 3, part);
  if (parallel_rank () == 0)
    log_validation (&progress);
}

/* Loss and accuracy on the validation clips. FALSE with *error unset: interrupted. */
static gboolean
validate (Run *run, const RunState *state, double clips_per_second, double *loss, double *accuracy,
    GError **error)
{
  gint64 begin = g_get_monotonic_time ();
  int classes = cnn3d_trainer_get_config (run->trainer)->classes;
  g_autofree float *logits = NULL;
  double sums[3] = { 0 }; /* of losses, right ones, clips */

  cnn3d_loader_seek (run->val, 0);
  for (int b = 0; b < cnn3d_loader_get_n_batches (run->val) && !interrupt_seen (); b++) {
    Cnn3dLoaderBatch batch;

    if (!cnn3d_loader_next (run->val, &batch, error))
      break;
    logits = g_renew (float, logits, (gsize) MAX (batch.n, 1) * classes);
    /* A process may have no part of the last batch. */
    if (batch.n > 0 && !cnn3d_trainer_evaluate (run->trainer, batch.clips, batch.n, logits, error))
      break;
    for (int i = 0; i < batch.n; i++) {
      const float *l = logits + (gsize) i * classes;
      int best = 0;
      double exps = 0;

      for (int c = 1; c < classes; c++)
        best = l[c] > l[best] ? c : best;
      for (int c = 0; c < classes; c++)
        exps += exp (l[c] - l[best]);
      sums[0] += log (exps) + l[best] - l[batch.targets[i]];
      sums[1] += best == batch.targets[i];
    }
    sums[2] += batch.n;
    if (sums[2] > 0)
      show_validation (run, state, sums, (b + 1.0) / cnn3d_loader_get_n_batches (run->val),
          (double) (g_get_monotonic_time () - begin) / G_USEC_PER_SEC, clips_per_second);
  }
  if (!share_go_on (interrupt_seen (), error))
    return FALSE;
  parallel_sum (sums, G_N_ELEMENTS (sums), NULL);
  *loss = sums[0] / sums[2];
  *accuracy = sums[1] / sums[2];
  return TRUE;
}

/* The first of several processes has what all have. */
static gboolean
save_state (Run *run, const RunState *state, GError **error)
{
  return parallel_rank () > 0 || checkpoint_save (run, state, error);
}

/* Writes a model that is from this training, with a card that says how many epochs there were so far. */
static gboolean
write_model (const Run *run, const RunState *state, Cnn3dModel *model, int epochs, GError **error)
{
  g_autoptr (Cnn3dCard) card = cnn3d_card_copy (cnn3d_model_get_card (model));
  g_autoptr (Cnn3dModel) described = NULL, half = NULL;

  g_free (card->training);
  card->training = training_describe (run->training, epochs, state->best_epoch, state->best);
  described = cnn3d_model_with_card (model, card);
  if (run->half)
    half = cnn3d_model_to_half (described);
  return cnn3d_model_save (half ? half : described, run->output, error);
}

static gboolean
save_model (Run *run, const RunState *state, GError **error)
{
  g_autoptr (Cnn3dModel) model = NULL;

  if (parallel_rank () > 0)
    return TRUE;
  model = cnn3d_trainer_to_model (run->trainer, run->card);
  return write_model (run, state, model, state->epoch + 1, error);
}

/* The best model was written when later epochs were still to come. */
static gboolean
complete_model (const Run *run, const RunState *state, GError **error)
{
  g_autoptr (Cnn3dModel) model = NULL;

  if (parallel_rank () > 0 || state->best_epoch == state->epoch)
    return TRUE;
  model = cnn3d_model_load (run->output, NULL, error);
  return model != NULL && write_model (run, state, model, state->epoch, error);
}

static void
show_progress (const Run *run, const RunState *state)
{
  int n = cnn3d_loader_get_n_batches (run->data);
  Progress progress = { state->epoch + 1, run->epochs, (double) state->batch / n,
    state->loss_sum / (double) state->seen, (double) state->correct / (double) state->seen,
    state->clips_per_second, get_seconds_left (run, state, state->clips_per_second, 0) };

  if (parallel_rank () == 0)
    log_progress (&progress);
}

/* The rest of an epoch's batches. FALSE with *error unset: interrupted, with the state saved. */
static gboolean
train_epoch (Run *run, RunState *state, GError **error)
{
  int n = cnn3d_loader_get_n_batches (run->data);
  gint64 begin = g_get_monotonic_time (), saved = begin, first = state->seen;
  double seconds_before = state->seconds;

  while (state->batch < n) {
    double rate = cnn3d_schedule_get_rate (&run->schedule, &state->plateau,
        state->epoch + (double) state->batch / n);
    Cnn3dTrainResult result;
    Cnn3dLoaderBatch batch;
    int clips;
    gint64 now;

    /* An error may be that of the checkpoint before, which one process writes: all end here. */
    if (*error == NULL && !interrupt_seen ())
      cnn3d_loader_next (run->data, &batch, error);
    if (!share_go_on (interrupt_seen (), error))
      return *error == NULL && save_state (run, state, error) && FALSE;
    if (!cnn3d_trainer_step (run->trainer, batch.clips, batch.targets, batch.n, rate, &result, error))
      return FALSE;
    if (!isfinite (result.loss) || !isfinite (result.gradient_norm)) {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG,
          "epoch %d, batch %d: the loss has grown beyond all numbers; a lower --rate, a longer --warmup"
          " or --clip-norm may help", state->epoch + 1, state->batch + 1);
      return FALSE;
    }
    now = g_get_monotonic_time ();
    clips = batch.n * parallel_ranks ();
    state->batch++;
    state->loss_sum += result.loss * clips;
    state->correct += result.correct;
    state->seen += clips;
    state->seconds = seconds_before + (double) (now - begin) / G_USEC_PER_SEC;
    state->clips_per_second = (double) (state->seen - first) * G_USEC_PER_SEC / (double) MAX (now - begin, 1);
    show_progress (run, state);
    if ((double) (now - saved) / G_USEC_PER_SEC >= 60 * run->minutes && state->batch < n) {
      save_state (run, state, error);
      saved = now;
    }
  }
  return TRUE;
}

/* The learning rate of an epoch's last batch. */
static double
end_rate (const Run *run, const RunState *state)
{
  int n = cnn3d_loader_get_n_batches (run->data);

  return cnn3d_schedule_get_rate (&run->schedule, &state->plateau, state->epoch + (n - 1.0) / n);
}

/* Validation, the table, the best model and a checkpoint. */
static gboolean
end_epoch (Run *run, RunState *state, GError **error)
{
  LogLine line = { state->epoch + 1, end_rate (run, state),
    state->loss_sum / (double) state->seen, (double) state->correct / (double) state->seen, NAN, NAN,
    state->clips_per_second, 0 };
  gint64 begin = g_get_monotonic_time ();
  gboolean best, reduced;

  if (run->val != NULL && !validate (run, state, state->clips_per_second, &line.val_loss, &line.val_accuracy, error))
    return *error == NULL && save_state (run, state, error) && FALSE;
  best = run->val == NULL || state->best_epoch == 0 || line.val_accuracy > state->best;
  if (best) {
    state->best = run->val ? line.val_accuracy : 0;
    state->best_epoch = state->epoch + 1;
    save_model (run, state, error);
    if (!parallel_agree (error))
      return FALSE;
  }
  reduced = cnn3d_schedule_report (&run->schedule, &state->plateau, run->val ? line.val_loss : line.loss);
  state->seconds += (double) (g_get_monotonic_time () - begin) / G_USEC_PER_SEC;
  line.seconds = state->seconds;
  state->epoch++;
  state->batch = 0;
  state->loss_sum = 0;
  state->correct = state->seen = 0;
  state->clips_per_second = 0;
  log_print (&line, run->epochs, best);
  if (reduced && state->epoch < run->epochs)
    printf ("the loss has not improved for a while: learning rate %.3g\n",
        cnn3d_schedule_get_rate (&run->schedule, &state->plateau, state->epoch));
  /* A picture that cannot be drawn does not cost an epoch. */
  if (parallel_rank () == 0 && log_add (run->log, &line, error) && checkpoint_save (run, state, error))
    plot_write (run->plot, run->log, run->title, error);
  if (!parallel_agree (error))
    return FALSE;
  /* Other CPUs may have other last bits; that does not add up beyond an epoch. */
  share_state (run, state);
  return TRUE;
}

static gboolean
train (Run *run, RunState *state, GError **error)
{
  if (parallel_rank () == 0) {
    if (state->epoch > 0 && !g_file_test (run->log, G_FILE_TEST_EXISTS))
      tool_complain ("note: %s: is not there; table and plot begin with epoch %d", run->log, state->epoch + 1);
    log_begin (run->log, state->epoch, error);
  }
  if (!parallel_agree (error))
    return FALSE;
  cnn3d_loader_seek (run->data, (guint64) state->epoch * cnn3d_loader_get_n_batches (run->data) + state->batch);
  while (state->epoch < run->epochs)
    if (!train_epoch (run, state, error) || !end_epoch (run, state, error))
      return FALSE;
  complete_model (run, state, error);
  return parallel_agree (error);
}

gboolean
run_check_checkpoint (const char *path, GError **error)
{
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_EXIST,
      "%s: is there already; --resume goes on from it, or remove it to begin anew", path);
  return FALSE;
}

/* Where to begin: from the checkpoint if there is one. */
static gboolean
begin (Run *run, RunState *state, GError **error)
{
  gboolean exists = parallel_rank () == 0 && g_file_test (run->checkpoint, G_FILE_TEST_EXISTS);

  if (exists && !run->resume)
    run_check_checkpoint (run->checkpoint, error);
  else if (exists)
    checkpoint_load (run, state, error);
  if (!parallel_agree (error))
    return FALSE;
  share_state (run, state);
  if (exists && state->epoch < run->epochs && state->batch < cnn3d_loader_get_n_batches (run->data))
    printf ("going on from epoch %d, batch %d\n", state->epoch + 1, state->batch + 1);
  else if (exists && state->epoch < run->epochs)
    printf ("going on from the validation of epoch %d\n", state->epoch + 1);
  fflush (stdout);
  return TRUE;
}

int
run_training (Run *run)
{
  g_autoptr (GError) error = NULL;
  RunState state = { 0 };

  run->schedule.batches = cnn3d_loader_get_n_batches (run->data);
  if (!begin (run, &state, &error))
    return tool_fail (error);
  if (state.epoch >= run->epochs) {
    printf ("%s: all of %d epochs are done\n", run->checkpoint, state.epoch);
    return EXIT_OK;
  }
  interrupt_catch ();
  if (!train (run, &state, &error)) {
    progress_clear ();
    if (error != NULL)
      return tool_fail (error);
    tool_complain ("interrupted; %s has all up to here, --resume goes on", run->checkpoint);
    return EXIT_INTERRUPTED;
  }
  if (run->val != NULL)
    printf ("%s: accuracy %.2f %%, of epoch %d\n", run->output, 100 * state.best, state.best_epoch);
  else
    printf ("%s: written\n", run->output);
  return EXIT_OK;
}
