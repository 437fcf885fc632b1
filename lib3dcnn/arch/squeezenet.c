/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/arch/arch.h"

/* Table 1, which is version 1.1. A fire module expands to half of c by 1x1x1, half by 3x3x3. */
static const Cnn3dStage table1[] = {
  { CNN3D_BLOCK_CONV_BIAS, .c = 64, .n = 1, .kernel = { 3, 3, 3 }, .stride = { 1, 2, 2 },
      .out = { 16, 56, 56 } },
  { CNN3D_BLOCK_MAXPOOL, .n = 1, .stride = { 2, 2, 2 }, .out = { 8, 28, 28 } },
  { CNN3D_BLOCK_FIRE, .squeeze = 16, .c = 128, .n = 1, .out = { 8, 28, 28 } },
  { CNN3D_BLOCK_FIRE, .squeeze = 16, .c = 128, .n = 1, .bypass = TRUE, .out = { 8, 28, 28 } },
  { CNN3D_BLOCK_MAXPOOL, .n = 1, .stride = { 2, 2, 2 }, .out = { 4, 14, 14 } },
  { CNN3D_BLOCK_FIRE, .squeeze = 32, .c = 256, .n = 1, .out = { 4, 14, 14 } },
  { CNN3D_BLOCK_FIRE, .squeeze = 32, .c = 256, .n = 1, .bypass = TRUE, .out = { 4, 14, 14 } },
  { CNN3D_BLOCK_MAXPOOL, .n = 1, .stride = { 2, 2, 2 }, .out = { 2, 7, 7 } },
  { CNN3D_BLOCK_FIRE, .squeeze = 48, .c = 384, .n = 1, .out = { 2, 7, 7 } },
  { CNN3D_BLOCK_FIRE, .squeeze = 48, .c = 384, .n = 1, .bypass = TRUE, .out = { 2, 7, 7 } },
  { CNN3D_BLOCK_MAXPOOL, .n = 1, .stride = { 2, 2, 2 }, .out = { 1, 4, 4 } },
  { CNN3D_BLOCK_FIRE, .squeeze = 64, .c = 512, .n = 1, .out = { 1, 4, 4 } },
  { CNN3D_BLOCK_FIRE, .squeeze = 64, .c = 512, .n = 1, .bypass = TRUE, .out = { 1, 4, 4 } },
};

/* Version 1.0 of the published code: a larger stem, pools placed later. */
static const Cnn3dStage table1_v10[] = {
  { CNN3D_BLOCK_CONV_BIAS, .c = 96, .n = 1, .kernel = { 7, 7, 7 }, .stride = { 1, 2, 2 },
      .out = { 16, 56, 56 } },
  { CNN3D_BLOCK_MAXPOOL, .n = 1, .stride = { 2, 2, 2 }, .out = { 8, 28, 28 } },
  { CNN3D_BLOCK_FIRE, .squeeze = 16, .c = 128, .n = 1, .out = { 8, 28, 28 } },
  { CNN3D_BLOCK_FIRE, .squeeze = 16, .c = 128, .n = 1, .bypass = TRUE, .out = { 8, 28, 28 } },
  { CNN3D_BLOCK_MAXPOOL, .n = 1, .stride = { 2, 2, 2 }, .out = { 4, 14, 14 } },
  { CNN3D_BLOCK_FIRE, .squeeze = 32, .c = 256, .n = 1, .out = { 4, 14, 14 } },
  { CNN3D_BLOCK_FIRE, .squeeze = 32, .c = 256, .n = 1, .bypass = TRUE, .out = { 4, 14, 14 } },
  { CNN3D_BLOCK_MAXPOOL, .n = 1, .stride = { 2, 2, 2 }, .out = { 2, 7, 7 } },
  { CNN3D_BLOCK_FIRE, .squeeze = 48, .c = 384, .n = 1, .out = { 2, 7, 7 } },
  { CNN3D_BLOCK_FIRE, .squeeze = 48, .c = 384, .n = 1, .bypass = TRUE, .out = { 2, 7, 7 } },
  { CNN3D_BLOCK_FIRE, .squeeze = 64, .c = 512, .n = 1, .out = { 2, 7, 7 } },
  { CNN3D_BLOCK_MAXPOOL, .n = 1, .stride = { 2, 2, 2 }, .out = { 1, 4, 4 } },
  { CNN3D_BLOCK_FIRE, .squeeze = 64, .c = 512, .n = 1, .bypass = TRUE, .out = { 1, 4, 4 } },
};

