/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lib3dcnn/train.h"

/* Bytes of the numbers that a trainer's arrays hold: 4, or 8 in double precision. */
gsize cnn3d_trainer_get_real_size (Cnn3dTrainer *trainer);
