/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/unknown.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/tool.h"
#include "tools/train/data.h"
#include "tools/train/interrupt.h"

/* So many at a time. */
#define BATCH 8
/* Clips below which a threshold rests on the farthest one or two. */
#define FEW 30

/* Clips as they are collected, with room for all of them. */
typedef struct {
  Cnn3dSession *session;
  int n, classes, features;
  gsize room;
  float *logits, *values;
  int *targets, *videos, *uses;
} Clips;

static void
clips_clear (Clips *c)
{
  g_clear_pointer (&c->session, cnn3d_session_unref);
  g_free (c->logits);
  g_free (c->values);
  g_free (c->targets);
  g_free (c->videos);
  g_free (c->uses);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Clips, clips_clear)

static gsize
count_clips (Cnn3dLoader *loader, int times)
{
  return loader ? (gsize)times * (gsize)cnn3d_loader_get_n_clips (loader) : 0;
}

static void
clips_init (Clips *c, const UnknownData *data)
{
  c->room = count_clips (data->plain, 1) + count_clips (data->changed, data->views) +
            count_clips (data->val, 1);
  c->logits = g_new (float, c->room * (gsize)c->classes);
  c->values = g_new (float, c->room * (gsize)c->features);
  c->targets = g_new (int, c->room);
  c->videos = g_new (int, c->room);
  c->uses = g_new (int, c->room);
}

/* Runs an epoch's clips, as many times; videos: which numbers they have here. FALSE with *error unset: interrupted. */
static gboolean
add_clips (Clips *c, Cnn3dLoader *loader, int times, int use, const int *videos, GError **error)
{
  if (loader == NULL)
    return TRUE;
  cnn3d_loader_seek (loader, 0);
  for (int b = 0; b < times * cnn3d_loader_get_n_batches (loader); b++) {
    Cnn3dLoaderBatch batch;

    if (interrupt_seen () || !cnn3d_loader_next (loader, &batch, error))
      return FALSE;
    g_assert ((gsize)(c->n + batch.n) <= c->room);
    if (!cnn3d_session_run_features (c->session, batch.clips, batch.n,
            c->logits + (gsize)c->n * (gsize)c->classes,
            c->values + (gsize)c->n * (gsize)c->features, error))
      return FALSE;
    for (int i = 0; i < batch.n; i++, c->n++) {
      c->targets[c->n] = batch.targets[i];
      c->videos[c->n] = videos ? videos[batch.videos[i]] : -1;
      c->uses[c->n] = use;
    }
  }
  return TRUE;
}

/* Parts of one file are one video, as they may show the same scene. */
static int *
number_videos (Cnn3dCache *cache)
{
  g_autoptr (GHashTable) files = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  int *numbers = g_new (int, cnn3d_cache_get_n_videos (cache));

  for (int v = 0; v < cnn3d_cache_get_n_videos (cache); v++) {
    Cnn3dCacheVideo video;
    char *file;
    gpointer first;

    cnn3d_cache_get_video (cache, v, &video);
    file = data_file_of (video.name);
    if (g_hash_table_lookup_extended (files, file, NULL, &first)) {
      numbers[v] = GPOINTER_TO_INT (first);
      g_free (file);
    } else {
      numbers[v] = v;
      g_hash_table_insert (files, file, GINT_TO_POINTER (v));
    }
  }
  return numbers;
}

/* Whether so many clips can tell where that part of others will be. */
static gboolean
is_enough (gsize n, double quantile)
{
  return ceil ((double)(n + 1) * quantile) <= (double)n;
}

/* How many clips of a use are of no class by the rule. */
static void
print_rejected (const Clips *c, const Cnn3dUnknown *u, const char *what, int first, int end)
{
  int n = 0;

  for (int i = first; i < end; i++)
    n += cnn3d_unknown_judge (u, c->logits + (gsize)i * (gsize)c->classes, c->classes,
        c->values + (gsize)i * (gsize)c->features);
  if (end > first)
    printf ("unknown are %.2f %% of %d clips %s\n", 100.0 * n / (end - first), end - first, what);
}

gboolean
unknown_check_label (const UnknownOptions *o, const Cnn3dCard *card, const char *data)
{
  if (!o->wanted || !g_strv_contains ((const char *const *)card->labels, o->label))
    return TRUE;
  tool_complain ("%s: has a class '%s'; --unknown-label gives clips of no class another name", data, o->label);
  return FALSE;
}

Cnn3dModel *
unknown_measure (
    const UnknownOptions *o, const UnknownData *data, Cnn3dModel *model, GError **error)
{
  const Cnn3dSessionOptions options = {
    .backend = CNN3D_BACKEND_CPU, .threads = data->threads, .batch = BATCH, .floats = TRUE
  };
  g_auto (Clips) clips = { .session = cnn3d_session_new (model, &options, error),
    .classes = cnn3d_model_get_config (model)->classes,
    .features = cnn3d_model_get_n_features (model) };
  g_autoptr (Cnn3dCard) card = cnn3d_card_copy (cnn3d_model_get_card (model));
  g_autofree int *videos = number_videos (data->cache);
  gboolean margin = o->rule == CNN3D_UNKNOWN_MARGIN;
  /* A margin or features that were trained say less; without enough others they have to do. */
  gboolean trained = margin || data->trained, judge = !trained || !is_enough (count_clips (data->val, 1), o->quantile);
  int learn = CNN3D_UNKNOWN_LEARN, both = learn | CNN3D_UNKNOWN_JUDGE, n_plain, n_data, n_judged;

  if (clips.session == NULL)
    return NULL;
  clips_init (&clips, data);
  if (!add_clips (&clips, data->plain, 1, judge ? both : learn, videos, error))
    return NULL;
  n_plain = clips.n;
  if (!add_clips (&clips, data->changed, data->views, judge && margin ? both : learn, videos, error))
    return NULL;
  n_data = clips.n;
  if (!add_clips (&clips, data->val, 1, CNN3D_UNKNOWN_JUDGE, NULL, error))
    return NULL;
  card->unknown = cnn3d_unknown_fit (o->rule,
      &(Cnn3dUnknownClips){ clips.n, clips.classes, clips.features, clips.logits, clips.values,
          clips.targets, clips.videos, clips.uses },
      o->quantile, &n_judged, error);
  if (card->unknown == NULL)
    return NULL;
  g_free (card->unknown->label);
  card->unknown->label = g_strdup (o->label);
  printf ("unknown: clips with a %s %s %.4g, from %d clips\n", cnn3d_unknown_rule_get_name (o->rule),
      margin ? "below" : "beyond", card->unknown->threshold, n_judged);
  print_rejected (&clips, card->unknown, "that were learned from", 0, n_plain);
  print_rejected (&clips, card->unknown, "for validation", n_data, clips.n);
  if (n_judged == 0)
    tool_complain ("note: no class has two videos, so that the threshold is from the %d clips that were learned from; "
                   "it may reject too much", n_data);
  else if (trained && judge)
    tool_complain ("note: the threshold is from clips that were learned from%s; more by --val or --val-share do better",
        data->val ? " as well" : "");
  if (n_judged > 0 && n_judged < FEW)
    tool_complain ("note: the threshold comes from %d clips only; from %d on, how much is rejected spreads less", n_judged, FEW);
  return cnn3d_model_with_card (model, card);
}
