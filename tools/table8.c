/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/tool.h"

const Cnn3dConfig tool_table8[TOOL_N_TABLE8] = {
  { CNN3D_ARCH_SHUFFLENET, .width = 0.5 }, { CNN3D_ARCH_SHUFFLENET, .width = 1.0 },
  { CNN3D_ARCH_SHUFFLENET, .width = 1.5 }, { CNN3D_ARCH_SHUFFLENET, .width = 2.0 },
  { CNN3D_ARCH_SHUFFLENETV2, .width = 0.25 }, { CNN3D_ARCH_SHUFFLENETV2, .width = 1.0 },
  { CNN3D_ARCH_SHUFFLENETV2, .width = 1.5 }, { CNN3D_ARCH_SHUFFLENETV2, .width = 2.0 },
  { CNN3D_ARCH_MOBILENET, .width = 0.5 }, { CNN3D_ARCH_MOBILENET, .width = 1.0 },
  { CNN3D_ARCH_MOBILENET, .width = 1.5 }, { CNN3D_ARCH_MOBILENET, .width = 2.0 },
  { CNN3D_ARCH_MOBILENETV2, .width = 0.2 }, { CNN3D_ARCH_MOBILENETV2, .width = 0.45 },
  { CNN3D_ARCH_MOBILENETV2, .width = 0.7 }, { CNN3D_ARCH_MOBILENETV2, .width = 1.0 },
  { CNN3D_ARCH_SQUEEZENET, .width = 1.0 },
};
