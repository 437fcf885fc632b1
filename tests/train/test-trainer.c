/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Trainers from the outside: determinism, fine-tuning, state, options, schedules, memory. */

#include <math.h>

#include "lib3dcnn/3dcnn.h"
#include "lib3dcnn/graph.h"
#include "lib3dcnn/train/engine.h"
#include "lib3dcnn/train/random.h"

#define N 6
#define SIZE 64
#define CLASSES 5

static Cnn3dConfig
config_of (Cnn3dArch arch)
{
  static const double widths[CNN3D_N_ARCHS] = { 0.5, 0.25, 0.5, 0.2, 1 };

  return (Cnn3dConfig){ .arch = arch, .width = widths[arch], .classes = CLASSES, .frames = 16,
    .size = SIZE };
}

typedef struct {
  float *clips;
  int targets[N];
} Batch;

/* Clips whose brightness depends on their class. */
static void
batch_init (Batch *batch, guint64 seed)
{
  gsize size = 3 * 16 * SIZE * SIZE;

  batch->clips = g_new (float, N * size);
  for (int i = 0; i < N; i++) {
    batch->targets[i] = i % CLASSES;
    for (gsize k = 0; k < size; k++)
      batch->clips[i * size + k] =
          (float) (cnn3d_random_uniform (seed, i * size + k) + batch->targets[i] - 2);
  }
}

static void
train_at (Cnn3dTrainer *trainer, const Batch *batch, int steps, double rate, double *losses)
{
  g_autoptr (GError) error = NULL;

  for (int s = 0; s < steps; s++) {
    Cnn3dTrainResult result;

    cnn3d_trainer_step (trainer, batch->clips, batch->targets, N, rate, &result, &error);
    g_assert_no_error (error);
    g_assert_true (isfinite (result.loss) && result.gradient_norm > 0);
    if (losses != NULL)
      losses[s] = result.loss;
  }
}

static void
train (Cnn3dTrainer *trainer, const Batch *batch, int steps)
{
  train_at (trainer, batch, steps, 0.02, NULL);
}

static void
assert_same (Cnn3dTrainer *a, Cnn3dTrainer *b)
{
  for (int i = 0; i < cnn3d_trainer_get_n_params (a); i++) {
    Cnn3dTrainerParam p, q;

    cnn3d_trainer_get_param (a, i, &p);
    cnn3d_trainer_get_param (b, i, &q);
    g_assert_cmpmem (p.value, (gsize) p.count * sizeof (float), q.value,
        (gsize) q.count * sizeof (float));
  }
}

static Cnn3dTrainer *
new_trainer (Cnn3dArch arch, const Cnn3dTrainOptions *options)
{
  g_autoptr (GError) error = NULL;
  Cnn3dConfig config = config_of (arch);
  Cnn3dTrainer *trainer = cnn3d_trainer_new (&config, options, &error);

  g_assert_no_error (error);
  return trainer;
}

static void
test_deterministic (gconstpointer data)
{
  Cnn3dArch arch = (Cnn3dArch) GPOINTER_TO_INT (data);
  Batch batch;

  batch_init (&batch, 1);
  for (int threads = 1; threads <= 3; threads += g_getenv ("CNN3D_TEST_QUICK") != NULL ? 2 : 1) {
    Cnn3dTrainOptions options = { .seed = 7, .threads = threads };
    g_autoptr (Cnn3dTrainer) a = new_trainer (arch, &options), b = new_trainer (arch, &options);

    train (a, &batch, 3);
    train (b, &batch, 3);
    assert_same (a, b);
  }
  g_free (batch.clips);
}

