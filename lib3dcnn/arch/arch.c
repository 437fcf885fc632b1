/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/arch/arch.h"

#include <math.h>

G_DEFINE_BOXED_TYPE (Cnn3dConfig, cnn3d_config, cnn3d_config_copy, cnn3d_config_free)

static const struct {
  const char *name, *title;
  void (*build) (Cnn3dBuilder *b, const Cnn3dConfig *config);
} archs[CNN3D_N_ARCHS] = {
  [CNN3D_ARCH_SHUFFLENET] = { "shufflenet", "3D-ShuffleNetV1", cnn3d_build_shufflenet },
  [CNN3D_ARCH_SHUFFLENETV2] = { "shufflenetv2", "3D-ShuffleNetV2", cnn3d_build_shufflenetv2 },
  [CNN3D_ARCH_MOBILENET] = { "mobilenet", "3D-MobileNetV1", cnn3d_build_mobilenet },
  [CNN3D_ARCH_MOBILENETV2] = { "mobilenetv2", "3D-MobileNetV2", cnn3d_build_mobilenetv2 },
  [CNN3D_ARCH_SQUEEZENET] = { "squeezenet", "3D-SqueezeNet", cnn3d_build_squeezenet },
};

/* Bounds that no use comes near, so that no size computed from a configuration overflows. */
#define MAX_WIDTH 16.0
#define MAX_CLASSES 100000
#define MAX_FRAMES 256
#define MAX_SIZE 1024

const char *
cnn3d_arch_get_name (Cnn3dArch arch)
{
  g_return_val_if_fail ((guint) arch < CNN3D_N_ARCHS, NULL);
  return archs[arch].name;
}

const char *
cnn3d_arch_get_title (Cnn3dArch arch)
{
  g_return_val_if_fail ((guint) arch < CNN3D_N_ARCHS, NULL);
  return archs[arch].title;
}

gboolean
cnn3d_arch_from_name (const char *name, Cnn3dArch *arch, GError **error)
{
  g_autoptr (GString) known = g_string_new (NULL);

  g_return_val_if_fail (name != NULL && arch != NULL, FALSE);

  for (guint i = 0; i < CNN3D_N_ARCHS; i++) {
    if (strcmp (name, archs[i].name) == 0) {
      *arch = i;
      return TRUE;
    }
    g_string_append_printf (known, "%s%s", i > 0 ? ", " : "", archs[i].name);
  }
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG,
      "no architecture is called '%s'; there are %s", name, known->str);
  return FALSE;
}

void
cnn3d_config_fill (Cnn3dConfig *config)
{
  if (config->width == 0)
    config->width = 1.0;
  if (config->classes == 0)
    config->classes = 600;
  if (config->frames == 0)
    config->frames = CNN3D_PAPER_FRAMES;
  if (config->size == 0)
    config->size = CNN3D_PAPER_SIZE;
  if (config->arch != CNN3D_ARCH_SHUFFLENET)
    config->groups = 1;
  else if (config->groups == 0)
    config->groups = 3;
  if (config->arch != CNN3D_ARCH_SQUEEZENET)
    config->version = 0;
  else if (config->version == 0)
    config->version = 11;
}

Cnn3dConfig *
cnn3d_config_copy (const Cnn3dConfig *config)
{
  g_return_val_if_fail (config != NULL, NULL);
  return g_memdup2 (config, sizeof *config);
}

void
cnn3d_config_free (Cnn3dConfig *config)
{
  g_free (config);
}

char *
cnn3d_config_describe (const Cnn3dConfig *config)
{
  char width[G_ASCII_DTOSTR_BUF_SIZE];

  if ((guint) config->arch >= CNN3D_N_ARCHS)
    return g_strdup ("unknown architecture");
  g_ascii_formatd (width, sizeof width, "%.6g", config->width);
  if (strchr (width, '.') == NULL)
    g_strlcat (width, ".0", sizeof width);

  switch (config->arch) {
    case CNN3D_ARCH_SHUFFLENET:
      return g_strdup_printf ("%s %sx (%d groups)", archs[config->arch].title, width,
          config->groups);
    case CNN3D_ARCH_SQUEEZENET:
      return g_strdup_printf ("%s %d.%d", archs[config->arch].title, config->version / 10,
          config->version % 10);
    default:
      return g_strdup_printf ("%s %sx", archs[config->arch].title, width);
  }
}

gboolean
cnn3d_config_check (Cnn3dConfig *config, GError **error)
{
  g_autoptr (Cnn3dGraph) graph = NULL;

  g_return_val_if_fail (config != NULL, FALSE);

  cnn3d_config_fill (config);
  graph = cnn3d_graph_new (config, error);
  return graph != NULL;
}

void
cnn3d_arch_build (Cnn3dBuilder *b, const Cnn3dConfig *config)
{
  if ((guint) config->arch >= CNN3D_N_ARCHS)
    cnn3d_build_fail (b, "architecture %d does not exist", (int) config->arch);
  else if (!(config->width > 0 && config->width <= MAX_WIDTH))
    cnn3d_build_fail (b, "the width must be above 0 and at most %g, not %g", MAX_WIDTH,
        config->width);
  else if (config->classes < 1 || config->classes > MAX_CLASSES)
    cnn3d_build_fail (b, "the number of classes must be 1 to %d, not %d", MAX_CLASSES,
        config->classes);
  else if (config->frames < 1 || config->frames > MAX_FRAMES)
    cnn3d_build_fail (b, "a clip must have 1 to %d frames, not %d", MAX_FRAMES, config->frames);
  else if (config->size < 1 || config->size > MAX_SIZE)
    cnn3d_build_fail (b, "a frame must be 1 to %d pixels wide, not %d", MAX_SIZE, config->size);
  else
    archs[config->arch].build (b, config);
}

int
cnn3d_build_input (Cnn3dBuilder *b, const Cnn3dConfig *config)
{
  Cnn3dNode input = { .op = CNN3D_OP_INPUT,
    .shape = { 3, { config->frames, config->size, config->size } } };

  g_array_append_val (b->graph->nodes, input);
  return 0;
}

int
cnn3d_build_conv_bn (Cnn3dBuilder *b, int in, int out_channels, int kernel, Cnn3dExtent stride,
    int groups, const char *conv, const char *bn)
{
  int x = cnn3d_build_conv (b, in, out_channels, CNN3D_CUBE (kernel), stride, groups, FALSE, conv);

  return cnn3d_build_batchnorm (b, x, bn);
}

int
cnn3d_build_classifier (Cnn3dBuilder *b, int in, const Cnn3dConfig *config)
{
  Cnn3dExtent all = cnn3d_build_shape (b, in)->e;
  int x = cnn3d_build_avgpool (b, in, all, CNN3D_CUBE (1), CNN3D_CUBE (0));

  x = cnn3d_build_dropout (b, x, 0.2f);
  return cnn3d_build_linear (b, x, config->classes, "classifier.1");
}

int
cnn3d_scale_channels (int c, double width)
{
  return (int) (c * width);
}

void
cnn3d_check_stage (Cnn3dBuilder *b, int node, const Cnn3dStage *stage)
{
  const Cnn3dConfig *config = &b->graph->config;

  if (b->failed || config->frames != CNN3D_PAPER_FRAMES || config->size != CNN3D_PAPER_SIZE)
    return;
  g_assert (memcmp (&cnn3d_build_shape (b, node)->e, &stage->out, sizeof stage->out) == 0);
}
