/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Crops and batches with answers that can be computed by hand. */

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "lib3dcnn/3dcnn.h"
#include "lib3dcnn/train/crop.h"

#define SIDE 8

static const int rgb_order[3] = { 0, 1, 2 }, bgr_order[3] = { 2, 1, 0 };
static const float one[3] = { 1, 1, 1 }, zero[3] = { 0, 0, 0 };

/* A box of the same size as the output is copied. */
static void
test_crop_copy (void)
{
  guint8 rgb[6 * 5 * 3];
  float out[3 * 9];
  const Cnn3dBox box = { 2, 1, 3, 3 };
  const float scale[3] = { 1, 2, 0.5f }, offset[3] = { 0, -1, 10 };
  Cnn3dCropper *cropper = cnn3d_cropper_new (3);

  for (gsize i = 0; i < sizeof rgb; i++)
    rgb[i] = (guint8) i;
  for (int mirrored = 0; mirrored < 2; mirrored++) {
    cnn3d_cropper_set_box (cropper, &box, mirrored);
    cnn3d_cropper_run (cropper, rgb, 6, bgr_order, scale, offset, out, 9);
    for (int p = 0; p < 3; p++)
      for (int y = 0; y < 3; y++)
        for (int x = 0; x < 3; x++) {
          int from = mirrored ? 2 - x : x;

          g_assert_cmpfloat (out[9 * p + 3 * y + x], ==,
              rgb[((y + 1) * 6 + from + 2) * 3 + 2 - p] * scale[p] + offset[p]);
        }
  }
  cnn3d_cropper_free (cropper);
}

/* Half the size: each output is 1/8, 3/8, 3/8, 1/8 of four inputs, at the border 3/7, 3/7, 1/7. */
static void
test_crop_shrink (void)
{
  guint8 rgb[6 * 6 * 3];
  float out[3 * 9];
  const float expected[3] = { (0 * 3 + 7 * 3 + 14 * 1) / 7.0f, 17.5f, (35 * 3 + 28 * 3 + 21 * 1) / 7.0f };
  const Cnn3dBox box = { 0, 0, 6, 6 };
  Cnn3dCropper *cropper = cnn3d_cropper_new (3);

  for (int i = 0; i < 36; i++) {
    rgb[3 * i] = (guint8) (7 * (i % 6));
    rgb[3 * i + 1] = (guint8) (7 * (i / 6));
    rgb[3 * i + 2] = 100;
  }
  cnn3d_cropper_set_box (cropper, &box, FALSE);
  cnn3d_cropper_run (cropper, rgb, 6, rgb_order, one, zero, out, 9);
  for (int y = 0; y < 3; y++)
    for (int x = 0; x < 3; x++) {
      g_assert_cmpfloat_with_epsilon (out[3 * y + x], expected[x], 1e-4);
      g_assert_cmpfloat_with_epsilon (out[9 + 3 * y + x], expected[y], 1e-4);
      g_assert_cmpfloat_with_epsilon (out[18 + 3 * y + x], 100, 1e-4);
    }
  cnn3d_cropper_free (cropper);
}

/* Twice the size is linear interpolation; after other boxes too. */
static void
test_crop_grow (void)
{
  guint8 rgb[2 * 2 * 3] = { 0, 0, 0, 100, 0, 0, 40, 0, 0, 140, 0, 0 };
  const float x_part[4] = { 0, 25, 75, 100 }, y_part[4] = { 0, 10, 30, 40 };
  const Cnn3dBox whole = { 0, 0, 2, 2 }, row = { 0, 1, 2, 1 };
  float out[3 * 16];
  Cnn3dCropper *cropper = cnn3d_cropper_new (4);

  cnn3d_cropper_set_box (cropper, &row, FALSE);
  cnn3d_cropper_run (cropper, rgb, 2, rgb_order, one, zero, out, 16);
  for (int i = 0; i < 16; i++)
    g_assert_cmpfloat_with_epsilon (out[i], 40 + x_part[i % 4], 1e-4);
  cnn3d_cropper_set_box (cropper, &whole, FALSE);
  cnn3d_cropper_run (cropper, rgb, 2, rgb_order, one, zero, out, 16);
  for (int i = 0; i < 16; i++)
    g_assert_cmpfloat_with_epsilon (out[i], x_part[i % 4] + y_part[i / 4], 1e-4);
  cnn3d_cropper_set_box (cropper, &whole, TRUE);
  cnn3d_cropper_run (cropper, rgb, 2, rgb_order, one, zero, out, 16);
  for (int i = 0; i < 16; i++)
    g_assert_cmpfloat_with_epsilon (out[i], x_part[3 - i % 4] + y_part[i / 4], 1e-4);
  cnn3d_cropper_free (cropper);
}

