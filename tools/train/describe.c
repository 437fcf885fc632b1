/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/describe.h"

static void
add_text (GString *json, const char *key, const char *text)
{
  JsonNode *node = json_node_init_string (json_node_alloc (), text);
  g_autofree char *quoted = json_to_string (node, FALSE);

  json_node_unref (node);
  g_string_append_printf (json, "%s\"%s\":%s", json->len > 1 ? "," : "", key, quoted);
}

/* With fewer digits than json-glib has, which writes 0.9 as 0.90000000000000002. */
static void
add_number (GString *json, const char *key, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append_printf (json, ",\"%s\":%s", key, g_ascii_formatd (text, sizeof text, "%.9g", value));
}

static void
add_name (GString *json, const char *key, const char *path)
{
  g_autofree char *whole = g_canonicalize_filename (path, NULL), *name = g_filename_display_basename (whole);

  add_text (json, key, name);
}

/* The settings but for what is said elsewhere. */
static char *
shorten (const char *settings)
{
  g_auto (GStrv) words = g_strsplit (settings, " ", -1);
  GString *text = g_string_new (NULL);

  for (char **word = words; *word != NULL; word++)
    if (!g_str_has_prefix (*word, "labels=") && !g_str_has_prefix (*word, "videos=")
        && !g_str_has_prefix (*word, "classes=") && !g_str_has_prefix (*word, "seed="))
      g_string_append_printf (text, "%s%s", text->len > 0 ? " " : "", *word);
  return g_string_free (text, FALSE);
}

char *
training_describe (const Training *t, int epochs, int best_epoch, double val_accuracy)
{
  const TrainOptions *o = t->options;
  g_autofree char *settings = shorten (t->settings);
  GString *json = g_string_new ("{");

  add_text (json, "lib3dcnn", VERSION);
  add_text (json, "command", t->command);
  add_name (json, "data", o->data);
  add_number (json, "labels", t->labels);
  add_number (json, "videos", t->videos);
  add_number (json, "clips", (double) t->clips);
  if (t->val_clips > 0) {
    add_name (json, "validation", o->val ? o->val : o->data);
    add_number (json, "validation_clips", (double) t->val_clips);
  }
  add_number (json, "epochs", epochs);
  add_number (json, "best_epoch", best_epoch);
  if (t->val_clips > 0)
    add_number (json, "validation_accuracy", val_accuracy);
  add_number (json, "seed", o->seed);
  add_text (json, "options", settings);
  g_string_append_c (json, '}');
  return g_string_free (json, FALSE);
}
