/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One file for each architecture: a const table that reads like the paper's, and the builder of
 * its blocks. A row's `out` is redundant on purpose: it is what the paper prints, and building the
 * paper's network checks it.
 */

#include "lib3dcnn/graph.h"

typedef enum {
  CNN3D_BLOCK_CONV,           /* convolution, BatchNorm, activation */
  CNN3D_BLOCK_CONV_BIAS,      /* the same, with a bias */
  CNN3D_BLOCK_MAXPOOL,        /* 3x3x3, stride 2 */
  CNN3D_BLOCK_FIRE,           /* SqueezeNet, Figure 1(a) */
  CNN3D_BLOCK_DW_SEPARABLE,   /* MobileNetV1, Figure 1(b) */
  CNN3D_BLOCK_INVERTED_RES,   /* MobileNetV2, Figure 1(c, d) */
  CNN3D_BLOCK_SHUFFLE_UNIT,   /* ShuffleNetV1, Figure 1(e, f) */
  CNN3D_BLOCK_SHUFFLE_UNIT_2, /* ShuffleNetV2, Figure 1(g, h) */
} Cnn3dBlock;

typedef struct {
  Cnn3dBlock block;
  int c;              /* output channels, before the width multiplier */
  int n;              /* repetitions; the stride is of the first */
  Cnn3dExtent kernel; /* of CONV */
  Cnn3dExtent stride;
  Cnn3dExtent out; /* at 16 frames of 112 x 112 */
  int t;           /* expansion, of INVERTED_RES */
  int squeeze;     /* channels, of FIRE */
  gboolean bypass; /* of FIRE */
} Cnn3dStage;

/* Geometry for which the tables give their output sizes. */
#define CNN3D_PAPER_FRAMES 16
#define CNN3D_PAPER_SIZE 112

void cnn3d_arch_build (Cnn3dBuilder *b, const Cnn3dConfig *config);

void cnn3d_build_mobilenet (Cnn3dBuilder *b, const Cnn3dConfig *config);
void cnn3d_build_mobilenetv2 (Cnn3dBuilder *b, const Cnn3dConfig *config);
void cnn3d_build_shufflenet (Cnn3dBuilder *b, const Cnn3dConfig *config);
void cnn3d_build_shufflenetv2 (Cnn3dBuilder *b, const Cnn3dConfig *config);
void cnn3d_build_squeezenet (Cnn3dBuilder *b, const Cnn3dConfig *config);

/* Shared by the builders. */

/* Node 0: a clip of 3 planes. */
int cnn3d_build_input (Cnn3dBuilder *b, const Cnn3dConfig *config);
/* Convolution and BatchNorm, whose modules are named by the two formats' one argument. */
int cnn3d_build_conv_bn (Cnn3dBuilder *b, int in, int out_channels, int kernel, Cnn3dExtent stride,
    int groups, const char *conv, const char *bn);
/* Global average pool, dropout, `classifier.1`. */
int cnn3d_build_classifier (Cnn3dBuilder *b, int in, const Cnn3dConfig *config);
/* int (c * width), as the published code scales channels. */
int cnn3d_scale_channels (int c, double width);
/* Checks a row's `out` if the network has the paper's geometry. */
void cnn3d_check_stage (Cnn3dBuilder *b, int node, const Cnn3dStage *stage);
