/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/arch/arch.h"

/* Table 4. Output channels depend on the number of groups: see out_channels. */
static const Cnn3dStage table4[] = {
  { CNN3D_BLOCK_CONV, .n = 1, .stride = { 1, 2, 2 }, .out = { 16, 56, 56 } },
  { CNN3D_BLOCK_MAXPOOL, .n = 1, .stride = { 2, 2, 2 }, .out = { 8, 28, 28 } },
  { CNN3D_BLOCK_SHUFFLE_UNIT, .n = 4, .stride = { 2, 2, 2 }, .out = { 4, 14, 14 } },
  { CNN3D_BLOCK_SHUFFLE_UNIT, .n = 8, .stride = { 2, 2, 2 }, .out = { 2, 7, 7 } },
  { CNN3D_BLOCK_SHUFFLE_UNIT, .n = 4, .stride = { 2, 2, 2 }, .out = { 1, 4, 4 } },
};

/* The stem and the three stages. With one group the code has 567 where 576 was surely meant. */
static const struct {
  int groups, c[4];
} out_channels[] = {
  { 1, { 24, 144, 288, 567 } },
  { 2, { 24, 200, 400, 800 } },
  { 3, { 24, 240, 480, 960 } },
  { 4, { 24, 272, 544, 1088 } },
  { 8, { 24, 384, 768, 1536 } },
};

/* The published code makes the first pointwise convolution dense if its input has 24 channels. */
#define DENSE_INPUT_CHANNELS 24

/* Figure 1(e, f). The pooled input takes its place among the output channels at stride 2. */
static int
build_unit (Cnn3dBuilder *b, int in, int out, int stride, int groups, const char *module)
{
  int channels = cnn3d_build_shape (b, in)->c;
  int mid = out / 4;
  char *name[6];
  int x;

  for (int i = 0; i < 3; i++) {
    name[2 * i] = g_strdup_printf ("%s.conv%d", module, i + 1);
    name[2 * i + 1] = g_strdup_printf ("%s.bn%d", module, i + 1);
  }

  x = cnn3d_build_conv_bn (b, in, mid, 1, CNN3D_CUBE (1),
      channels == DENSE_INPUT_CHANNELS ? 1 : groups, name[0], name[1]);
  x = cnn3d_build_relu (b, x);
  x = cnn3d_build_shuffle (b, x, groups);
  x = cnn3d_build_conv_bn (b, x, mid, 3, CNN3D_CUBE (stride), mid, name[2], name[3]);
  x = cnn3d_build_conv_bn (b, x, stride == 2 ? out - channels : out, 1, CNN3D_CUBE (1), groups,
      name[4], name[5]);
  if (stride == 2) {
    int pooled = cnn3d_build_avgpool (b, in, (Cnn3dExtent){ 2, 3, 3 }, CNN3D_CUBE (2),
        (Cnn3dExtent){ 0, 1, 1 });
    x = cnn3d_build_concat (b, x, pooled);
  } else {
    x = cnn3d_build_add (b, in, x);
  }
  for (int i = 0; i < 6; i++)
    g_free (name[i]);
  return cnn3d_build_name (b, cnn3d_build_relu (b, x), module);
}

void
cnn3d_build_shufflenet (Cnn3dBuilder *b, const Cnn3dConfig *config)
{
  const int *c = NULL;
  int x = cnn3d_build_input (b, config);
  int layer = 0;

  for (guint i = 0; i < G_N_ELEMENTS (out_channels); i++)
    if (out_channels[i].groups == config->groups)
      c = out_channels[i].c;
  if (c == NULL) {
    cnn3d_build_fail (b, "the number of groups must be 1, 2, 3, 4 or 8, not %d", config->groups);
    return;
  }

  for (guint s = 0; s < G_N_ELEMENTS (table4); s++) {
    const Cnn3dStage *stage = &table4[s];

    switch (stage->block) {
      case CNN3D_BLOCK_CONV:
        x = cnn3d_build_conv_bn (b, x, cnn3d_scale_channels (c[0], config->width), 3, stage->stride,
            1, "conv1.0", "conv1.1");
        x = cnn3d_build_name (b, cnn3d_build_relu (b, x), "conv1");
        break;
      case CNN3D_BLOCK_MAXPOOL:
        x = cnn3d_build_maxpool (b, x, "maxpool");
        break;
      default:
        layer++;
        for (int i = 0; i < stage->n; i++) {
          g_autofree char *module = g_strdup_printf ("layer%d.%d", layer, i);
          x = build_unit (b, x, cnn3d_scale_channels (c[layer], config->width), i == 0 ? 2 : 1,
              config->groups, module);
        }
        break;
    }
    cnn3d_check_stage (b, x, stage);
  }
  cnn3d_build_classifier (b, x, config);
}