/* What a test has on disk. */
typedef struct {
  char *folder, *path;
  Cnn3dCache *cache;
  Cnn3dCard *card;
  Cnn3dConfig config;
} Set;

/*
 * Video v of class v % 2 has frames of SIDE x SIDE at 10 a second. A pixel of frame t at (x, y) is
 * 20 v + t in red, 8 y + x in green and t in blue.
 */
static void
set_init (Set *set, const int *n_frames, int n)
{
  static const char *const labels[] = { "left", "right", NULL };
  g_autoptr (Cnn3dCacheWriter) writer = NULL;
  g_autoptr (GError) error = NULL;

  set->folder = g_dir_make_tmp ("loader-XXXXXX", &error);
  set->path = g_build_filename (set->folder, "cache", NULL);
  writer = cnn3d_cache_writer_new (set->path, labels, &error);
  for (int v = 0; v < n; v++) {
    g_autofree guint8 *rgb = g_malloc ((gsize) n_frames[v] * SIDE * SIDE * 3);

    for (int i = 0; i < n_frames[v] * SIDE * SIDE; i++) {
      rgb[3 * i] = (guint8) (20 * v + i / (SIDE * SIDE));
      rgb[3 * i + 1] = (guint8) (i % (SIDE * SIDE));
      rgb[3 * i + 2] = (guint8) (i / (SIDE * SIDE));
    }
    g_assert_true (cnn3d_cache_writer_add (writer, "v", v % 2, SIDE, SIDE, 10, rgb, n_frames[v], &error));
  }
  g_assert_true (cnn3d_cache_writer_finish (writer, &error));
  set->cache = cnn3d_cache_open (set->path, &error);
  g_assert_no_error (error);
  set->card = cnn3d_card_new ();
  for (int p = 0; p < 3; p++) {
    set->card->mean[p] = 0;
    set->card->std[p] = 1;
  }
  set->config = (Cnn3dConfig){ .frames = 4, .size = SIDE };
}

static void
set_clear (Set *set)
{
  const char *names[] = { "cache.json", "frames.bin", "" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (set->path, names[i], NULL);

    g_remove (path);
  }
  g_rmdir (set->folder);
  cnn3d_cache_unref (set->cache);
  cnn3d_card_free (set->card);
  g_free (set->folder);
  g_free (set->path);
}

/* A value of clip i of a batch. */
static int
value (const Cnn3dLoaderBatch *batch, int i, int plane, int t, int y, int x)
{
  return (int) lrintf (batch->clips[(((gsize) i * 3 + plane) * 4 + t) * SIDE * SIDE + y * SIDE + x]);
}

static void
next (Cnn3dLoader *loader, Cnn3dLoaderBatch *batch)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (cnn3d_loader_next (loader, batch, &error));
  g_assert_no_error (error);
}

static void
assert_frames (const Cnn3dLoaderBatch *batch, int i, int a, int b, int c, int d)
{
  const int expected[4] = { a, b, c, d };

  for (int t = 0; t < 4; t++)
    g_assert_cmpint (value (batch, i, 2, t, 3, 3), ==, expected[t]);
}

