/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Model files: every format, what is inferred, cards, and what is said about files that do not fit. */

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib3dcnn/3dcnn.h"
#include "lib3dcnn/io/half.h"
#include "lib3dcnn/model-private.h"

static char *folder; /* for files that tests write */

static char *
data_path (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "..", "data", name, NULL);
}

static void
expected_logits (const char *member, double logits[3])
{
  g_autofree char *path = data_path ("logits.json");
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  JsonArray *array;

  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  array = json_object_get_array_member (json_node_get_object (json_parser_get_root (parser)), member);
  for (guint i = 0; i < 3; i++)
    logits[i] = json_array_get_double_element (array, i);
}

static void
check_logits (Cnn3dModel *model, const double *expected)
{
  const Cnn3dConfig *config = cnn3d_model_get_config (model);
  g_autofree float *clip = g_new (float, 3 * config->frames * config->size * config->size);

  cnn3d_hash_clip (config, "", clip);
  for (int b = CNN3D_BACKEND_CPU; b <= CNN3D_BACKEND_REFERENCE; b++) {
    Cnn3dSessionOptions options = { .backend = (Cnn3dBackend) b };
    g_autoptr (GError) error = NULL;
    g_autoptr (Cnn3dSession) session = cnn3d_session_new (model, &options, &error);
    float logits[3];

    g_assert_no_error (error);
    g_assert_true (cnn3d_session_run (session, clip, 1, logits, &error));
    for (int c = 0; c < 3; c++)
      g_assert_cmpfloat_with_epsilon (logits[c], expected[c], 1e-4 * 0.15);
  }
}

static void
test_format (gconstpointer data)
{
  const char *const *names = data; /* file, member of logits.json */
  g_autofree char *path = data_path (names[0]);
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = cnn3d_model_load (path, NULL, &error);
  const Cnn3dConfig *config;
  double expected[3];

  g_assert_no_error (error);
  config = cnn3d_model_get_config (model);
  g_assert_cmpint (config->arch, ==, CNN3D_ARCH_MOBILENET);
  g_assert_cmpfloat (config->width, ==, 0.06);
  g_assert_cmpint (config->classes, ==, 3);
  g_assert_cmpstr (cnn3d_model_get_label (model, 2), ==, "class 2");
  expected_logits (names[1], expected);
  check_logits (model, expected);
}

