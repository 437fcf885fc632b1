/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What `3dcnn info` says of the predicted cost on GPUs. half: in fp16, else in fp32. */

#include "tools/tool.h"

G_BEGIN_DECLS

void info_print_roofline (const Cnn3dRoofline *r, int clips, gboolean half);
/* As a member "roofline" of an object. */
void info_json_roofline (JsonBuilder *b, const Cnn3dRoofline *r, int clips, gboolean half);
/*
 * All networks of Table 8, with the classes, frames and size of this configuration: as a table, or as an array.
 * Returns an exit code.
 */
int info_all_rooflines (const Cnn3dConfig *like, int clips, gboolean half, gboolean json);

G_END_DECLS