/* Learns a batch by heart; evaluation then agrees with a session on the model. */
static void
test_learns (gconstpointer data)
{
  Cnn3dArch arch = (Cnn3dArch) GPOINTER_TO_INT (data);
  Cnn3dTrainOptions options = { .seed = 3, .threads = 2, .dropout = -1 };
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dTrainer) trainer = new_trainer (arch, &options);
  g_autoptr (Cnn3dModel) model = NULL;
  g_autoptr (Cnn3dSession) session = NULL;
  float ours[N * CLASSES], theirs[N * CLASSES], largest = 0;
  double losses[20], first;
  int steps = 20;
  Batch batch;

  batch_init (&batch, 2);
  train_at (trainer, &batch, 20, 0.003, losses);
  first = losses[0];
  /* How soon depends on how a CPU's kernels round. */
  for (; losses[19] > first / 2 && steps < 400; steps += 20)
    train_at (trainer, &batch, 20, 0.003, losses);
  g_test_message ("loss %g to %g in %d steps", first, losses[19], steps);
  g_assert_cmpfloat (losses[19], <=, first / 2);

  cnn3d_trainer_evaluate (trainer, batch.clips, N, ours, &error);
  g_assert_no_error (error);
  model = cnn3d_trainer_to_model (trainer, NULL);
  session = cnn3d_session_new (model, NULL, &error);
  g_assert_no_error (error);
  for (int i = 0; i < N; i++) {
    cnn3d_session_run (session, batch.clips + (gsize) i * 3 * 16 * SIZE * SIZE, 1,
        theirs + i * CLASSES, &error);
    g_assert_no_error (error);
  }
  for (int i = 0; i < N * CLASSES; i++)
    largest = MAX (largest, fabsf (theirs[i]));
  for (int i = 0; i < N * CLASSES; i++)
    g_assert_cmpfloat_with_epsilon (ours[i], theirs[i], 1e-4 * largest);
  g_free (batch.clips);
}

/* Arrays and step count are all of the state: a trainer that gets them goes on the same. */
static void
test_restore (void)
{
  Cnn3dTrainOptions options = { .seed = 5, .threads = 2 }, other = { .seed = 5, .threads = 2 };
  g_autoptr (Cnn3dTrainer) a = new_trainer (CNN3D_ARCH_SHUFFLENET, &options);
  g_autoptr (Cnn3dTrainer) b = new_trainer (CNN3D_ARCH_SHUFFLENET, &other);
  Batch batch;

  batch_init (&batch, 3);
  train (a, &batch, 3);
  for (int i = 0; i < cnn3d_trainer_get_n_params (a); i++) {
    Cnn3dTrainerParam from, to;

    cnn3d_trainer_get_param (a, i, &from);
    cnn3d_trainer_get_param (b, i, &to);
    g_assert_cmpstr (from.name, ==, to.name);
    memcpy (to.value, from.value, (gsize) from.count * sizeof (float));
    if (from.momentum != NULL)
      memcpy (to.momentum, from.momentum, (gsize) from.count * sizeof (float));
  }
  g_assert_cmpuint (cnn3d_trainer_get_steps (a), ==, 3);
  cnn3d_trainer_set_steps (b, cnn3d_trainer_get_steps (a));
  train (a, &batch, 2);
  train (b, &batch, 2);
  assert_same (a, b);
  g_free (batch.clips);
}

static void
test_last_layer (void)
{
  Cnn3dTrainOptions options = { .seed = 5, .portion = CNN3D_TRAIN_LAST_LAYER, .dropout = 0.9 };
  Cnn3dArch archs[] = { CNN3D_ARCH_SHUFFLENET, CNN3D_ARCH_SQUEEZENET };
  Batch batch;

  batch_init (&batch, 4);
  for (guint k = 0; k < G_N_ELEMENTS (archs); k++) {
    g_autoptr (GError) error = NULL;
    Cnn3dConfig config = config_of (archs[k]);
    g_autoptr (Cnn3dModel) model = NULL;
    g_autoptr (Cnn3dTrainer) trainer = NULL, before = NULL;

    config.classes = 27;
    model = cnn3d_model_new_synthetic (&config, "", &error);
    g_assert_no_error (error);
    trainer = cnn3d_trainer_new_from_model (model, CLASSES, &options, &error);
    before = cnn3d_trainer_new_from_model (model, CLASSES, &options, &error);
    g_assert_no_error (error);
    g_assert_cmpint (cnn3d_trainer_get_config (trainer)->classes, ==, CLASSES);
    train (trainer, &batch, 2);
    for (int i = 0; i < cnn3d_trainer_get_n_params (trainer); i++) {
      Cnn3dTrainerParam p, q;
      gboolean last, same;

      cnn3d_trainer_get_param (trainer, i, &p);
      cnn3d_trainer_get_param (before, i, &q);
      last = g_str_has_prefix (p.name, "classifier.1");
      same = memcmp (p.value, q.value, (gsize) p.count * sizeof (float)) == 0;
      g_assert_true (last == !same);
      g_assert_true (last == (p.gradient != NULL));
    }
  }
  g_free (batch.clips);
}

