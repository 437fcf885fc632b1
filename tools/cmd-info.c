/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "tools/info.h"

/* Of --batch. */
#define NOT_GIVEN G_MININT

static const char *const channel_orders[] = { "RGB", "BGR" };
static const char *const resizes[] = { "smaller side scaled, centre cropped", "stretched" };
static const char *const score_rules[] = { "softmax, mean over clips", "sigmoid, mean over clips" };

/* The members of what is a JSON object; all of it if it is not. */
static void
print_training (const char *training)
{
  g_autoptr (JsonNode) node = training ? json_from_string (training, NULL) : NULL;
  g_autoptr (GList) members = NULL;
  JsonObject *object;

  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node)) {
    if (training != NULL)
      printf ("training         %s\n", training);
    return;
  }
  object = json_node_get_object (node);
  members = json_object_get_members (object);
  for (GList *m = members; m != NULL; m = m->next) {
    JsonNode *value = json_object_get_member (object, m->data);
    gboolean is_text = JSON_NODE_HOLDS_VALUE (value) && json_node_get_value_type (value) == G_TYPE_STRING;
    g_autofree char *text = is_text ? json_node_dup_string (value) : json_to_string (value, FALSE);

    if (json_node_get_value_type (value) == G_TYPE_DOUBLE) {
      g_free (text);
      text = g_strdup_printf ("%g", json_node_get_double (value));
    }
    printf ("%-16s %s: %s\n", m == members ? "training" : "", (const char *) m->data, text);
  }
}

static void
print_text (const Cnn3dConfig *config, const Cnn3dComplexity *c, const Cnn3dCard *card)
{
  g_autofree char *network = cnn3d_config_describe (config);

  printf ("network          %s\n", network);
  printf ("classes          %d\n", config->classes);
  printf ("clip             %d frames of %d x %d\n", config->frames, config->size, config->size);
  printf ("parameters       %" G_GINT64_FORMAT "\n", c->parameters);
  printf ("multiply-adds    %" G_GINT64_FORMAT " a clip\n", c->macs);
  printf ("layers           %d, %d non-linearities, %d skip connections\n", c->layers,
      c->nonlinearities, c->skips);
  printf ("activations      %.1f MB, of which %.1f MB are kept at a time\n",
      (double) c->activation_bytes * 1e-6, (double) c->arena_bytes * 1e-6);
  if (card == NULL)
    return;
  if (card->name != NULL)
    printf ("name             %s\n", card->name);
  if (card->sample_rate > 0)
    printf ("sampling rate    %g frames a second\n", card->sample_rate);
  else
    printf ("sampling rate    unknown\n");
  printf ("frames           %s, %s\n", resizes[card->resize], channel_orders[card->channel_order]);
  printf ("mean             %g %g %g\n", card->mean[0], card->mean[1], card->mean[2]);
  printf ("std              %g %g %g\n", card->std[0], card->std[1], card->std[2]);
  printf ("scores           %s\n", score_rules[card->score]);
  if (card->unknown != NULL)
    printf ("unknown          '%s', by a %s %s %.4g\n", card->unknown->label,
        cnn3d_unknown_rule_get_name (card->unknown->rule),
        card->unknown->rule == CNN3D_UNKNOWN_MARGIN ? "below" : "beyond", card->unknown->threshold);
  if (card->licence != NULL)
    printf ("licence          %s\n", card->licence);
  if (card->source != NULL)
    printf ("source           %s\n", card->source);
  print_training (card->training);
  if (card->labels != NULL) {
    g_autofree char *labels = g_strjoinv (", ", card->labels);
    printf ("labels           %s\n", labels);
  }
}

static void
json_floats (JsonBuilder *b, const char *member, const float *values)
{
  json_builder_set_member_name (b, member);
  json_builder_begin_array (b);
  for (int i = 0; i < 3; i++)
    json_builder_add_double_value (b, values[i]);
  json_builder_end_array (b);
}

/* As JSON if it is some, else as text. */
static void
json_training (JsonBuilder *b, const char *training)
{
  JsonNode *node = training ? json_from_string (training, NULL) : NULL;

  if (node == NULL) {
    tool_json_string (b, "training", training);
    return;
  }
  json_builder_set_member_name (b, "training");
  json_builder_add_value (b, node);
}

static void
print_json (const Cnn3dConfig *config, const Cnn3dComplexity *c, const Cnn3dCard *card,
    const Cnn3dRoofline *roofline, int clips, gboolean half)
{
  JsonBuilder *b = json_builder_new ();

  json_builder_begin_object (b);
  tool_json_string (b, "architecture", cnn3d_arch_get_name (config->arch));
  tool_json_double (b, "width", config->width);
  if (config->arch == CNN3D_ARCH_SHUFFLENET)
    tool_json_int (b, "groups", config->groups);
  if (config->arch == CNN3D_ARCH_SQUEEZENET)
    tool_json_int (b, "version", config->version);
  tool_json_int (b, "classes", config->classes);
  tool_json_int (b, "frames", config->frames);
  tool_json_int (b, "size", config->size);
  tool_json_int (b, "parameters", c->parameters);
  tool_json_int (b, "macs", c->macs);
  tool_json_int (b, "layers", c->layers);
  tool_json_int (b, "nonlinearities", c->nonlinearities);
  tool_json_int (b, "skips", c->skips);
  tool_json_int (b, "activation_bytes", c->activation_bytes);
  tool_json_int (b, "arena_bytes", c->arena_bytes);
  if (card != NULL) {
    tool_json_string (b, "name", card->name);
    tool_json_double (b, "sample_rate", card->sample_rate);
    tool_json_string (b, "channel_order", channel_orders[card->channel_order]);
    json_floats (b, "mean", card->mean);
    json_floats (b, "std", card->std);
    tool_json_string (b, "licence", card->licence);
    tool_json_string (b, "source", card->source);
    json_training (b, card->training);
    if (card->unknown != NULL) {
      json_builder_set_member_name (b, "unknown");
      json_builder_begin_object (b);
      tool_json_string (b, "rule", cnn3d_unknown_rule_get_name (card->unknown->rule));
      tool_json_double (b, "threshold", card->unknown->threshold);
      tool_json_string (b, "label", card->unknown->label);
      json_builder_end_object (b);
    }
    json_builder_set_member_name (b, "labels");
    json_builder_begin_array (b);
    for (char **l = card->labels; l != NULL && *l != NULL; l++)
      json_builder_add_string_value (b, *l);
    json_builder_end_array (b);
  }
  if (roofline != NULL)
    info_json_roofline (b, roofline, clips, half);
  json_builder_end_object (b);
  tool_print_json (b);
}

