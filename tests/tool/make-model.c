/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Writes a model file of any network, with weights from a hash, for the tests of the tool. */

#include <stdio.h>
#include <stdlib.h>

#include "lib3dcnn/3dcnn.h"

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = NULL;
  Cnn3dConfig config = { 0 };

  if (argc != 9) {
    fprintf (stderr, "usage: %s ARCH WIDTH GROUPS VERSION CLASSES FRAMES SIZE FILE\n", argv[0]);
    return 2;
  }
  if (cnn3d_arch_from_name (argv[1], &config.arch, &error)) {
    config.width = g_ascii_strtod (argv[2], NULL);
    config.groups = atoi (argv[3]);
    config.version = atoi (argv[4]);
    config.classes = atoi (argv[5]);
    config.frames = atoi (argv[6]);
    config.size = atoi (argv[7]);
    model = cnn3d_model_new_synthetic (&config, "", &error);
  }
  if (model == NULL || !cnn3d_model_save (model, argv[8], &error)) {
    fprintf (stderr, "%s: %s\n", argv[0], error->message);
    return 1;
  }
  return 0;
}
