/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In place of drawing-png.c where Pango and Cairo are not there. */

#include "lib3dcnn/3dcnn.h"
#include "tools/train/drawing.h"

const gboolean drawing_writes_png = FALSE;

gboolean
drawing_write_png (const Drawing *p, const char *path, GError **error)
{
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND, "%s: this is a build without Pango and Cairo", path);
  return FALSE;
}
