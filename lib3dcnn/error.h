/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Marks the symbols that the shared library exports; all others stay hidden. */
#define CNN3D_API __attribute__ ((visibility ("default")))

/**
 * CNN3D_ERROR:
 *
 * The domain of every #GError that this library makes. Failures of the file
 * system are reported in %G_FILE_ERROR.
 */
#define CNN3D_ERROR (cnn3d_error_quark ())

/**
 * Cnn3dError:
 * @CNN3D_ERROR_CONFIG: a network was asked for that its architecture does not
 *   have (a width, group count, clip length or frame size out of its limits)
 * @CNN3D_ERROR_FORMAT: a file is damaged, or not of a format that is read here
 * @CNN3D_ERROR_UNSAFE: a checkpoint names a Python object other than tensors
 *   and plain containers, and was refused before anything ran
 * @CNN3D_ERROR_MISMATCH: a tensor is missing, unexpected or of another shape
 *   than the network's, or labels do not match the classes
 * @CNN3D_ERROR_BACKEND: the backend that was asked for is not available here
 * @CNN3D_ERROR_VERIFY: a model's self-check gave other logits than its card
 * @CNN3D_ERROR_NOT_FOUND: no weights are known under this name
 */
typedef enum {
  CNN3D_ERROR_CONFIG,
  CNN3D_ERROR_FORMAT,
  CNN3D_ERROR_UNSAFE,
  CNN3D_ERROR_MISMATCH,
  CNN3D_ERROR_BACKEND,
  CNN3D_ERROR_VERIFY,
  CNN3D_ERROR_NOT_FOUND,
} Cnn3dError;

CNN3D_API GQuark cnn3d_error_quark (void);

G_END_DECLS