/* One clip from the middle of each; short videos begin again; rates are kept. */
static void
test_middle (void)
{
  const int n_frames[] = { 10, 4, 3, 1, 20 };
  Cnn3dLoaderOptions options = { .batch = 3, .threads = 2 };
  g_autoptr (GError) error = NULL;
  Cnn3dLoaderBatch batch;
  Cnn3dLoader *loader;
  Set set;

  set_init (&set, n_frames, 5);
  loader = cnn3d_loader_new (set.cache, &set.config, set.card, &options, &error);
  g_assert_no_error (error);
  g_assert_cmpint (cnn3d_loader_get_n_batches (loader), ==, 2);
  g_assert_cmpint (cnn3d_loader_get_n_clips (loader), ==, 5);
  for (int epoch = 0; epoch < 2; epoch++) {
    next (loader, &batch);
    g_assert_cmpint (batch.n, ==, 3);
    assert_frames (&batch, 0, 3, 4, 5, 6);
    assert_frames (&batch, 1, 0, 1, 2, 3);
    assert_frames (&batch, 2, 0, 1, 2, 0);
    g_assert_cmpint (batch.targets[1], ==, 1);
    g_assert_cmpint (value (&batch, 0, 1, 0, 5, 6), ==, 46);
    g_assert_cmpint (value (&batch, 2, 0, 1, 5, 6), ==, 41);
    next (loader, &batch);
    g_assert_cmpint (batch.n, ==, 2);
    assert_frames (&batch, 0, 0, 0, 0, 0);
    assert_frames (&batch, 1, 8, 9, 10, 11);
    g_assert_cmpint (batch.videos[1], ==, 4);
  }
  cnn3d_loader_unref (loader);

  options.sample_rate = 4; /* of 10: every 2.5th frame */
  loader = cnn3d_loader_new (set.cache, &set.config, set.card, &options, &error);
  next (loader, &batch);
  assert_frames (&batch, 0, 0, 2, 5, 7);
  assert_frames (&batch, 1, 0, 2, 0, 2);
  next (loader, &batch);
  assert_frames (&batch, 1, 5, 7, 10, 12); /* 8 samples, from the third on */
  cnn3d_loader_unref (loader);
  set_clear (&set);
}

/* Clips one after another. */
static void
test_stride (void)
{
  const int n_frames[] = { 10, 3 };
  Cnn3dLoaderOptions options = { .batch = 8, .stride = 3 };
  g_autoptr (GError) error = NULL;
  Cnn3dLoaderBatch batch;
  Cnn3dLoader *loader;
  Set set;

  set_init (&set, n_frames, 2);
  loader = cnn3d_loader_new (set.cache, &set.config, set.card, &options, &error);
  next (loader, &batch);
  g_assert_cmpint (batch.n, ==, 4);
  assert_frames (&batch, 0, 0, 1, 2, 3);
  assert_frames (&batch, 1, 3, 4, 5, 6);
  assert_frames (&batch, 2, 6, 7, 8, 9);
  assert_frames (&batch, 3, 0, 1, 2, 0);
  g_assert_cmpint (batch.videos[3], ==, 1);
  cnn3d_loader_unref (loader);
  set_clear (&set);
}

/* In training each video comes once in an epoch, from any position; flips swap labels. */
static void
test_training (void)
{
  const int n_frames[] = { 10, 10, 10, 10, 10, 10 };
  const int flips[] = { 1, 0 }, never[] = { -1, 1 };
  Cnn3dLoaderOptions options = { .seed = 5, .batch = 2, .training = TRUE, .flip = 0.5, .flip_labels = flips };
  guint starts = 0, flipped = 0, n = 0, orders = 0;
  g_autoptr (GError) error = NULL;
  Cnn3dLoaderBatch batch;
  Cnn3dLoader *loader;
  Set set;

  set_init (&set, n_frames, 6);
  loader = cnn3d_loader_new (set.cache, &set.config, set.card, &options, &error);
  g_assert_cmpint (cnn3d_loader_get_n_batches (loader), ==, 3);
  for (int epoch = 0; epoch < 60; epoch++) {
    guint seen = 0;

    for (int b = 0; b < 3; b++) {
      next (loader, &batch);
      orders += b == 0 && batch.videos[0] == 0;
      for (int i = 0; i < 2; i++) {
        gboolean mirrored = value (&batch, i, 1, 0, 0, 0) == SIDE - 1;
        int start = value (&batch, i, 2, 0, 0, 0);

        g_assert_cmpint (value (&batch, i, 1, 0, 0, 0), ==, mirrored ? SIDE - 1 : 0);
        g_assert_cmpint (value (&batch, i, 0, 0, 0, 0), ==, 20 * batch.videos[i] + start);
        g_assert_cmpint (batch.targets[i], ==, batch.videos[i] % 2 ^ mirrored);
        assert_frames (&batch, i, start, start + 1, start + 2, start + 3);
        seen |= 1u << batch.videos[i];
        starts |= 1u << start;
        flipped += mirrored;
        n++;
      }
    }
    g_assert_cmpint (seen, ==, 63);
  }
  g_assert_cmpint (starts, ==, 127); /* 0 to 6 of 10 frames */
  g_assert_cmpint (flipped, >, n / 3);
  g_assert_cmpint (flipped, <, 2 * n / 3);
  g_assert_cmpint (orders, >, 2);
  g_assert_cmpint (orders, <, 30);
  cnn3d_loader_unref (loader);

  options.flip = 1;
  options.flip_labels = never;
  loader = cnn3d_loader_new (set.cache, &set.config, set.card, &options, &error);
  for (int b = 0; b < 6; b++) {
    next (loader, &batch);
    for (int i = 0; i < 2; i++) {
      g_assert_cmpint (batch.targets[i], ==, batch.videos[i] % 2);
      g_assert_cmpint (value (&batch, i, 1, 0, 0, 0), ==, batch.targets[i] == 0 ? 0 : SIDE - 1);
    }
  }
  cnn3d_loader_unref (loader);
  set_clear (&set);
}

