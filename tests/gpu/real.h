/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The real cuDNN on a machine without a GPU: it validates descriptors and finalizes plans for a device
 * that is described by a file of devices/. */

#include "lib3dcnn/cudnn/loader.h"

/* Fills in cuDNN's entries of the table; FALSE, with the test skipped, if there is no cuDNN. */
gboolean real_cudnn_load (Cnn3dCuda *cuda);

/* The device of devices/NAME.json. */
cudnnBackendDescriptor_t real_cudnn_device (const Cnn3dCuda *cuda, const char *name);

/* The devices' names, ending in NULL, and the compute capabilities times ten. */
extern const char *const real_devices[];
extern const int real_capabilities[];
