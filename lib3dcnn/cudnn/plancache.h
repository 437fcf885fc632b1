/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which of cuDNN's proposals was the fastest for each convolution, kept for a device, its driver and
 * cuDNN's version in ~/.cache/3dcnn (CNN3D_PLAN_CACHE names another folder; empty: none). What cannot be
 * read or written is no error: it is measured again.
 */

#include <glib.h>

G_BEGIN_DECLS

typedef struct _Cnn3dPlanCache Cnn3dPlanCache;

#define CNN3D_PLAN_CACHE_ENV "CNN3D_PLAN_CACHE"

/* identity: all that the choice depends on besides the convolution. */
Cnn3dPlanCache *cnn3d_plan_cache_new (const char *identity);
/* Writes what is new, and frees. */
void cnn3d_plan_cache_free (Cnn3dPlanCache *cache);
gboolean cnn3d_plan_cache_get (Cnn3dPlanCache *cache, const char *key, int *index, int *engine);
void cnn3d_plan_cache_set (Cnn3dPlanCache *cache, const char *key, int index, int engine);

G_END_DECLS
