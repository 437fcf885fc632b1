/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The reference: the published graph, one node after the other, in naive loops on doubles.
 * It folds, fuses and plans nothing, so that it stays obviously right.
 */

#include "lib3dcnn/model-private.h"

/*
 * Computes every node for one clip. Returns an array with, for each node, its output
 * [c][t][h][w]; free it with cnn3d_reference_free(). Ownership is the caller's.
 */
double **cnn3d_reference_compute (Cnn3dModel *model, const float *clip);
void cnn3d_reference_free (Cnn3dModel *model, double **values);