/* Crops of half the side, at the corners and in the centre. */
static void
test_scales (void)
{
  const int n_frames[] = { 4, 4 };
  Cnn3dLoaderOptions options = { .batch = 2, .training = TRUE, .n_scales = 1, .scales = { 0.5 } };
  g_autoptr (GError) error = NULL;
  Cnn3dLoaderBatch batch;
  Cnn3dLoader *loader;
  gboolean seen[64] = { FALSE };
  int corners[] = { 0, 4, 32, 36, 18 }; /* 8 y + x */
  Set set;

  set_init (&set, n_frames, 2);
  set.config.size = SIDE;
  loader = cnn3d_loader_new (set.cache, &set.config, set.card, &options, &error);
  for (int b = 0; b < 60; b++) {
    next (loader, &batch);
    /* Twice as large, the corner pixels are as they were. */
    for (int i = 0; i < 2; i++) {
      int first = value (&batch, i, 1, 0, 0, 0);

      g_assert_cmpint (value (&batch, i, 1, 0, SIDE - 1, SIDE - 1), ==, first + 3 * 8 + 3);
      seen[first] = TRUE;
    }
  }
  for (int i = 0; i < 64; i++)
    g_assert_cmpint (seen[i], ==, i == corners[0] || i == corners[1] || i == corners[2] || i == corners[3] || i == corners[4]);
  cnn3d_loader_unref (loader);

  options.position = CNN3D_CROP_CENTRE;
  loader = cnn3d_loader_new (set.cache, &set.config, set.card, &options, &error);
  for (int b = 0; b < 5; b++) {
    next (loader, &batch);
    g_assert_cmpint (value (&batch, 0, 1, 0, 0, 0), ==, 18);
  }
  cnn3d_loader_unref (loader);
  set_clear (&set);
}

/*
 * Batches depend on their number alone: on any number of threads, after any others; ranks share them. The last
 * of an epoch is smaller, or left out where there is not a clip of it for each rank.
 */
