/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Prints where the first and the last field of structs lie, and their sizes. */

#include <stddef.h>
#include <stdio.h>

#include "lib3dcnn/3dcnn.h"

#define PRINT(type, first, last)                                                                   \
  printf ("%s %zu\n%s.%s %zu\n%s.%s %zu\n", #type, sizeof (type), #type, #first,                   \
      offsetof (type, first), #type, #last, offsetof (type, last))

int
main (void)
{
  PRINT (Cnn3dConfig, arch, size);
  PRINT (Cnn3dTrainOptions, seed, head_scale);
  PRINT (Cnn3dTrainResult, loss, gradient_norm);
  return 0;
}
