/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/sources.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "lib3dcnn/error.h"
#include "tools/tool.h"

/* What lies next to videos and is none. */
static const char *const other_names[] = { ".txt", ".csv", ".json", ".srt", ".vtt", ".xml", ".md", ".md5", ".sha256", NULL };

/* What is listed: labels as text until all are known. */
typedef struct {
  Sources *sources;
  GPtrArray *label_of; /* char *, of each source */
} List;

static void
source_free (gpointer data)
{
  Source *source = data;

  g_free (source->path);
  g_free (source->name);
  g_free (source);
}

void
sources_free (Sources *sources)
{
  if (sources == NULL)
    return;
  g_ptr_array_unref (sources->sources);
  g_strfreev (sources->labels);
  g_free (sources);
}

static void
add (List *list, const char *path, const char *name, const char *label, double start, double end)
{
  Source *source = g_new0 (Source, 1);
  GStatBuf info;

  source->path = g_strdup (path);
  source->name = g_utf8_make_valid (name, -1);
  source->start = start;
  source->end = end;
  if (g_stat (path, &info) == 0) {
    source->size = info.st_size;
    source->time = (gint64) info.st_mtim.tv_sec * G_USEC_PER_SEC + info.st_mtim.tv_nsec / 1000;
  }
  g_ptr_array_add (list->sources->sources, source);
  g_ptr_array_add (list->label_of, g_strdup (label));
}

static int
compare_texts (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

static int
compare_numbers (gconstpointer a, gconstpointer b)
{
  guint64 m = g_ascii_strtoull (*(char *const *) a, NULL, 10), n = g_ascii_strtoull (*(char *const *) b, NULL, 10);

  return m != n ? (m < n ? -1 : 1) : compare_texts (a, b);
}

/* The names in a folder, sorted; none that begins with a point. */
static GPtrArray *
list_names (const char *folder, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, error);
  GPtrArray *names;
  const char *name;

  if (dir == NULL)
    return NULL;
  names = g_ptr_array_new_with_free_func (g_free);
  while ((name = g_dir_read_name (dir)) != NULL)
    if (name[0] != '.')
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_texts);
  return names;
}

static gboolean
is_other (const char *name)
{
  g_autofree char *lower = g_ascii_strdown (name, -1);

  for (const char *const *other = other_names; *other != NULL; other++)
    if (g_str_has_suffix (lower, *other))
      return TRUE;
  return FALSE;
}

/* The videos of a class, with those in folders in its folder. */
static gboolean
list_class (List *list, const char *folder, const char *name, const char *label, GError **error)
{
  g_autoptr (GPtrArray) names = list_names (folder, error);

  if (names == NULL)
    return FALSE;
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *path = g_build_filename (folder, names->pdata[i], NULL);
    g_autofree char *whole = g_build_filename (name, names->pdata[i], NULL);

    /* A link to a folder may lead back up. */
    if (!g_file_test (path, G_FILE_TEST_IS_DIR)) {
      if (!is_other (path))
        add (list, path, whole, label, 0, 0);
    } else if (!g_file_test (path, G_FILE_TEST_IS_SYMLINK) && !list_class (list, path, whole, label, error)) {
      return FALSE;
    }
  }
  return TRUE;
}

/* Whether a folder is a cache, perhaps one in the making. */
static gboolean
is_cache (const char *path)
{
  g_autofree char *index = g_build_filename (path, "cache.json", NULL);

  return strstr (path, ".cache.partial-") != NULL || g_file_test (index, G_FILE_TEST_EXISTS);
}

static gboolean
list_folder (List *list, const char *folder, GError **error)
{
  g_autoptr (GPtrArray) names = list_names (folder, error);

  if (names == NULL)
    return FALSE;
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *path = g_build_filename (folder, names->pdata[i], NULL);
    g_autofree char *label = g_utf8_make_valid (names->pdata[i], -1);
    guint before = list->sources->sources->len;

    if (!g_file_test (path, G_FILE_TEST_IS_DIR) || is_cache (path))
      continue;
    if (!list_class (list, path, names->pdata[i], label, error))
      return FALSE;
    if (list->sources->sources->len == before)
      tool_complain ("%s: has no videos; passed over", path);
  }
  if (list->sources->sources->len > 0)
    return TRUE;
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT,
      "%s: is neither a cache nor a folder that has a folder of videos for each class", folder);
  return FALSE;
}

/* The fields of a line; they may be in quotes, with "" for a quote. NULL if a quote does not end. */
static GPtrArray *
split_line (const char *line)
{
  GPtrArray *fields = g_ptr_array_new_with_free_func (g_free);
  GString *field = g_string_new (NULL);
  gboolean quoted = FALSE;

  for (const char *c = line; *c != '\0'; c++) {
    if (*c == '"' && quoted && c[1] == '"')
      g_string_append_c (field, *c++);
    else if (*c == '"' && (quoted || field->len == 0))
      quoted = !quoted;
    else if (*c == ',' && !quoted) {
      g_ptr_array_add (fields, g_strdup (g_strstrip (field->str)));
      g_string_truncate (field, 0);
    } else
      g_string_append_c (field, *c);
  }
  g_ptr_array_add (fields, g_strstrip (g_string_free (field, FALSE)));
  if (!quoted)
    return fields;
  g_ptr_array_unref (fields);
  return NULL;
}

