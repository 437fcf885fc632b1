/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/unknown.h"

#include <math.h>
#include <string.h>

/* By how much variances are drawn towards their mean. */
#define SHRINKAGE 0.1

static const char *const rule_names[] = { "margin", "distance" };

G_DEFINE_BOXED_TYPE (Cnn3dUnknown, cnn3d_unknown, cnn3d_unknown_copy, cnn3d_unknown_free)

Cnn3dUnknown *
cnn3d_unknown_copy (const Cnn3dUnknown *unknown)
{
  Cnn3dUnknown *copy;
  gsize n;

  g_return_val_if_fail (unknown != NULL, NULL);
  copy = g_memdup2 (unknown, sizeof *unknown);
  n = (gsize) unknown->n_features * sizeof (float);
  copy->label = g_strdup (unknown->label);
  copy->means = g_memdup2 (unknown->means, (gsize) unknown->n_classes * n);
  copy->variances = g_memdup2 (unknown->variances, n);
  return copy;
}

void
cnn3d_unknown_free (Cnn3dUnknown *unknown)
{
  if (unknown == NULL)
    return;
  g_free (unknown->label);
  g_free (unknown->means);
  g_free (unknown->variances);
  g_free (unknown);
}

gboolean
cnn3d_unknown_rule_from_name (const char *name, Cnn3dUnknownRule *rule, GError **error)
{
  g_return_val_if_fail (name != NULL && rule != NULL, FALSE);

  for (guint i = 0; i < G_N_ELEMENTS (rule_names); i++)
    if (strcmp (name, rule_names[i]) == 0) {
      *rule = (Cnn3dUnknownRule) i;
      return TRUE;
    }
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG,
      "no rule for unknown clips is called '%s'; there are margin and distance", name);
  return FALSE;
}

const char *
cnn3d_unknown_rule_get_name (Cnn3dUnknownRule rule)
{
  g_return_val_if_fail ((guint) rule < G_N_ELEMENTS (rule_names), NULL);
  return rule_names[rule];
}

gboolean
cnn3d_unknown_needs_features (const Cnn3dUnknown *unknown)
{
  return unknown != NULL && unknown->rule == CNN3D_UNKNOWN_DISTANCE;
}

static int
best_of (const float *logits, int n)
{
  int best = 0;

  for (int c = 1; c < n; c++)
    best = logits[c] > logits[best] ? c : best;
  return best;
}

static double
get_margin (const float *logits, int n)
{
  int best = best_of (logits, n);
  double sum = 0, next = 0;

  for (int c = 0; c < n; c++) {
    double e = exp ((double) logits[c] - logits[best]);

    sum += e;
    if (c != best)
      next = MAX (next, e);
  }
  return (1 - next) / sum;
}

static double
get_distance (const float *features, const float *mean, const float *variances, int n)
{
  double sum = 0;

  for (int k = 0; k < n; k++) {
    double d = (double) features[k] - mean[k];

    sum += d * d / variances[k];
  }
  return sqrt (sum / n);
}

double
cnn3d_unknown_measure (const Cnn3dUnknown *unknown, const float *logits, int n, const float *features)
{
  g_return_val_if_fail (unknown != NULL && logits != NULL && n >= 1, NAN);

  if (unknown->rule == CNN3D_UNKNOWN_MARGIN)
    return get_margin (logits, n);
  g_return_val_if_fail (features != NULL && n == unknown->n_classes, NAN);
  return get_distance (features, unknown->means + (gsize) best_of (logits, n) * (gsize) unknown->n_features,
      unknown->variances, unknown->n_features);
}

gboolean
cnn3d_unknown_judge (const Cnn3dUnknown *unknown, const float *logits, int n, const float *features)
{
  double measure;

  if (unknown == NULL)
    return FALSE;
  measure = cnn3d_unknown_measure (unknown, logits, n, features);
  /* What is not a number is not within a threshold. */
  return unknown->rule == CNN3D_UNKNOWN_MARGIN ? !(measure >= unknown->threshold)
      : !(measure <= unknown->threshold);
}

/* Sums over the clips that are learned from. */
typedef struct {
  const Cnn3dUnknownClips *clips;
  int *count;            /* of each class */
  double *sum, *squares; /* [class][feature] */
  double *within;        /* of each feature: squared differences from the mean of the class, added up */
} Sums;

