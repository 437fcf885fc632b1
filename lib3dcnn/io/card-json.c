/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/io/card-json.h"
#include "lib3dcnn/io/safetensors.h"

#include <float.h>
#include <json-glib/json-glib.h>
#include <math.h>

#define PREFIX "3dcnn."
#define FORMAT PREFIX "card"
#define FORMAT_VERSION "1"

static const char *const channel_orders[] = { "rgb", "bgr", NULL };
static const char *const resizes[] = { "crop", "stretch", NULL };
static const char *const score_rules[] = { "softmax-mean", "sigmoid-mean", NULL };
static const char *const unknown_rules[] = { "margin", "distance", NULL };

/* What a card is read with: the first failure sets error and stays. */
typedef struct {
  GHashTable *metadata;
  const char *file;
  GError **error;
  gboolean failed;
} Reader;

static void
fail (Reader *r, const char *key, const char *expected)
{
  const char *value = g_hash_table_lookup (r->metadata, key);

  if (!r->failed)
    g_set_error (r->error, CNN3D_ERROR, CNN3D_ERROR_FORMAT,
        "%s: the model card's %s is '%.60s', and should be %s", r->file, key, value ? value : "",
        expected);
  r->failed = TRUE;
}

static double
read_number (Reader *r, const char *key, double absent, double min, double max, gboolean whole)
{
  const char *value = g_hash_table_lookup (r->metadata, key);
  char *end;
  double number;

  if (value == NULL)
    return absent;
  number = g_ascii_strtod (value, &end);
  if (end == value || *end != '\0' || !(number >= min && number <= max)
      || (whole && number != floor (number))) {
    g_autofree char *expected =
        g_strdup_printf ("%s from %g to %g", whole ? "a whole number" : "a number", min, max);
    fail (r, key, expected);
    return absent;
  }
  return number;
}

static int
read_choice (Reader *r, const char *key, const char *const *choices)
{
  const char *value = g_hash_table_lookup (r->metadata, key);
  g_autofree char *expected = NULL;

  if (value == NULL)
    return 0;
  for (int i = 0; choices[i] != NULL; i++)
    if (strcmp (value, choices[i]) == 0)
      return i;
  expected = g_strjoinv (" or ", (char **) choices);
  fail (r, key, expected);
  return 0;
}

static char *
read_text (Reader *r, const char *key)
{
  return g_strdup (g_hash_table_lookup (r->metadata, key));
}

/* A JSON array; NULL if the key is absent, or after fail(). */
static JsonArray *
read_array (Reader *r, const char *key)
{
  const char *value = g_hash_table_lookup (r->metadata, key);
  g_autoptr (JsonNode) node = NULL;

  if (value == NULL)
    return NULL;
  if (cnn3d_json_is_shallow (value, strlen (value)))
    node = json_from_string (value, NULL);
  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node)) {
    fail (r, key, "a JSON array");
    return NULL;
  }
  return json_node_dup_array (node);
}

static gboolean
is_number (JsonNode *node)
{
  return JSON_NODE_HOLDS_VALUE (node)
      && (json_node_get_value_type (node) == G_TYPE_INT64
          || json_node_get_value_type (node) == G_TYPE_DOUBLE);
}

/* n floats; FALSE if absent or after fail(). */
static gboolean
read_floats (Reader *r, const char *key, float *out, guint n)
{
  g_autoptr (JsonArray) array = read_array (r, key);

  if (array == NULL)
    return FALSE;
  for (guint i = 0; i < json_array_get_length (array) && i < n; i++) {
    JsonNode *node = json_array_get_element (array, i);

    out[i] = is_number (node) ? (float) json_node_get_double (node) : NAN;
    if (!isfinite (out[i]))
      break;
    if (i == n - 1 && json_array_get_length (array) == n)
      return TRUE;
  }
  fail (r, key, "a JSON array of numbers, as many as the network needs");
  return FALSE;
}

static char **
read_labels (Reader *r)
{
  g_autoptr (JsonArray) array = read_array (r, PREFIX "labels");
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  if (array == NULL)
    return NULL;
  for (guint i = 0; i < json_array_get_length (array); i++) {
    JsonNode *node = json_array_get_element (array, i);

    if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING) {
      fail (r, PREFIX "labels", "a JSON array of strings");
      return NULL;
    }
    g_strv_builder_add (builder, json_node_get_string (node));
  }
  return g_strv_builder_end (builder);
}

