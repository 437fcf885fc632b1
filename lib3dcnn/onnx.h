/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lib3dcnn/model.h>

G_BEGIN_DECLS

/**
 * cnn3d_model_export_onnx:
 * @path: the file to write or replace
 *
 * Writes the network as ONNX (opset 17), for other runtimes, with the
 * operations that PyTorch's exporter gives: BatchNorm is folded into the
 * convolutions, nothing else is fused. The input "x" is N x 3 x frames x size x
 * size, normalised as by cnn3d_model_normalize(), the output "logits" is N x
 * classes; N is free. The model card goes into the file's metadata.
 *
 * The file is written next to @path and renamed, so that a failure leaves an
 * older file as it was.
 *
 * Returns: %TRUE on success; %FALSE with @error set, in %CNN3D_ERROR_CONFIG for
 *   a network beyond the 2 GB that ONNX holds in one file
 */
CNN3D_API gboolean cnn3d_model_export_onnx (Cnn3dModel *model, const char *path, GError **error);

G_END_DECLS
