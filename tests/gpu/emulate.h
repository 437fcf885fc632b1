/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Our CUDA kernels on the CPU: what a double of the CUDA runtime calls in place of a launch. */

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Runs the kernel called name, such as "cnn3d_add_half", to its end. args points to its structure, as
 * the array does that cudaLaunchKernelExC takes. order: 0 runs blocks and threads from first to last,
 * 1 from last to first, any other number is a seed for one of the other orders.
 *
 * Returns 0, or -1 with cnn3d_emulate_error(): no such kernel, a block that is not the kernel's, an
 * empty or too large grid, threads of a block that do not all come to a barrier.
 */
int cnn3d_emulate (const char *name, const unsigned int grid[3], const unsigned int block[3],
    unsigned int shared, const void *args, unsigned int order);

/* Why the last call failed. */
const char *cnn3d_emulate_error (void);

/* Of the kernel's structure, or 0 if there is no kernel of that name. */
unsigned long cnn3d_emulate_args_size (const char *name);

#ifdef __cplusplus
}
#endif
