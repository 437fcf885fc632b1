/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/device.h"

G_DEFINE_BOXED_TYPE (Cnn3dDevice, cnn3d_device, cnn3d_device_copy, cnn3d_device_free)

Cnn3dDevice *
cnn3d_device_copy (const Cnn3dDevice *device)
{
  Cnn3dDevice *copy;

  g_return_val_if_fail (device != NULL, NULL);

  copy = g_memdup2 (device, sizeof *device);
  copy->name = g_strdup (device->name);
  copy->uuid = g_strdup (device->uuid);
  copy->problem = g_strdup (device->problem);
  return copy;
}

void
cnn3d_device_free (Cnn3dDevice *device)
{
  if (device == NULL)
    return;
  g_free (device->name);
  g_free (device->uuid);
  g_free (device->problem);
  g_free (device);
}
