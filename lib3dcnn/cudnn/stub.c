/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Takes the backend's place where the headers of CUDA or cuDNN were not found, or too old. */

#include "lib3dcnn/backend.h"
#include "lib3dcnn/device.h"

#define REASON                                                                                     \
  "lib3dcnn was built without the cudnn backend, as the headers of CUDA or cuDNN were not found, or" \
  " too old: see doc/gpu.md"

static gpointer
create (Cnn3dModel *model, const Cnn3dSessionOptions *options, GError **error)
{
  g_set_error_literal (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND, REASON);
  return NULL;
}

GPtrArray *
cnn3d_device_list (char **versions, GError **error)
{
  g_set_error_literal (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND, REASON);
  return NULL;
}

gboolean
cnn3d_cudnn_absent (void)
{
  return TRUE;
}

const Cnn3dBackendClass cnn3d_cudnn_backend = { .create = create };
