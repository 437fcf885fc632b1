/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lib3dcnn/model.h>

G_BEGIN_DECLS

/**
 * cnn3d_model_export_onnx:
 * @path: the file to write or replace
 *
 * Writes the network as ONNX (opset 17): input "x", float32 of N x 3 x frames x size x size,
 * normalised; output "y", logits of N x classes. BatchNorm is folded into the convolutions, nothing else
 * is fused. The model card is in the file's metadata, by the names that it has in model files, but for
 * a rule by distance for unknown clips, as features are no output.
 *
 * The file is written next to @path and renamed, so that a failure leaves an older file as it was.
 *
 * Returns: %TRUE on success, else %FALSE with %G_IO_ERROR, or with %CNN3D_ERROR_CONFIG if the network is
 *   beyond the 2 GB that an ONNX file holds
 */
CNN3D_API gboolean cnn3d_model_export_onnx (Cnn3dModel *model, const char *path, GError **error);

G_END_DECLS
