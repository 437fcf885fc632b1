/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/arch/arch.h"

#include <math.h>

/* Table 5. The stem is never scaled; the other channels are those of Table 6: see widths. */
static const Cnn3dStage table5[] = {
  { CNN3D_BLOCK_CONV, .c = 24, .n = 1, .stride = { 1, 2, 2 }, .out = { 16, 56, 56 } },
  { CNN3D_BLOCK_MAXPOOL, .n = 1, .stride = { 2, 2, 2 }, .out = { 8, 28, 28 } },
  { CNN3D_BLOCK_SHUFFLE_UNIT_2, .n = 4, .stride = { 2, 2, 2 }, .out = { 4, 14, 14 } },
  { CNN3D_BLOCK_SHUFFLE_UNIT_2, .n = 8, .stride = { 2, 2, 2 }, .out = { 2, 7, 7 } },
  { CNN3D_BLOCK_SHUFFLE_UNIT_2, .n = 4, .stride = { 2, 2, 2 }, .out = { 1, 4, 4 } },
};

/*
 * Table 6: the three stages and the last convolution. The paper prints 244 for the first stage of
 * 2.0x; the published code, and its 6.64 million parameters, have 224.
 */
static const struct {
  double width;
  int c[4];
} widths[] = {
  { 0.25, { 32, 64, 128, 1024 } },
  { 0.5, { 48, 96, 192, 1024 } },
  { 1.0, { 116, 232, 464, 1024 } },
  { 1.5, { 176, 352, 704, 1024 } },
  { 2.0, { 224, 488, 976, 2048 } },
};

static int
conv_bn (Cnn3dBuilder *b, int in, int out_channels, int kernel, int stride, int groups,
    const char *branch, int index)
{
  /* "banch" is how the published state dicts spell it. */
  g_autofree char *conv = g_strdup_printf ("%s.%d", branch, index);
  g_autofree char *bn = g_strdup_printf ("%s.%d", branch, index + 1);

  return cnn3d_build_conv_bn (b, in, out_channels, kernel, CNN3D_CUBE (stride), groups, conv, bn);
}

/* Figure 1(g, h). */
static int
build_unit (Cnn3dBuilder *b, int in, int out, int stride, const char *module)
{
  int channels = cnn3d_build_shape (b, in)->c;
  int half = out / 2;
  g_autofree char *banch1 = g_strdup_printf ("%s.banch1", module);
  g_autofree char *banch2 = g_strdup_printf ("%s.banch2", module);
  int x, shortcut;

  if (stride == 2) {
    shortcut = conv_bn (b, in, channels, 3, 2, channels, banch1, 0);
    shortcut = cnn3d_build_relu (b, conv_bn (b, shortcut, half, 1, 1, 1, banch1, 2));
    x = in;
  } else {
    shortcut = cnn3d_build_slice (b, in, 0, half);
    x = cnn3d_build_slice (b, in, half, half);
  }
  x = cnn3d_build_relu (b, conv_bn (b, x, half, 1, 1, 1, banch2, 0));
  x = conv_bn (b, x, half, 3, stride, half, banch2, 3);
  x = cnn3d_build_relu (b, conv_bn (b, x, half, 1, 1, 1, banch2, 5));
  x = cnn3d_build_concat (b, shortcut, x);
  return cnn3d_build_name (b, cnn3d_build_shuffle (b, x, 2), module);
}

void
cnn3d_build_shufflenetv2 (Cnn3dBuilder *b, const Cnn3dConfig *config)
{
  const int *c = NULL;
  int x = cnn3d_build_input (b, config);
  int unit = 0, step = 0;

  for (guint i = 0; i < G_N_ELEMENTS (widths); i++)
    if (fabs (widths[i].width - config->width) < 1e-6)
      c = widths[i].c;
  if (c == NULL) {
    cnn3d_build_fail (b, "the width must be one of 0.25, 0.5, 1.0, 1.5 and 2.0 (Table 6)");
    return;
  }

  for (guint s = 0; s < G_N_ELEMENTS (table5); s++) {
    const Cnn3dStage *stage = &table5[s];

    switch (stage->block) {
      case CNN3D_BLOCK_CONV:
        x = cnn3d_build_conv_bn (b, x, stage->c, 3, stage->stride, 1, "conv1.0", "conv1.1");
        x = cnn3d_build_name (b, cnn3d_build_relu (b, x), "conv1");
        break;
      case CNN3D_BLOCK_MAXPOOL:
        x = cnn3d_build_maxpool (b, x, "maxpool");
        break;
      default:
        for (int i = 0; i < stage->n; i++, unit++) {
          g_autofree char *module = g_strdup_printf ("features.%d", unit);
          x = build_unit (b, x, c[step], i == 0 ? 2 : 1, module);
        }
        step++;
        break;
    }
    cnn3d_check_stage (b, x, stage);
  }
  x = cnn3d_build_conv_bn (b, x, c[3], 1, CNN3D_CUBE (1), 1, "conv_last.0", "conv_last.1");
  x = cnn3d_build_name (b, cnn3d_build_relu (b, x), "conv_last");
  cnn3d_build_classifier (b, x, config);
}
