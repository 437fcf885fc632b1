/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Data sets on disk: what is written is read, a cache is whole or not there, damage is named. */

#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <signal.h>

#include "lib3dcnn/3dcnn.h"

static const char *const labels[] = { "pan \"left\"", "tilt", NULL };

static char *
make_folder (void)
{
  g_autoptr (GError) error = NULL;
  char *folder = g_dir_make_tmp ("cache-XXXXXX", &error);

  g_assert_no_error (error);
  return folder;
}

static void
remove_folder (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    if (g_file_test (path, G_FILE_TEST_IS_DIR))
      remove_folder (path);
    else
      g_unlink (path);
  }
  g_rmdir (folder);
}

static guint8
pixel (int video, gsize i)
{
  return (guint8) (video * 31 + i * 7 + i / 251);
}

static guint8 *
make_frames (int video, gsize size)
{
  guint8 *rgb = g_malloc (size);

  for (gsize i = 0; i < size; i++)
    rgb[i] = pixel (video, i);
  return rgb;
}

/* Video v has v + 1 frames of (8 + v) x 5. */
static void
write_cache (const char *path, int n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dCacheWriter) writer = cnn3d_cache_writer_new (path, labels, &error);

  g_assert_no_error (error);
  cnn3d_cache_writer_set_note (writer, "made by", "a test");
  for (int v = 0; v < n; v++) {
    g_autofree char *name = g_strdup_printf ("video %d", v);
    g_autofree guint8 *rgb = make_frames (v, (gsize) (8 + v) * 5 * 3 * (v + 1));

    g_assert_true (cnn3d_cache_writer_add (writer, name, v % 2, 8 + v, 5, 12.5, rgb, v + 1, &error));
    g_assert_no_error (error);
  }
  g_assert_true (cnn3d_cache_writer_finish (writer, &error));
  g_assert_no_error (error);
}

static void
check_cache (const char *path, int n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dCache) cache = cnn3d_cache_open (path, &error);

  g_assert_no_error (error);
  g_assert_cmpint (cnn3d_cache_get_n_videos (cache), ==, n);
  g_assert_cmpstr (cnn3d_cache_get_labels (cache)[0], ==, labels[0]);
  g_assert_cmpstr (cnn3d_cache_get_note (cache, "made by"), ==, "a test");
  g_assert_null (cnn3d_cache_get_note (cache, "other"));
  for (int v = n - 1; v >= 0; v--) {
    gsize frame = (gsize) (8 + v) * 5 * 3;
    g_autofree guint8 *rgb = g_malloc (frame * (v + 1)), *expected = make_frames (v, frame * (v + 1));
    Cnn3dCacheVideo video;

    cnn3d_cache_get_video (cache, v, &video);
    g_assert_cmpint (video.label, ==, v % 2);
    g_assert_cmpint (video.width, ==, 8 + v);
    g_assert_cmpint (video.frames, ==, v + 1);
    g_assert_cmpfloat (video.rate, ==, 12.5);
    g_assert_true (cnn3d_cache_read (cache, v, 0, v + 1, rgb, &error));
    g_assert_cmpmem (rgb, frame * (v + 1), expected, frame * (v + 1));
    g_assert_true (cnn3d_cache_read (cache, v, v, 1, rgb, &error));
    g_assert_cmpmem (rgb, frame, expected + frame * v, frame);
  }
}

