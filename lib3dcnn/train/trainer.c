/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/train.h"
#include "lib3dcnn/io/unknown.h"
#include "lib3dcnn/model-private.h"
#include "lib3dcnn/train/checkpoint.h"
#include "lib3dcnn/train/engine.h"
#include "lib3dcnn/train/init.h"
#include "lib3dcnn/train/random.h"

struct _Cnn3dTrainer {
  gatomicrefcount ref_count;
  Cnn3dGraph *graph;
  Cnn3dCard *card;
  const Cnn3dTrainEngineClass *klass;
  gpointer engine;
  Cnn3dTrainUpdate update;
  Cnn3dTrainPortion portion;
  guint64 seed, steps;
  double head_scale, head_bias;
};

G_DEFINE_BOXED_TYPE (Cnn3dTrainer, cnn3d_trainer, cnn3d_trainer_ref, cnn3d_trainer_unref)

/* Zero stands for a default, a negative number for zero. */
static double
or_default (double value, double fallback)
{
  return value == 0 ? fallback : MAX (value, 0);
}

static void
set_param (Cnn3dTrainer *trainer, int param, const float *values)
{
  gint64 n = cnn3d_param_count (cnn3d_graph_param (trainer->graph, param));
  gpointer to = trainer->klass->get_value (trainer->engine, param);

  for (gint64 i = 0; i < n; i++)
    if (trainer->klass->real_size == sizeof (float))
      ((float *) to)[i] = values[i];
    else
      ((double *) to)[i] = values[i];
}

/* Takes graph and card. */
static Cnn3dTrainer *
trainer_new (Cnn3dGraph *graph, Cnn3dCard *card, const Cnn3dTrainOptions *options, GError **error)
{
  static const Cnn3dTrainOptions defaults = { 0 };
  g_autoptr (Cnn3dTrainer) trainer = g_new0 (Cnn3dTrainer, 1);
  const Cnn3dTrainOptions *o = options ? options : &defaults;

  g_atomic_ref_count_init (&trainer->ref_count);
  trainer->graph = graph;
  trainer->card = card;
  trainer->klass = o->double_precision ? &cnn3d_train_engine_double : &cnn3d_train_engine_float;
  trainer->seed = o->seed;
  trainer->portion = o->portion;
  trainer->head_scale = or_default (o->head_scale, 1);
  trainer->head_bias = o->head_bias;
  trainer->update = (Cnn3dTrainUpdate){ .momentum = or_default (o->momentum, 0.9),
    .dampening = or_default (o->dampening, 0.9), .weight_decay = or_default (o->weight_decay, 1e-3),
    .nesterov = o->nesterov, .clip_norm = MAX (o->clip_norm, 0),
    .adamw = o->optimizer == CNN3D_OPTIMIZER_ADAMW, .beta2 = or_default (o->beta2, 0.999) };
  if (o->dropout >= 1) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG,
        "dropout must be below 1, not %g: nothing would be left", o->dropout);
    return NULL;
  }
  trainer->engine = trainer->klass->create (graph,
      o->threads > 0 ? o->threads : (int) g_get_num_processors (),
      o->portion == CNN3D_TRAIN_LAST_LAYER, trainer->update.adamw,
      o->dropout == 0 ? -1 : MAX (o->dropout, 0), error);
  if (trainer->engine == NULL)
    return NULL;
  return g_steal_pointer (&trainer);
}

/* The classifier's parameters, weight and bias, are the last ones of every network. */
static gboolean
is_head (Cnn3dTrainer *trainer, const Cnn3dNode *node)
{
  return node->n_params > 0 && node->param + node->n_params == (int) trainer->graph->params->len;
}

static void
init_node (Cnn3dTrainer *trainer, const Cnn3dNode *node)
{
  gboolean head = is_head (trainer, node);
  float *values[4] = { NULL };

  for (int p = 0; p < node->n_params; p++)
    values[p] = g_new (float,
        (gsize) cnn3d_param_count (cnn3d_graph_param (trainer->graph, node->param + p)));
  cnn3d_train_init_node (trainer->graph, node, trainer->seed, values);
  for (int p = 0; p < node->n_params; p++) {
    gint64 n = cnn3d_param_count (cnn3d_graph_param (trainer->graph, node->param + p));

    for (gint64 i = 0; head && i < n; i++)
      values[p][i] = (float) (values[p][i] * trainer->head_scale + (p == 1 ? trainer->head_bias : 0));
    set_param (trainer, node->param + p, values[p]);
    g_free (values[p]);
  }
}

