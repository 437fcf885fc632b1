/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/flips.h"

#include <string.h>

#include "tools/tool.h"

/* Entries of "a,b", or the lines of "@FILE". */
static char **
split (const char *text, GError **error)
{
  g_autofree char *content = NULL;

  if (text[0] != '@')
    return g_strsplit (text, ",", -1);
  if (!g_file_get_contents (text + 1, &content, NULL, error))
    return NULL;
  g_strdelimit (g_strchomp (content), "\r", '\n');
  return g_strsplit (content, "\n", -1);
}

static int
find (const char *const *labels, const char *label)
{
  for (int i = 0; labels[i] != NULL; i++)
    if (strcmp (labels[i], label) == 0)
      return i;
  return -1;
}

static gboolean
is_word_character (char c)
{
  return g_ascii_isalnum (c) || (c & 0x80) != 0;
}

/* Where a whole word is in text; NULL if it is not. */
static const char *
find_word (const char *text, const char *word)
{
  gsize n = strlen (word);

  for (const char *at = strstr (text, word); at != NULL; at = strstr (at + 1, word))
    if ((at == text || !is_word_character (at[-1])) && !is_word_character (at[n]))
      return at;
  return NULL;
}

/* The label in which `to` stands where `from` stands in this one; -1 if there is none. */
static int
find_other (const char *const *labels, const char *label, const char *from, const char *to)
{
  const char *at = find_word (label, from);
  g_autofree char *other =
      g_strdup_printf ("%.*s%s%s", (int) (at - label), label, to, at + strlen (from));

  return find (labels, other);
}

static gboolean
add_pair (const char *const *labels, const char *from, const char *to, int *flips, GError **error)
{
  gboolean found = FALSE;

  for (int i = 0; labels[i] != NULL; i++) {
    int other;

    if (find_word (labels[i], from) == NULL)
      continue;
    other = find_other (labels, labels[i], from, to);
    if (other < 0) {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
          "--flip-labels %s=%s: there is no label that '%s' becomes in the mirror", from, to, labels[i]);
      return FALSE;
    }
    flips[i] = other;
    found = TRUE;
  }
  if (!found)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--flip-labels %s=%s: no label has the word '%s'", from, to, from);
  return found;
}

static gboolean
add_pairs (const char *const *labels, const char *pairs, int *flips, GError **error)
{
  g_auto (GStrv) entries = split (pairs, error);

  if (entries == NULL)
    return FALSE;
  for (int i = 0; entries[i] != NULL; i++) {
    g_auto (GStrv) sides = g_strsplit (entries[i], "=", -1);

    if (g_strv_length (sides) != 2 || *g_strstrip (sides[0]) == '\0' || *g_strstrip (sides[1]) == '\0') {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
          "--flip-labels takes pairs such as left=right, not '%s'", entries[i]);
      return FALSE;
    }
    if (!add_pair (labels, sides[0], sides[1], flips, error)
        || !add_pair (labels, sides[1], sides[0], flips, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
add_never (const char *const *labels, const char *never, int *flips, GError **error)
{
  g_auto (GStrv) entries = split (never, error);

  if (entries == NULL)
    return FALSE;
  for (int i = 0; entries[i] != NULL; i++) {
    int label = find (labels, g_strstrip (entries[i]));

    if (label < 0) {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
          "--no-flip-labels: there is no label '%s'", entries[i]);
      return FALSE;
    }
    flips[label] = -1;
  }
  return TRUE;
}

int *
flips_parse (const char *const *labels, const char *pairs, const char *never, GError **error)
{
  guint n = g_strv_length ((char **) labels);
  g_autofree int *flips = g_new (int, n);

  for (guint i = 0; i < n; i++)
    flips[i] = (int) i;
  if ((pairs != NULL && !add_pairs (labels, pairs, flips, error))
      || (never != NULL && !add_never (labels, never, flips, error)))
    return NULL;
  return g_steal_pointer (&flips);
}

/* Whether a word begins at text[i]: after another character than a letter, or at a capital after a small one. */
static gboolean
begins_word (const char *text, gsize i)
{
  return i == 0 || !g_ascii_isalpha (text[i - 1]) || (g_ascii_isupper (text[i]) && g_ascii_islower (text[i - 1]));
}

static gboolean
has_word (const char *text, const char *word)
{
  gsize n = strlen (word);

  for (gsize i = 0; text[i] != '\0'; i++)
    if (begins_word (text, i) && g_ascii_strncasecmp (text + i, word, n) == 0
        && (text[i + n] == '\0' || begins_word (text, i + n)))
      return TRUE;
  return FALSE;
}

const char *
flips_find_sided (const char *const *labels)
{
  static const char *const words[] = { "left", "right", "leftward", "rightward", "leftwards", "rightwards", "clockwise",
    "counterclockwise", "anticlockwise", "cw", "ccw" };

  for (; *labels != NULL; labels++)
    for (guint i = 0; i < G_N_ELEMENTS (words); i++)
      if (has_word (*labels, words[i]))
        return *labels;
  return NULL;
}
