/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A fuzzer's entry point for model files; clang -fsanitize=fuzzer drives it (-DLIBFUZZER), and without
 * it, it runs the files that it is given.
 */

#include "lib3dcnn/3dcnn.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static (data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = cnn3d_model_load_bytes (bytes, "input", NULL, &error);

  g_assert ((model == NULL) == (error != NULL));
  return 0;
}

#ifndef LIBFUZZER
int
main (int argc, char **argv)
{
  for (int i = 1; i < argc; i++) {
    g_autofree char *data = NULL;
    gsize size;

    if (g_file_get_contents (argv[i], &data, &size, NULL))
      LLVMFuzzerTestOneInput ((const guint8 *) data, size);
  }
  return 0;
}
#endif
