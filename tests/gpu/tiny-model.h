/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A model file that takes no time, for what is above the library. */

#include <glib/gstdio.h>

#include "lib3dcnn/3dcnn.h"

#define TINY_CLASSES 5
#define TINY_FRAMES 4
#define TINY_SIZE 32

/* In a folder of its own, which tiny_model_remove() removes; with the plans' cache, so that only the first
 * session times plans. */
static inline char *
tiny_model_write (void)
{
  static const Cnn3dConfig config = { CNN3D_ARCH_MOBILENET, 0.1, .classes = TINY_CLASSES,
    .frames = TINY_FRAMES, .size = TINY_SIZE };
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (&config, "gpu", &error);
  g_autofree char *folder = g_dir_make_tmp ("cnn3d-gpu-XXXXXX", NULL);
  char *path = g_build_filename (folder, "tiny.safetensors", NULL);

  g_assert_no_error (error);
  cnn3d_model_save (model, path, &error);
  g_assert_no_error (error);
  g_setenv ("CNN3D_PLAN_CACHE", folder, TRUE);
  return path;
}

static inline void
tiny_model_remove (char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  GDir *dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *file = g_build_filename (folder, name, NULL);
    g_unlink (file);
  }
  g_dir_close (dir);
  g_rmdir (folder);
  g_free (path);
}
