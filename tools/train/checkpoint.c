/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "tools/train/run.h"

static void
put_double (GHashTable *notes, const char *key, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  g_hash_table_insert (notes, (char *) key, g_strdup (g_ascii_dtostr (text, sizeof text, value)));
}

static void
put_int (GHashTable *notes, const char *key, gint64 value)
{
  g_hash_table_insert (notes, (char *) key, g_strdup_printf ("%" G_GINT64_FORMAT, value));
}

gboolean
checkpoint_save (const Run *run, const RunState *state, GError **error)
{
  g_autoptr (GHashTable) notes = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);

  put_int (notes, "epoch", state->epoch);
  put_int (notes, "batch", state->batch);
  put_double (notes, "loss_sum", state->loss_sum);
  put_int (notes, "correct", state->correct);
  put_int (notes, "seen", state->seen);
  put_double (notes, "plateau.best", state->plateau.best);
  put_int (notes, "plateau.bad_epochs", state->plateau.bad_epochs);
  put_int (notes, "plateau.reductions", state->plateau.reductions);
  put_int (notes, "plateau.started", state->plateau.started);
  put_double (notes, "best", state->best);
  put_int (notes, "best_epoch", state->best_epoch);
  put_double (notes, "seconds", state->seconds);
  put_double (notes, "clips_per_second", state->clips_per_second);
  g_hash_table_insert (notes, (char *) "settings", g_strdup (run->settings));
  return cnn3d_trainer_save_checkpoint (run->trainer, run->checkpoint, notes, error);
}

/* What is read; the first note that is missing or no number sets bad. */
typedef struct {
  GHashTable *notes;
  const char *bad;
} Notes;

static double
get_double (Notes *notes, const char *key)
{
  const char *text = g_hash_table_lookup (notes->notes, key);
  char *end = NULL;
  double value = text ? g_ascii_strtod (text, &end) : 0;

  if ((text == NULL || end == text || *end != '\0') && notes->bad == NULL)
    notes->bad = key;
  return value;
}

static gint64
get_int (Notes *notes, const char *key)
{
  const char *text = g_hash_table_lookup (notes->notes, key);
  gint64 value = 0;

  if ((text == NULL || !g_ascii_string_to_signed (text, 10, 0, G_MAXINT64, &value, NULL))
      && notes->bad == NULL)
    notes->bad = key;
  return value;
}

/* What a word of settings stands for that is a sum; NULL for any other. */
static const char *
describe_sum (const char *word)
{
  static const struct {
    const char *key, *text;
  } sums[] = { { "data=", "other videos in --data" }, { "val=", "other videos for validation" },
    { "mirrored=", "other classes that change places in the mirror" }, { "model=", "another base model" } };

  for (guint i = 0; i < G_N_ELEMENTS (sums); i++)
    if (g_str_has_prefix (word, sums[i].key))
      return sums[i].text;
  return NULL;
}

/* The first word in which two settings differ, as "had X, not Y"; NULL if none does. */
static char *
compare_settings (const char *old, const char *now)
{
  g_auto (GStrv) a = g_strsplit (old ? old : "", " ", -1), b = g_strsplit (now, " ", -1);

  for (int i = 0; a[i] != NULL || b[i] != NULL; i++) {
    const char *sum = b[i] ? describe_sum (b[i]) : NULL;

    if (a[i] != NULL && b[i] != NULL && strcmp (a[i], b[i]) == 0)
      continue;
    if (sum != NULL && a[i] != NULL && describe_sum (a[i]) == sum)
      return g_strdup_printf ("had %s", sum);
    return g_strdup_printf ("had %s, not %s", a[i] ? a[i] : "no such option", b[i] ? b[i] : "that");
  }
  return NULL;
}

gboolean
checkpoint_load (const Run *run, RunState *state, GError **error)
{
  g_autoptr (GHashTable) table = cnn3d_trainer_load_checkpoint (run->trainer, run->checkpoint, error);
  g_autofree char *difference = NULL;
  Notes notes = { table, NULL };

  if (table == NULL)
    return FALSE;
  difference = compare_settings (g_hash_table_lookup (table, "settings"), run->settings);
  if (difference != NULL) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH, "%s: the training that it is of %s",
        run->checkpoint, difference);
    return FALSE;
  }
  state->epoch = (int) get_int (&notes, "epoch");
  state->batch = (int) get_int (&notes, "batch");
  state->loss_sum = get_double (&notes, "loss_sum");
  state->correct = get_int (&notes, "correct");
  state->seen = get_int (&notes, "seen");
  state->plateau.best = get_double (&notes, "plateau.best");
  state->plateau.bad_epochs = (int) get_int (&notes, "plateau.bad_epochs");
  state->plateau.reductions = (int) get_int (&notes, "plateau.reductions");
  state->plateau.started = get_int (&notes, "plateau.started") != 0;
  state->best = get_double (&notes, "best");
  state->best_epoch = (int) get_int (&notes, "best_epoch");
  state->seconds = get_double (&notes, "seconds");
  state->clips_per_second = get_double (&notes, "clips_per_second");
  if (notes.bad != NULL) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: has no valid note '%s'", run->checkpoint,
        notes.bad);
    return FALSE;
  }
  return TRUE;
}
