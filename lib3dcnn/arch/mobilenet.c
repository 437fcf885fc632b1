/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/arch/arch.h"

/* Table 2. The last two blocks keep their input's size: the published network has no eighth stride. */
static const Cnn3dStage table2[] = {
  { CNN3D_BLOCK_CONV, .c = 32, .n = 1, .stride = { 1, 2, 2 }, .out = { 16, 56, 56 } },
  { CNN3D_BLOCK_DW_SEPARABLE, .c = 64, .n = 1, .stride = { 2, 2, 2 }, .out = { 8, 28, 28 } },
  { CNN3D_BLOCK_DW_SEPARABLE, .c = 128, .n = 2, .stride = { 2, 2, 2 }, .out = { 4, 14, 14 } },
  { CNN3D_BLOCK_DW_SEPARABLE, .c = 256, .n = 2, .stride = { 2, 2, 2 }, .out = { 2, 7, 7 } },
  { CNN3D_BLOCK_DW_SEPARABLE, .c = 512, .n = 6, .stride = { 2, 2, 2 }, .out = { 1, 4, 4 } },
  { CNN3D_BLOCK_DW_SEPARABLE, .c = 1024, .n = 2, .stride = { 1, 1, 1 }, .out = { 1, 4, 4 } },
};

/* Figure 1(b): depthwise and pointwise convolution, each with BatchNorm and ReLU. */
static int
build_block (Cnn3dBuilder *b, int in, int out_channels, Cnn3dExtent stride, int index)
{
  int channels = cnn3d_build_shape (b, in)->c;
  g_autofree char *module = g_strdup_printf ("features.%d", index);
  g_autofree char *conv1 = g_strdup_printf ("%s.conv1", module);
  g_autofree char *bn1 = g_strdup_printf ("%s.bn1", module);
  g_autofree char *conv2 = g_strdup_printf ("%s.conv2", module);
  g_autofree char *bn2 = g_strdup_printf ("%s.bn2", module);
  int x;

  x = cnn3d_build_conv_bn (b, in, channels, 3, stride, channels, conv1, bn1);
  x = cnn3d_build_relu (b, x);
  x = cnn3d_build_conv_bn (b, x, out_channels, 1, CNN3D_CUBE (1), 1, conv2, bn2);
  x = cnn3d_build_relu (b, x);
  return cnn3d_build_name (b, x, module);
}

void
cnn3d_build_mobilenet (Cnn3dBuilder *b, const Cnn3dConfig *config)
{
  int x = cnn3d_build_input (b, config);
  int index = 0;

  for (guint s = 0; s < G_N_ELEMENTS (table2); s++) {
    const Cnn3dStage *stage = &table2[s];
    int c = cnn3d_scale_channels (stage->c, config->width);

    for (int i = 0; i < stage->n; i++, index++) {
      if (stage->block == CNN3D_BLOCK_CONV) {
        x = cnn3d_build_conv_bn (b, x, c, 3, stage->stride, 1, "features.0.0", "features.0.1");
        x = cnn3d_build_name (b, cnn3d_build_relu (b, x), "features.0");
      } else {
        x = build_block (b, x, c, i == 0 ? stage->stride : CNN3D_CUBE (1), index);
      }
    }
    cnn3d_check_stage (b, x, stage);
  }
  cnn3d_build_classifier (b, x, config);
}