/* But for its tensors, which are in another place. */
static Cnn3dUnknown *
read_unknown (Reader *r, char *const *labels)
{
  Cnn3dUnknown *u;

  if (!g_hash_table_contains (r->metadata, PREFIX "unknown"))
    return NULL;
  u = g_new0 (Cnn3dUnknown, 1);
  u->rule = (Cnn3dUnknownRule) read_choice (r, PREFIX "unknown", unknown_rules);
  u->threshold = read_number (r, PREFIX "unknown.threshold", NAN, 0,
      u->rule == CNN3D_UNKNOWN_MARGIN ? 1 : FLT_MAX, FALSE);
  if (isnan (u->threshold))
    fail (r, PREFIX "unknown.threshold", "a number from 0");
  u->label = read_text (r, PREFIX "unknown.label");
  if (u->label == NULL)
    u->label = g_strdup ("unknown");
  if (*u->label == '\0' || (labels != NULL && g_strv_contains ((const char *const *) labels, u->label)))
    fail (r, PREFIX "unknown.label", "text that is none of the labels");
  return u;
}

gboolean
cnn3d_card_is_in (GHashTable *metadata)
{
  return g_hash_table_contains (metadata, FORMAT);
}

gboolean
cnn3d_card_read (GHashTable *metadata, Cnn3dConfig *config, Cnn3dCard *card, const char *file,
    GError **error)
{
  Reader r = { metadata, file, error, FALSE };
  const char *arch = g_hash_table_lookup (metadata, PREFIX "architecture");
  g_autoptr (GError) arch_error = NULL;

  if (g_strcmp0 (g_hash_table_lookup (metadata, FORMAT), FORMAT_VERSION) != 0)
    fail (&r, FORMAT, FORMAT_VERSION " (is the file from a later version?)");
  if (arch == NULL || !cnn3d_arch_from_name (arch, &config->arch, &arch_error))
    fail (&r, PREFIX "architecture", "the name of an architecture");
  config->width = read_number (&r, PREFIX "width", 0, 0.001, 16, FALSE);
  config->groups = (int) read_number (&r, PREFIX "groups", 0, 1, 8, TRUE);
  config->version = (int) read_number (&r, PREFIX "version", 0, 10, 11, TRUE);
  config->classes = (int) read_number (&r, PREFIX "classes", 0, 1, 100000, TRUE);
  config->frames = (int) read_number (&r, PREFIX "frames", 0, 1, 256, TRUE);
  config->size = (int) read_number (&r, PREFIX "size", 0, 1, 1024, TRUE);

  card->sample_rate = read_number (&r, PREFIX "sample_rate", 0, 0, 1000, FALSE);
  card->channel_order = (Cnn3dChannelOrder) read_choice (&r, PREFIX "channel_order", channel_orders);
  card->resize = (Cnn3dResize) read_choice (&r, PREFIX "resize", resizes);
  card->score = (Cnn3dScoreRule) read_choice (&r, PREFIX "score", score_rules);
  read_floats (&r, PREFIX "mean", card->mean, 3);
  if (read_floats (&r, PREFIX "std", card->std, 3))
    for (int p = 0; p < 3; p++)
      if (!(card->std[p] > 0))
        fail (&r, PREFIX "std", "above zero");
  card->labels = read_labels (&r);
  card->name = read_text (&r, PREFIX "name");
  card->licence = read_text (&r, PREFIX "licence");
  card->source = read_text (&r, PREFIX "source");
  card->training = read_text (&r, PREFIX "training");
  if (card->training != NULL && !cnn3d_json_is_shallow (card->training, strlen (card->training)))
    fail (&r, PREFIX "training", "a JSON object");
  card->unknown = read_unknown (&r, card->labels);
  return !r.failed;
}

gboolean
cnn3d_card_read_check (GHashTable *metadata, Cnn3dModel *model, const char *file, GError **error)
{
  Reader r = { metadata, file, error, FALSE };
  g_autofree float *logits = NULL;

  if (!g_hash_table_contains (metadata, PREFIX "check.logits"))
    return TRUE;
  logits = g_new (float, model->config.classes);
  if (read_floats (&r, PREFIX "check.logits", logits, (guint) model->config.classes)) {
    model->check_seed = read_text (&r, PREFIX "check.seed");
    if (model->check_seed == NULL)
      model->check_seed = g_strdup ("");
    model->check_logits = g_steal_pointer (&logits);
  }
  return !r.failed;
}

