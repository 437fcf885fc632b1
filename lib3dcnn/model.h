/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <lib3dcnn/card.h>
#include <lib3dcnn/network.h>

G_BEGIN_DECLS

/**
 * Cnn3dModel:
 *
 * A network with its weights and model card. Immutable and reference-counted;
 * it may be used by any number of sessions and threads at once. The weights
 * stay mapped from their file where the file's format allows it.
 */
typedef struct _Cnn3dModel Cnn3dModel;

/**
 * Cnn3dLoadOptions:
 * @preset: (nullable): a preset for cnn3d_card_new_preset() that replaces the
 *   file's card
 * @labels_file: (nullable): a file for cnn3d_labels_load() that replaces the
 *   labels
 * @arch: (nullable): architecture name that overrides what the file says or
 *   what is inferred
 * @width: overrides the width; 0 to infer
 * @groups: overrides the groups; 0 to infer
 * @frames: overrides the clip length; 0 for the card's, else 16
 * @size: overrides the frame size; 0 for the card's, else 112
 *
 * Options for cnn3d_model_load(). All zeros means: take it from the file. The
 * clip length and frame size cannot be inferred from weights, so they have to
 * be given for checkpoints that were not trained with the defaults.
 */
typedef struct {
  const char *preset;
  const char *labels_file;
  const char *arch;
  double width;
  int groups;
  int frames;
  int size;
} Cnn3dLoadOptions;

#define CNN3D_TYPE_MODEL (cnn3d_model_get_type ())
CNN3D_API GType cnn3d_model_get_type (void);

/**
 * cnn3d_model_load:
 * @path: a model file: safetensors (with a model card, or a plain state dict),
 *   or a PyTorch checkpoint in its legacy or its zip format
 * @options: (nullable): see #Cnn3dLoadOptions
 *
 * Loads a model. The format is told by the file's content. Of a checkpoint,
 * only tensors, containers, strings and numbers are ever built; anything else
 * is refused by name with %CNN3D_ERROR_UNSAFE. Tensors may be float32, float16,
 * bfloat16 or float64. `module.` prefixes and the optimizer's state are ignored.
 * Architecture, width, groups and class count are inferred from the names and
 * shapes where no card gives them.
 *
 * Returns: (transfer full) (nullable): the model, or %NULL with @error set and
 *   naming the file and, where it is about one, the tensor
 */
CNN3D_API Cnn3dModel *cnn3d_model_load (const char *path, const Cnn3dLoadOptions *options,
    GError **error);

/**
 * cnn3d_model_load_bytes:
 * @bytes: the content of a model file; kept for as long as the model lives
 * @name: (nullable): what to call it in errors
 * @options: (nullable): as of cnn3d_model_load()
 *
 * Like cnn3d_model_load(), from memory.
 */
CNN3D_API Cnn3dModel *cnn3d_model_load_bytes (GBytes *bytes, const char *name,
    const Cnn3dLoadOptions *options, GError **error);

/**
 * cnn3d_model_find:
 * @name: the name of a bundled model, which is that of its architecture, such as "shufflenet"
 *
 * Looks for NAME.safetensors in the folders of the environment variable `CNN3D_MODEL_PATH`, then in
 * the installed folder.
 *
 * Returns: (transfer full) (nullable): the path of the file, or %NULL with
 *   %CNN3D_ERROR_NOT_FOUND and a message that says what to do
 */
CNN3D_API char *cnn3d_model_find (const char *name, GError **error);

/**
 * cnn3d_model_new_synthetic:
 * @seed: prefix of each tensor's name in the hash; "" for the golden files
 *
 * A network whose weights come from a hash of their names: repeatable on every
 * machine, useless for classification, and what tests and benchmarks need.
 *
 * Returns: (transfer full) (nullable): the model, or %NULL with
 *   %CNN3D_ERROR_CONFIG
 */
CNN3D_API Cnn3dModel *cnn3d_model_new_synthetic (const Cnn3dConfig *config, const char *seed,
    GError **error);

CNN3D_API Cnn3dModel *cnn3d_model_ref (Cnn3dModel *model);
CNN3D_API void cnn3d_model_unref (Cnn3dModel *model);

/**
 * cnn3d_model_with_card:
 * @card: replaces the model's card; copied. It must have as many labels as the
 *   model has classes, or none, and a rule for unknown clips of as many classes
 *   and features, or none
 *
 * Returns: (transfer full): a model that shares its weights with @model
 */
CNN3D_API Cnn3dModel *cnn3d_model_with_card (Cnn3dModel *model, const Cnn3dCard *card);

/**
 * cnn3d_model_to_half:
 *
 * Rounds the weights of convolutions and linear layers to float16, which
 * cnn3d_model_save() then stores in half the room. Everything else stays
 * float32, and so does computation.
 *
 * Returns: (transfer full): a model with rounded weights and the same card
 */
CNN3D_API Cnn3dModel *cnn3d_model_to_half (Cnn3dModel *model);

/**
 * cnn3d_model_save:
 * @path: the file to write or replace
 *
 * Writes the model as safetensors, float32 unless it is from
 * cnn3d_model_to_half(), with its card and a self-check. The
 * file is written next to @path and renamed, so that a failure leaves an older
 * file as it was. Metadata that the model's file had and that this library does
 * not know is kept.
 *
 * Returns: %TRUE on success
 */
CNN3D_API gboolean cnn3d_model_save (Cnn3dModel *model, const char *path, GError **error);

/**
 * cnn3d_model_verify:
 *
 * Runs the self-check of the model's card: a clip made by a hash goes through
 * the reference backend and through the default backend, and the logits are
 * compared with those in the card (to 1e-4 of the largest).
 *
 * Returns: %TRUE if they agree; %FALSE with %CNN3D_ERROR_VERIFY if they do not,
 *   or if the card has no self-check
 */
CNN3D_API gboolean cnn3d_model_verify (Cnn3dModel *model, GError **error);

/**
 * cnn3d_model_get_config:
 *
 * Returns: (transfer none): the network, with all defaults filled in
 */
CNN3D_API const Cnn3dConfig *cnn3d_model_get_config (Cnn3dModel *model);

/**
 * cnn3d_model_get_n_features:
 *
 * Returns: how many features a clip has: channels that the last layer reads, averaged over
 *   positions where there are several, as of SqueezeNet
 */
CNN3D_API int cnn3d_model_get_n_features (Cnn3dModel *model);

/**
 * cnn3d_model_get_card:
 *
 * Returns: (transfer none): the model card
 */
CNN3D_API const Cnn3dCard *cnn3d_model_get_card (Cnn3dModel *model);

/**
 * cnn3d_model_get_label:
 * @index: a class, from 0
 *
 * Returns: (transfer none): its label; "class N" where the card has no labels
 */
CNN3D_API const char *cnn3d_model_get_label (Cnn3dModel *model, int index);

/**
 * cnn3d_model_normalize:
 * @rgb: frames x size x size x 3 bytes, red first
 * @clip: (out caller-allocates): 3 x frames x size x size floats
 *
 * Turns the frames of one clip into a network's input: planes in the card's
 * channel order, minus the mean, over the standard deviation.
 */
CNN3D_API void cnn3d_model_normalize (Cnn3dModel *model, const guint8 *rgb, float *clip);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dModel, cnn3d_model_unref)

G_END_DECLS
