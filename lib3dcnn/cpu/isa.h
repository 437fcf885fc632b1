/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which kernels there are for this CPU. */

#include <glib.h>
#include "lib3dcnn/cpu/bf16.h"
#include "lib3dcnn/cpu/kernels.h"

G_BEGIN_DECLS

/*
 * Environment variable: the highest ISA to use, by name, for tests and benchmarks. Those of bfloat16 come
 * after the others.
 */
#define CNN3D_ISA_ENV "CNN3D_CPU_ISA"

/* The kernels of ISA number i that this CPU can run, in ascending order; NULL past the last. */
const Cnn3dKernels *cnn3d_isa_get (int i);

/* The best kernels that the environment allows. NULL, with error set, if it names no ISA. */
const Cnn3dKernels *cnn3d_isa_choose (GError **error);

/*
 * The best kernels in bfloat16 that the environment allows. NULL, with error set, if there are none: it says
 * what the CPU, or the system, lacks for `precision`.
 */
const Cnn3dBf16 *cnn3d_bf16_choose (const char *precision, GError **error);

/* For tests: kernels that are chosen before any others; NULL for none. */
void cnn3d_bf16_override (const Cnn3dBf16 *kernels);

G_END_DECLS