static void
sums_clear (Sums *s)
{
  g_free (s->count);
  g_free (s->sum);
  g_free (s->squares);
  g_free (s->within);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Sums, sums_clear)

static const float *
features_of (const Cnn3dUnknownClips *clips, int i)
{
  return clips->features + (gsize) i * (gsize) clips->n_features;
}

static void
add_clip (Sums *s, int i, double sign)
{
  const Cnn3dUnknownClips *clips = s->clips;
  const float *x = features_of (clips, i);
  gsize at = (gsize) clips->targets[i] * (gsize) clips->n_features;

  s->count[clips->targets[i]] += sign > 0 ? 1 : -1;
  for (int k = 0; k < clips->n_features; k++) {
    s->sum[at + k] += sign * x[k];
    s->squares[at + k] += sign * x[k] * x[k];
  }
}

/* Adds what a class has within it, or takes it away. */
static void
add_within (Sums *s, int class, double sign)
{
  int n = s->clips->n_features, count = s->count[class];
  const double *sum = s->sum + (gsize) class * (gsize) n, *squares = s->squares + (gsize) class * (gsize) n;

  for (int k = 0; k < n && count > 0; k++)
    s->within[k] += sign * MAX (squares[k] - sum[k] * sum[k] / count, 0);
}

static gboolean
sums_init (Sums *s, const Cnn3dUnknownClips *clips, GError **error)
{
  gsize n = (gsize) clips->n_classes * (gsize) clips->n_features;

  *s = (Sums){ clips, g_new0 (int, clips->n_classes), g_new0 (double, n), g_new0 (double, n),
    g_new0 (double, clips->n_features) };
  for (int i = 0; i < clips->n; i++)
    if (clips->uses[i] & CNN3D_UNKNOWN_LEARN)
      add_clip (s, i, 1);
  for (int c = 0; c < clips->n_classes; c++) {
    if (s->count[c] == 0) {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG,
          "class %d has no clips to measure distances from", c);
      return FALSE;
    }
    add_within (s, c, 1);
  }
  return TRUE;
}

/* FALSE if clips do not differ. */
static gboolean
get_variances (const Sums *s, float *variances)
{
  int n = s->clips->n_features, total = 0, classes = 0;
  double mean = 0;

  for (int c = 0; c < s->clips->n_classes; c++) {
    total += s->count[c];
    classes += s->count[c] > 0;
  }
  if (total <= classes)
    return FALSE;
  for (int k = 0; k < n; k++)
    mean += s->within[k] / n / (total - classes);
  for (int k = 0; k < n; k++)
    variances[k] = (float) ((1 - SHRINKAGE) * MAX (s->within[k], 0) / (total - classes) + SHRINKAGE * mean);
  return (float) (SHRINKAGE * mean) > 0;
}

static void
get_mean (const Sums *s, int class, float *mean)
{
  gsize n = (gsize) s->clips->n_features;

  for (gsize k = 0; k < n; k++)
    mean[k] = (float) (s->sum[(gsize) class * n + k] / s->count[class]);
}

/* Clips of a video, of one class. */
static int
compare_clips (gconstpointer a, gconstpointer b, gpointer data)
{
  const Cnn3dUnknownClips *clips = data;
  int i = *(const int *) a, j = *(const int *) b;

  if (clips->videos[i] != clips->videos[j])
    return clips->videos[i] < clips->videos[j] ? -1 : 1;
  return (clips->targets[i] > clips->targets[j]) - (clips->targets[i] < clips->targets[j]);
}

/* Judges clips of one video as if none of them had been learned from, where enough others are left. */
static void
judge_video (Sums *s, const int *order, int n, GArray *measures)
{
  const Cnn3dUnknownClips *clips = s->clips;
  int class = clips->targets[order[0]], width = clips->n_features;
  g_autofree float *mean = g_new (float, width), *variances = g_new (float, width);
  g_autofree double *within = g_memdup2 (s->within, (gsize) width * sizeof (double));

  add_within (s, class, -1);
  for (int i = 0; i < n; i++)
    if (clips->uses[order[i]] & CNN3D_UNKNOWN_LEARN)
      add_clip (s, order[i], -1);
  add_within (s, class, 1);
  if (s->count[class] > 0 && get_variances (s, variances)) {
    get_mean (s, class, mean);
    for (int i = 0; i < n; i++)
      if (clips->uses[order[i]] & CNN3D_UNKNOWN_JUDGE) {
        double d = get_distance (features_of (clips, order[i]), mean, variances, width);
        g_array_append_val (measures, d);
      }
  }
  for (int i = 0; i < n; i++)
    if (clips->uses[order[i]] & CNN3D_UNKNOWN_LEARN)
      add_clip (s, order[i], 1);
  /* As it was, to the bit. */
  memcpy (s->within, within, (gsize) width * sizeof (double));
}

