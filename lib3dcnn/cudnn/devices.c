/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cudnn/devices.h"

#include "lib3dcnn/cudnn/fatbin.h"

static gboolean
driver_fail (const char *what, CUresult result, GError **error)
{
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND, "%s: error %d of the NVIDIA driver", what,
      (int) result);
  return FALSE;
}

/* As nvidia-smi prints it; a slice of a GPU is told by its name, such as "NVIDIA A100-SXM4-40GB MIG 1g.5gb". */
static char *
format_uuid (const CUuuid *uuid, const char *name)
{
  const guint8 *b = (const guint8 *) uuid->bytes;

  return g_strdup_printf ("%s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
      strstr (name, " MIG ") != NULL ? "MIG" : "GPU", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
      b[15]);
}

static gboolean
query (const Cnn3dCuda *cuda, Cnn3dDevice *device, GError **error)
{
  CUdevice handle;
  CUresult result;
  CUuuid uuid;
  char name[256] = "";
  size_t memory = 0;

  if ((result = cuda->cuDeviceGet (&handle, device->index)) != CUDA_SUCCESS
      || (result = cuda->cuDeviceGetName (name, sizeof name, handle)) != CUDA_SUCCESS
      || (result = cuda->cuDeviceGetUuid_v2 (&uuid, handle)) != CUDA_SUCCESS
      || (result = cuda->cuDeviceTotalMem_v2 (&memory, handle)) != CUDA_SUCCESS)
    return driver_fail ("looking at the GPUs", result, error);
  device->name = g_strdup (name);
  device->uuid = format_uuid (&uuid, name);
  device->memory = (gint64) memory;
  CNN3D_CUDA_TRY ("looking at the GPUs", cudaDeviceGetAttribute, &device->major,
      cudaDevAttrComputeCapabilityMajor, device->index);
  CNN3D_CUDA_TRY ("looking at the GPUs", cudaDeviceGetAttribute, &device->minor,
      cudaDevAttrComputeCapabilityMinor, device->index);
  CNN3D_CUDA_TRY ("looking at the GPUs", cudaDeviceGetAttribute, &device->multiprocessors,
      cudaDevAttrMultiProcessorCount, device->index);
  if (cnn3d_fatbin_size == 0)
    device->problem = g_strdup ("lib3dcnn was built without its CUDA kernels, as there was no nvcc: see doc/gpu.md");
  else if (10 * device->major + device->minor < CNN3D_MIN_CAPABILITY)
    device->problem = g_strdup_printf ("compute capability %d.%d is below %d.%d", device->major,
        device->minor, CNN3D_MIN_CAPABILITY / 10, CNN3D_MIN_CAPABILITY % 10);
  else if (device->major >= CNN3D_BLACKWELL_MAJOR && cuda->cudnnGetVersion () < CNN3D_CUDNN_BLACKWELL_VERSION)
    device->problem = g_strdup_printf ("compute capability %d.%d needs cuDNN %d.%d or later: install it, or run"
        " tools/setup-cuda.sh, and set CNN3D_CUDA_PATH to its lib folder", device->major, device->minor,
        CNN3D_CUDNN_BLACKWELL_VERSION / 10000, CNN3D_CUDNN_BLACKWELL_VERSION % 10000 / 100);
  return TRUE;
}

static GPtrArray *
list (const Cnn3dCuda *cuda, GError **error)
{
  g_autoptr (GPtrArray) devices = g_ptr_array_new_with_free_func ((GDestroyNotify) cnn3d_device_free);
  cudaError_t code;
  int count = 0;

  code = cuda->cudaGetDeviceCount (&count);
  if (code != cudaSuccess) {
    cnn3d_cuda_fail (cuda, "looking for GPUs", code, error);
    return NULL;
  }
  for (int i = 0; i < count; i++) {
    Cnn3dDevice *device = g_new0 (Cnn3dDevice, 1);

    device->index = i;
    g_ptr_array_add (devices, device);
    if (!query (cuda, device, error))
      return NULL;
  }
  return g_steal_pointer (&devices);
}

char *
cnn3d_cuda_versions (const Cnn3dCuda *cuda)
{
  int driver = 0, runtime = 0;
  int cudnn = (int) cuda->cudnnGetVersion ();

  cuda->cuDriverGetVersion (&driver);
  cuda->cudaRuntimeGetVersion (&runtime);
  return g_strdup_printf ("driver for CUDA %d.%d, CUDA %d.%d, cuDNN %d.%d.%d", driver / 1000,
      driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10, cudnn / 10000, cudnn % 10000 / 100,
      cudnn % 100);
}

GPtrArray *
cnn3d_device_list (char **versions, GError **error)
{
  const Cnn3dCuda *cuda = cnn3d_cuda_load (NULL, error);
  GPtrArray *devices = cuda != NULL ? list (cuda, error) : NULL;

  if (devices != NULL && versions != NULL)
    *versions = cnn3d_cuda_versions (cuda);
  return devices;
}

static gboolean
matches (const Cnn3dDevice *device, const char *option, gboolean is_index, gint64 index)
{
  static const char *const prefixes[] = { "GPU-", "MIG-", "" };

  if (is_index)
    return device->index == index;
  /* Both kinds are as good: which one nvidia-smi prints depends on its version and the driver's. */
  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++) {
    g_autofree char *uuid = g_strconcat (prefixes[i], device->uuid + strlen ("GPU-"), NULL);
    if (g_ascii_strncasecmp (uuid, option, strlen (option)) == 0)
      return TRUE;
  }
  return FALSE;
}

Cnn3dDevice *
cnn3d_cuda_find_device (const Cnn3dCuda *cuda, const char *option, GError **error)
{
  g_autoptr (GPtrArray) devices = list (cuda, error);
  const Cnn3dDevice *found = NULL;
  gboolean any = option == NULL || option[0] == '\0', is_index;
  guint64 index = 0;

  if (devices == NULL)
    return NULL;
  is_index = !any && g_ascii_string_to_unsigned (option, 10, 0, 9999, &index, NULL);
  for (guint i = 0; i < devices->len; i++) {
    const Cnn3dDevice *device = devices->pdata[i];

    if (any ? device->problem != NULL : !matches (device, option, is_index, (gint64) index))
      continue;
    if (any) {
      found = device;
      break;
    }
    if (found != NULL) {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
          "device '%s' is not unique: it begins %s and %s", option, found->uuid, device->uuid);
      return NULL;
    }
    found = device;
  }
  if (found == NULL) {
    if (any && devices->len > 0) {
      const Cnn3dDevice *first = devices->pdata[0];
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND, "no GPU can be used: %s (%s)", first->name,
          first->problem);
    } else {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
          "there is no device '%s' among %u; see `3dcnn devices` for indices and UUIDs",
          any ? "0" : option, devices->len);
    }
    return NULL;
  }
  if (found->problem != NULL) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND, "device %d (%s) cannot be used: %s",
        found->index, found->name, found->problem);
    return NULL;
  }
  return cnn3d_device_copy (found);
}
