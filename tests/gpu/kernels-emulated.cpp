/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* All of our CUDA kernels, compiled for the CPU: see emulate.h. */

#include "tests/gpu/emulation.h"

#include "lib3dcnn/cudnn/kernels.cu"
#include "tests/gpu/emulate.h"

namespace {

struct Kernel {
  const char *name;
  emulation::Body *body;
  unsigned long args_size;
  unsigned int block;
};

#undef CNN3D_CUDA_KERNEL
#define CNN3D_CUDA_KERNEL(id, name, Args, block, blocks)                                           \
  { "cnn3d_" #name "_half",                                                                        \
    [] (const void *args) { cnn3d_##name##_half (*static_cast<const Args *> (args)); },            \
    sizeof (Args), block },                                                                        \
      { "cnn3d_" #name "_float",                                                                   \
        [] (const void *args) { cnn3d_##name##_float (*static_cast<const Args *> (args)); },       \
        sizeof (Args), block },

const Kernel kernels[] = {
#include "lib3dcnn/cudnn/kernels.inc"
};

const char *error = "";

const Kernel *
find (const char *name)
{
  for (const Kernel &kernel : kernels)
    if (strcmp (kernel.name, name) == 0)
      return &kernel;
  return NULL;
}

const char *
run (const char *name, const unsigned int grid[3], const unsigned int block[3], unsigned int shared,
    const void *args, unsigned int order)
{
  const Kernel *kernel = find (name);

  if (kernel == NULL)
    return "there is no kernel of that name";
  if (grid[1] != 1 || grid[2] != 1 || block[1] != 1 || block[2] != 1)
    return "grids and blocks of our kernels have one dimension";
  if (block[0] != kernel->block)
    return "the block is not the kernel's";
  if (shared != 0)
    return "no kernel takes dynamic shared memory";
  return emulation::launch (kernel->body, args, grid[0], block[0], order);
}

} // namespace

int
cnn3d_emulate (const char *name, const unsigned int grid[3], const unsigned int block[3],
    unsigned int shared, const void *args, unsigned int order)
{
  const char *wrong = run (name, grid, block, shared, args, order);

  error = wrong != NULL ? wrong : "";
  return wrong != NULL ? -1 : 0;
}

const char *
cnn3d_emulate_error (void)
{
  return error;
}

unsigned long
cnn3d_emulate_args_size (const char *name)
{
  const Kernel *kernel = find (name);

  return kernel != NULL ? kernel->args_size : 0;
}