/* Steps on features are steps on their clips. */
static void
test_features (gconstpointer data)
{
  Cnn3dArch arch = (Cnn3dArch) GPOINTER_TO_INT (data);
  Cnn3dTrainOptions options = { .seed = 5, .portion = CNN3D_TRAIN_LAST_LAYER };
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dTrainer) a = new_trainer (arch, &options), b = new_trainer (arch, &options);
  g_autofree float *features = g_new (float, N * cnn3d_trainer_get_n_features (a));
  Cnn3dTrainResult result;
  Batch batch;

  batch_init (&batch, 4);
  g_assert_true (cnn3d_trainer_compute_features (b, batch.clips, N, features, &error));
  train (a, &batch, 3);
  for (int s = 0; s < 3; s++)
    g_assert_true (
        cnn3d_trainer_step_features (b, features, batch.targets, N, 0.02, &result, &error));
  assert_same (a, b);
  g_free (batch.clips);
}

/* Two trainers on two threads, as two processes would be. */
typedef struct {
  GMutex mutex;
  GCond cond;
  int arrived, round;
  double *values[2];
} Meeting;

typedef struct {
  Meeting *meeting;
  Cnn3dTrainer *trainer;
  const Batch *batch;
  int rank;
  double losses[3];
} Rank;

static void
reduce (double *values, gsize n, gpointer data)
{
  Rank *rank = data;
  Meeting *m = rank->meeting;

  g_mutex_lock (&m->mutex);
  m->values[rank->rank] = values;
  if (++m->arrived == 2) {
    for (gsize i = 0; i < n; i++)
      m->values[0][i] = m->values[1][i] = m->values[0][i] + m->values[1][i];
    m->arrived = 0;
    m->round++;
    g_cond_broadcast (&m->cond);
  } else {
    int round = m->round;
    while (m->round == round)
      g_cond_wait (&m->cond, &m->mutex);
  }
  g_mutex_unlock (&m->mutex);
}

static gpointer
run_rank (gpointer data)
{
  Rank *rank = data;
  int first = rank->rank * N / 2;
  Cnn3dTrainResult result;

  for (int s = 0; s < 3; s++) {
    g_assert_true (cnn3d_trainer_step (rank->trainer,
        rank->batch->clips + (gsize) first * 3 * 16 * SIZE * SIZE, rank->batch->targets + first, N / 2,
        0.02, &result, NULL));
    rank->losses[s] = result.loss;
  }
  return NULL;
}

static void
test_reduce (gconstpointer data)
{
  Cnn3dArch arch = (Cnn3dArch) GPOINTER_TO_INT (data);
  Cnn3dTrainOptions options = { .seed = 5, .threads = 2, .double_precision = TRUE };
  g_autoptr (Cnn3dTrainer) whole = new_trainer (arch, &options);
  Meeting meeting = { 0 };
  Rank ranks[2];
  GThread *thread;
  double losses[3];
  Batch batch;

  batch_init (&batch, 8);
  train_at (whole, &batch, 3, 0.02, losses);
  for (int r = 0; r < 2; r++) {
    ranks[r] = (Rank){ &meeting, new_trainer (arch, &options), &batch, r, { 0 } };
    cnn3d_trainer_set_reduce (ranks[r].trainer, reduce, &ranks[r], r);
  }
  thread = g_thread_new ("rank", run_rank, &ranks[1]);
  run_rank (&ranks[0]);
  g_thread_join (thread);
  for (int s = 0; s < 3; s++) {
    g_assert_cmpfloat (ranks[0].losses[s], ==, ranks[1].losses[s]);
    g_assert_cmpfloat_with_epsilon (ranks[0].losses[s], losses[s], 1e-8);
  }
  for (int r = 0; r < 2; r++)
    cnn3d_trainer_unref (ranks[r].trainer);
  g_mutex_clear (&meeting.mutex);
  g_cond_clear (&meeting.cond);
  g_free (batch.clips);
}