static gboolean
parse_seconds (const char *text, double *seconds)
{
  char *end;

  if (*text == '\0')
    return TRUE;
  *seconds = g_ascii_strtod (text, &end);
  return *end == '\0' && isfinite (*seconds) && *seconds >= 0;
}

/* Where a file of a table is, which may be a path from the table's folder on or a URI. NULL: a URI that is wrong. */
static char *
find_file (const char *folder, const char *file)
{
  if (g_ascii_strncasecmp (file, "file://", strlen ("file://")) == 0)
    return g_filename_from_uri (file, NULL, NULL);
  return g_path_is_absolute (file) ? g_strdup (file) : g_build_filename (folder, file, NULL);
}

/* The line that names the fields, as spreadsheets and people write it. */
static gboolean
is_header (const char *line)
{
  g_autoptr (GPtrArray) fields = split_line (line);

  return fields != NULL && fields->len >= 2 && g_ascii_strcasecmp (fields->pdata[0], "path") == 0
      && g_ascii_strcasecmp (fields->pdata[1], "label") == 0;
}

/* What is wrong with a line; NULL if nothing is. */
static const char *
list_line (List *list, const char *folder, const char *line)
{
  g_autoptr (GPtrArray) fields = split_line (line);
  g_autofree char *path = NULL, *name = NULL;
  double start = 0, end = 0;
  const char *file, *label;
  gboolean has_end;

  if (fields == NULL)
    return "has a quote without an end";
  if (fields->len < 2 || fields->len > 4)
    return "is not path,label or path,label,start,end";
  file = fields->pdata[0];
  label = fields->pdata[1];
  if (*file == '\0' || *label == '\0')
    return *file == '\0' ? "has no path" : "has no label";
  if (!g_utf8_validate (label, -1, NULL))
    return "has a label that is not UTF-8";
  has_end = fields->len > 3 && *(char *) fields->pdata[3] != '\0';
  if ((fields->len > 2 && !parse_seconds (fields->pdata[2], &start))
      || (has_end && !parse_seconds (fields->pdata[3], &end)) || (has_end && end <= start))
    return "has a start or end that is not in seconds, the end after the start";
  path = find_file (folder, file);
  if (path == NULL)
    return "has a file:// URI that is wrong";
  name = start > 0 || end > 0 ? g_strdup_printf ("%s#t=%s,%s", file, fields->len > 2 ? (char *) fields->pdata[2] : "",
      fields->len > 3 ? (char *) fields->pdata[3] : "") : g_strdup (file);
  add (list, path, name, label, start, end);
  return NULL;
}

static gboolean
list_table (List *list, const char *path, GError **error)
{
  g_autofree char *text = NULL, *folder = g_path_get_dirname (path);
  g_auto (GStrv) lines = NULL;
  const char *begin;

  if (!g_file_get_contents (path, &text, NULL, error))
    return FALSE;
  begin = g_str_has_prefix (text, "\xef\xbb\xbf") ? text + 3 : text; /* as spreadsheets begin UTF-8 */
  lines = g_strsplit (begin, "\n", -1);
  for (int i = 0; lines[i] != NULL; i++) {
    const char *wrong;

    g_strstrip (lines[i]);
    if (*lines[i] == '\0' || (i == 0 && is_header (lines[i])))
      continue;
    wrong = list_line (list, folder, lines[i]);
    if (wrong != NULL) {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s:%d: %s", path, i + 1, wrong);
      return FALSE;
    }
  }
  if (list->sources->sources->len > 0)
    return TRUE;
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: has no lines of path,label", path);
  return FALSE;
}

/* Sorts the labels, and numbers sources by them. */
static void
number_labels (List *list)
{
  g_autoptr (GHashTable) numbers = g_hash_table_new (g_str_hash, g_str_equal);
  GPtrArray *labels = g_ptr_array_new ();
  gboolean digits = TRUE;

  for (guint i = 0; i < list->label_of->len; i++) {
    const char *label = list->label_of->pdata[i];

    if (!g_hash_table_add (numbers, (char *) label))
      continue;
    g_ptr_array_add (labels, g_strdup (label));
    digits = digits && strspn (label, "0123456789") == strlen (label);
  }
  g_hash_table_remove_all (numbers);
  g_ptr_array_sort (labels, digits ? compare_numbers : compare_texts);
  for (guint i = 0; i < labels->len; i++)
    g_hash_table_insert (numbers, labels->pdata[i], GUINT_TO_POINTER (i));
  for (guint i = 0; i < list->label_of->len; i++) {
    Source *source = list->sources->sources->pdata[i];

    source->label = (int) GPOINTER_TO_UINT (g_hash_table_lookup (numbers, list->label_of->pdata[i]));
  }
  g_ptr_array_add (labels, NULL);
  list->sources->labels = (char **) g_ptr_array_free (labels, FALSE);
}

Sources *
sources_list (const char *path, GError **error)
{
  g_autoptr (Sources) sources = g_new0 (Sources, 1);
  g_autoptr (GPtrArray) label_of = g_ptr_array_new_with_free_func (g_free);
  List list = { sources, label_of };

  sources->sources = g_ptr_array_new_with_free_func (source_free);
  if (g_file_test (path, G_FILE_TEST_IS_DIR) ? !list_folder (&list, path, error) : !list_table (&list, path, error))
    return NULL;
  number_labels (&list);
  return g_steal_pointer (&sources);
}
