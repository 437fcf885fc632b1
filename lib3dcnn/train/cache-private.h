/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What reader and writer of caches agree on. */

#define CNN3D_CACHE_INDEX "cache.json"
#define CNN3D_CACHE_FRAMES "frames.bin"
#define CNN3D_CACHE_VERSION 1
#define CNN3D_CACHE_MAX_SIDE 8192