/* PyTorch's rule, written again, over two steps. */
static void
check_update (Cnn3dTrainOptions options, double momentum, double dampening, double decay)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dTrainer) trainer = NULL;
  Cnn3dTrainerParam p;
  double w, buffer = 0, rate = 0.05;
  Batch batch;

  batch_init (&batch, 5);
  options.double_precision = TRUE;
  trainer = new_trainer (CNN3D_ARCH_SHUFFLENET, &options);
  cnn3d_trainer_get_param (trainer, 0, &p);
  w = *(double *) p.value;
  for (int s = 0; s < 2; s++) {
    Cnn3dTrainResult result;
    double g, norm;

    cnn3d_trainer_differentiate (trainer, batch.clips, batch.targets, N, &result, &error);
    g_assert_no_error (error);
    g = *(double *) p.gradient;
    norm = cnn3d_trainer_update (trainer, rate);
    if (options.clip_norm > 0 && norm > options.clip_norm)
      g *= options.clip_norm / norm;
    g += decay * w;
    buffer = s == 0 ? g : momentum * buffer + (1 - (options.nesterov ? 0 : dampening)) * g;
    w -= rate * (options.nesterov ? g + momentum * buffer : buffer);
    g_assert_cmpfloat_with_epsilon (w, *(double *) p.value, 1e-12);
  }
  g_free (batch.clips);
}

static void
test_update (void)
{
  check_update ((Cnn3dTrainOptions){ 0 }, 0.9, 0.9, 1e-3);
  check_update ((Cnn3dTrainOptions){ .nesterov = TRUE }, 0.9, 0.9, 1e-3);
  check_update ((Cnn3dTrainOptions){ .momentum = 0.5, .dampening = -1, .weight_decay = -1 }, 0.5, 0, 0);
  check_update ((Cnn3dTrainOptions){ .clip_norm = 0.01 }, 0.9, 0.9, 1e-3);
}

/* PyTorch's AdamW, written again, over three steps. */
static void
test_adamw (void)
{
  Cnn3dTrainOptions options = { .optimizer = CNN3D_OPTIMIZER_ADAMW, .weight_decay = 0.1, .beta2 = 0.99,
    .double_precision = TRUE };
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dTrainer) trainer = new_trainer (CNN3D_ARCH_SHUFFLENET, &options);
  double w, m = 0, v = 0, rate = 0.01;
  Cnn3dTrainerParam p;
  Batch batch;

  batch_init (&batch, 5);
  cnn3d_trainer_get_param (trainer, 0, &p);
  g_assert_nonnull (p.square);
  w = *(double *) p.value;
  for (int s = 1; s <= 3; s++) {
    Cnn3dTrainResult result;
    double g;

    cnn3d_trainer_differentiate (trainer, batch.clips, batch.targets, N, &result, &error);
    g_assert_no_error (error);
    g = *(double *) p.gradient;
    cnn3d_trainer_update (trainer, rate);
    w -= rate * 0.1 * w;
    m = 0.9 * m + 0.1 * g;
    v = 0.99 * v + 0.01 * g * g;
    w -= rate * (m / (1 - pow (0.9, s))) / (sqrt (v / (1 - pow (0.99, s))) + 1e-8);
    g_assert_cmpfloat_with_epsilon (w, *(double *) p.value, 1e-12);
    g_assert_cmpfloat_with_epsilon (v, *(double *) p.square, 1e-12);
  }
  g_free (batch.clips);
}

static void
test_init (void)
{
  for (int arch = 0; arch < CNN3D_N_ARCHS; arch++) {
    Cnn3dTrainOptions one = { .seed = 1 }, two = { .seed = 2 };
    g_autoptr (Cnn3dTrainer) a = new_trainer (arch, &one), b = new_trainer (arch, &one);
    g_autoptr (Cnn3dTrainer) c = new_trainer (arch, &two);
    Cnn3dTrainerParam p, q;
    double square = 0;

    assert_same (a, b);
    cnn3d_trainer_get_param (a, 0, &p);
    cnn3d_trainer_get_param (c, 0, &q);
    g_assert_true (memcmp (p.value, q.value, (gsize) p.count * sizeof (float)) != 0);
    for (gint64 i = 0; i < p.count; i++)
      square += ((float *) p.value)[i] * ((float *) p.value)[i];
    square /= (double) p.count;
    /* The stem has 3 x 27 inputs, and p.count / 81 outputs. */
    if (arch == CNN3D_ARCH_SQUEEZENET || arch == CNN3D_ARCH_MOBILENETV2)
      g_assert_cmpfloat_with_epsilon (square * (double) p.count / 3 / 2, 1, 0.2);
    else
      g_assert_cmpfloat_with_epsilon (square * 81 * 3, 1, 0.2);
  }
}

