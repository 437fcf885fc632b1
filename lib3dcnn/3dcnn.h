/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * lib3dcnn: efficient 3D convolutional networks for video, in C.
 *
 * The networks are those of Köpüklü, Kose, Gunduz and Rigoll, "Resource
 * Efficient 3D Convolutional Neural Networks", ICCV Workshops 2019
 * (arXiv 1904.02422): a clip of 16 RGB frames of 112 x 112 goes in, one score
 * for each class comes out.
 *
 *     g_autoptr (GError) error = NULL;
 *     g_autoptr (Cnn3dModel) model = cnn3d_model_load ("gestures.safetensors", NULL, &error);
 *     g_autoptr (Cnn3dSession) session = cnn3d_session_new (model, NULL, &error);
 *
 *     cnn3d_session_run (session, clip, 1, logits, &error);
 */

#include <lib3dcnn/error.h>
#include <lib3dcnn/network.h>
#include <lib3dcnn/roofline.h>
#include <lib3dcnn/unknown.h>
#include <lib3dcnn/card.h>
#include <lib3dcnn/device.h>
#include <lib3dcnn/model.h>
#include <lib3dcnn/session.h>
#include <lib3dcnn/stream.h>
#include <lib3dcnn/bytes.h>
#include <lib3dcnn/labels.h>
#include <lib3dcnn/onnx.h>
#include <lib3dcnn/train.h>
#include <lib3dcnn/cache.h>
#include <lib3dcnn/loader.h>
