/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/model.h"

char *
cnn3d_model_find (const char *name, GError **error)
{
  g_autofree char *file = NULL;
  g_auto (GStrv) folders = NULL;
  const char *path = g_getenv ("CNN3D_MODEL_PATH");

  g_return_val_if_fail (name != NULL, NULL);

  file = g_strconcat (name, ".safetensors", NULL);
  folders = g_strsplit (path ? path : "", G_SEARCHPATH_SEPARATOR_S, -1);
  for (guint i = 0; folders[i] != NULL; i++) {
    g_autofree char *found = g_build_filename (folders[i], file, NULL);

    if (*folders[i] != '\0' && g_file_test (found, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&found);
  }
  {
    g_autofree char *found = g_build_filename (CNN3D_MODEL_DIR, file, NULL);

    if (g_file_test (found, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&found);
  }
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_NOT_FOUND,
      "there are no weights for '%s': no %s in %s%s" CNN3D_MODEL_DIR ". Give a file: a safetensors file,"
      " or one of the authors' published checkpoints"
      " (https://github.com/okankop/Efficient-3DCNNs), which are read as they are",
      name, file, path ? path : "", path ? G_SEARCHPATH_SEPARATOR_S : "");
  return NULL;
}
