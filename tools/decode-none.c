/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In place of decode.c where GStreamer is not built in. */

#include "lib3dcnn/error.h"
#include "tools/decode.h"

gboolean
decode_file (const char *path, const DecodeOptions *options, DecodeFunc take, gpointer data, GError **error)
{
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
      "%s: this build has no GStreamer to decode it with", path);
  return FALSE;
}
