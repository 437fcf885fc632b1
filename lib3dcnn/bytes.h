/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lib3dcnn/stream.h>

/*
 * Inference with data that know their sizes. Languages that come by GObject introspection see these calls
 * under the names of those of model.h, session.h and stream.h, whose arrays have no length of their own.
 *
 * Floats are in the order of bytes of this machine.
 */

G_BEGIN_DECLS

/**
 * cnn3d_model_normalize_bytes: (rename-to cnn3d_model_normalize)
 * @rgb: frames x size x size x 3 bytes, red first
 *
 * Like cnn3d_model_normalize().
 *
 * Returns: (transfer full) (nullable): 3 x frames x size x size floats, or %NULL with
 *   %CNN3D_ERROR_MISMATCH if @rgb is not one clip
 */
CNN3D_API GBytes *cnn3d_model_normalize_bytes (Cnn3dModel *model, GBytes *rgb, GError **error);

/**
 * cnn3d_card_scores_array: (rename-to cnn3d_card_scores)
 * @card: (nullable): %NULL means softmax
 * @logits: (array length=n): logits of one clip
 * @n: number of classes
 * @n_scores: (out): @n
 *
 * Like cnn3d_card_scores().
 *
 * Returns: (array length=n_scores) (transfer full) (nullable): scores in [0, 1], or %NULL with
 *   %CNN3D_ERROR_MISMATCH if there are no logits
 */
CNN3D_API float *cnn3d_card_scores_array (const Cnn3dCard *card, const float *logits, gsize n,
    gsize *n_scores, GError **error);

/**
 * cnn3d_unknown_judge_arrays: (rename-to cnn3d_unknown_judge)
 * @unknown: (nullable): of a model's card; with %NULL nothing is unknown
 * @logits: (array length=n): logits of one clip
 * @n: number of classes
 * @features: (nullable) (array length=n_features): the clip's features, where the rule needs them
 * @n_features: number of features
 * @is_unknown: (out): whether the clip shows none of the classes; set only on success
 *
 * Like cnn3d_unknown_judge().
 *
 * Returns: (skip): %TRUE on success, %FALSE with %CNN3D_ERROR_MISMATCH if there are no logits, or not as many or as
 *   many features as the rule was made for
 */
CNN3D_API gboolean cnn3d_unknown_judge_arrays (const Cnn3dUnknown *unknown, const float *logits, gsize n,
    const float *features, gsize n_features, gboolean *is_unknown, GError **error);

/**
 * cnn3d_session_run_bytes: (rename-to cnn3d_session_run)
 * @clips: n x 3 x frames x size x size floats (N, C, T, H, W), normalised as by
 *   cnn3d_model_normalize_bytes(); one clip or more
 * @n_logits: (out): n x classes; set only on success
 *
 * Like cnn3d_session_run(). The size of @clips tells how many there are.
 *
 * Returns: (array length=n_logits) (transfer full) (nullable): n x classes logits; %NULL with
 *   %CNN3D_ERROR_MISMATCH if @clips are not whole clips of this model, or with %CNN3D_ERROR_BACKEND
 */
CNN3D_API float *cnn3d_session_run_bytes (Cnn3dSession *session, GBytes *clips, gsize *n_logits,
    GError **error);

/**
 * cnn3d_session_run_rgb_bytes: (rename-to cnn3d_session_run_rgb)
 * @rgb: n x frames x size x size x 3 bytes, red first; one clip or more
 * @n_logits: (out): n x classes; set only on success
 *
 * Like cnn3d_session_run_bytes(), with the card's normalisation included.
 *
 * Returns: (array length=n_logits) (transfer full) (nullable): as of cnn3d_session_run_bytes()
 */
CNN3D_API float *cnn3d_session_run_rgb_bytes (Cnn3dSession *session, GBytes *rgb, gsize *n_logits,
    GError **error);

