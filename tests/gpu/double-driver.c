/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The double of the driver: devices, and which one a thread is on. */

#include "tests/gpu/double.h"

/* The devices whose contexts this thread has pushed; with none of them, the runtime's is the first. */
static __thread int pushed[4], n_pushed;
static guint contexts; /* a bit for each device that has one since the doubles were installed */
static int working_device = -1; /* of the stream whose work is done */

int
double_current_device (void)
{
  return working_device >= 0 ? working_device : n_pushed > 0 ? pushed[n_pushed - 1] : 0;
}

int
double_pushed_contexts (void)
{
  return n_pushed;
}

gboolean
double_has_context (int device)
{
  return (contexts >> device & 1) != 0;
}

void
double_check_device (int device, const char *kind)
{
  if (device != double_current_device ())
    g_error ("cuda double: %s of device %d is used on device %d", kind, device, double_current_device ());
}

int
double_work_on (int device)
{
  int before = working_device;

  working_device = device;
  return before;
}

static CUresult
double_cuInit (unsigned flags)
{
  return CUDA_SUCCESS;
}

static CUresult
double_cuDriverGetVersion (int *version)
{
  *version = 13000;
  return CUDA_SUCCESS;
}

static CUresult
double_cuDeviceGet (CUdevice *device, int index)
{
  *device = index;
  return index < double_settings.count ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

static CUresult
double_cuDeviceGetName (char *name, int size, CUdevice device)
{
  static const char begin[] = "\"deviceName\": \"";
  gsize n;
  const char *found = strstr (double_device_json (&n), begin) + strlen (begin);

  g_snprintf (name, size, "%.*s", (int) strcspn (found, "\""), found);
  return CUDA_SUCCESS;
}

static CUresult
double_cuDeviceGetUuid_v2 (CUuuid *uuid, CUdevice device)
{
  for (int i = 0; i < 16; i++)
    uuid->bytes[i] = (char) (i == 0 ? 0xd0 + device : i);
  return CUDA_SUCCESS;
}

static CUresult
double_cuDeviceTotalMem_v2 (size_t *bytes, CUdevice device)
{
  *bytes = (size_t) 16 << 30;
  return CUDA_SUCCESS;
}

/* A context is its device's number, from 1 on. */
static CUresult
double_cuDevicePrimaryCtxRetain (CUcontext *context, CUdevice device)
{
  if (device < 0 || device >= double_settings.count)
    return CUDA_ERROR_INVALID_DEVICE;
  *context = (CUcontext) GINT_TO_POINTER (device + 1);
  contexts |= 1u << device;
  return CUDA_SUCCESS;
}

static CUresult
double_cuCtxPushCurrent_v2 (CUcontext context)
{
  if (context == NULL || n_pushed == G_N_ELEMENTS (pushed))
    g_error ("cuda double: %s", context == NULL ? "no context is pushed" : "contexts are not popped");
  pushed[n_pushed++] = GPOINTER_TO_INT (context) - 1;
  return CUDA_SUCCESS;
}

static CUresult
double_cuCtxPopCurrent_v2 (CUcontext *context)
{
  if (n_pushed == 0)
    g_error ("cuda double: there is no context to pop");
  *context = (CUcontext) GINT_TO_POINTER (pushed[--n_pushed] + 1);
  return CUDA_SUCCESS;
}

void
double_driver_fill (Cnn3dCuda *table)
{
  enum { DRIVER, RUNTIME, CUDNN };

  contexts = 0;
#define STATUS(of, type, name, parameters, arguments) FILL_##of (name)
#define PLAIN(of, type, name, parameters) FILL_##of (name)
#define FILL_DRIVER(name) table->name = double_##name;
#define FILL_RUNTIME(name)
#define FILL_CUDNN(name)
#include "lib3dcnn/cudnn/functions.inc"
#undef STATUS
#undef PLAIN
}
