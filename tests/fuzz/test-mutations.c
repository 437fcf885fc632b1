/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Damages model files of every format in some thousand ways: each gives a model or an error. */

#include <glib/gstdio.h>
#include <string.h>

#include "lib3dcnn/3dcnn.h"

#define MUTATIONS 500 /* of each file */

static guint64 state;

/* xorshift64*: the same on every machine. */
static guint32
next_random (guint32 below)
{
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return (guint32) ((state * 0x2545F4914F6CDD1D) >> 32) % below;
}

/* Where structure is dense: the first and last bytes. Elsewhere are weights. */
static gsize
pick_place (gsize size)
{
  gsize window = MIN (size, 6000);

  switch (next_random (3)) {
    case 0:
      return next_random ((guint32) window);
    case 1:
      return size - 1 - next_random ((guint32) window);
    default:
      return next_random ((guint32) size);
  }
}

static void
mutate (GByteArray *data)
{
  static const guint8 extremes[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
  int n = 1 + (int) next_random (4);

  while (n-- > 0 && data->len > 16) {
    gsize place = pick_place (data->len);
    guint8 *p = data->data + place;
    gsize left = data->len - place;

    switch (next_random (7)) {
      case 0:
        *p ^= (guint8) (1u << next_random (8));
        break;
      case 1:
        *p = extremes[next_random (G_N_ELEMENTS (extremes))];
        break;
      case 2: /* a length, perhaps */
        memset (p, extremes[next_random (G_N_ELEMENTS (extremes))], MIN (left, 4));
        break;
      case 3:
        memset (p, extremes[next_random (G_N_ELEMENTS (extremes))], MIN (left, 8));
        break;
      case 4:
        g_byte_array_set_size (data, (guint) place + 1);
        break;
      case 5: {
        gsize from = pick_place (data->len), length = MIN (MIN (left, data->len - from), 64);
        memmove (p, data->data + from, length);
        break;
      }
      default:
        if (left > 8)
          g_byte_array_remove_range (data, (guint) place, 1 + next_random (8));
        break;
    }
  }
}

static gboolean
load (const guint8 *data, gsize size, const char *file)
{
  /* A copy of its own size, so that sanitizers see reads past its end. */
  guint8 *copy = g_malloc (MAX (size, 1));
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = NULL;

  memcpy (copy, data, size);
  bytes = g_bytes_new_take (copy, size);
  model = cnn3d_model_load_bytes (bytes, file, NULL, &error);
  g_assert_true ((model == NULL) == (error != NULL));
  if (error != NULL)
    g_assert_nonnull (strstr (error->message, file));
  return model != NULL;
}

static void
damage (const char *content, gsize size, const char *name)
{
  int accepted = 0;

  g_assert_true (load ((const guint8 *) content, size, name));
  state = 0x9E3779B97F4A7C15 ^ size;
  for (int i = 0; i < MUTATIONS; i++) {
    g_autoptr (GByteArray) data = g_byte_array_new ();

    g_byte_array_append (data, (const guint8 *) content, (guint) size);
    mutate (data);
    accepted += load (data->data, data->len, name);
  }
  /* Changed weights are still weights; but not everything may pass. */
  g_test_message ("%d of %d damaged files were still models", accepted, MUTATIONS);
  g_assert_cmpint (accepted, <, MUTATIONS);
}

static void
test_file (gconstpointer name)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "..", "data", name, NULL);
  g_autofree char *content = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &content, &size, NULL));
  damage (content, size, name);
}

/* A file with a rule for unknown clips and its tensors. */
static void
test_unknown (void)
{
  Cnn3dConfig config = { .arch = CNN3D_ARCH_MOBILENET, .width = 0.06, .classes = 3, .size = 32 };
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "3dcnn-mutations-XXXXXX", NULL);
  g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (&config, "", NULL), ruled = NULL;
  g_autoptr (Cnn3dCard) card = cnn3d_card_new ();
  Cnn3dUnknown *u = card->unknown = g_new0 (Cnn3dUnknown, 1);
  g_autofree char *content = NULL;
  gsize size;

  *u = (Cnn3dUnknown){ CNN3D_UNKNOWN_DISTANCE, g_strdup ("none"), 1.5, 3, cnn3d_model_get_n_features (model) };
  u->means = g_new0 (float, u->n_classes * u->n_features);
  u->variances = g_new (float, u->n_features);
  for (int k = 0; k < u->n_features; k++)
    u->variances[k] = 1;
  ruled = cnn3d_model_with_card (model, card);
  g_close (g_mkstemp (path), NULL);
  g_assert_true (cnn3d_model_save (ruled, path, NULL));
  g_assert_true (g_file_get_contents (path, &content, &size, NULL));
  g_remove (path);
  damage (content, size, "unknown.safetensors");
}

/* No beginning of a file is a model. */
static void
test_truncated (gconstpointer name)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "..", "data", name, NULL);
  g_autofree char *content = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &content, &size, NULL));
  for (gsize n = 0; n < size; n += 1 + n / 40)
    g_assert_false (load ((guint8 *) content, n, name));
  g_assert_false (load ((guint8 *) content, size - 1, name));
}

int
main (int argc, char **argv)
{
  static const char *const files[] = { "legacy.pth", "zip.pth", "strided.pth", "half.pth", "bfloat.pth",
    "double.pth", "state.safetensors" };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *mutations = g_strdup_printf ("/fuzz/mutations/%s", files[i]);
    g_autofree char *truncated = g_strdup_printf ("/fuzz/truncated/%s", files[i]);

    g_test_add_data_func (mutations, files[i], test_file);
    g_test_add_data_func (truncated, files[i], test_truncated);
  }
  g_test_add_func ("/fuzz/mutations/unknown", test_unknown);
  return g_test_run ();
}