int
cmd_info (int argc, char **argv)
{
  g_autofree char *arch = NULL, *precision = NULL;
  gboolean json = FALSE, want_roofline = FALSE, half, all;
  int clips = NOT_GIVEN;
  Cnn3dConfig config = { 0 };
  const GOptionEntry entries[] = {
    { "arch", 'a', 0, G_OPTION_ARG_STRING, &arch, "An architecture, in place of a model", "ARCH" },
    { "width", 'w', 0, G_OPTION_ARG_DOUBLE, &config.width, "Its width (1.0)", "WIDTH" },
    { "groups", 'g', 0, G_OPTION_ARG_INT, &config.groups, "Groups, of shufflenet (3)", "N" },
    { "version", 0, 0, G_OPTION_ARG_INT, &config.version, "Version, of squeezenet: 10 or 11 (11)", "N" },
    { "classes", 'c', 0, G_OPTION_ARG_INT, &config.classes, "Number of classes (600)", "N" },
    { "frames", 't', 0, G_OPTION_ARG_INT, &config.frames, "Frames in a clip (16)", "N" },
    { "size", 's', 0, G_OPTION_ARG_INT, &config.size, "Height and width of a frame (112)", "N" },
    { "roofline", 'r', 0, G_OPTION_ARG_NONE, &want_roofline, "Predict the cost on GPUs", NULL },
    { "batch", 'b', 0, G_OPTION_ARG_INT, &clips, "Clips in a batch, for --roofline (1)", "N" },
    { "precision", 'p', 0, G_OPTION_ARG_STRING, &precision, "fp16 or fp32, for --roofline (fp16)", "TYPE" },
    { "json", 'j', 0, G_OPTION_ARG_NONE, &json, "Print JSON", NULL },
    { NULL },
  };
  g_autoptr (Cnn3dModel) model = NULL;
  g_autoptr (GError) error = NULL;
  const Cnn3dCard *card = NULL;
  Cnn3dRoofline roofline;
  Cnn3dComplexity complexity;

  if (!tool_parse (&argc, &argv, entries, "[MODEL]",
          "Prints the model card and the figures of the paper's Tables 7 and 8.\n\n"
          "With --roofline, also what a forward pass of the cuDNN backend costs at least on some GPUs: of a model, of\n"
          "--arch, or else of all networks of Table 8.\n\n"
          "Examples:\n  3dcnn info shufflenet\n  3dcnn info --arch mobilenetv2 --width 0.45 --json\n"
          "  3dcnn info --arch shufflenet --roofline --batch 8\n"
          "  3dcnn info --roofline\n",
          0, 1))
    return EXIT_USAGE;
  all = want_roofline && arch == NULL && argc < 2;
  if (!all && (arch == NULL) == (argc < 2)) {
    tool_complain ("info takes either a model or --arch%s", want_roofline ? "" : ", or --roofline for all networks");
    return EXIT_USAGE;
  }
  half = precision == NULL || strcmp (precision, "fp16") == 0;
  if (!half && strcmp (precision, "fp32") != 0) {
    tool_complain ("--precision is fp16 or fp32, not '%s'", precision);
    return EXIT_USAGE;
  }
  if (!want_roofline && (clips != NOT_GIVEN || precision != NULL)) {
    tool_complain ("--batch and --precision go with --roofline");
    return EXIT_USAGE;
  }
  if (clips == NOT_GIVEN)
    clips = 1;
  if (clips < 1 || clips > 1024) {
    tool_complain ("--batch is 1 to 1024, not %d", clips);
    return EXIT_USAGE;
  }
  if (all && (config.width != 0 || config.groups != 0 || config.version != 0)) {
    tool_complain ("--width, --groups and --version go with --arch");
    return EXIT_USAGE;
  }
  if (all)
    return info_all_rooflines (&config, clips, half, json);
  if (arch != NULL) {
    if (!cnn3d_arch_from_name (arch, &config.arch, &error) || !cnn3d_config_check (&config, &error))
      return tool_fail (error);
  } else {
    model = tool_load (argv[1], NULL, &error);
    if (model == NULL)
      return tool_fail (error);
    config = *cnn3d_model_get_config (model);
    card = cnn3d_model_get_card (model);
  }
  if (!cnn3d_config_get_complexity (&config, &complexity, &error)
      || (want_roofline && !cnn3d_config_get_roofline (&config, clips, half, &roofline, &error)))
    return tool_fail (error);
  if (json) {
    print_json (&config, &complexity, card, want_roofline ? &roofline : NULL, clips, half);
    return EXIT_OK;
  }
  print_text (&config, &complexity, card);
  if (want_roofline)
    info_print_roofline (&roofline, clips, half);
  return EXIT_OK;
}
