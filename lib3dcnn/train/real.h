/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The engine of training is compiled twice: in float, and in double for checks of gradients and of
 * long runs, whose rounding errors grow with every step. The names of the second carry a suffix.
 */

#ifdef CNN3D_TRAIN_DOUBLE
typedef double Real;
#define CNN3D_TRAIN_NAME(name) name##_double
#else
typedef float Real;
#define CNN3D_TRAIN_NAME(name) name##_float
#endif

#define cnn3d_train_tape_new CNN3D_TRAIN_NAME (cnn3d_train_tape_new)
#define cnn3d_train_tape_free CNN3D_TRAIN_NAME (cnn3d_train_tape_free)
#define cnn3d_train_tape_place CNN3D_TRAIN_NAME (cnn3d_train_tape_place)
#define cnn3d_train_dense_init CNN3D_TRAIN_NAME (cnn3d_train_dense_init)
#define cnn3d_train_dense_forward CNN3D_TRAIN_NAME (cnn3d_train_dense_forward)
#define cnn3d_train_dense_backward CNN3D_TRAIN_NAME (cnn3d_train_dense_backward)
#define cnn3d_train_read_input CNN3D_TRAIN_NAME (cnn3d_train_read_input)
#define cnn3d_train_gather_gradient CNN3D_TRAIN_NAME (cnn3d_train_gather_gradient)
#define cnn3d_train_tiles CNN3D_TRAIN_NAME (cnn3d_train_tiles)
#define cnn3d_train_chunk_set CNN3D_TRAIN_NAME (cnn3d_train_chunk_set)
#define cnn3d_train_pack_weights CNN3D_TRAIN_NAME (cnn3d_train_pack_weights)
#define cnn3d_train_read_gradient CNN3D_TRAIN_NAME (cnn3d_train_read_gradient)
#define cnn3d_train_give_input CNN3D_TRAIN_NAME (cnn3d_train_give_input)
#define cnn3d_train_add_row_sums CNN3D_TRAIN_NAME (cnn3d_train_add_row_sums)
#define cnn3d_train_reduce_weights CNN3D_TRAIN_NAME (cnn3d_train_reduce_weights)
#define cnn3d_train_window_fits CNN3D_TRAIN_NAME (cnn3d_train_window_fits)
#define cnn3d_train_window_init CNN3D_TRAIN_NAME (cnn3d_train_window_init)
#define cnn3d_train_window_scratch CNN3D_TRAIN_NAME (cnn3d_train_window_scratch)
#define cnn3d_train_window_forward CNN3D_TRAIN_NAME (cnn3d_train_window_forward)
#define cnn3d_train_window_backward CNN3D_TRAIN_NAME (cnn3d_train_window_backward)
#define cnn3d_train_depthwise_forward CNN3D_TRAIN_NAME (cnn3d_train_depthwise_forward)
#define cnn3d_train_depthwise_backward CNN3D_TRAIN_NAME (cnn3d_train_depthwise_backward)
#define cnn3d_train_pool_forward CNN3D_TRAIN_NAME (cnn3d_train_pool_forward)
#define cnn3d_train_pool_backward CNN3D_TRAIN_NAME (cnn3d_train_pool_backward)
#define cnn3d_train_input_forward CNN3D_TRAIN_NAME (cnn3d_train_input_forward)
#define cnn3d_train_add_forward CNN3D_TRAIN_NAME (cnn3d_train_add_forward)
#define cnn3d_train_add_backward CNN3D_TRAIN_NAME (cnn3d_train_add_backward)
#define cnn3d_train_dropout_forward CNN3D_TRAIN_NAME (cnn3d_train_dropout_forward)
#define cnn3d_train_dropout_backward CNN3D_TRAIN_NAME (cnn3d_train_dropout_backward)
#define cnn3d_train_norm_forward CNN3D_TRAIN_NAME (cnn3d_train_norm_forward)
#define cnn3d_train_norm_backward CNN3D_TRAIN_NAME (cnn3d_train_norm_backward)
#define cnn3d_train_lane_read CNN3D_TRAIN_NAME (cnn3d_train_lane_read)
#define cnn3d_train_lane_add CNN3D_TRAIN_NAME (cnn3d_train_lane_add)
#define cnn3d_train_engine CNN3D_TRAIN_NAME (cnn3d_train_engine)