/* Every convolution of a SqueezeNet has a bias. */
static int
conv_bn (Cnn3dBuilder *b, int in, int out_channels, int kernel, const char *module,
    const char *layer)
{
  g_autofree char *conv = g_strdup_printf ("%s.%s", module, layer);
  g_autofree char *bn = g_strdup_printf ("%s.%s_bn", module, layer);
  int x = cnn3d_build_conv (b, in, out_channels, CNN3D_CUBE (kernel), CNN3D_CUBE (1), 1, TRUE, conv);

  return cnn3d_build_batchnorm (b, x, bn);
}

/* Figure 1(a). */
static int
build_fire (Cnn3dBuilder *b, int in, const Cnn3dStage *stage, const char *module)
{
  int squeezed = cnn3d_build_relu (b, conv_bn (b, in, stage->squeeze, 1, module, "squeeze"));
  int expand1 = conv_bn (b, squeezed, stage->c / 2, 1, module, "expand1x1");
  int expand3 = conv_bn (b, squeezed, stage->c / 2, 3, module, "expand3x3");
  int x = cnn3d_build_concat (b, expand1, expand3);

  if (stage->bypass)
    x = cnn3d_build_add (b, x, in);
  return cnn3d_build_name (b, cnn3d_build_relu (b, x), module);
}

/* Dropout, a convolution in the place of a linear layer, ReLU, average pool: logits are >= 0. */
static void
build_classifier (Cnn3dBuilder *b, int in, const Cnn3dConfig *config)
{
  int depth = (config->frames + 15) / 16, side = (config->size + 31) / 32;
  Cnn3dExtent e;
  int x;

  x = cnn3d_build_dropout (b, in, 0.5f);
  x = cnn3d_build_conv (b, x, config->classes, CNN3D_CUBE (1), CNN3D_CUBE (1), 1, TRUE,
      "classifier.1");
  x = cnn3d_build_relu (b, x);
  x = cnn3d_build_avgpool (b, x, (Cnn3dExtent){ depth, side, side }, CNN3D_CUBE (1), CNN3D_CUBE (0));
  e = cnn3d_build_shape (b, x)->e;
  if (cnn3d_extent_count (e) != 1)
    cnn3d_build_fail (b, "clips of %d frames of %d pixels leave more than one position after the"
        " last pool", config->frames, config->size);
}

void
cnn3d_build_squeezenet (Cnn3dBuilder *b, const Cnn3dConfig *config)
{
  const Cnn3dStage *stages = config->version == 10 ? table1_v10 : table1;
  guint n_stages = config->version == 10 ? G_N_ELEMENTS (table1_v10) : G_N_ELEMENTS (table1);
  int x = cnn3d_build_input (b, config);
  int index = 0;

  if (config->version != 10 && config->version != 11) {
    cnn3d_build_fail (b, "there are versions 1.0 and 1.1");
    return;
  }
  if (config->width != 1.0) {
    cnn3d_build_fail (b, "SqueezeNet has no width multiplier (got %g)", config->width);
    return;
  }

  for (guint s = 0; s < n_stages; s++) {
    const Cnn3dStage *stage = &stages[s];
    g_autofree char *module = g_strdup_printf ("features.%d", index);

    switch (stage->block) {
      case CNN3D_BLOCK_CONV_BIAS:
        x = cnn3d_build_conv (b, x, stage->c, stage->kernel, stage->stride, 1, TRUE, "features.0");
        x = cnn3d_build_relu (b, cnn3d_build_batchnorm (b, x, "features.1"));
        x = cnn3d_build_name (b, x, "features.2");
        index = 3;
        break;
      case CNN3D_BLOCK_MAXPOOL:
        x = cnn3d_build_maxpool (b, x, module);
        index++;
        break;
      default:
        x = build_fire (b, x, stage, module);
        index++;
        break;
    }
    cnn3d_check_stage (b, x, stage);
  }
  build_classifier (b, x, config);
}
