/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <lib3dcnn/error.h>

G_BEGIN_DECLS

/**
 * Cnn3dDevice:
 * @index: CUDA's number, as of the `device` option
 * @name: what its maker calls it
 * @uuid: "GPU-" or "MIG-" and the rest, as nvidia-smi prints it; may be given as the `device` option
 * @major: compute capability
 * @minor: compute capability
 * @multiprocessors: number of multiprocessors
 * @memory: bytes of memory
 * @problem: (nullable): why it cannot be used, %NULL if it can
 *
 * A GPU that the cudnn backend may run on.
 */
typedef struct {
  int index;
  char *name;
  char *uuid;
  int major, minor;
  int multiprocessors;
  gint64 memory;
  char *problem;
} Cnn3dDevice;

#define CNN3D_TYPE_DEVICE (cnn3d_device_get_type ())
CNN3D_API GType cnn3d_device_get_type (void);
CNN3D_API Cnn3dDevice *cnn3d_device_copy (const Cnn3dDevice *device);
CNN3D_API void cnn3d_device_free (Cnn3dDevice *device);

/**
 * cnn3d_device_list:
 * @versions: (out) (optional) (transfer full): the versions of driver, CUDA and cuDNN, for people;
 *   set only on success
 *
 * Finds what the cudnn backend could run on.
 *
 * Returns: (transfer full) (nullable) (element-type Cnn3dDevice): the devices; %NULL with
 *   %CNN3D_ERROR_BACKEND where CUDA or cuDNN is missing, and why
 */
CNN3D_API GPtrArray *cnn3d_device_list (char **versions, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dDevice, cnn3d_device_free)

G_END_DECLS