static void
write_text (GHashTable *metadata, const char *key, const char *value)
{
  if (value != NULL)
    g_hash_table_insert (metadata, g_strdup (key), g_strdup (value));
  else
    g_hash_table_remove (metadata, key);
}

/* As short as reads back the same float. */
static void
append_float (GString *s, float value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  g_ascii_formatd (text, sizeof text, "%.9g", (double) value);
  for (int digits = 6; digits < 9; digits++) {
    char shorter[G_ASCII_DTOSTR_BUF_SIZE], format[8];

    g_snprintf (format, sizeof format, "%%.%dg", digits);
    g_ascii_formatd (shorter, sizeof shorter, format, (double) value);
    if ((float) g_ascii_strtod (shorter, NULL) == value) {
      g_strlcpy (text, shorter, sizeof text);
      break;
    }
  }
  g_string_append (s, text);
}

static void
write_floats (GHashTable *metadata, const char *key, const float *values, int n)
{
  g_autoptr (GString) s = g_string_new ("[");

  for (int i = 0; i < n; i++) {
    if (i > 0)
      g_string_append_c (s, ',');
    append_float (s, values[i]);
  }
  g_string_append_c (s, ']');
  write_text (metadata, key, s->str);
}

static void
write_number (GHashTable *metadata, const char *key, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  g_ascii_formatd (text, sizeof text, "%.10g", value);
  write_text (metadata, key, value != 0 ? text : NULL);
}

static void
write_labels (GHashTable *metadata, char *const *labels)
{
  g_autoptr (JsonBuilder) builder = NULL;
  g_autoptr (JsonNode) node = NULL;
  g_autofree char *json = NULL;

  if (labels != NULL) {
    builder = json_builder_new ();
    json_builder_begin_array (builder);
    for (; *labels != NULL; labels++)
      json_builder_add_string_value (builder, *labels);
    json_builder_end_array (builder);
    node = json_builder_get_root (builder);
    json = json_to_string (node, FALSE);
  }
  write_text (metadata, PREFIX "labels", json);
}

static void
write_unknown (GHashTable *metadata, const Cnn3dUnknown *u)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (u != NULL)
    g_ascii_formatd (text, sizeof text, "%.10g", u->threshold);
  write_text (metadata, PREFIX "unknown", u ? unknown_rules[u->rule] : NULL);
  write_text (metadata, PREFIX "unknown.threshold", u ? text : NULL);
  write_text (metadata, PREFIX "unknown.label", u ? u->label : NULL);
}

void
cnn3d_card_write (GHashTable *metadata, const Cnn3dConfig *config, const Cnn3dCard *card)
{
  write_text (metadata, FORMAT, FORMAT_VERSION);
  write_text (metadata, PREFIX "architecture", cnn3d_arch_get_name (config->arch));
  write_number (metadata, PREFIX "width", config->width);
  write_number (metadata, PREFIX "groups", config->arch == CNN3D_ARCH_SHUFFLENET ? config->groups : 0);
  write_number (metadata, PREFIX "version", config->version);
  write_number (metadata, PREFIX "classes", config->classes);
  write_number (metadata, PREFIX "frames", config->frames);
  write_number (metadata, PREFIX "size", config->size);
  write_number (metadata, PREFIX "sample_rate", card->sample_rate);
  write_text (metadata, PREFIX "channel_order", channel_orders[card->channel_order]);
  write_text (metadata, PREFIX "resize", resizes[card->resize]);
  write_text (metadata, PREFIX "score", score_rules[card->score]);
  write_floats (metadata, PREFIX "mean", card->mean, 3);
  write_floats (metadata, PREFIX "std", card->std, 3);
  write_labels (metadata, card->labels);
  write_text (metadata, PREFIX "name", card->name);
  write_text (metadata, PREFIX "licence", card->licence);
  write_text (metadata, PREFIX "source", card->source);
  write_text (metadata, PREFIX "training", card->training);
  write_unknown (metadata, card->unknown);
}

void
cnn3d_card_write_check (GHashTable *metadata, const char *seed, const float *logits, int n)
{
  write_text (metadata, PREFIX "check.seed", seed);
  write_floats (metadata, PREFIX "check.logits", logits, n);
}
