/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lib3dcnn/backend.h"
#include "lib3dcnn/stream.h"

G_BEGIN_DECLS

/* How streams of this session work, with what create() takes; NULL if its backend has no way of its own. */
const Cnn3dStreamClass *cnn3d_session_get_stream_class (Cnn3dSession *session, gpointer *engine);

/* Whether the next frame may be of RGB, or of floats: all from one reset to the next are the same. */
gboolean cnn3d_stream_takes (Cnn3dStream *stream, gboolean rgb);

G_END_DECLS