/* Saves a synthetic network without its card, and lets it be inferred. */
static void
check_inference (Cnn3dConfig config)
{
  g_autofree char *path = g_build_filename (folder, "inferred.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = NULL;
  g_autoptr (Cnn3dModel) again = NULL;
  g_autofree char *data = NULL;
  const Cnn3dConfig *found;
  char *key;
  gsize size;

  config.size = 32;
  config.frames = config.arch == CNN3D_ARCH_SHUFFLENET ? 16 : 4;
  model = cnn3d_model_new_synthetic (&config, "", &error);
  g_assert_no_error (error);
  g_assert_true (cnn3d_model_save (model, path, &error));
  /* A card whose version has another name is none. */
  g_assert_true (g_file_get_contents (path, &data, &size, &error));
  key = memmem (data, size, "\"3dcnn.card\"", 12);
  g_assert_nonnull (key);
  key[3] = 'x';
  g_assert_true (g_file_set_contents (path, data, (gssize) size, &error));

  again = cnn3d_model_load (path, NULL, &error);
  g_assert_no_error (error);
  found = cnn3d_model_get_config (again);
  g_assert_cmpint (found->arch, ==, cnn3d_model_get_config (model)->arch);
  g_assert_cmpfloat_with_epsilon (found->width, cnn3d_model_get_config (model)->width, 1e-9);
  g_assert_cmpint (found->groups, ==, cnn3d_model_get_config (model)->groups);
  g_assert_cmpint (found->version, ==, cnn3d_model_get_config (model)->version);
  g_assert_cmpint (found->classes, ==, config.classes);
}

static void
test_inference (void)
{
  static const int groups[] = { 1, 2, 3, 4, 8 };
  static const double v2[] = { 0.25, 0.5, 1.0, 1.5, 2.0 };
  static const double v1[] = { 0.2, 0.25, 0.45, 0.5, 0.7, 1.0 };

  for (guint i = 0; i < G_N_ELEMENTS (groups); i++)
    check_inference ((Cnn3dConfig){ CNN3D_ARCH_SHUFFLENET, .width = 1.0, .groups = groups[i], .classes = 5 });
  check_inference ((Cnn3dConfig){ CNN3D_ARCH_SHUFFLENET, .width = 0.5, .groups = 3, .classes = 27 });
  for (guint i = 0; i < G_N_ELEMENTS (v2); i++)
    check_inference ((Cnn3dConfig){ CNN3D_ARCH_SHUFFLENETV2, .width = v2[i], .classes = 2 });
  for (guint i = 0; i < G_N_ELEMENTS (v1); i++) {
    check_inference ((Cnn3dConfig){ CNN3D_ARCH_MOBILENET, .width = v1[i], .classes = 7 });
    check_inference ((Cnn3dConfig){ CNN3D_ARCH_MOBILENETV2, .width = v1[i], .classes = 7 });
  }
  check_inference ((Cnn3dConfig){ CNN3D_ARCH_SQUEEZENET, .version = 10, .classes = 4 });
  check_inference ((Cnn3dConfig){ CNN3D_ARCH_SQUEEZENET, .version = 11, .classes = 4 });
}

static Cnn3dModel *
load_tiny (void)
{
  g_autofree char *path = data_path ("zip.pth");
  g_autoptr (GError) error = NULL;
  Cnn3dModel *model = cnn3d_model_load (path, NULL, &error);

  g_assert_no_error (error);
  return model;
}

static void
test_round_trip (void)
{
  g_autofree char *path = g_build_filename (folder, "model.safetensors", NULL);
  g_autofree char *second = g_build_filename (folder, "second.safetensors", NULL);
  g_autoptr (Cnn3dModel) model = load_tiny ();
  g_autoptr (Cnn3dCard) card = cnn3d_card_copy (cnn3d_model_get_card (model));
  g_autoptr (Cnn3dModel) described = NULL;
  g_autoptr (Cnn3dModel) loaded = NULL;
  g_autoptr (Cnn3dModel) again = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *data = NULL;
  const Cnn3dCard *found;
  char *key;
  gsize size;

  card->name = g_strdup ("Näme \"quoted\"");
  card->labels = g_strsplit ("a,b [c],[[d]]", ",", -1);
  card->sample_rate = 7.5;
  card->channel_order = CNN3D_CHANNEL_ORDER_BGR;
  card->resize = CNN3D_RESIZE_STRETCH;
  card->score = CNN3D_SCORE_SIGMOID;
  card->std[1] = 57.1f;
  card->licence = g_strdup ("CC0-1.0");
  card->training = g_strdup ("{\"data\":\"clips\"}");
  described = cnn3d_model_with_card (model, card);
  g_assert_true (cnn3d_model_save (described, path, &error));
  loaded = cnn3d_model_load (path, NULL, &error);
  g_assert_no_error (error);

  found = cnn3d_model_get_card (loaded);
  g_assert_cmpstr (found->name, ==, card->name);
  g_assert_cmpstrv (found->labels, card->labels);
  g_assert_cmpfloat (found->sample_rate, ==, 7.5);
  g_assert_cmpint (found->channel_order, ==, CNN3D_CHANNEL_ORDER_BGR);
  g_assert_cmpint (found->resize, ==, CNN3D_RESIZE_STRETCH);
  g_assert_cmpint (found->score, ==, CNN3D_SCORE_SIGMOID);
  for (int p = 0; p < 3; p++) {
    g_assert_cmpfloat (found->mean[p], ==, card->mean[p]);
    g_assert_cmpfloat (found->std[p], ==, card->std[p]);
  }
  g_assert_cmpstr (found->licence, ==, "CC0-1.0");
  g_assert_cmpstr (found->training, ==, card->training);
  for (guint i = 0; i < model->graph->params->len; i++) {
    gsize n = (gsize) cnn3d_param_count (cnn3d_graph_param (model->graph, (int) i));
    g_assert_cmpmem (loaded->params[i], n * 4, model->params[i], n * 4);
  }
  /* Mapped, not copied. */
  g_assert_cmpuint (loaded->owned->len, ==, 0);
  g_assert_true (cnn3d_model_verify (loaded, &error));

  /* A key that is not known here is kept. */
  g_assert_true (g_file_get_contents (path, &data, &size, &error));
  key = memmem (data, size, "3dcnn.licence", 13);
  memcpy (key, "their.licence", 13);
  g_assert_true (g_file_set_contents (path, data, (gssize) size, &error));
  again = cnn3d_model_load (path, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (cnn3d_model_save (again, second, &error));
  g_clear_pointer (&data, g_free);
  g_assert_true (g_file_get_contents (second, &data, &size, &error));
  g_assert_nonnull (memmem (data, size, "\"their.licence\":\"CC0-1.0\"", 25));
}

static void
test_verify (void)
{
  g_autofree char *path = g_build_filename (folder, "changed.safetensors", NULL);
  g_autoptr (Cnn3dModel) model = load_tiny ();
  g_autoptr (Cnn3dModel) changed = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *data = NULL;
  guint64 header;
  gsize size;

  g_assert_false (cnn3d_model_verify (model, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_VERIFY);
  g_clear_error (&error);

  g_assert_true (cnn3d_model_save (model, path, &error));
  g_assert_true (g_file_get_contents (path, &data, &size, &error));
  memcpy (&header, data, 8);
  data[8 + header + 3] ^= 0x40; /* the exponent of the first weight */
  g_assert_true (g_file_set_contents (path, data, (gssize) size, &error));
  changed = cnn3d_model_load (path, NULL, &error);
  g_assert_no_error (error);
  g_assert_false (cnn3d_model_verify (changed, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_VERIFY);
}

/* All float16 numbers are kept; what lies between two becomes the nearer one, or the even one. */
static void
test_half_numbers (void)
{
  for (guint h = 0; h < 0x10000; h++) {
    float f = cnn3d_half_to_float ((guint16) h);

    if (isnan (f)) {
      g_assert_true (isnan (cnn3d_half_to_float (cnn3d_half_from_float (f))));
      continue;
    }
    g_assert_cmpuint (cnn3d_half_from_float (f), ==, h);
    if ((h & 0x7fff) < 0x7bff) {
      float next = cnn3d_half_to_float ((guint16) (h + 1)), middle = f + (next - f) / 2;

      g_assert_cmpuint (cnn3d_half_from_float (middle), ==, h + (h & 1));
      g_assert_cmpuint (cnn3d_half_from_float (nextafterf (middle, f)), ==, h);
      g_assert_cmpuint (cnn3d_half_from_float (nextafterf (middle, next)), ==, h + 1);
    }
  }
  g_assert_cmpuint (cnn3d_half_from_float (65519), ==, 0x7bff);
  g_assert_cmpuint (cnn3d_half_from_float (65520), ==, 0x7c00);
  g_assert_cmpuint (cnn3d_half_from_float (-1e30f), ==, 0xfc00);
  g_assert_cmpuint (cnn3d_half_from_float (1e-30f), ==, 0);
}

/* Weights as float16 take half the room, and are read as they were rounded. */
static void
test_half_model (void)
{
  g_autofree char *full_path = g_build_filename (folder, "full.safetensors", NULL);
  g_autofree char *half_path = g_build_filename (folder, "half.safetensors", NULL);
  Cnn3dConfig config = { .arch = CNN3D_ARCH_MOBILENETV2, .width = 0.2, .classes = 3, .size = 32 };
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (&config, "half", &error);
  g_autoptr (Cnn3dModel) half = cnn3d_model_to_half (model);
  g_autoptr (Cnn3dModel) loaded = NULL;
  g_autofree char *a = NULL, *b = NULL;
  gsize full_size, half_size;
  gboolean changed = FALSE;

  g_assert_true (cnn3d_model_save (model, full_path, &error) && cnn3d_model_save (half, half_path, &error));
  g_assert_true (g_file_get_contents (full_path, &a, &full_size, &error));
  g_assert_true (g_file_get_contents (half_path, &b, &half_size, &error));
  g_assert_cmpuint (half_size * 10, <, full_size * 6);
  loaded = cnn3d_model_load (half_path, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (cnn3d_model_verify (loaded, &error));
  for (guint i = 0; i < model->graph->params->len; i++) {
    const Cnn3dParam *param = cnn3d_graph_param (model->graph, (int) i);
    gsize n = (gsize) cnn3d_param_count (param) * sizeof (float);

    g_assert_cmpmem (half->params[i], n, loaded->params[i], n);
    if (param->n_dims == 1)
      g_assert_cmpmem (half->params[i], n, model->params[i], n);
    else
      changed = changed || memcmp (half->params[i], model->params[i], n) != 0;
  }
  g_assert_true (changed);
}

/* A failed save leaves the old file as it was. */
static void
test_save_fails (void)
{
  g_autofree char *path = g_build_filename (folder, "no", "model.safetensors", NULL);
  g_autoptr (Cnn3dModel) model = load_tiny ();
  g_autoptr (GError) error = NULL;

  g_assert_false (cnn3d_model_save (model, path, &error));
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, path));
}

/* Of a new name nothing is left if the disk is full, which a limit on the size of files is to a program. */
static void
test_full_disk (void)
{
  gboolean (*const writers[]) (Cnn3dModel *, const char *, GError **) = { cnn3d_model_save, cnn3d_model_export_onnx };
  g_autofree char *path = g_build_filename (folder, "full", NULL), *partial = g_strconcat (path, ".partial", NULL);
  g_autoptr (Cnn3dModel) model = load_tiny ();
  struct rlimit old, small;

  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &old), ==, 0);
  small = (struct rlimit){ 1000, old.rlim_max };
  for (guint i = 0; i < G_N_ELEMENTS (writers); i++) {
    g_autoptr (GError) error = NULL;
    gboolean written;

    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
    written = writers[i] (model, path, &error);
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
    g_assert_false (written);
    g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED);
    g_assert_true (g_str_has_prefix (error->message, path));
    g_assert_null (strstr (error->message + 1, path));
    g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
    g_assert_false (g_file_test (partial, G_FILE_TEST_EXISTS));
    g_assert_true (writers[i] (model, path, NULL));
    g_assert_cmpint (g_unlink (path), ==, 0);
  }
}

