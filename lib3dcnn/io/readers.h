/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The readers of the three formats, and what they build a state with. */

#include "lib3dcnn/io/state.h"

G_BEGIN_DECLS

Cnn3dState *cnn3d_state_new (GBytes *bytes);
/* Copies tensor. Fails if its name is there already. */
gboolean cnn3d_state_add (Cnn3dState *state, const Cnn3dTensor *tensor, const char *file,
    GError **error);

/* Sets a CNN3D_ERROR_FORMAT that begins with the file's name; returns FALSE. */
gboolean cnn3d_state_fail (GError **error, const char *file, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

Cnn3dState *cnn3d_safetensors_read (GBytes *bytes, const char *name, GError **error);
Cnn3dState *cnn3d_pth_legacy_read (GBytes *bytes, const char *name, GError **error);
Cnn3dState *cnn3d_pth_zip_read (GBytes *bytes, const char *name, GError **error);

G_END_DECLS
