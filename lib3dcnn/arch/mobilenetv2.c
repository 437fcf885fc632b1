/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/arch/arch.h"

/* Table 3. */
static const Cnn3dStage table3[] = {
  { CNN3D_BLOCK_CONV, .c = 32, .n = 1, .stride = { 1, 2, 2 }, .out = { 16, 56, 56 } },
  { CNN3D_BLOCK_INVERTED_RES, .t = 1, .c = 16, .n = 1, .stride = { 1, 1, 1 }, .out = { 16, 56, 56 } },
  { CNN3D_BLOCK_INVERTED_RES, .t = 6, .c = 24, .n = 2, .stride = { 2, 2, 2 }, .out = { 8, 28, 28 } },
  { CNN3D_BLOCK_INVERTED_RES, .t = 6, .c = 32, .n = 3, .stride = { 2, 2, 2 }, .out = { 4, 14, 14 } },
  { CNN3D_BLOCK_INVERTED_RES, .t = 6, .c = 64, .n = 4, .stride = { 2, 2, 2 }, .out = { 2, 7, 7 } },
  { CNN3D_BLOCK_INVERTED_RES, .t = 6, .c = 96, .n = 3, .stride = { 1, 1, 1 }, .out = { 2, 7, 7 } },
  { CNN3D_BLOCK_INVERTED_RES, .t = 6, .c = 160, .n = 3, .stride = { 2, 2, 2 }, .out = { 1, 4, 4 } },
  { CNN3D_BLOCK_INVERTED_RES, .t = 6, .c = 320, .n = 1, .stride = { 1, 1, 1 }, .out = { 1, 4, 4 } },
};

#define LAST_CHANNELS 1280

static int
conv_bn_relu6 (Cnn3dBuilder *b, int in, int out_channels, int kernel, Cnn3dExtent stride,
    int groups, const char *module, int index)
{
  g_autofree char *conv = g_strdup_printf ("%s.%d", module, index);
  g_autofree char *bn = g_strdup_printf ("%s.%d", module, index + 1);
  int x = cnn3d_build_conv_bn (b, in, out_channels, kernel, stride, groups, conv, bn);

  return cnn3d_build_relu6 (b, x);
}

/* Figure 1(c, d): expansion (none for t = 1), depthwise, linear projection. */
static int
build_block (Cnn3dBuilder *b, int in, const Cnn3dStage *stage, int out_channels,
    Cnn3dExtent stride, int index)
{
  int channels = cnn3d_build_shape (b, in)->c;
  int hidden = channels * stage->t;
  g_autofree char *module = g_strdup_printf ("features.%d", index);
  g_autofree char *convs = g_strdup_printf ("%s.conv", module);
  g_autofree char *conv = NULL, *bn = NULL;
  int x = in, m = 0;

  if (stage->t != 1) {
    x = conv_bn_relu6 (b, x, hidden, 1, CNN3D_CUBE (1), 1, convs, m);
    m += 3;
  }
  x = conv_bn_relu6 (b, x, hidden, 3, stride, hidden, convs, m);
  conv = g_strdup_printf ("%s.%d", convs, m + 3);
  bn = g_strdup_printf ("%s.%d", convs, m + 4);
  x = cnn3d_build_conv_bn (b, x, out_channels, 1, CNN3D_CUBE (1), 1, conv, bn);
  if (stride.t == 1 && channels == out_channels)
    x = cnn3d_build_add (b, in, x);
  return cnn3d_build_name (b, x, module);
}

void
cnn3d_build_mobilenetv2 (Cnn3dBuilder *b, const Cnn3dConfig *config)
{
  int last = config->width > 1 ? cnn3d_scale_channels (LAST_CHANNELS, config->width) : LAST_CHANNELS;
  int x = cnn3d_build_input (b, config);
  int index = 0;
  g_autofree char *module = NULL;

  for (guint s = 0; s < G_N_ELEMENTS (table3); s++) {
    const Cnn3dStage *stage = &table3[s];
    int c = cnn3d_scale_channels (stage->c, config->width);

    for (int i = 0; i < stage->n; i++, index++) {
      if (stage->block == CNN3D_BLOCK_CONV) {
        x = conv_bn_relu6 (b, x, c, 3, stage->stride, 1, "features.0", 0);
        x = cnn3d_build_name (b, x, "features.0");
      } else {
        x = build_block (b, x, stage, c, i == 0 ? stage->stride : CNN3D_CUBE (1), index);
      }
    }
    cnn3d_check_stage (b, x, stage);
  }
  module = g_strdup_printf ("features.%d", index);
  x = conv_bn_relu6 (b, x, last, 1, CNN3D_CUBE (1), 1, module, 0);
  x = cnn3d_build_name (b, x, module);
  cnn3d_build_classifier (b, x, config);
}
