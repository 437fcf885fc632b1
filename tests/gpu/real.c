/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/gpu/real.h"

#include <dlfcn.h>

const char *const real_devices[] = { "t4", "a100", "rtx3090", "rtx4090", "h100", "b200", "rtx5090",
  NULL };
const int real_capabilities[] = { 75, 80, 86, 89, 90, 100, 120 };

static void *
open_library (const char *name)
{
  const char *folder = g_getenv ("CNN3D_TEST_CUDA_LIB");
  void *library = NULL;

  if (folder != NULL && folder[0] != '\0') {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    library = dlopen (path, RTLD_NOW | RTLD_LOCAL);
  }
  return library != NULL ? library : dlopen (name, RTLD_NOW | RTLD_LOCAL);
}

/* There is no CUDA with it. */
static cudaError_t
no_error (void)
{
  return cudaSuccess;
}

gboolean
real_cudnn_load (Cnn3dCuda *cuda)
{
  static void *library;
  gboolean first = library == NULL;

  if (first)
    library = open_library ("libcudnn.so.9");
  if (library == NULL) {
    g_test_skip ("libcudnn.so.9 is not installed; tools/setup-cuda.sh installs it");
    return FALSE;
  }
  enum { DRIVER, RUNTIME, CUDNN };
#define STATUS(of, type, name, parameters, arguments) PLAIN (of, type, name, parameters)
#define PLAIN(of, type, name, parameters)                                                          \
  if (of == CUDNN) {                                                                               \
    void *symbol = dlsym (library, #name);                                                         \
    g_assert_nonnull (symbol);                                                                     \
    memcpy (&cuda->name, &symbol, sizeof symbol);                                                  \
  }
#include "lib3dcnn/cudnn/functions.inc"
#undef STATUS
#undef PLAIN
  cuda->cudaGetLastError = no_error;
  /* As the loader does: cuDNN would open and close it for each plan. */
  if (first) {
    g_autofree char *nvrtc = g_strdup_printf ("libnvrtc.so.%d", (int) (cuda->cudnnGetCudartVersion () / 1000));
    open_library (nvrtc);
  }
  return TRUE;
}

cudnnBackendDescriptor_t
real_cudnn_device (const Cnn3dCuda *cuda, const char *name)
{
  g_autofree char *file = g_strdup_printf ("%s.json", name);
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "devices", file, NULL);
  g_autofree char *json = NULL;
  g_autoptr (GError) error = NULL;
  cudnnBackendDescriptor_t device = NULL;
  gsize n;

  g_file_get_contents (path, &json, &n, &error);
  g_assert_no_error (error);
  g_assert_cmpint (cuda->cudnnBackendCreateDescriptor (CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &device), ==, 0);
  g_assert_cmpint (cuda->cudnnBackendSetAttribute (device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                       CUDNN_TYPE_CHAR, (gint64) n, json), ==, 0);
  g_assert_cmpint (cuda->cudnnBackendFinalize (device), ==, 0);
  return device;
}