/* What is no file is not replaced by one. */
static void
test_device (void)
{
  g_autofree char *path = g_build_filename (folder, "device", NULL);
  g_autoptr (Cnn3dModel) model = load_tiny ();
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (symlink ("/dev/null", path), ==, 0);
  g_assert_false (cnn3d_model_save (model, path, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
  g_assert_true (g_file_test (path, G_FILE_TEST_IS_SYMLINK));
}

static void
test_presets (void)
{
  static const struct {
    const char *name;
    guint classes;
    Cnn3dChannelOrder order;
  } presets[] = {
    { "jester", 27, CNN3D_CHANNEL_ORDER_RGB },
    { "kinetics-600", 600, CNN3D_CHANNEL_ORDER_BGR },
    { "ucf101", 101, CNN3D_CHANNEL_ORDER_RGB },
  };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (presets); i++) {
    g_autoptr (Cnn3dCard) card = cnn3d_card_new_preset (presets[i].name, &error);

    g_assert_no_error (error);
    g_assert_cmpuint (g_strv_length (card->labels), ==, presets[i].classes);
    g_assert_cmpint (card->channel_order, ==, presets[i].order);
    g_assert_cmpfloat (card->sample_rate, >, 0);
  }
  g_assert_null (cnn3d_card_new_preset ("imagenet", &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, "kinetics-600"));
}

static char *
write_file (const char *name, const char *text, gssize size)
{
  char *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, size, NULL));
  return path;
}