/* Files and folders in a folder. */
static int
count_entries (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  int n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static void
test_round_trip (void)
{
  g_autofree char *folder = make_folder (), *path = g_build_filename (folder, "a", "b", NULL);
  g_autofree char *slash = g_strconcat (path, "/", NULL), *parent = g_build_filename (folder, "a", NULL);

  write_cache (slash, 9);
  check_cache (path, 9);
  write_cache (path, 4); /* replaces it */
  check_cache (slash, 4);
  g_assert_cmpint (count_entries (parent), ==, 1);
  remove_folder (folder);
}

static void
test_cancel (void)
{
  g_autofree char *folder = make_folder (), *path = g_build_filename (folder, "c", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dCacheWriter) writer = cnn3d_cache_writer_new (path, labels, &error);
  g_autoptr (Cnn3dCache) cache = NULL;
  g_autofree guint8 *bad = make_frames (1, 4 * 4 * 3 * 6), *good = make_frames (2, 4 * 4 * 3 * 2);
  guint8 rgb[4 * 4 * 3 * 2];
  const Cnn3dCacheVideo video = { .name = "x", .width = 4, .height = 4, .source_size = 5, .source_time = 7 };
  Cnn3dCacheVideo read;

  cnn3d_cache_writer_begin (writer, &video);
  g_assert_true (cnn3d_cache_writer_add_frames (writer, bad, 6, &error));
  cnn3d_cache_writer_cancel_video (writer);
  cnn3d_cache_writer_begin (writer, &video); /* has no frames, so will not be there */
  cnn3d_cache_writer_begin (writer, &video);
  g_assert_true (cnn3d_cache_writer_add_frames (writer, good, 1, &error));
  g_assert_true (cnn3d_cache_writer_add_frames (writer, good + 4 * 4 * 3, 1, &error));
  g_assert_cmpint (cnn3d_cache_writer_get_size (writer), ==, sizeof rgb);
  g_assert_true (cnn3d_cache_writer_finish (writer, &error));
  cache = cnn3d_cache_open (path, &error);
  g_assert_no_error (error);
  g_assert_cmpint (cnn3d_cache_get_n_videos (cache), ==, 1);
  cnn3d_cache_get_video (cache, 0, &read);
  g_assert_cmpint (read.frames, ==, 2);
  g_assert_cmpint (read.source_size, ==, 5);
  g_assert_cmpint (read.source_time, ==, 7);
  g_assert_true (cnn3d_cache_read (cache, 0, 0, 2, rgb, &error));
  g_assert_cmpmem (rgb, sizeof rgb, good, sizeof rgb);
  remove_folder (folder);
}

/* A writer that does not finish leaves what was there. */
static void
test_unfinished (void)
{
  g_autofree char *folder = make_folder (), *path = g_build_filename (folder, "c", NULL);
  g_autofree char *other = g_build_filename (folder, "other", NULL);
  g_autofree char *file = g_build_filename (other, "precious", NULL);
  g_autoptr (GError) error = NULL;
  Cnn3dCacheWriter *writer;
  guint8 rgb[12] = { 0 };

  write_cache (path, 3);
  writer = cnn3d_cache_writer_new (path, labels, &error);
  g_assert_true (cnn3d_cache_writer_add (writer, "v", 0, 2, 2, 0, rgb, 1, &error));
  cnn3d_cache_writer_free (writer);
  check_cache (path, 3);
  g_assert_cmpint (count_entries (folder), ==, 1);

  writer = cnn3d_cache_writer_new (path, labels, &error);
  g_assert_false (cnn3d_cache_writer_finish (writer, &error)); /* no videos */
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT);
  g_clear_error (&error);
  cnn3d_cache_writer_free (writer);
  check_cache (path, 3);

  g_mkdir (other, 0777);
  g_file_set_contents (file, "x", 1, NULL);
  g_assert_null (cnn3d_cache_writer_new (other, labels, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_EXIST);
  g_assert_nonnull (strstr (error->message, other));
  remove_folder (folder);
}

/* A limit on the size of files is a full disk as far as a writer can tell. */
static void
test_full (void)
{
  g_autofree char *folder = make_folder (), *path = g_build_filename (folder, "c", NULL);
  g_autofree guint8 *rgb = make_frames (0, 100 * 100 * 3);
  g_autoptr (GError) error = NULL;
  Cnn3dCacheWriter *writer;
  struct rlimit old, small;

  write_cache (path, 2);
  signal (SIGXFSZ, SIG_IGN);
  getrlimit (RLIMIT_FSIZE, &old);
  small = old;
  small.rlim_cur = 50000;
  writer = cnn3d_cache_writer_new (path, labels, &error);
  setrlimit (RLIMIT_FSIZE, &small);
  g_assert_true (cnn3d_cache_writer_add (writer, "v", 0, 100, 100, 0, rgb, 1, &error));
  g_assert_false (cnn3d_cache_writer_add (writer, "v", 0, 100, 100, 0, rgb, 1, &error));
  setrlimit (RLIMIT_FSIZE, &old);
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, "frames.bin"));
  cnn3d_cache_writer_free (writer);
  check_cache (path, 2);
  g_assert_cmpint (count_entries (folder), ==, 1);
  remove_folder (folder);
}

