/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lib3dcnn/model.h>

G_BEGIN_DECLS

/**
 * Cnn3dTrainer:
 *
 * A network that is being trained on the CPU: its graph as published, run with
 * the statistics of each batch, differentiated, and updated by stochastic
 * gradient descent. Reference-counted; used by one thread at a time. With the
 * same seed, options, thread count, instruction set and batches, two trainers
 * hold the same bits after every step.
 */
typedef struct _Cnn3dTrainer Cnn3dTrainer;

/**
 * Cnn3dTrainPortion:
 * @CNN3D_TRAIN_COMPLETE: all parameters are trained
 * @CNN3D_TRAIN_LAST_LAYER: only the classifier (`classifier.1`) is; BatchNorm
 *   uses and keeps its running statistics, so that features do not change
 *
 * Which part of a network is trained (Section 4.2 of the paper).
 */
typedef enum {
  CNN3D_TRAIN_COMPLETE,
  CNN3D_TRAIN_LAST_LAYER,
} Cnn3dTrainPortion;

/**
 * Cnn3dOptimizer:
 * @CNN3D_OPTIMIZER_SGD: stochastic gradient descent with momentum, as in the paper
 * @CNN3D_OPTIMIZER_ADAMW: Adam with decoupled weight decay (Loshchilov and
 *   Hutter, 2019): each parameter's step is scaled by how large its gradients are
 *
 * How gradients become steps.
 */
typedef enum {
  CNN3D_OPTIMIZER_SGD,
  CNN3D_OPTIMIZER_ADAMW,
} Cnn3dOptimizer;

/**
 * Cnn3dTrainOptions:
 * @seed: of the initial weights and of dropout
 * @threads: 0 means one for each processor
 * @portion: what is trained
 * @dropout: probability that replaces the network's; 0 means the network's
 *   (0.2, SqueezeNet 0.5), negative means none. The paper uses 0.9 to fine-tune
 *   on small sets
 * @momentum: 0 means 0.9, negative means none. Of ADAMW: beta 1
 * @dampening: 0 means 0.9, negative means none. Not used with @nesterov
 * @weight_decay: added to the gradient of every parameter, those of BatchNorm
 *   included; 0 means 1e-3, negative means none. Of ADAMW: the part of each
 *   parameter, times the rate, that is taken away by a step
 * @nesterov: use Nesterov's momentum
 * @clip_norm: scales gradients down to this norm over all parameters; 0 means
 *   not at all
 * @double_precision: compute in double, some ten times slower: for tests of
 *   gradients, and of long runs where rounding errors grow from step to step
 * @optimizer: how gradients become steps
 * @beta2: of ADAMW: how slowly the mean of squared gradients changes; 0 means 0.999
 * @head_scale: a fresh last layer's weights and bias are multiplied by this; 0
 *   means 1, the published code's. Its logits for SqueezeNet are so large that
 *   the first losses are above those of guessing
 * @head_bias: then added to a fresh last layer's bias. SqueezeNet's logits pass
 *   a ReLU, and a class whose logits are all below zero at the start learns
 *   nothing: 1, with a scale of 0.1, keeps all classes alive
 * @size: height and width of the frames of a trainer that is made of a model; 0
 *   means the model's
 *
 * Options of a trainer; all zeros are the paper's settings. The update is
 * PyTorch's: d = gradient + weight_decay w; buffer = d at the first step, then
 * momentum buffer + (1 - dampening) d; w -= rate buffer. That of ADAMW is PyTorch's as well, with an
 * epsilon of 1e-8.
 */
typedef struct {
  guint64 seed;
  int threads;
  Cnn3dTrainPortion portion;
  double dropout;
  double momentum;
  double dampening;
  double weight_decay;
  gboolean nesterov;
  double clip_norm;
  gboolean double_precision;
  Cnn3dOptimizer optimizer;
  double beta2;
  double head_scale;
  double head_bias;
  int size;
} Cnn3dTrainOptions;

/**
 * Cnn3dTrainResult:
 * @loss: softmax cross-entropy before the update, mean over the batch
 * @correct: clips whose largest logit was their target
 * @gradient_norm: over all parameters, before clipping; set by the update
 */
typedef struct {
  double loss;
  int correct;
  double gradient_norm;
} Cnn3dTrainResult;

#define CNN3D_TYPE_TRAINER (cnn3d_trainer_get_type ())
CNN3D_API GType cnn3d_trainer_get_type (void);