/* What the last layer starts with is scaled and moved; nothing else is. */
static void
test_head (void)
{
  for (int arch = 0; arch < CNN3D_N_ARCHS; arch++) {
    Cnn3dTrainOptions published = { .seed = 1 }, gentle = { .seed = 1, .head_scale = 0.25, .head_bias = 1 };
    g_autoptr (Cnn3dTrainer) a = new_trainer (arch, &published), b = new_trainer (arch, &gentle);
    int n = cnn3d_trainer_get_n_params (a);

    for (int i = 0; i < n; i++) {
      Cnn3dTrainerParam p, q;
      gboolean head;

      cnn3d_trainer_get_param (a, i, &p);
      cnn3d_trainer_get_param (b, i, &q);
      head = g_str_has_prefix (p.name, "classifier.1");
      for (gint64 k = 0; k < p.count; k++) {
        float was = ((float *) p.value)[k], is = ((float *) q.value)[k];

        g_assert_cmpfloat_with_epsilon (is, !head ? was : was * 0.25F + (i == n - 1 ? 1 : 0), 1e-6F);
      }
    }
  }
}

static void
test_errors (void)
{
  Cnn3dTrainOptions options = { .threads = 1 }, all = { .dropout = 1 };
  Cnn3dConfig config = config_of (CNN3D_ARCH_SQUEEZENET);
  g_autoptr (Cnn3dTrainer) trainer = new_trainer (CNN3D_ARCH_SHUFFLENET, &options);
  g_autoptr (GError) error = NULL;
  Cnn3dTrainResult result;
  Batch batch;

  batch_init (&batch, 6);
  batch.targets[2] = CLASSES;
  g_assert_false (cnn3d_trainer_step (trainer, batch.clips, batch.targets, N, 0.1, &result, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH);
  g_clear_error (&error);
  g_assert_null (cnn3d_trainer_new (&config, &all, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG);
  g_clear_error (&error);
  config.width = 2;
  g_assert_null (cnn3d_trainer_new (&config, NULL, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG);
  g_free (batch.clips);
}

static void
test_schedules (void)
{
  Cnn3dSchedule steps = { .kind = CNN3D_SCHEDULE_STEPS, .rate = 1, .n_steps = 2, .steps = { 3, 5 } };
  Cnn3dSchedule cosine = { .kind = CNN3D_SCHEDULE_COSINE, .rate = 2, .epochs = 11, .warmup = 1 };
  Cnn3dSchedule plateau = { .kind = CNN3D_SCHEDULE_PLATEAU, .patience = 2 };
  Cnn3dScheduleState state = { 0 };

  g_assert_cmpfloat (cnn3d_schedule_get_rate (&steps, NULL, 2.9), ==, 1);
  g_assert_cmpfloat_with_epsilon (cnn3d_schedule_get_rate (&steps, NULL, 3), 0.1, 1e-12);
  g_assert_cmpfloat_with_epsilon (cnn3d_schedule_get_rate (&steps, NULL, 9), 0.01, 1e-12);

  g_assert_cmpfloat_with_epsilon (cnn3d_schedule_get_rate (&cosine, NULL, 0.5), 1, 1e-12);
  g_assert_cmpfloat_with_epsilon (cnn3d_schedule_get_rate (&cosine, NULL, 1), 2, 1e-12);
  g_assert_cmpfloat_with_epsilon (cnn3d_schedule_get_rate (&cosine, NULL, 6), 1, 1e-12);
  g_assert_cmpfloat_with_epsilon (cnn3d_schedule_get_rate (&cosine, NULL, 12), 0, 1e-12);
  /* Steps of a warm-up: each adds as much, from the first to the last, which has all. */
  cosine.batches = 49;
  for (int i = 0; i < 49; i++)
    g_assert_cmpfloat_with_epsilon (cnn3d_schedule_get_rate (&cosine, NULL, i / 49.0), 2 * (i + 1) / 49.0, 1e-12);
  g_assert_cmpfloat_with_epsilon (cnn3d_schedule_get_rate (&cosine, NULL, 1), 2, 1e-12);

  g_assert_cmpfloat (cnn3d_schedule_get_rate (&plateau, &state, 0), ==, 0.1);
  g_assert_false (cnn3d_schedule_report (&plateau, &state, 1));
  g_assert_false (cnn3d_schedule_report (&plateau, &state, 0.5));
  g_assert_false (cnn3d_schedule_report (&plateau, &state, 0.6));
  g_assert_false (cnn3d_schedule_report (&plateau, &state, 0.49999));
  g_assert_true (cnn3d_schedule_report (&plateau, &state, 0.6));
  g_assert_cmpfloat_with_epsilon (cnn3d_schedule_get_rate (&plateau, &state, 5), 0.01, 1e-12);
  /* Not a number is no improvement. */
  for (int i = 0; i < 2; i++)
    g_assert_false (cnn3d_schedule_report (&plateau, &state, NAN));
  g_assert_true (cnn3d_schedule_report (&plateau, &state, NAN));
}

/* A batch of 32 of every 1.0x network, the caller's clips aside, in 4 GiB. Pages are not touched. */
static void
test_memory (void)
{
  for (int arch = 0; arch < CNN3D_N_ARCHS; arch++) {
    Cnn3dConfig config = { .arch = arch };
    g_autoptr (GError) error = NULL;
    g_autoptr (Cnn3dGraph) graph = NULL;
    gpointer engine;
    gsize bytes;

    g_assert_true (cnn3d_config_check (&config, &error));
    graph = cnn3d_graph_new (&config, &error);
    engine = cnn3d_train_engine_float.create (graph, 2, FALSE, FALSE, -1, &error);
    g_assert_no_error (error);
    g_assert_true (cnn3d_train_engine_float.reserve (engine, 32, TRUE, &error));
    bytes = cnn3d_train_engine_float.get_bytes (engine);
    g_test_message ("%s: %.0f MB", cnn3d_arch_get_title (arch), (double) bytes * 1e-6);
    g_assert_cmpuint (bytes, <, (gsize) 3 << 30);
    cnn3d_train_engine_float.destroy (engine);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (int arch = 0; arch < CNN3D_N_ARCHS; arch++) {
    g_autofree char *same = g_strdup_printf ("/train/deterministic/%s", cnn3d_arch_get_name (arch));
    g_autofree char *features = g_strdup_printf ("/train/features/%s", cnn3d_arch_get_name (arch));
    g_autofree char *reduces = g_strdup_printf ("/train/reduce/%s", cnn3d_arch_get_name (arch));
    g_autofree char *learns = g_strdup_printf ("/train/learns/%s", cnn3d_arch_get_name (arch));

    g_test_add_data_func (features, GINT_TO_POINTER (arch), test_features);
    /* These two have the most kinds of layers; the steps of all are checked against the authors' as well. */
    if (arch != CNN3D_ARCH_SHUFFLENET && arch != CNN3D_ARCH_MOBILENETV2 && g_getenv ("CNN3D_TEST_QUICK") != NULL)
      continue;
    g_test_add_data_func (learns, GINT_TO_POINTER (arch), test_learns);
    g_test_add_data_func (same, GINT_TO_POINTER (arch), test_deterministic);
    g_test_add_data_func (reduces, GINT_TO_POINTER (arch), test_reduce);
  }
  g_test_add_func ("/train/restore", test_restore);
  g_test_add_func ("/train/last-layer", test_last_layer);
  g_test_add_func ("/train/update", test_update);
  g_test_add_func ("/train/adamw", test_adamw);
  g_test_add_func ("/train/init", test_init);
  g_test_add_func ("/train/head", test_head);
  g_test_add_func ("/train/errors", test_errors);
  g_test_add_func ("/train/schedules", test_schedules);
  g_test_add_func ("/train/memory", test_memory);
  return g_test_run ();
}
