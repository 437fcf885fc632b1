/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The networks of the paper, and the launches of a forward pass that are promised at most. */

#include "lib3dcnn/network.h"

#define N_NETWORKS 17

static const struct {
  const char *name;
  Cnn3dConfig config;
  int launches;
} networks[N_NETWORKS] = {
  { "mobilenet-0.5x", { CNN3D_ARCH_MOBILENET, 0.5 }, 30 },
  { "mobilenet-1.0x", { CNN3D_ARCH_MOBILENET, 1.0 }, 30 },
  { "mobilenet-1.5x", { CNN3D_ARCH_MOBILENET, 1.5 }, 30 },
  { "mobilenet-2.0x", { CNN3D_ARCH_MOBILENET, 2.0 }, 30 },
  { "mobilenetv2-0.2x", { CNN3D_ARCH_MOBILENETV2, 0.2 }, 55 },
  { "mobilenetv2-0.45x", { CNN3D_ARCH_MOBILENETV2, 0.45 }, 55 },
  { "mobilenetv2-0.7x", { CNN3D_ARCH_MOBILENETV2, 0.7 }, 55 },
  { "mobilenetv2-1.0x", { CNN3D_ARCH_MOBILENETV2, 1.0 }, 55 },
  { "shufflenet-0.5x", { CNN3D_ARCH_SHUFFLENET, 0.5 }, 56 },
  { "shufflenet-1.0x", { CNN3D_ARCH_SHUFFLENET, 1.0 }, 56 },
  { "shufflenet-1.5x", { CNN3D_ARCH_SHUFFLENET, 1.5 }, 56 },
  { "shufflenet-2.0x", { CNN3D_ARCH_SHUFFLENET, 2.0 }, 56 },
  { "shufflenetv2-0.25x", { CNN3D_ARCH_SHUFFLENETV2, 0.25 }, 73 },
  { "shufflenetv2-1.0x", { CNN3D_ARCH_SHUFFLENETV2, 1.0 }, 73 },
  { "shufflenetv2-1.5x", { CNN3D_ARCH_SHUFFLENETV2, 1.5 }, 73 },
  { "shufflenetv2-2.0x", { CNN3D_ARCH_SHUFFLENETV2, 2.0 }, 73 },
  { "squeezenet-1.0x", { CNN3D_ARCH_SQUEEZENET, 1.0 }, 24 },
};
