/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The doubles as a shared library, which programs find as libcuda, libcudart and libcudnn.
 * CNN3D_DOUBLE_FAULT, such as "cudaGraphLaunch:2:lost", lets a call fail: the function, which of its calls, and
 * whether all that follows fails as well ("lost") or the process ends there ("crash"). When the program ends, what it
 * leaked ends the process.
 */

#include <stdlib.h>

#include "tests/gpu/faults.h"

static GRecMutex lock;
static gboolean ready, crashes;

static void
at_end (void)
{
  double_check_clean ();
}

static void
enter_double (void)
{
  const char *text = g_getenv ("CNN3D_DOUBLE_FAULT");

  g_rec_mutex_lock (&lock);
  if (ready)
    return;
  ready = TRUE;
  if (!faults_install ())
    g_error ("cuda double: there is no cuDNN");
  if (text != NULL) {
    char **words = g_strsplit (text, ":", 3);

    faults.function = words[0];
    faults.at = words[1] != NULL ? atoi (words[1]) : 0;
    crashes = words[1] != NULL && g_strcmp0 (words[2], "crash") == 0;
    faults.lost = words[1] != NULL && words[2] != NULL;
  }
  atexit (at_end);
}

static const Cnn3dCuda *
table (void)
{
  return cnn3d_cuda_load (NULL, NULL);
}

#define PLAIN(of, type, name, parameters)
#define STATUS(of, type, name, parameters, arguments)                                              \
  type name parameters                                                                             \
  {                                                                                                \
    type result;                                                                                   \
    enter_double ();                                                                                      \
    result = table ()->name arguments;                                                             \
    if (crashes && faults.hit)                                                                     \
      abort ();                                                                                    \
    g_rec_mutex_unlock (&lock);                                                                    \
    return result;                                                                                 \
  }

#include "lib3dcnn/cudnn/functions.inc"

const char *
cudaGetErrorString (cudaError_t code)
{
  return "an error that a test wants";
}

cudaError_t
cudaGetLastError (void)
{
  cudaError_t code;

  enter_double ();
  code = table ()->cudaGetLastError ();
  g_rec_mutex_unlock (&lock);
  return code;
}

size_t
cudnnGetVersion (void)
{
  size_t version;

  enter_double ();
  version = table ()->cudnnGetVersion ();
  g_rec_mutex_unlock (&lock);
  return version;
}

size_t
cudnnGetCudartVersion (void)
{
  size_t version;

  enter_double ();
  version = table ()->cudnnGetCudartVersion ();
  g_rec_mutex_unlock (&lock);
  return version;
}

const char *
cudnnGetErrorString (cudnnStatus_t status)
{
  return table ()->cudnnGetErrorString (status);
}

void
cudnnGetLastErrorString (char *message, size_t size)
{
  table ()->cudnnGetLastErrorString (message, size);
}
