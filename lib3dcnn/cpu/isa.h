/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which kernels there are for this CPU. */

#include <glib.h>
#include "lib3dcnn/cpu/kernels.h"

G_BEGIN_DECLS

/* Environment variable: the highest ISA to use, by name, for tests and benchmarks. */
#define CNN3D_ISA_ENV "CNN3D_CPU_ISA"

/* The kernels of ISA number i that this CPU can run, in ascending order; NULL past the last. */
const Cnn3dKernels *cnn3d_isa_get (int i);

/* The best kernels that the environment allows. NULL, with error set, if it names no ISA. */
const Cnn3dKernels *cnn3d_isa_choose (GError **error);

G_END_DECLS
