/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lib3dcnn/graph.h"
#include "lib3dcnn/io/state.h"

G_BEGIN_DECLS

/*
 * Finds the network that a state dict is of, from its names and shapes. Members of config that are
 * set (arch only if arch_given) are taken as they are; frames and size cannot be inferred and get
 * their defaults. Where no network fits, the nearest is returned, so that the comparison that follows
 * names what differs.
 */
gboolean cnn3d_infer_config (const Cnn3dState *state, gboolean arch_given, Cnn3dConfig *config,
    const char *file, GError **error);

/* TRUE if the state has the param in the right shape; else an error that names both. */
gboolean cnn3d_check_param (const Cnn3dState *state, const Cnn3dParam *param, const char *file,
    GError **error);

G_END_DECLS
