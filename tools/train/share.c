/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What processes that train together tell each other, besides sums. */

#include "tools/parallel.h"
#include "tools/train/run.h"

gboolean
share_go_on (gboolean interrupted, GError **error)
{
  enum { GO_ON, INTERRUPTED, FAILED };
  int most = parallel_max (*error != NULL ? FAILED : interrupted ? INTERRUPTED : GO_ON);

  return most == FAILED ? parallel_agree (error) : most == GO_ON;
}

void
share_state (Run *run, RunState *state)
{
  guint64 steps = cnn3d_trainer_get_steps (run->trainer);

  parallel_broadcast (state, sizeof *state, 0);
  parallel_broadcast (&steps, sizeof steps, 0);
  cnn3d_trainer_set_steps (run->trainer, steps);
  for (int i = 0; i < cnn3d_trainer_get_n_params (run->trainer); i++) {
    Cnn3dTrainerParam p;

    cnn3d_trainer_get_param (run->trainer, i, &p);
    for (int k = 0; k < 3; k++) {
      gpointer array = k == 0 ? p.value : k == 1 ? p.momentum : p.square;

      if (array != NULL)
        parallel_broadcast (array, (gsize) p.count * run->real_size, 0);
    }
  }
}

static void
describe_videos (GString *text, Cnn3dCache *cache)
{
  g_autofree char *labels = g_strjoinv (",", (char **) cnn3d_cache_get_labels (cache));

  g_string_append_printf (text, "%s\n", labels);
  for (int i = 0; i < cnn3d_cache_get_n_videos (cache); i++) {
    Cnn3dCacheVideo v;

    cnn3d_cache_get_video (cache, i, &v);
    g_string_append_printf (text, "%s %d %d %d %d %g\n", v.name, v.label, v.frames, v.width, v.height, v.rate);
  }
}

char *
share_get_sum (Cnn3dCache *cache)
{
  g_autoptr (GString) text = g_string_new (NULL);

  describe_videos (text, cache);
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text->str, (gssize) text->len);
}

gboolean
share_compare_data (const char *path, Cnn3dCache *data, Cnn3dCache *val, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *what = g_strdup_printf ("videos in %s", path);

  if (parallel_ranks () == 1)
    return TRUE;
  describe_videos (text, data);
  if (val != NULL)
    describe_videos (text, val);
  return parallel_alike (text->str, what, error);
}
