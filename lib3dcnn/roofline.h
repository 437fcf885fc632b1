/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lib3dcnn/network.h>

G_BEGIN_DECLS

/**
 * CNN3D_N_ROOFLINE_DEVICES:
 *
 * The GPUs that a #Cnn3dRoofline is about.
 */
#define CNN3D_N_ROOFLINE_DEVICES 4

/**
 * Cnn3dRooflineDevice:
 * @name: for people
 * @bandwidth: of its memory, in bytes a second
 * @tensor_rate: multiply-adds a second of tensor cores, of halfs that are added up in float, without
 *   sparsity
 * @single_rate: multiply-adds a second outside of tensor cores, in float
 *
 * What the vendor's data sheet promises at most.
 */
typedef struct {
  const char *name;
  double bandwidth;
  double tensor_rate;
  double single_rate;
} Cnn3dRooflineDevice;

/**
 * Cnn3dRooflineTimes:
 * @memory: seconds to move all bytes
 * @compute: seconds to compute all multiply-adds
 * @both: the sum over launches of the longer of the two
 *
 * What a forward pass takes at least on a device, without the time between launches.
 */
typedef struct {
  double memory;
  double compute;
  double both;
} Cnn3dRooflineTimes;

/**
 * Cnn3dRoofline:
 * @launches: of a forward pass, the one that reads the frames included
 * @bytes: read and written: each launch reads what it needs once and writes what it makes, to memory
 * @weight_bytes: of these, weights and biases
 * @macs: multiply-adds as published, of all clips
 * @dense_macs: multiply-adds that dense convolutions compute: grouped convolutions and padding are
 *   computed with zeros
 * @other_macs: multiply-adds of depthwise convolutions, padding included
 * @times: on each device
 *
 * What the cuDNN backend's forward pass costs by a roofline model. Not a measurement: a kernel comes
 * near these times only if it is large; and on GPUs whose second cache holds the activations, reading
 * them can take less.
 */
typedef struct {
  int launches;
  gint64 bytes;
  gint64 weight_bytes;
  gint64 macs;
  gint64 dense_macs;
  gint64 other_macs;
  Cnn3dRooflineTimes times[CNN3D_N_ROOFLINE_DEVICES];
} Cnn3dRoofline;

/**
 * cnn3d_roofline_get_device:
 * @i: from 0 to below %CNN3D_N_ROOFLINE_DEVICES
 *
 * Returns: (transfer none): what is assumed about a device
 */
CNN3D_API const Cnn3dRooflineDevice *cnn3d_roofline_get_device (int i);

/**
 * cnn3d_config_get_roofline:
 * @clips: in a batch, at least 1
 * @half: whether in halfs, as on GPUs with tensor cores; else in floats, without tensor cores
 * @roofline: (out caller-allocates): set only on success
 *
 * Predicts, with no GPU, what a forward pass costs.
 *
 * Returns: %TRUE on success, else %FALSE with %CNN3D_ERROR_CONFIG
 */
CNN3D_API gboolean cnn3d_config_get_roofline (const Cnn3dConfig *config, int clips, gboolean half,
    Cnn3dRoofline *roofline, GError **error);

G_END_DECLS