/**
 * cnn3d_trainer_new:
 * @config: the network; zeros mean defaults
 * @options: (nullable): see #Cnn3dTrainOptions
 *
 * A network with fresh weights, drawn as the authors' code does: convolutions
 * of SqueezeNet from Kaiming's normal distribution by fan-out, those of
 * MobileNetV2 from normal (0, sqrt (2 / n)) with n = kernel volume x output
 * channels and its linear layer from normal (0, 0.01) with no bias; everything
 * else by PyTorch's defaults, uniform in +-1 / sqrt (fan-in). BatchNorm starts
 * with weight 1, bias 0, mean 0, variance 1.
 *
 * Returns: (transfer full) (nullable): the trainer, or %NULL with
 *   %CNN3D_ERROR_CONFIG or %CNN3D_ERROR_BACKEND
 */
CNN3D_API Cnn3dTrainer *cnn3d_trainer_new (const Cnn3dConfig *config,
    const Cnn3dTrainOptions *options, GError **error);

/**
 * cnn3d_trainer_new_from_model:
 * @model: where weights, running statistics and card come from; not kept
 * @classes: number of classes. 0 keeps the model's last layer; any other number
 *   replaces it by a fresh one, also if the model has as many
 * @options: (nullable): see #Cnn3dTrainOptions
 *
 * Returns: (transfer full) (nullable): the trainer, or %NULL with
 *   %CNN3D_ERROR_CONFIG or %CNN3D_ERROR_BACKEND
 */
CNN3D_API Cnn3dTrainer *cnn3d_trainer_new_from_model (Cnn3dModel *model, int classes,
    const Cnn3dTrainOptions *options, GError **error);

CNN3D_API Cnn3dTrainer *cnn3d_trainer_ref (Cnn3dTrainer *trainer);
CNN3D_API void cnn3d_trainer_unref (Cnn3dTrainer *trainer);

/**
 * cnn3d_trainer_get_config:
 *
 * Returns: (transfer none): the network, with all defaults filled in
 */
CNN3D_API const Cnn3dConfig *cnn3d_trainer_get_config (Cnn3dTrainer *trainer);

/**
 * cnn3d_trainer_step:
 * @clips: n x 3 x frames x size x size floats (N, C, T, H, W), normalised as by
 *   cnn3d_model_normalize()
 * @targets: (array length=n): a class for each clip, from 0
 * @n: clips in the batch, at least 1. Memory is allocated when it changes
 * @rate: learning rate
 * @result: (out caller-allocates): valid only on success
 *
 * One step of training: cnn3d_trainer_differentiate() and
 * cnn3d_trainer_update().
 *
 * Returns: %TRUE on success; else %FALSE, with the trainer as it was, and
 *   %CNN3D_ERROR_MISMATCH (a target that is no class) or %CNN3D_ERROR_BACKEND
 *   (no memory for such a batch)
 */
CNN3D_API gboolean cnn3d_trainer_step (Cnn3dTrainer *trainer, const float *clips,
    const int *targets, int n, double rate, Cnn3dTrainResult *result, GError **error);

/**
 * cnn3d_trainer_differentiate:
 *
 * The first half of cnn3d_trainer_step(): computes loss and gradients, and
 * updates BatchNorm's running averages (momentum 0.1, unbiased variance). The
 * gradients can then be read and changed in place with
 * cnn3d_trainer_get_param().
 *
 * Returns: as cnn3d_trainer_step()
 */
CNN3D_API gboolean cnn3d_trainer_differentiate (Cnn3dTrainer *trainer, const float *clips,
    const int *targets, int n, Cnn3dTrainResult *result, GError **error);

/**
 * cnn3d_trainer_update:
 * @rate: learning rate
 *
 * The second half of cnn3d_trainer_step(): updates the parameters.
 *
 * Returns: the norm of the gradient over all parameters, before clipping
 */
CNN3D_API double cnn3d_trainer_update (Cnn3dTrainer *trainer, double rate);

/**
 * cnn3d_trainer_get_n_features:
 *
 * Returns: how many numbers the last layer sees of a clip
 */
CNN3D_API gsize cnn3d_trainer_get_n_features (Cnn3dTrainer *trainer);

/**
 * cnn3d_trainer_compute_features:
 * @clips: as for cnn3d_trainer_step()
 * @n: number of clips, at least 1
 * @features: (out caller-allocates): n x cnn3d_trainer_get_n_features() floats;
 *   valid only on success
 *
 * What the last layer sees of clips, before dropout. While only the last layer
 * is trained this does not change, so it need not be computed more than once.
 *
 * Returns: %TRUE on success, else %FALSE with %CNN3D_ERROR_BACKEND
 */