static void
judge_all (Sums *s, GArray *measures)
{
  const Cnn3dUnknownClips *clips = s->clips;
  g_autofree int *order = g_new (int, clips->n);
  int n;

  for (int i = 0; i < clips->n; i++)
    order[i] = i;
  g_qsort_with_data (order, clips->n, sizeof (int), compare_clips, (gpointer) clips);
  for (int i = 0; i < clips->n; i += n) {
    for (n = 1; i + n < clips->n && compare_clips (&order[i], &order[i + n], (gpointer) clips) == 0; n++)
      ;
    judge_video (s, order + i, n, measures);
  }
}

static gboolean
fit_distance (Cnn3dUnknown *u, const Cnn3dUnknownClips *clips, GArray *measures, GError **error)
{
  g_auto (Sums) sums = { 0 };

  u->n_classes = clips->n_classes;
  u->n_features = clips->n_features;
  u->means = g_new (float, (gsize) clips->n_classes * (gsize) clips->n_features);
  u->variances = g_new (float, clips->n_features);
  if (!sums_init (&sums, clips, error))
    return FALSE;
  if (!get_variances (&sums, u->variances)) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG,
        "the clips of each class do not differ, so that no distance can be measured");
    return FALSE;
  }
  for (int c = 0; c < clips->n_classes; c++)
    get_mean (&sums, c, u->means + (gsize) c * (gsize) clips->n_features);
  judge_all (&sums, measures);
  return TRUE;
}

/* What is measured of clips by their own class; of margins the negative, so that less is better. */
static void
measure_clips (const Cnn3dUnknown *u, const Cnn3dUnknownClips *clips, int use, GArray *measures)
{
  for (int i = 0; i < clips->n; i++) {
    double m;

    if (!(clips->uses[i] & use))
      continue;
    if (u->rule == CNN3D_UNKNOWN_MARGIN)
      m = -get_margin (clips->logits + (gsize) i * (gsize) clips->n_classes, clips->n_classes);
    else
      m = get_distance (features_of (clips, i),
          u->means + (gsize) clips->targets[i] * (gsize) u->n_features, u->variances, u->n_features);
    g_array_append_val (measures, m);
  }
}

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

Cnn3dUnknown *
cnn3d_unknown_fit (Cnn3dUnknownRule rule, const Cnn3dUnknownClips *clips, double quantile, int *n_judged,
    GError **error)
{
  g_autoptr (GArray) measures = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (Cnn3dUnknown) u = NULL;
  guint place;

  g_return_val_if_fail (clips != NULL && clips->n >= 1 && clips->n_classes >= 1, NULL);
  g_return_val_if_fail (quantile > 0 && quantile <= 1, NULL);
  g_return_val_if_fail (clips->targets != NULL && clips->videos != NULL && clips->uses != NULL, NULL);
  g_return_val_if_fail (rule == CNN3D_UNKNOWN_MARGIN ? clips->logits != NULL
          : clips->features != NULL && clips->n_features >= 1, NULL);

  u = g_new0 (Cnn3dUnknown, 1);
  u->rule = rule;
  u->label = g_strdup ("unknown");
  if (rule == CNN3D_UNKNOWN_MARGIN)
    measure_clips (u, clips, CNN3D_UNKNOWN_JUDGE, measures);
  else if (!fit_distance (u, clips, measures, error))
    return NULL;
  if (n_judged != NULL)
    *n_judged = (int) measures->len;
  if (measures->len == 0)
    measure_clips (u, clips, CNN3D_UNKNOWN_LEARN | CNN3D_UNKNOWN_JUDGE, measures);
  g_array_sort (measures, compare_doubles);
  place = (guint) ceil ((measures->len + 1) * quantile - 1e-9);
  u->threshold = fabs (g_array_index (measures, double, CLAMP (place, 1, measures->len) - 1));
  return g_steal_pointer (&u);
}
