/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The product kernels of bf16-amx.c as they are, with the tile instructions as plain C: what they do is
 * Intel's SDM, volume 2 (LDTILECFG, TILELOADD, TILESTORED, TDPBF16PS, TILERELEASE). What would be a fault there
 * ends the program. Needs a CPU with AVX512_BF16, of which the rest of the kernels is made.
 */

#include "lib3dcnn/cpu/bf16.h"

/* As cnn3d_bf16_init_amx(). */
void amx_emulated_init (Cnn3dBf16 *kernels);