Cnn3dTrainer *
cnn3d_trainer_new (const Cnn3dConfig *config, const Cnn3dTrainOptions *options, GError **error)
{
  Cnn3dConfig filled;
  Cnn3dGraph *graph;
  Cnn3dTrainer *trainer;

  g_return_val_if_fail (config != NULL, NULL);

  filled = *config;
  cnn3d_config_fill (&filled);
  graph = cnn3d_graph_new (&filled, error);
  if (graph == NULL)
    return NULL;
  trainer = trainer_new (graph, cnn3d_card_new (), options, error);
  for (guint i = 0; trainer != NULL && i < graph->nodes->len; i++)
    if (cnn3d_graph_node (graph, (int) i)->n_params > 0)
      init_node (trainer, cnn3d_graph_node (graph, (int) i));
  return trainer;
}

Cnn3dTrainer *
cnn3d_trainer_new_from_model (Cnn3dModel *model, int classes, const Cnn3dTrainOptions *options,
    GError **error)
{
  Cnn3dConfig config;
  Cnn3dGraph *graph;
  Cnn3dTrainer *trainer;

  g_return_val_if_fail (model != NULL && classes >= 0, NULL);

  config = model->config;
  if (classes > 0)
    config.classes = classes;
  if (options != NULL && options->size > 0)
    config.size = options->size;
  graph = cnn3d_graph_new (&config, error);
  if (graph == NULL)
    return NULL;
  trainer = trainer_new (graph, cnn3d_card_copy (model->card), options, error);
  if (trainer == NULL)
    return NULL;
  if (classes > 0)
    g_clear_pointer (&trainer->card->labels, g_strfreev);
  /* It was measured of the weights as they were. */
  g_clear_pointer (&trainer->card->unknown, cnn3d_unknown_free);
  for (guint i = 0; i < graph->nodes->len; i++) {
    const Cnn3dNode *node = cnn3d_graph_node (graph, (int) i);

    if (classes > 0 && is_head (trainer, node))
      init_node (trainer, node);
    else
      for (int p = node->param; p < node->param + node->n_params; p++)
        set_param (trainer, p, model->params[p]);
  }
  return trainer;
}

Cnn3dTrainer *
cnn3d_trainer_ref (Cnn3dTrainer *trainer)
{
  g_return_val_if_fail (trainer != NULL, NULL);
  g_atomic_ref_count_inc (&trainer->ref_count);
  return trainer;
}

void
cnn3d_trainer_unref (Cnn3dTrainer *trainer)
{
  g_return_if_fail (trainer != NULL);
  if (!g_atomic_ref_count_dec (&trainer->ref_count))
    return;
  if (trainer->engine != NULL)
    trainer->klass->destroy (trainer->engine);
  cnn3d_card_free (trainer->card);
  cnn3d_graph_free (trainer->graph);
  g_free (trainer);
}

const Cnn3dConfig *
cnn3d_trainer_get_config (Cnn3dTrainer *trainer)
{
  g_return_val_if_fail (trainer != NULL, NULL);
  return &trainer->graph->config;
}

static gboolean
differentiate (Cnn3dTrainer *trainer, const float *clips, const float *features, const int *targets,
    int n, Cnn3dTrainResult *result, GError **error)
{
  Cnn3dTrainBatch batch = { clips, features, targets, n,
    cnn3d_random_bits (trainer->seed, trainer->steps) };
  int classes;

  classes = trainer->graph->config.classes;
  for (int i = 0; i < n; i++)
    if (targets[i] < 0 || targets[i] >= classes) {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH,
          "the target of clip %d is class %d, but the network has %d classes", i, targets[i], classes);
      return FALSE;
    }
  if (!trainer->klass->reserve (trainer->engine, n, TRUE, error))
    return FALSE;
  result->gradient_norm = 0;
  result->loss = trainer->klass->step (trainer->engine, &batch, &result->correct);
  return TRUE;
}

gboolean
cnn3d_trainer_differentiate (Cnn3dTrainer *trainer, const float *clips, const int *targets, int n,
    Cnn3dTrainResult *result, GError **error)
{
  g_return_val_if_fail (trainer != NULL && clips != NULL && targets != NULL && result != NULL, FALSE);
  g_return_val_if_fail (n >= 1, FALSE);

  return differentiate (trainer, clips, NULL, targets, n, result, error);
}

double
cnn3d_trainer_update (Cnn3dTrainer *trainer, double rate)
{
  g_return_val_if_fail (trainer != NULL, 0);
  trainer->update.rate = rate;
  trainer->update.step = ++trainer->steps;
  return trainer->klass->update (trainer->engine, &trainer->update);
}

gboolean
cnn3d_trainer_step (Cnn3dTrainer *trainer, const float *clips, const int *targets, int n,
    double rate, Cnn3dTrainResult *result, GError **error)
{
  if (!cnn3d_trainer_differentiate (trainer, clips, targets, n, result, error))
    return FALSE;
  result->gradient_norm = cnn3d_trainer_update (trainer, rate);
  return TRUE;
}

