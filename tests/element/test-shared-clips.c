/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The authors' published Jester checkpoint on webcam videos, whose answers
 * PyTorch gave: decoding and scaling differ a little, answers should not. Neither
 * may be part of this project; they are looked for in $CNN3D_SHARED or in
 * shared/ next to the sources.
 */

#include "tests/element/common.h"

/* The best class of the reference for each video. */
static const struct
{
  const gchar *video, *label;
} answers[] = {
  {"Pull_pullback_3", "Pushing_Hand_Away"},
  {"Push_pushforward_1", "Stop_Sign"},
  {"Push_pushforward_4", "Pushing_Hand_Away"},
  {"Up_11", "Sliding_Two_Fingers_Up"},
  {"ccw_10", "Rolling_Hand_Forward"},
  {"cw_9", "Rolling_Hand_Backward"},
};

static void
test_videos (void)
{
  const gchar *shared = g_getenv ("CNN3D_SHARED");
  g_autofree gchar *model = NULL;
  guint right = 0;

  if (shared == NULL)
    shared = g_getenv ("CNN3D_SHARED_DEFAULT");
  model = g_build_filename (shared ? shared : "", "checkpoints",
      "jester_shufflenet_0.5x_G3_RGB_16_best.pth", NULL);
  if (!g_file_test (model, G_FILE_TEST_EXISTS)) {
    g_test_skip ("the published checkpoint is not there (set CNN3D_SHARED)");
    return;
  }
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++) {
    g_autofree gchar *launch = g_strdup_printf ("filesrc "
        "location=%s/clips/%s.avi ! decodebin ! videoclassify3d sample-rate=7.5 "
        "model-file=%s labels-file=%s/labels/jester.txt ! fakesink", shared,
        answers[i].video, model, g_getenv ("CNN3D_MODEL_PATH"));
    g_autoptr (GPtrArray) found = run_pipeline (launch, "videoclassify3d");
    const gchar *label;

    g_assert_cmpuint (found->len, ==, 1);
    label = gst_structure_get_string (found->pdata[0], "label");
    if (g_strcmp0 (label, answers[i].label) == 0)
      right++;
    else
      g_test_message ("%s: %s in place of %s", answers[i].video, label,
          answers[i].label);
  }
  g_assert_cmpuint (right, >=, 5);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/shared/videos", test_videos);
  return g_test_run ();
}
