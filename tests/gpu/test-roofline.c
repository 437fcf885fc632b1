/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The roofline model on a plan small enough to compute by hand, and its sums on the paper's networks. */

#include <math.h>

#include "lib3dcnn/roofline-private.h"
#include "tests/gpu/networks.h"

static void
append_buffer (Cnn3dGpuPlan *plan, int lanes, Cnn3dExtent extent)
{
  Cnn3dGpuBuffer buffer = { .lanes = lanes, .extent = extent };

  g_array_append_val (plan->buffers, buffer);
}

/* 2 clips of 1x4x4 pixels; a 1x1x1 convolution to 8 lanes, a depthwise one of stride 2, and a copy. */
static void
test_by_hand (void)
{
  Cnn3dGpuPlan plan = { g_array_new (FALSE, TRUE, sizeof (Cnn3dGpuStep)),
    g_array_new (FALSE, TRUE, sizeof (Cnn3dGpuBuffer)) };
  Cnn3dExtent whole = { 1, 4, 4 }, quarter = { 1, 2, 2 };
  Cnn3dGpuStep conv = { .kind = CNN3D_GPU_CONV, .in = whole, .out = whole, .kernel = { 1, 1, 1 },
    .x = 0, .y = 1, .z = 1, .macs = 100 };
  Cnn3dGpuStep depthwise = { .kind = CNN3D_GPU_DEPTHWISE, .in = whole, .out = quarter,
    .kernel = { 3, 3, 3 }, .x = 1, .y = 2, .z = -1, .macs = 10 };
  Cnn3dGpuStep copy = { .kind = CNN3D_GPU_COPY, .in = quarter, .out = quarter, .kernel = { 1, 1, 1 },
    .x = 2, .y = 2, .z = -1, .n_lanes = 3 };
  const Cnn3dRooflineDevice *t4 = cnn3d_roofline_get_device (0);
  /*
   * 32 positions. Frames: 3 bytes and 3 halfs. Convolution: 3 lanes in, 8 added, 8 out, and 24 + 8
   * weights. Depthwise: 8 in, 8 out at 8 positions, (27 + 1) x 8 floats. Copy: 3 read, 3 written at 8.
   */
  gint64 frames = 32 * (3 + 6), dense = 32 * (3 + 8 + 8) * 2 + (24 + 8) * 2;
  gint64 other = (32 * 8 + 8 * 8) * 2 + 28 * 8 * 4, copied = 8 * 3 * 2 * 2;
  double dense_time = 32 * 24 / t4->tensor_rate, other_time = 8 * 27 * 8 / t4->single_rate;
  Cnn3dRoofline r;

  append_buffer (&plan, 3, whole);
  append_buffer (&plan, 8, whole);
  append_buffer (&plan, 8, quarter);
  g_array_append_val (plan.steps, conv);
  g_array_append_val (plan.steps, depthwise);
  g_array_append_val (plan.steps, copy);
  cnn3d_roofline_of_plan (&plan, 2, TRUE, &r);
  g_assert_cmpint (r.launches, ==, 4);
  g_assert_cmpint (r.bytes, ==, frames + dense + other + copied);
  g_assert_cmpint (r.bytes, ==, 288 + 1280 + 1536 + 96);
  g_assert_cmpint (r.weight_bytes, ==, 64 + 896);
  g_assert_cmpint (r.macs, ==, 220);
  g_assert_cmpint (r.dense_macs, ==, 768);
  g_assert_cmpint (r.other_macs, ==, 1728);
  g_assert_cmpfloat_with_epsilon (r.times[0].memory, 3200 / 320e9, 1e-15);
  g_assert_cmpfloat_with_epsilon (r.times[0].compute, dense_time + other_time, 1e-15);
  /* So small that memory is the longer one everywhere. */
  g_assert_cmpfloat_with_epsilon (r.times[0].both, 3200 / 320e9, 1e-15);

  /* In floats: twice the bytes of all but the frames, the weights of the depthwise one and so on. */
  cnn3d_roofline_of_plan (&plan, 2, FALSE, &r);
  g_assert_cmpint (r.bytes, ==, 32 * (3 + 12) + 2 * 1280 + (1280 + 896) + 192);
  g_assert_cmpfloat_with_epsilon (r.times[0].compute, 768 / t4->single_rate + other_time, 1e-15);
  g_array_unref (plan.steps);
  g_array_unref (plan.buffers);
}

static void
test_networks (void)
{
  for (int i = 0; i < N_NETWORKS; i++) {
    const Cnn3dConfig *config = &networks[i].config;
    Cnn3dComplexity complexity;
    Cnn3dRoofline one, eight, single;

    g_assert_true (cnn3d_config_get_complexity (config, &complexity, NULL));
    g_assert_true (cnn3d_config_get_roofline (config, 1, TRUE, &one, NULL));
    g_assert_true (cnn3d_config_get_roofline (config, 8, TRUE, &eight, NULL));
    g_assert_true (cnn3d_config_get_roofline (config, 1, FALSE, &single, NULL));
    g_assert_cmpint (one.macs, ==, complexity.macs);
    g_assert_cmpint (eight.macs, ==, 8 * complexity.macs);
    g_assert_cmpint (one.dense_macs + one.other_macs, >=, complexity.macs);
    g_assert_cmpint (one.launches, ==, networks[i].launches);
    g_assert_cmpint (eight.launches, ==, one.launches);
    g_assert_cmpint (one.weight_bytes, >=, 2 * complexity.parameters * 9 / 10);
    /* Weights are read once for all clips. */
    g_assert_cmpint (eight.bytes - eight.weight_bytes, ==, 8 * (one.bytes - one.weight_bytes));
    g_assert_cmpint (eight.weight_bytes, ==, one.weight_bytes);
    g_assert_cmpint (single.bytes, >, one.bytes);
    for (int d = 0; d < CNN3D_N_ROOFLINE_DEVICES; d++) {
      g_assert_cmpfloat (one.times[d].both, >=, MAX (one.times[d].memory, one.times[d].compute));
      g_assert_cmpfloat (one.times[d].both, <=, one.times[d].memory + one.times[d].compute);
    }
  }
}

static void
test_errors (void)
{
  Cnn3dConfig config = { CNN3D_ARCH_SHUFFLENETV2, 0.3 };
  g_autoptr (GError) error = NULL;
  Cnn3dRoofline r;

  g_assert_false (cnn3d_config_get_roofline (&config, 1, TRUE, &r, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/roofline/by-hand", test_by_hand);
  g_test_add_func ("/roofline/networks", test_networks);
  g_test_add_func ("/roofline/errors", test_errors);
  return g_test_run ();
}
