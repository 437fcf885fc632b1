/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <lib3dcnn/error.h>
#include <lib3dcnn/unknown.h>

G_BEGIN_DECLS

/**
 * Cnn3dChannelOrder:
 * @CNN3D_CHANNEL_ORDER_RGB: plane 0 of the input is red
 * @CNN3D_CHANNEL_ORDER_BGR: plane 0 of the input is blue
 *
 * Which colours the three input planes hold. The mean is subtracted from planes
 * 0, 1, 2 in that order, whatever they hold.
 */
typedef enum {
  CNN3D_CHANNEL_ORDER_RGB,
  CNN3D_CHANNEL_ORDER_BGR,
} Cnn3dChannelOrder;

/**
 * Cnn3dResize:
 * @CNN3D_RESIZE_CROP: scale the smaller side to the network's size, crop the
 *   centre ("crop")
 * @CNN3D_RESIZE_STRETCH: scale both sides, not keeping the aspect ratio
 *   ("stretch")
 *
 * How a frame is brought to the network's size.
 */
typedef enum {
  CNN3D_RESIZE_CROP,
  CNN3D_RESIZE_STRETCH,
} Cnn3dResize;

/**
 * Cnn3dScoreRule:
 * @CNN3D_SCORE_SOFTMAX: scores are the softmax of the logits; the scores of a
 *   video are the mean of its clips' scores ("softmax-mean", the paper's rule)
 * @CNN3D_SCORE_SIGMOID: each class has a score of its own, the logistic function
 *   of its logit ("sigmoid-mean")
 *
 * How logits become scores.
 */
typedef enum {
  CNN3D_SCORE_SOFTMAX,
  CNN3D_SCORE_SIGMOID,
} Cnn3dScoreRule;

/**
 * Cnn3dCard:
 * @name: (nullable): a name for people
 * @labels: (array zero-terminated=1) (nullable): a label for each class
 * @sample_rate: frames per second at which the frames of a clip are taken from
 *   a video; 0 if unknown
 * @channel_order: what the input planes hold
 * @mean: subtracted from planes 0, 1, 2, in units of 0..255
 * @std: the difference is divided by it
 * @resize: how frames are brought to the network's size
 * @score: how logits become scores
 * @licence: (nullable): SPDX expression or name of the weights' licence
 * @source: (nullable): where the weights come from
 * @training: (nullable): how the weights were trained, a JSON object as `doc/model-files.md` describes it
 * @unknown: (nullable): how it is told that a clip shows none of the classes; %NULL if it is not
 *
 * What else than weights it takes to use a network: the model card that is
 * kept in the model's file, so that nothing has to be guessed at run time.
 */
typedef struct {
  char *name;
  char **labels;
  double sample_rate;
  Cnn3dChannelOrder channel_order;
  float mean[3];
  float std[3];
  Cnn3dResize resize;
  Cnn3dScoreRule score;
  char *licence;
  char *source;
  char *training;
  Cnn3dUnknown *unknown;
} Cnn3dCard;

#define CNN3D_TYPE_CARD (cnn3d_card_get_type ())
CNN3D_API GType cnn3d_card_get_type (void);

/**
 * cnn3d_card_new:
 *
 * Returns: (transfer full): a card with the preprocessing of the authors' code:
 *   RGB, 0..255 minus (114.7748, 107.7354, 99.4750), no standard deviation,
 *   centre crop, softmax; no labels, rate unknown
 */
CNN3D_API Cnn3dCard *cnn3d_card_new (void);
CNN3D_API Cnn3dCard *cnn3d_card_copy (const Cnn3dCard *card);
CNN3D_API void cnn3d_card_free (Cnn3dCard *card);

/**
 * cnn3d_card_new_preset:
 * @preset: "jester", "kinetics-600" or "ucf101"
 *
 * The card of the authors' published checkpoints for one data set: labels in
 * the checkpoints' class order, sampling rate, channel order (the Kinetics-600
 * checkpoints expect BGR planes) and mean.
 *
 * Returns: (transfer full) (nullable): a new card, or %NULL with
 *   %CNN3D_ERROR_NOT_FOUND and a message that lists the presets
 */
CNN3D_API Cnn3dCard *cnn3d_card_new_preset (const char *preset, GError **error);

/**
 * cnn3d_card_scores:
 * @card: (nullable): %NULL means softmax
 * @logits: (array length=n): logits of one clip
 * @scores: (out caller-allocates) (array length=n): may be @logits
 *
 * Turns logits into scores in [0, 1] by the card's rule.
 */
CNN3D_API void cnn3d_card_scores (const Cnn3dCard *card, const float *logits, int n, float *scores);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dCard, cnn3d_card_free)

G_END_DECLS
