/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is said where the cuDNN backend was not built; tested in all builds. */

#include "lib3dcnn/cudnn/stub.c"

static void
test_reason (void)
{
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN };
  g_autoptr (GError) error = NULL;
  char *versions = NULL;

  g_assert_null (cnn3d_cudnn_backend.create (NULL, &options, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND);
  g_assert_nonnull (strstr (error->message, "was built without the cudnn backend"));
  g_assert_nonnull (strstr (error->message, "doc/gpu.md"));
  g_clear_error (&error);
  g_assert_null (cnn3d_device_list (&versions, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND);
  g_assert_null (versions);
  /* `auto` runs on the CPU without a word. */
  g_assert_true (cnn3d_cudnn_absent ());
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gpu/stub/reason", test_reason);
  return g_test_run ();
}