static void
test_order (void)
{
  const int n_frames[] = { 10, 12, 9, 10, 11, 10, 10, 10, 8 };
  Cnn3dLoaderOptions options = { .seed = 9, .batch = 4, .training = TRUE, .flip = 0.5, .n_scales = 2,
    .scales = { 1, 0.7 }, .position = CNN3D_CROP_RANDOM, .brightness = 0.2, .contrast = 0.2 };
  gsize clip = 3 * 4 * SIDE * SIDE;
  g_autofree float *kept = g_new (float, 12 * 4 * clip);
  int targets[12][4];
  guint seen = 0;
  g_autoptr (GError) error = NULL;
  Cnn3dLoaderBatch batch;
  Cnn3dLoader *loader;
  Set set;

  set_init (&set, n_frames, 9);
  loader = cnn3d_loader_new (set.cache, &set.config, set.card, &options, &error);
  g_assert_cmpint (cnn3d_loader_get_n_batches (loader), ==, 3);
  g_assert_cmpint (cnn3d_loader_get_n_used (loader), ==, 9);
  for (int b = 0; b < 12; b++) {
    next (loader, &batch);
    g_assert_cmpint (batch.n, ==, b % 3 == 2 ? 1 : 4);
    seen |= 1u << batch.videos[0];
    for (int i = 1; i < batch.n; i++)
      seen |= 1u << batch.videos[i];
    if (b % 3 == 2) {
      g_assert_cmpint (seen, ==, 511);
      seen = 0;
    }
    memcpy (kept + b * 4 * clip, batch.clips, (gsize) batch.n * clip * sizeof (float));
    memcpy (targets[b], batch.targets, (gsize) batch.n * sizeof (int));
  }
  g_assert_cmpint (memcmp (kept, kept + 12 * clip, 4 * clip * sizeof (float)), !=, 0);
  cnn3d_loader_unref (loader);

  options.threads = 3;
  loader = cnn3d_loader_new (set.cache, &set.config, set.card, &options, &error);
  for (int k = 0; k < 20; k++) {
    int b = k * 7 % 12;
    gsize n = b % 3 == 2 ? 1 : 4;

    cnn3d_loader_seek (loader, (guint64) b);
    next (loader, &batch);
    g_assert_cmpmem (batch.clips, (gsize) batch.n * clip * sizeof (float), kept + b * 4 * clip, n * clip * sizeof (float));
    g_assert_cmpmem (batch.targets, (gsize) batch.n * sizeof (int), targets[b], n * sizeof (int));
  }
  cnn3d_loader_unref (loader);

  options.ranks = 2;
  options.rank = 1;
  loader = cnn3d_loader_new (set.cache, &set.config, set.card, &options, &error);
  g_assert_cmpint (cnn3d_loader_get_n_batches (loader), ==, 2);
  g_assert_cmpint (cnn3d_loader_get_n_used (loader), ==, 8);
  for (int b = 0; b < 8; b++) {
    int whole = b / 2 * 3 + b % 2;

    next (loader, &batch);
    g_assert_cmpint (batch.n, ==, 2);
    g_assert_cmpmem (batch.clips, 2 * clip * sizeof (float), kept + (whole * 4 + 2) * clip, 2 * clip * sizeof (float));
  }
  cnn3d_loader_unref (loader);

  options.ranks = 3;
  g_assert_null (cnn3d_loader_new (set.cache, &set.config, set.card, &options, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG);
  g_clear_error (&error);

  /* Nine videos are one batch, of which no process may get more than another. */
  options.batch = 12;
  loader = cnn3d_loader_new (set.cache, &set.config, set.card, &options, &error);
  next (loader, &batch);
  g_assert_cmpint (batch.n, ==, 3);
  cnn3d_loader_unref (loader);
  options.ranks = 2;
  g_assert_null (cnn3d_loader_new (set.cache, &set.config, set.card, &options, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG);
  set_clear (&set);
}

/* A cache that becomes shorter is an error of the batch, not a crash; a part of it is a cache too. */
static void
test_cache (void)
{
  const int n_frames[] = { 4, 5, 6 }, part[] = { 2, 0 };
  const char *const other[] = { "right", NULL };
  Cnn3dLoaderOptions options = { .batch = 2 };
  g_autofree char *frames = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dLoaderBatch batch;
  Cnn3dLoader *loader;
  Cnn3dCache *subset;
  Cnn3dCacheVideo video;
  FILE *file;
  Set set;

  set_init (&set, n_frames, 3);
  subset = cnn3d_cache_new_subset (set.cache, part, 2);
  g_assert_cmpint (cnn3d_cache_get_n_videos (subset), ==, 2);
  cnn3d_cache_get_video (subset, 0, &video);
  g_assert_cmpint (video.frames, ==, 6);
  loader = cnn3d_loader_new (subset, &set.config, set.card, &options, &error);
  cnn3d_cache_unref (subset);
  next (loader, &batch);
  g_assert_cmpint (value (&batch, 0, 0, 0, 0, 0), ==, 41);
  g_assert_cmpint (value (&batch, 1, 0, 0, 0, 0), ==, 0);
  cnn3d_loader_unref (loader);

  options.labels = other;
  g_assert_null (cnn3d_loader_new (set.cache, &set.config, set.card, &options, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH);
  g_assert_nonnull (strstr (error->message, "'left'"));
  g_clear_error (&error);
  options.labels = NULL;

  frames = g_build_filename (set.path, "frames.bin", NULL);
  file = fopen (frames, "w");
  fclose (file);
  loader = cnn3d_loader_new (set.cache, &set.config, set.card, &options, &error);
  g_assert_false (cnn3d_loader_next (loader, &batch, &error));
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, "frames.bin"));
  cnn3d_loader_unref (loader);
  set_clear (&set);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/crop/copy", test_crop_copy);
  g_test_add_func ("/crop/shrink", test_crop_shrink);
  g_test_add_func ("/crop/grow", test_crop_grow);
  g_test_add_func ("/loader/middle", test_middle);
  g_test_add_func ("/loader/stride", test_stride);
  g_test_add_func ("/loader/training", test_training);
  g_test_add_func ("/loader/scales", test_scales);
  g_test_add_func ("/loader/order", test_order);
  g_test_add_func ("/loader/cache", test_cache);
  return g_test_run ();
}
