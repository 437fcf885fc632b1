/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which of cuDNN's proposals was the fastest for each convolution, kept for a device, its number of multiprocessors,
 * its driver and the versions of CUDA and cuDNN in ~/.cache/3dcnn (CNN3D_PLAN_CACHE names another folder; empty: none). What cannot be
 * read or written is no error: it is measured again.
 */

#include <glib.h>

G_BEGIN_DECLS

typedef struct _Cnn3dPlanCache Cnn3dPlanCache;

#define CNN3D_PLAN_CACHE_ENV "CNN3D_PLAN_CACHE"

/* identity: all that the choice depends on besides the convolution. */
/* anew: without what is kept already, which saving replaces. */
Cnn3dPlanCache *cnn3d_plan_cache_new (const char *identity, gboolean anew);
void cnn3d_plan_cache_free (Cnn3dPlanCache *cache);
gboolean cnn3d_plan_cache_get (Cnn3dPlanCache *cache, const char *key, int *index, int *engine);
void cnn3d_plan_cache_set (Cnn3dPlanCache *cache, const char *key, int index, int engine);
/* Drops all that cnn3d_plan_cache_get() has found of what was kept; FALSE if that is nothing. */
gboolean cnn3d_plan_cache_forget (Cnn3dPlanCache *cache);
/* Adds what is new to what other processes may have written meanwhile, and takes out what was dropped. */
void cnn3d_plan_cache_save (Cnn3dPlanCache *cache);

#define CNN3D_DRIVER_VERSION_FILE "/proc/driver/nvidia/version"
/* The driver's release, such as "580.65.06", as this file has it, or NULL. */
char *cnn3d_driver_release (const char *path);

G_END_DECLS
