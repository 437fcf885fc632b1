/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/gpu/faults.h"

Faults faults = { .at = -1 };

static gboolean
hit (const char *name)
{
  gboolean counts = faults.function != NULL ? strcmp (name, faults.function) == 0
      : faults.prefix == NULL || g_str_has_prefix (name, faults.prefix);

  if (faults.hit && faults.lost)
    return TRUE;
  if (counts && faults.calls++ == faults.at) {
    faults.hit = TRUE;
    return TRUE;
  }
  return FALSE;
}

/* What frees or pops does so even if it reports a failure, as CUDA does then. */
static gboolean
is_release (const char *name)
{
  return strstr (name, "Free") != NULL || strstr (name, "Destroy") != NULL
      || strstr (name, "Unload") != NULL || strstr (name, "EndCapture") != NULL
      || strstr (name, "Pop") != NULL;
}

#define FAILURE_CUresult CUDA_ERROR_UNKNOWN
#define FAILURE_cudaError_t (faults.code != cudaSuccess ? faults.code : cudaErrorMemoryAllocation)
#define FAILURE_cudnnStatus_t CUDNN_STATUS_INTERNAL_ERROR

/* What the caller did not ask for stays known to CUDA; after a fault of the device, for good. */
static void
leave_behind (gboolean by_cuda)
{
  if (by_cuda)
    double_last_error = FAILURE_cudaError_t;
  else if (faults.code != cudaSuccess)
    double_last_error = faults.code;
}

static cudaError_t
fault_cudaGetLastError (void)
{
  if (faults.lost && faults.hit)
    return double_last_error;
  return double_table ()->cudaGetLastError ();
}

enum { DRIVER, RUNTIME, CUDNN };
#define PLAIN(of, type, name, parameters)
#define STATUS(of, type, name, parameters, arguments)                                              \
  static type fault_##name parameters                                                              \
  {                                                                                                \
    gboolean fails = hit (#name);                                                                  \
    type result = FAILURE_##type;                                                                  \
    if (!fails || is_release (#name))                                                              \
      result = double_table ()->name arguments;                                                    \
    if (fails && of != DRIVER)                                                                     \
      leave_behind (of == RUNTIME);                                                                \
    return fails ? FAILURE_##type : result;                                                        \
  }
#include "lib3dcnn/cudnn/functions.inc"
#undef STATUS

const char *const faults_functions[] = {
#define STATUS(of, type, name, parameters, arguments) #name,
#include "lib3dcnn/cudnn/functions.inc"
#undef STATUS
  NULL,
};
#undef PLAIN

int
faults_step (void)
{
  return g_getenv ("CNN3D_TEST_QUICK") != NULL ? 101 : 1;
}

gboolean
faults_install (void)
{
  static Cnn3dCuda table;

  if (!double_install ())
    return FALSE;
  table = *double_table ();
#define PLAIN(of, type, name, parameters)
#define STATUS(of, type, name, parameters, arguments) table.name = fault_##name;
#include "lib3dcnn/cudnn/functions.inc"
#undef STATUS
#undef PLAIN
  table.cudaGetLastError = fault_cudaGetLastError;
  cnn3d_cuda_replace (&table);
  return TRUE;
}
