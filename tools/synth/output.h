/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where clips go: a cache, or a folder of videos for each class. */

#include <lib3dcnn/3dcnn.h>

#include "tools/synth/render.h"

G_BEGIN_DECLS

typedef struct Output Output;

/*
 * Whether a folder of videos may be made there: what is in the way is not, unless it is clips as they are
 * made here and force is set.
 */
gboolean output_check_place (const char *folder, gboolean force, GError **error);
/* Removes such clips. */
void output_remove_clips (const char *folder);

Output *output_new (const char *folder, gboolean videos, const RenderOptions *options, double rate,
    const char *note, GError **error);
/* Adds clip number i of the class. */
gboolean output_add (Output *output, int i, CameraMotion motion, const char *scene, const guint8 *rgb,
    GError **error);
gboolean output_finish (Output *output, GError **error);
/* What is not finished is lost, if it is a cache. */
void output_free (Output *output);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Output, output_free)

G_END_DECLS