CNN3D_API gboolean cnn3d_trainer_compute_features (Cnn3dTrainer *trainer, const float *clips, int n,
    float *features, GError **error);

/**
 * cnn3d_trainer_step_features:
 * @features: n x cnn3d_trainer_get_n_features() floats
 *
 * cnn3d_trainer_step() of a trainer of the last layer, from features.
 *
 * Returns: as cnn3d_trainer_step()
 */
CNN3D_API gboolean cnn3d_trainer_step_features (Cnn3dTrainer *trainer, const float *features,
    const int *targets, int n, double rate, Cnn3dTrainResult *result, GError **error);

/**
 * Cnn3dReduceFunc:
 * @values: (inout) (array length=n): to be replaced by their sums over all
 *   processes
 *
 * Adds up numbers over all processes, as MPI_Allreduce does. Called on the
 * thread that called the trainer, equally often and with the same @n by every
 * process.
 */
typedef void (*Cnn3dReduceFunc) (double *values, gsize n, gpointer data);

/**
 * cnn3d_trainer_set_reduce:
 * @reduce: (nullable) (scope notified): %NULL for a process on its own
 * @data: for @reduce; has to outlive the trainer
 * @rank: this process, from 0: which part of dropout's random numbers is its
 *
 * Trains one network in several processes, each with a part of every batch.
 * Statistics of BatchNorm, loss, count of correct clips and gradients are then
 * those of the whole batch, so that all processes make the same update, and the
 * same (to rounding) as one process with the whole batch. Parts of the same
 * size, in the order of ranks, also make the same dropout.
 */
CNN3D_API void cnn3d_trainer_set_reduce (Cnn3dTrainer *trainer, Cnn3dReduceFunc reduce,
    gpointer data, int rank);

/**
 * cnn3d_trainer_evaluate:
 * @clips: as for cnn3d_trainer_step()
 * @n: number of clips, at least 1; best the size of the training batches
 * @logits: (out caller-allocates): n x classes floats; valid only on success
 *
 * Runs the network as a session would: BatchNorm by running averages, no
 * dropout.
 *
 * Returns: %TRUE on success, else %FALSE with %CNN3D_ERROR_BACKEND
 */
CNN3D_API gboolean cnn3d_trainer_evaluate (Cnn3dTrainer *trainer, const float *clips, int n,
    float *logits, GError **error);

/**
 * cnn3d_trainer_to_model:
 * @card: (nullable): copied; %NULL means that of the model the trainer began
 *   with, without labels if the classes changed and without its rule for
 *   unknown clips, or the authors' defaults
 *
 * Returns: (transfer full): a model with a copy of the weights as they are now
 */
CNN3D_API Cnn3dModel *cnn3d_trainer_to_model (Cnn3dTrainer *trainer, const Cnn3dCard *card);

/**
 * Cnn3dTrainerParam:
 * @name: (transfer none): in the published state dict
 * @count: number of elements
 * @value: floats (doubles with @double_precision of the options)
 * @gradient: (nullable): the same; %NULL if the parameter is not trained
 * @momentum: (nullable): the same
 * @square: (nullable): the same: ADAMW's mean of squared gradients; %NULL with SGD
 *
 * A parameter or running statistic, in PyTorch's order of elements. The arrays
 * belong to the trainer and stay where they are; they may be written between
 * steps, which is how a checkpoint is read back.
 */
typedef struct {
  const char *name;
  gint64 count;
  gpointer value;
  gpointer gradient;
  gpointer momentum;
  gpointer square;
} Cnn3dTrainerParam;

CNN3D_API int cnn3d_trainer_get_n_params (Cnn3dTrainer *trainer);

/**
 * cnn3d_trainer_get_param:
 * @index: from 0, in the order of the published state dict
 * @param: (out caller-allocates): what it is and where it lies
 */
CNN3D_API void cnn3d_trainer_get_param (Cnn3dTrainer *trainer, int index, Cnn3dTrainerParam *param);

/**
 * cnn3d_trainer_get_steps:
 *
 * Returns: updates so far. Dropout's random numbers depend on it and on the
 *   seed alone, so with the arrays of cnn3d_trainer_get_param() it is all that
 *   a checkpoint has to hold
 */
CNN3D_API guint64 cnn3d_trainer_get_steps (Cnn3dTrainer *trainer);
CNN3D_API void cnn3d_trainer_set_steps (Cnn3dTrainer *trainer, guint64 steps);