/**
 * cnn3d_session_run_features_bytes: (rename-to cnn3d_session_run_features)
 * @clips: as of cnn3d_session_run_bytes()
 * @n_logits: (out): n x classes; set only on success
 * @features: (out) (array length=n_features) (transfer full): n x cnn3d_model_get_n_features() floats; set
 *   only on success
 * @n_features: (out): how many; set only on success
 *
 * Like cnn3d_session_run_bytes(), and also tells the clips' features.
 *
 * Returns: (array length=n_logits) (transfer full) (nullable): as of cnn3d_session_run_bytes()
 */
CNN3D_API float *cnn3d_session_run_features_bytes (Cnn3dSession *session, GBytes *clips,
    gsize *n_logits, float **features, gsize *n_features, GError **error);

/**
 * cnn3d_session_run_rgb_features_bytes: (rename-to cnn3d_session_run_rgb_features)
 * @rgb: as of cnn3d_session_run_rgb_bytes()
 * @n_logits: (out): n x classes; set only on success
 * @features: (out) (array length=n_features) (transfer full): as of cnn3d_session_run_features_bytes()
 * @n_features: (out): how many; set only on success
 *
 * Like cnn3d_session_run_features_bytes(), with the card's normalisation included.
 *
 * Returns: (array length=n_logits) (transfer full) (nullable): as of cnn3d_session_run_bytes()
 */
CNN3D_API float *cnn3d_session_run_rgb_features_bytes (Cnn3dSession *session, GBytes *rgb,
    gsize *n_logits, float **features, gsize *n_features, GError **error);

/**
 * cnn3d_stream_push_bytes: (rename-to cnn3d_stream_push)
 * @frame: 3 x size x size floats (C, H, W), normalised as by cnn3d_model_normalize(); not kept
 *
 * Like cnn3d_stream_push().
 *
 * Returns: %TRUE, or %FALSE with %CNN3D_ERROR_MISMATCH and nothing pushed if @frame is not one frame of this
 *   model, or if the frames before it were RGB
 */
CNN3D_API gboolean cnn3d_stream_push_bytes (Cnn3dStream *stream, GBytes *frame, GError **error);

/**
 * cnn3d_stream_push_rgb_bytes: (rename-to cnn3d_stream_push_rgb)
 * @rgb: size x size x 3 bytes, red first; not kept
 *
 * Like cnn3d_stream_push_rgb().
 *
 * Returns: %TRUE, or %FALSE with %CNN3D_ERROR_MISMATCH and nothing pushed if @rgb is not one frame of this
 *   model, or if the frames before it were floats
 */
CNN3D_API gboolean cnn3d_stream_push_rgb_bytes (Cnn3dStream *stream, GBytes *rgb, GError **error);

/**
 * cnn3d_stream_run_array: (rename-to cnn3d_stream_run)
 * @n_logits: (out): number of classes; set only on success
 *
 * Like cnn3d_stream_run().
 *
 * Returns: (array length=n_logits) (transfer full) (nullable): a logit for each class; %NULL with
 *   %CNN3D_ERROR_MISMATCH if there are fewer frames than a clip has, or with %CNN3D_ERROR_BACKEND
 */
CNN3D_API float *cnn3d_stream_run_array (Cnn3dStream *stream, gsize *n_logits, GError **error);

/**
 * cnn3d_stream_run_features_array: (rename-to cnn3d_stream_run_features)
 * @n_logits: (out): number of classes; set only on success
 * @features: (out) (array length=n_features) (transfer full): the clip's features; set only on success
 * @n_features: (out): how many; set only on success
 *
 * Like cnn3d_stream_run_array(), and also tells the clip's features.
 *
 * Returns: (array length=n_logits) (transfer full) (nullable): as of cnn3d_stream_run_array()
 */
CNN3D_API float *cnn3d_stream_run_features_array (Cnn3dStream *stream, gsize *n_logits,
    float **features, gsize *n_features, GError **error);

G_END_DECLS