static void
assert_refused (const char *path, const char *json, const char *expected)
{
  g_autofree char *index = g_build_filename (path, "cache.json", NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (index, json, -1, NULL);
  g_assert_null (cnn3d_cache_open (path, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, "cache.json"));
  g_assert_nonnull (strstr (error->message, expected));
}

static void
test_damaged (void)
{
  static const struct {
    const char *json, *expected;
  } cases[] = {
    { "", "JSON" },
    { "{", "" },
    { "[]", "object" },
    { "{\"version\":2,\"labels\":[\"a\"],\"videos\":[{}]}", "version" },
    { "{\"version\":1,\"labels\":[\"a\"]}", "videos" },
    { "{\"version\":1,\"labels\":[],\"videos\":[{}]}", "labels" },
    { "{\"version\":1,\"labels\":[3],\"videos\":[{}]}", "label 0" },
    { "{\"version\":1,\"labels\":[\"a\"],\"notes\":{\"k\":1},\"videos\":[{}]}", "note 'k'" },
    { "{\"version\":1,\"labels\":[\"a\"],\"videos\":[3]}", "video 0" },
    { "{\"version\":1,\"labels\":[\"a\"],\"videos\":[{\"name\":\"n\",\"label\":1,\"offset\":0,\"frames\":1,"
      "\"width\":2,\"height\":2}]}", "video 0 (n)" },
    { "{\"version\":1,\"labels\":[\"a\"],\"videos\":[{\"name\":\"n\",\"label\":0,\"offset\":-1,\"frames\":1,"
      "\"width\":2,\"height\":2}]}", "video 0 (n)" },
    { "{\"version\":1,\"labels\":[\"a\"],\"videos\":[{\"name\":\"n\",\"label\":0,\"offset\":0,"
      "\"frames\":2147483647,\"width\":8192,\"height\":8192}]}", "beyond the end" },
    { "{\"version\":1,\"labels\":[\"a\"],\"videos\":[{\"name\":\"n\",\"label\":0,\"offset\":0,\"frames\":1,"
      "\"width\":2,\"height\":2,\"rate\":-5}]}", "rate" },
  };
  g_autofree char *folder = make_folder (), *path = g_build_filename (folder, "c", NULL);
  g_autofree char *frames = g_build_filename (path, "frames.bin", NULL);
  g_autoptr (GError) error = NULL;

  write_cache (path, 2);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_refused (path, cases[i].json, cases[i].expected);
  write_cache (path, 2);
  g_file_set_contents (frames, "short", 5, NULL);
  g_assert_null (cnn3d_cache_open (path, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT);
  g_clear_error (&error);
  g_unlink (frames);
  g_assert_null (cnn3d_cache_open (path, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  remove_folder (folder);
}

/* As many videos as a large data set has. */
static void
test_many (void)
{
  g_autofree char *folder = make_folder (), *path = g_build_filename (folder, "c", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dCacheWriter) writer = cnn3d_cache_writer_new (path, labels, &error);
  g_autoptr (Cnn3dCache) cache = NULL;
  g_autoptr (GTimer) timer = NULL;
  const int n = 60000;
  guint8 rgb[12] = { 0 };

  for (int i = 0; i < n; i++) {
    g_autofree char *name = g_strdup_printf ("some/folder/of/videos/video-%06d.mp4", i);

    memcpy (rgb, &i, sizeof i);
    g_assert_true (cnn3d_cache_writer_add (writer, name, i & 1, 2, 2, 7.5, rgb, 1, &error));
  }
  g_assert_true (cnn3d_cache_writer_finish (writer, &error));
  timer = g_timer_new ();
  cache = cnn3d_cache_open (path, &error);
  g_assert_no_error (error);
  g_test_message ("opened in %.3f s", g_timer_elapsed (timer, NULL));
  g_assert_cmpint (cnn3d_cache_get_n_videos (cache), ==, n);
  for (int i = 0; i < n; i += 997) {
    int got;

    g_assert_true (cnn3d_cache_read (cache, i, 0, 1, rgb, &error));
    memcpy (&got, rgb, sizeof got);
    g_assert_cmpint (got, ==, i);
  }
  remove_folder (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cache/round-trip", test_round_trip);
  g_test_add_func ("/cache/cancel", test_cancel);
  g_test_add_func ("/cache/unfinished", test_unfinished);
  g_test_add_func ("/cache/full", test_full);
  g_test_add_func ("/cache/damaged", test_damaged);
  g_test_add_func ("/cache/many", test_many);
  return g_test_run ();
}