/**
 * cnn3d_trainer_save_checkpoint:
 * @path: the file to write or replace
 * @notes: (nullable) (element-type utf8 utf8): text to keep with it. Keys that
 *   begin with `3dcnn.checkpoint` are this library's own
 *
 * Writes weights, statistics, momentum and steps, all that training goes on
 * from. The file is written under another name, forced to the disk and renamed:
 * a failure, or the end of the process at any point, leaves an older file as it
 * was.
 *
 * Returns: %TRUE on success, else %FALSE with %G_FILE_ERROR
 */
CNN3D_API gboolean cnn3d_trainer_save_checkpoint (Cnn3dTrainer *trainer, const char *path,
    GHashTable *notes, GError **error);

/**
 * cnn3d_trainer_load_checkpoint:
 * @path: a file of cnn3d_trainer_save_checkpoint()
 *
 * Sets the trainer, which must be of the same network, portion and precision,
 * to what it was. With the same options, it goes on to the same bits.
 *
 * Returns: (transfer full) (nullable) (element-type utf8 utf8): the notes, or
 *   %NULL, with the trainer as it was, and %G_FILE_ERROR, %CNN3D_ERROR_FORMAT or
 *   %CNN3D_ERROR_MISMATCH
 */
CNN3D_API GHashTable *cnn3d_trainer_load_checkpoint (Cnn3dTrainer *trainer, const char *path,
    GError **error);

/**
 * cnn3d_trainer_get_memory:
 *
 * Returns: bytes in use for activations and gradients of activations, at the
 *   size of the last batch
 */
CNN3D_API gsize cnn3d_trainer_get_memory (Cnn3dTrainer *trainer);

/**
 * Cnn3dScheduleKind:
 * @CNN3D_SCHEDULE_PLATEAU: multiplied by the factor when the loss has not
 *   improved by 1e-4 of itself for more than @patience epochs, as PyTorch's
 *   ReduceLROnPlateau
 * @CNN3D_SCHEDULE_STEPS: multiplied by the factor at given epochs
 * @CNN3D_SCHEDULE_COSINE: falls to zero along half a cosine
 *
 * How the learning rate changes in the course of training.
 */
typedef enum {
  CNN3D_SCHEDULE_PLATEAU,
  CNN3D_SCHEDULE_STEPS,
  CNN3D_SCHEDULE_COSINE,
} Cnn3dScheduleKind;

#define CNN3D_SCHEDULE_MAX_STEPS 16

/**
 * Cnn3dSchedule:
 * @kind: which schedule
 * @rate: the first (highest) learning rate; 0 means 0.1
 * @factor: of PLATEAU and STEPS; 0 means 0.1
 * @patience: of PLATEAU, in epochs; 0 means 10
 * @n_steps: number of @steps
 * @steps: of STEPS, in epochs, ascending
 * @epochs: of COSINE: the length of training
 * @warmup: epochs, or a part of one, in which the rate rises to @rate
 * @batches: steps in an epoch, by which the first step of a warm-up has a rate above
 *   zero, and the last one @rate; 0 means unknown, with a first rate of zero
 *
 * A schedule of learning rates.
 */
typedef struct {
  Cnn3dScheduleKind kind;
  double rate;
  double factor;
  int patience;
  int n_steps;
  double steps[CNN3D_SCHEDULE_MAX_STEPS];
  double epochs;
  double warmup;
  int batches;
} Cnn3dSchedule;

/**
 * Cnn3dScheduleState:
 * @best: the lowest loss so far
 * @bad_epochs: epochs since then
 * @reductions: how often the rate was reduced
 * @started: whether @best is set
 *
 * What PLATEAU remembers; all zeros at the start. Part of a checkpoint.
 */
typedef struct {
  double best;
  int bad_epochs;
  int reductions;
  gboolean started;
} Cnn3dScheduleState;

/**
 * cnn3d_schedule_get_rate:
 * @state: (nullable): for PLATEAU
 * @epoch: epochs done before the step, with their fraction: 1.5 is the middle of the second
 *
 * Returns: the learning rate
 */
CNN3D_API double cnn3d_schedule_get_rate (const Cnn3dSchedule *schedule,
    const Cnn3dScheduleState *state, double epoch);

/**
 * cnn3d_schedule_report:
 * @loss: validation loss of the epoch that has ended
 *
 * Lets PLATEAU see the loss.
 *
 * Returns: %TRUE if the rate was reduced
 */
CNN3D_API gboolean cnn3d_schedule_report (const Cnn3dSchedule *schedule, Cnn3dScheduleState *state,
    double loss);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dTrainer, cnn3d_trainer_unref)

G_END_DECLS