gsize
cnn3d_trainer_get_n_features (Cnn3dTrainer *trainer)
{
  g_return_val_if_fail (trainer != NULL, 0);
  return trainer->klass->get_n_features (trainer->engine);
}

gboolean
cnn3d_trainer_compute_features (Cnn3dTrainer *trainer, const float *clips, int n, float *features,
    GError **error)
{
  g_return_val_if_fail (trainer != NULL && clips != NULL && features != NULL && n >= 1, FALSE);

  if (!trainer->klass->reserve (trainer->engine, n, FALSE, error))
    return FALSE;
  trainer->klass->compute_features (trainer->engine, clips, n, features);
  return TRUE;
}

gboolean
cnn3d_trainer_step_features (Cnn3dTrainer *trainer, const float *features, const int *targets, int n,
    double rate, Cnn3dTrainResult *result, GError **error)
{
  g_return_val_if_fail (trainer != NULL && features != NULL && targets != NULL && result != NULL, FALSE);
  g_return_val_if_fail (n >= 1 && trainer->portion == CNN3D_TRAIN_LAST_LAYER, FALSE);

  if (!differentiate (trainer, NULL, features, targets, n, result, error))
    return FALSE;
  result->gradient_norm = cnn3d_trainer_update (trainer, rate);
  return TRUE;
}

void
cnn3d_trainer_set_reduce (Cnn3dTrainer *trainer, Cnn3dReduceFunc reduce, gpointer data, int rank)
{
  g_return_if_fail (trainer != NULL);
  trainer->klass->set_reduce (trainer->engine, reduce, data, rank);
}

gboolean
cnn3d_trainer_evaluate (Cnn3dTrainer *trainer, const float *clips, int n, float *logits,
    GError **error)
{
  g_return_val_if_fail (trainer != NULL && clips != NULL && logits != NULL && n >= 1, FALSE);

  if (!trainer->klass->reserve (trainer->engine, n, FALSE, error))
    return FALSE;
  trainer->klass->evaluate (trainer->engine, clips, n, logits);
  return TRUE;
}

Cnn3dModel *
cnn3d_trainer_to_model (Cnn3dTrainer *trainer, const Cnn3dCard *card)
{
  Cnn3dModel *model;
  Cnn3dGraph *graph;

  g_return_val_if_fail (trainer != NULL, NULL);
  g_return_val_if_fail (card == NULL || cnn3d_unknown_fits (card->unknown, trainer->graph), NULL);

  graph = cnn3d_graph_new (&trainer->graph->config, NULL);
  model = cnn3d_model_new_empty (graph, cnn3d_card_copy (card ? card : trainer->card));
  for (guint p = 0; p < graph->params->len; p++) {
    gint64 n = cnn3d_param_count (cnn3d_graph_param (graph, (int) p));
    float *to = cnn3d_model_own_param (model, (int) p);
    gpointer from = trainer->klass->get_value (trainer->engine, (int) p);

    for (gint64 i = 0; i < n; i++)
      to[i] = trainer->klass->real_size == sizeof (float) ? ((float *) from)[i]
                                                          : (float) ((double *) from)[i];
  }
  return model;
}

int
cnn3d_trainer_get_n_params (Cnn3dTrainer *trainer)
{
  g_return_val_if_fail (trainer != NULL, 0);
  return (int) trainer->graph->params->len;
}

void
cnn3d_trainer_get_param (Cnn3dTrainer *trainer, int index, Cnn3dTrainerParam *param)
{
  g_return_if_fail (trainer != NULL && param != NULL);
  g_return_if_fail (index >= 0 && index < (int) trainer->graph->params->len);

  param->name = cnn3d_graph_param (trainer->graph, index)->name;
  param->count = cnn3d_param_count (cnn3d_graph_param (trainer->graph, index));
  param->value = trainer->klass->get_value (trainer->engine, index);
  param->gradient = trainer->klass->get_gradient (trainer->engine, index);
  param->momentum = trainer->klass->get_momentum (trainer->engine, index);
  param->square = trainer->klass->get_square (trainer->engine, index);
}

gsize
cnn3d_trainer_get_real_size (Cnn3dTrainer *trainer)
{
  return trainer->klass->real_size;
}

guint64
cnn3d_trainer_get_steps (Cnn3dTrainer *trainer)
{
  g_return_val_if_fail (trainer != NULL, 0);
  return trainer->steps;
}

void
cnn3d_trainer_set_steps (Cnn3dTrainer *trainer, guint64 steps)
{
  g_return_if_fail (trainer != NULL);
  trainer->steps = steps;
}

gsize
cnn3d_trainer_get_memory (Cnn3dTrainer *trainer)
{
  g_return_val_if_fail (trainer != NULL, 0);
  return trainer->klass->get_bytes (trainer->engine);
}
