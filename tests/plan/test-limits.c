/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What networks there are not, and the counts of Table 7 of those there are. */

#include "lib3dcnn/network.h"

static const struct {
  const char *name;
  Cnn3dConfig config;
  const char *explains; /* what the message has to mention */
} limits[] = {
  { "shufflenet-12-frames", { .arch = CNN3D_ARCH_SHUFFLENET, .frames = 12 }, "frames" },
  { "shufflenet-8-frames", { .arch = CNN3D_ARCH_SHUFFLENET, .frames = 8 }, "frames" },
  { "shufflenet-5-groups", { .arch = CNN3D_ARCH_SHUFFLENET, .groups = 5 }, "must be 1, 2, 3" },
  { "shufflenet-negative-groups", { .arch = CNN3D_ARCH_SHUFFLENET, .groups = -3 }, "groups" },
  { "shufflenet-groups-width", { .arch = CNN3D_ARCH_SHUFFLENET, .groups = 8, .width = 0.3 },
      "8 groups do not divide" },
  { "shufflenet-no-channels", { .arch = CNN3D_ARCH_SHUFFLENET, .width = 0.001 },
      "no output channel" },
  { "shufflenetv2-width", { .arch = CNN3D_ARCH_SHUFFLENETV2, .width = 0.3 }, "0.25, 0.5, 1.0" },
  { "squeezenet-width", { .arch = CNN3D_ARCH_SQUEEZENET, .width = 0.5 }, "width" },
  { "squeezenet-version", { .arch = CNN3D_ARCH_SQUEEZENET, .version = 12 }, "1.0 and 1.1" },
  { "squeezenet-negative-version", { .arch = CNN3D_ARCH_SQUEEZENET, .version = -1 }, "1.0 and" },
  { "mobilenet-no-channels", { .arch = CNN3D_ARCH_MOBILENET, .width = 0.01 },
      "no output channel" },
  { "mobilenetv2-no-channels", { .arch = CNN3D_ARCH_MOBILENETV2, .width = 0.05 },
      "no output channel" },
  { "width-negative", { .arch = CNN3D_ARCH_MOBILENET, .width = -1 }, "width" },
  { "width-large", { .arch = CNN3D_ARCH_MOBILENET, .width = 1e9 }, "width" },
  { "width-nan", { .arch = CNN3D_ARCH_MOBILENET, .width = __builtin_nan ("") }, "width" },
  { "classes-negative", { .arch = CNN3D_ARCH_MOBILENETV2, .classes = -1 }, "classes" },
  { "classes-large", { .arch = CNN3D_ARCH_MOBILENETV2, .classes = G_MAXINT }, "classes" },
  { "frames-negative", { .arch = CNN3D_ARCH_MOBILENETV2, .frames = -16 }, "frames" },
  { "frames-large", { .arch = CNN3D_ARCH_MOBILENETV2, .frames = 100000 }, "frames" },
  { "size-negative", { .arch = CNN3D_ARCH_SQUEEZENET, .size = -112 }, "pixels" },
  { "size-large", { .arch = CNN3D_ARCH_SQUEEZENET, .size = 100000 }, "pixels" },
  { "architecture", { .arch = 17 }, "architecture" },
  { "architecture-negative", { .arch = -1 }, "architecture" },
};

static void
test_limit (gconstpointer data)
{
  int i = GPOINTER_TO_INT (data);
  Cnn3dConfig config = limits[i].config;
  Cnn3dComplexity complexity = { .layers = -5 };
  g_autoptr (GError) error = NULL, again = NULL;

  g_assert_false (cnn3d_config_check (&config, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, limits[i].explains));

  g_assert_false (cnn3d_config_get_complexity (&limits[i].config, &complexity, &again));
  g_assert_error (again, CNN3D_ERROR, CNN3D_ERROR_CONFIG);
  g_assert_cmpint (complexity.layers, ==, -5);
}

static const struct {
  Cnn3dArch arch;
  int layers, nonlinearities, skips;
} table7[] = {
  { CNN3D_ARCH_SQUEEZENET, 18, 18, 4 },
  { CNN3D_ARCH_SHUFFLENET, 50, 33, 16 },
  { CNN3D_ARCH_SHUFFLENETV2, 51, 34, 16 },
  { CNN3D_ARCH_MOBILENET, 28, 27, 0 },
  { CNN3D_ARCH_MOBILENETV2, 53, 35, 10 },
};

static void
test_table7 (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (table7); i++) {
    Cnn3dConfig config = { .arch = table7[i].arch };
    g_autoptr (GError) error = NULL;
    Cnn3dComplexity c;

    cnn3d_config_get_complexity (&config, &c, &error);
    g_assert_no_error (error);
    g_test_message ("%s: %d layers, %d nonlinearities, %d skips",
        cnn3d_arch_get_title (config.arch), c.layers, c.nonlinearities, c.skips);
    g_assert_cmpint (c.layers, ==, table7[i].layers);
    g_assert_cmpint (c.nonlinearities, ==, table7[i].nonlinearities);
    g_assert_cmpint (c.skips, ==, table7[i].skips);
    g_assert_cmpint (c.arena_bytes, >, 0);
    g_assert_cmpint (c.arena_bytes, <, c.activation_bytes);
  }
}

static void
test_defaults (void)
{
  Cnn3dConfig config = { .arch = CNN3D_ARCH_SHUFFLENET };
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  g_assert_true (cnn3d_config_check (&config, &error));
  g_assert_no_error (error);
  g_assert_cmpfloat (config.width, ==, 1);
  g_assert_cmpint (config.groups, ==, 3);
  g_assert_cmpint (config.classes, ==, 600);
  g_assert_cmpint (config.frames, ==, 16);
  g_assert_cmpint (config.size, ==, 112);
  text = cnn3d_config_describe (&config);
  g_assert_cmpstr (text, ==, "3D-ShuffleNetV1 1.0x (3 groups)");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (limits); i++) {
    g_autofree char *name = g_strdup_printf ("/limits/%s", limits[i].name);
    g_test_add_data_func (name, GINT_TO_POINTER ((int) i), test_limit);
  }
  g_test_add_func ("/limits/defaults", test_defaults);
  g_test_add_func ("/limits/table7", test_table7);
  return g_test_run ();
}
