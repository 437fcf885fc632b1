/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/idlelabels.h"

#include <string.h>

/* What is equal in two labels that mean the same. */
static gchar *
normalise (const gchar * label)
{
  g_autofree gchar *valid = g_utf8_make_valid (label ? label : "", -1);

  return g_utf8_casefold (g_strstrip (g_strdelimit (valid, "_", ' ')), -1);
}

/* Up to the next comma, which is skipped; an escaped one belongs to it. */
static gchar *
take_name (const gchar ** list)
{
  GString *name = g_string_new (NULL);
  const gchar *at = *list;

  for (; *at != '\0' && *at != ','; at++) {
    if (g_str_has_prefix (at, "\\,"))
      at++;
    g_string_append_c (name, *at);
  }
  *list = *at == ',' ? at + 1 : at;
  return g_strstrip (g_string_free (name, FALSE));
}

static gboolean
is_unknown (Cnn3dModel * model, const gchar * key)
{
  const Cnn3dUnknown *unknown = cnn3d_model_get_card (model)->unknown;
  g_autofree gchar *label = unknown ? normalise (unknown->label) : NULL;

  return label != NULL && g_str_equal (label, key);
}

/* Of a name to all classes that have it; FALSE if none has. */
static gboolean
find_classes (Cnn3dModel * model, const gchar * name, gboolean * idle)
{
  gint n = cnn3d_model_get_config (model)->classes;
  g_autofree gchar *key = normalise (name);
  gboolean found = is_unknown (model, key);

  for (gint c = 0; c < n; c++) {
    g_autofree gchar *label = normalise (cnn3d_model_get_label (model, c));

    if (!g_str_equal (label, key))
      continue;
    found = TRUE;
    if (idle != NULL)
      idle[c] = TRUE;
  }
  return found;
}

gchar *
gst_idle_labels_find (Cnn3dModel * model, const gchar * list, gboolean * idle)
{
  gint n = cnn3d_model_get_config (model)->classes;
  GString *unmatched = g_string_new (NULL);

  if (idle != NULL)
    memset (idle, 0, n * sizeof (gboolean));
  while (list != NULL && *list != '\0') {
    g_autofree gchar *name = take_name (&list);

    if (*name != '\0' && !find_classes (model, name, idle))
      g_string_append_printf (unmatched, "%s\"%s\"", unmatched->len ? ", " : "",
          name);
  }
  return g_string_free (unmatched, unmatched->len == 0);
}
