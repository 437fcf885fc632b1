/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <lib3dcnn/error.h>

G_BEGIN_DECLS

/**
 * Cnn3dUnknownRule:
 * @CNN3D_UNKNOWN_MARGIN: by how much the best class leads the next: the difference of the two largest
 *   softmax probabilities, which is to reach the threshold ("margin"). A reject option as of Chow, "On
 *   optimum recognition error and reject tradeoff", 1970. It sees what lies between classes, and not
 *   what is far from all of them
 * @CNN3D_UNKNOWN_DISTANCE: how far the clip's features are from the mean of the best class, which is
 *   to stay within the threshold ("distance"): the Mahalanobis distance of Lee et al., "A Simple Unified
 *   Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks", 2018 (arXiv
 *   1807.03888), equations 1 and 2, of the features that enter the last layer, with the covariance that
 *   classes share reduced to its diagonal, as a handful of clips allows no more
 *
 * How it is told that a clip shows none of a model's classes.
 */
typedef enum {
  CNN3D_UNKNOWN_MARGIN,
  CNN3D_UNKNOWN_DISTANCE,
} Cnn3dUnknownRule;

/**
 * Cnn3dUnknown:
 * @rule: what is measured
 * @label: what clips of no class are called
 * @threshold: below this margin, or beyond this distance, a clip is unknown
 * @n_classes: of the model; 0 for margin
 * @n_features: of the model; 0 for margin
 * @means: (skip) (nullable): of distance: n_classes x n_features, the mean features of each class
 * @variances: (skip) (nullable): of distance: of features about the mean of their
 *   class, all above zero
 *
 * The part of a model card by which clips that show none of the classes are told
 * apart. It is not of a network as such: whoever teaches it classes measures them
 * with cnn3d_unknown_fit().
 */
typedef struct {
  Cnn3dUnknownRule rule;
  char *label;
  double threshold;
  int n_classes, n_features;
  float *means;
  float *variances;
} Cnn3dUnknown;

#define CNN3D_TYPE_UNKNOWN (cnn3d_unknown_get_type ())
CNN3D_API GType cnn3d_unknown_get_type (void);
CNN3D_API Cnn3dUnknown *cnn3d_unknown_copy (const Cnn3dUnknown *unknown);
CNN3D_API void cnn3d_unknown_free (Cnn3dUnknown *unknown);

/**
 * cnn3d_unknown_rule_from_name:
 * @name: "margin" or "distance"
 * @rule: (out): valid only on success
 *
 * Returns: %TRUE on success, else %FALSE with %CNN3D_ERROR_CONFIG
 */
CNN3D_API gboolean cnn3d_unknown_rule_from_name (const char *name, Cnn3dUnknownRule *rule,
    GError **error);
CNN3D_API const char *cnn3d_unknown_rule_get_name (Cnn3dUnknownRule rule);

/**
 * cnn3d_unknown_needs_features:
 * @unknown: (nullable): of a model's card
 *
 * Returns: whether cnn3d_unknown_judge() needs the clip's features, as of
 *   cnn3d_session_run_features()
 */
CNN3D_API gboolean cnn3d_unknown_needs_features (const Cnn3dUnknown *unknown);

/**
 * cnn3d_unknown_measure: (skip)
 * @logits: (array length=n): logits of one clip
 * @n: number of classes
 * @features: (nullable): the clip's features, where the rule needs them
 *
 * What the rule measures: the margin, in [0, 1]; or the distance, as the root mean square over
 * features of their difference from the mean of the class with the largest logit, in standard
 * deviations. Clips of that class have a distance of about 1.
 */
CNN3D_API double cnn3d_unknown_measure (const Cnn3dUnknown *unknown, const float *logits, int n,
    const float *features);

/**
 * cnn3d_unknown_judge:
 * @unknown: (nullable): of a model's card; with %NULL nothing is unknown
 * @logits: (array length=n): as of cnn3d_unknown_measure()
 * @features: (nullable): as of cnn3d_unknown_measure()
 *
 * Of several clips of one video, the video is unknown if more than half of them are.
 *
 * Returns: whether the clip shows none of the classes. So it is where anything is not finite
 */
CNN3D_API gboolean cnn3d_unknown_judge (const Cnn3dUnknown *unknown, const float *logits, int n,
    const float *features);

/**
 * Cnn3dUnknownUse:
 * @CNN3D_UNKNOWN_LEARN: the clip counts for means and variances
 * @CNN3D_UNKNOWN_JUDGE: the clip counts for the threshold
 *
 * What a clip is used for. One that is used for both is judged as if the clips of its
 * video had not been learned from (leave-one-out).
 */
typedef enum {
  CNN3D_UNKNOWN_LEARN = 1 << 0,
  CNN3D_UNKNOWN_JUDGE = 1 << 1,
} Cnn3dUnknownUse;

/**
 * Cnn3dUnknownClips:
 * @n: number of clips
 * @n_classes: of the model
 * @n_features: of the model
 * @logits: n x n_classes
 * @features: (nullable): n x n_features; needed for distance
 * @targets: (array length=n): the class that each shows
 * @videos: (array length=n): clips of one video have the same number
 * @uses: (array length=n): a combination of #Cnn3dUnknownUse for each
 *
 * Clips whose classes are known.
 */
typedef struct {
  int n, n_classes, n_features;
  const float *logits, *features;
  const int *targets, *videos, *uses;
} Cnn3dUnknownClips;

/**
 * cnn3d_unknown_fit: (skip)
 * @quantile: above 0, up to 1: how much of clips of the known classes is to be accepted
 * @n_judged: (out) (optional): clips that the threshold is from; 0: there were none to be judged, so
 *   that it is from those that were learned from and is too strict
 *
 * Measures classes. Variances are drawn towards their mean by a tenth (as of Friedman,
 * "Regularized Discriminant Analysis", 1989), so that a feature that happens to be the same in all
 * clips does not decide alone.
 *
 * The threshold is, of n clips that are judged by their own class, the one in place
 * ceil((n + 1) quantile) by distance, or the last: of new clips of the same kind, at least that part
 * is within it, if there were enough (split conformal prediction: Vovk, Gammerman and Shafer,
 * "Algorithmic Learning in a Random World", 2005).
 *
 * Returns: (transfer full) (nullable): the rule, labelled "unknown", or %NULL with %CNN3D_ERROR_CONFIG:
 *   a class without clips, or clips that do not differ within any class
 */
CNN3D_API Cnn3dUnknown *cnn3d_unknown_fit (Cnn3dUnknownRule rule, const Cnn3dUnknownClips *clips,
    double quantile, int *n_judged, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dUnknown, cnn3d_unknown_free)

G_END_DECLS
