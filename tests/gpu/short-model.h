/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The beginnings of the networks, up to where each kind of block has come once, with a classifier behind it: all
 * that the backend does differently for an architecture, in a few steps.
 */

#include "lib3dcnn/model-private.h"

#define SHORT_CLASSES 5
/* At most: as few as the whole network can have. */
#define SHORT_FRAMES 16
#define SHORT_SIZE 32

/* The weights are those of cnn3d_model_new_synthetic(). */
Cnn3dModel *short_model_new (Cnn3dArch arch);