static void
check_labels_error (const char *text, gssize size, const char *said)
{
  g_autofree char *path = write_file ("labels.txt", text, size);
  g_autoptr (GError) error = NULL;

  g_assert_null (cnn3d_labels_load (path, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_nonnull (strstr (error->message, said));
}

static void
test_labels (void)
{
  g_autofree char *path = write_file ("labels.txt", "one\r\ntwo\r\nthree\r\n\r\n", -1);
  g_autofree char *checkpoint = data_path ("zip.pth");
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) labels = cnn3d_labels_load (path, &error);
  Cnn3dLoadOptions options = { .labels_file = path };
  g_autoptr (Cnn3dModel) model = NULL;

  g_assert_no_error (error);
  g_assert_cmpuint (g_strv_length (labels), ==, 3);
  g_assert_cmpstr (labels[1], ==, "two");
  model = cnn3d_model_load (checkpoint, &options, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (cnn3d_model_get_label (model, 2), ==, "three");

  check_labels_error ("one\n\ntwo\n", -1, "line 2");
  check_labels_error ("one\n\xff\xfe\n", -1, "UTF-8");
  check_labels_error ("one\0two", 7, "UTF-8");
  check_labels_error ("\n\n", -1, "no labels");
  g_free (path);
  path = write_file ("labels.txt", "one\ntwo\n", -1);
  options.labels_file = path;
  g_assert_null (cnn3d_model_load (checkpoint, &options, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH);
  g_assert_nonnull (strstr (error->message, "2 labels"));
  g_assert_nonnull (strstr (error->message, "3 classes"));
}

/* Loads the tiny state dict after replacing one text in its header by another of the same length. */
static void
check_mismatch (const char *from, const char *to, const char *said1, const char *said2)
{
  g_autofree char *path = data_path ("state.safetensors");
  g_autofree char *data = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  char *place;
  gsize size;

  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  place = memmem (data, size, from, strlen (from));
  g_assert_nonnull (place);
  memcpy (place, to, strlen (to));
  bytes = g_bytes_new (data, size);
  g_assert_null (cnn3d_model_load_bytes (bytes, "tiny.safetensors", NULL, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, "tiny.safetensors"));
  g_assert_nonnull (strstr (error->message, said1));
  g_assert_nonnull (strstr (error->message, said2));
}

static void
test_mismatches (void)
{
  check_mismatch ("features.5.bn1.weight", "features.5.bnX.weight", "features.5.bn1.weight", "missing");
  check_mismatch ("\"features.3.conv1.weight\": {\"dtype\": \"F32\", \"shape\": [7, 1, 3, 3, 3]",
      "\"features.3.conv1.weight\": {\"dtype\": \"F32\", \"shape\": [7, 3, 1, 3, 3]", "[7, 3, 1, 3, 3]",
      "[7, 1, 3, 3, 3]");
  check_mismatch ("features.1.conv1.weight", "fXatures.1.conv1.weight", "names", "network");
}

static void
check_load_error (const char *path, const char *said)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (cnn3d_model_load (path, NULL, &error));
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_nonnull (strstr (error->message, said));
}

static void
test_bad_paths (void)
{
  g_autofree char *empty = write_file ("empty", "", 0);
  g_autofree char *text = write_file ("text", "hello, this is not a model\n", -1);

  check_load_error ("/nonexistent/model.pth", "No such file");
  check_load_error (folder, "is a folder");
  check_load_error (empty, "neither");
  check_load_error (text, "neither");
}

static void
test_overrides (void)
{
  g_autofree char *path = data_path ("legacy.pth");
  Cnn3dLoadOptions options = { .size = 64, .frames = 8 };
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = cnn3d_model_load (path, &options, &error);

  g_assert_no_error (error);
  g_assert_cmpint (cnn3d_model_get_config (model)->size, ==, 64);
  g_assert_cmpint (cnn3d_model_get_config (model)->frames, ==, 8);
  options.arch = "squeezenet";
  g_assert_null (cnn3d_model_load (path, &options, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH);
}

static void
test_find (void)
{
  g_autofree char *path = write_file ("found.safetensors", "x", 1), *found = NULL;
  g_autoptr (GError) error = NULL;

  g_setenv ("CNN3D_MODEL_PATH", folder, TRUE);
  found = cnn3d_model_find ("found", &error);
  g_assert_cmpstr (found, ==, path);
  g_assert_null (cnn3d_model_find ("lost", &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, "lost"));
}

int
main (int argc, char **argv)
{
  static const char *const formats[][2] = {
    { "legacy.pth", "float" }, { "zip.pth", "float" }, { "strided.pth", "float" },
    { "state.safetensors", "float" }, { "double.pth", "float" }, { "half.pth", "half" },
    { "bfloat.pth", "bfloat" },
  };
  g_autoptr (GError) error = NULL;
  int status;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("3dcnn-XXXXXX", &error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    g_autofree char *name = g_strdup_printf ("/files/format/%s", formats[i][0]);
    g_test_add_data_func (name, formats[i], test_format);
  }
  g_test_add_func ("/files/inference", test_inference);
  g_test_add_func ("/files/round-trip", test_round_trip);
  g_test_add_func ("/files/verify", test_verify);
  g_test_add_func ("/files/half-numbers", test_half_numbers);
  g_test_add_func ("/files/half-model", test_half_model);
  g_test_add_func ("/files/save-fails", test_save_fails);
  g_test_add_func ("/files/full-disk", test_full_disk);
  g_test_add_func ("/files/device", test_device);
  g_test_add_func ("/files/presets", test_presets);
  g_test_add_func ("/files/labels", test_labels);
  g_test_add_func ("/files/mismatches", test_mismatches);
  g_test_add_func ("/files/bad-paths", test_bad_paths);
  g_test_add_func ("/files/overrides", test_overrides);
  g_test_add_func ("/files/find", test_find);
  status = g_test_run ();
  {
    g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
    const char *file;
    while ((file = g_dir_read_name (dir)) != NULL) {
      g_autofree char *path = g_build_filename (folder, file, NULL);
      g_remove (path);
    }
  }
  g_rmdir (folder);
  g_free (folder);
  return status;
}
