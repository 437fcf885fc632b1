/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the tool's options of training mean: labels in the mirror, videos kept for validation. */

#include <glib/gstdio.h>
#include <string.h>

#include "tools/train/data.h"
#include "tools/train/flips.h"

static const char *const labels[] = { "pan left", "pan right", "tilt up", "left", "right", "leftover", NULL };

static void
test_flips (void)
{
  const int pairs[] = { 1, 0, 2, 4, 3, 5 }, never[] = { 0, 1, -1, 3, 4, -1 };
  const char *const upside[] = { "Swiping Left", "Swiping Right", "Thumb", NULL };
  const int swiping[] = { 1, 0, 2 };
  g_autofree char *file = NULL;
  g_autoptr (GError) error = NULL;
  int *flips;

  flips = flips_parse (labels, "left=right", NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (flips, sizeof pairs, pairs, sizeof pairs);
  g_free (flips);
  flips = flips_parse (labels, NULL, "tilt up,leftover", &error);
  g_assert_cmpmem (flips, sizeof never, never, sizeof never);
  g_free (flips);
  flips = flips_parse (upside, "Swiping Left=Swiping Right", NULL, &error);
  g_assert_cmpmem (flips, sizeof swiping, swiping, sizeof swiping);
  g_free (flips);
  flips = flips_parse (labels, NULL, NULL, &error);
  for (int i = 0; i < 6; i++)
    g_assert_cmpint (flips[i], ==, i);
  g_free (flips);

  g_close (g_file_open_tmp ("flips-XXXXXX", &file, &error), NULL);
  g_file_set_contents (file, "left = right\r\n", -1, NULL);
  {
    g_autofree char *at = g_strconcat ("@", file, NULL);

    flips = flips_parse (labels, at, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpmem (flips, sizeof pairs, pairs, sizeof pairs);
    g_free (flips);
  }
  g_unlink (file);
}

static void
test_wrong_flips (void)
{
  static const struct {
    const char *pairs, *never, *expected;
  } cases[] = {
    { "left", NULL, "'left'" },
    { "left=", NULL, "'left='" },
    { "left=right=up", NULL, "pairs" },
    { "up=down", NULL, "'tilt up'" },
    { "in=out", NULL, "'in'" },
    { NULL, "pan", "'pan'" },
    { "@/nonexistent/file", NULL, "/nonexistent/file" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (flips_parse (labels, cases[i].pairs, cases[i].never, &error));
    g_assert_nonnull (error);
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, cases[i].expected));
  }
}

/* n files of each class, each in two parts. */
static Cnn3dCache *
make_cache (const char *folder, const int *n)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (folder, "c", NULL);
  g_autoptr (Cnn3dCacheWriter) writer = cnn3d_cache_writer_new (path, labels, &error);
  const guint8 rgb[3] = { 0 };
  Cnn3dCache *cache;

  for (int label = 0; label < 3; label++)
    for (int i = 0; i < 2 * n[label]; i++) {
      g_autofree char *name = g_strdup_printf ("%d/%d.avi#t=%d,", label, i / 2, i % 2);

      g_assert_true (cnn3d_cache_writer_add (writer, name, label, 1, 1, 0, rgb, 1, &error));
    }
  g_assert_true (cnn3d_cache_writer_finish (writer, &error));
  cache = cnn3d_cache_open (path, &error);
  g_assert_no_error (error);
  return cache;
}

static void
count (Cnn3dCache *cache, int counts[3], GHashTable *files)
{
  memset (counts, 0, 3 * sizeof (int));
  for (int i = 0; i < cnn3d_cache_get_n_videos (cache); i++) {
    Cnn3dCacheVideo video;

    cnn3d_cache_get_video (cache, i, &video);
    counts[video.label]++;
    g_hash_table_add (files, g_strndup (video.name, strcspn (video.name, "#")));
  }
}

static void
test_split (void)
{
  const int n[] = { 20, 2, 1 }, single[] = { 1, 1, 0 };
  g_autofree char *folder = g_dir_make_tmp ("split-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "c", NULL), *index = g_build_filename (path, "cache.json", NULL);
  g_autofree char *frames = g_build_filename (path, "frames.bin", NULL);
  g_autoptr (Cnn3dCache) cache = make_cache (folder, n), few = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dCache *train, *val;
  char *seen[3];

  for (int seed = 0; seed < 3; seed++) {
    g_autoptr (GHashTable) a = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr (GHashTable) b = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    int counts[3], kept[3];
    GHashTableIter iter;
    gpointer file;

    g_assert_true (data_split (cache, 0.25, (guint64) (seed % 2), &train, &val, &error));
    count (train, counts, a);
    count (val, kept, b);
    g_assert_cmpint (kept[0], ==, 10);
    g_assert_cmpint (kept[1], ==, 2);
    g_assert_cmpint (kept[2], ==, 0);
    g_assert_cmpint (counts[0] + kept[0], ==, 40);
    g_assert_cmpint (counts[1], ==, 2);
    g_assert_cmpint (counts[2], ==, 2);
    g_hash_table_iter_init (&iter, b);
    seen[seed] = g_strdup ("");
    while (g_hash_table_iter_next (&iter, &file, NULL)) {
      char *more = g_strconcat (seen[seed], file, " ", NULL);

      g_assert_false (g_hash_table_contains (a, file));
      g_free (seen[seed]);
      seen[seed] = more;
    }
    cnn3d_cache_unref (train);
    cnn3d_cache_unref (val);
  }
  g_assert_cmpstr (seen[0], ==, seen[2]);
  g_assert_cmpstr (seen[0], !=, seen[1]);
  for (int i = 0; i < 3; i++)
    g_free (seen[i]);

  few = make_cache (folder, single);
  g_assert_false (data_split (few, 0.5, 1, &train, &val, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG);
  g_unlink (index);
  g_unlink (frames);
  g_rmdir (path);
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/data/flips", test_flips);
  g_test_add_func ("/data/wrong-flips", test_wrong_flips);
  g_test_add_func ("/data/split", test_split);
  return g_test_run ();
}
