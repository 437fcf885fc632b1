/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <lib3dcnn/error.h>

G_BEGIN_DECLS

/**
 * Cnn3dArch:
 * @CNN3D_ARCH_SHUFFLENET: 3D-ShuffleNetV1 (Table 4)
 * @CNN3D_ARCH_SHUFFLENETV2: 3D-ShuffleNetV2 (Tables 5 and 6)
 * @CNN3D_ARCH_MOBILENET: 3D-MobileNetV1 (Table 2)
 * @CNN3D_ARCH_MOBILENETV2: 3D-MobileNetV2 (Table 3)
 * @CNN3D_ARCH_SQUEEZENET: 3D-SqueezeNet (Table 1)
 *
 * The five architectures of the paper.
 */
typedef enum {
  CNN3D_ARCH_SHUFFLENET,
  CNN3D_ARCH_SHUFFLENETV2,
  CNN3D_ARCH_MOBILENET,
  CNN3D_ARCH_MOBILENETV2,
  CNN3D_ARCH_SQUEEZENET,
} Cnn3dArch;

#define CNN3D_N_ARCHS (CNN3D_ARCH_SQUEEZENET + 1)

/**
 * Cnn3dConfig:
 * @arch: the architecture
 * @width: channel multiplier; 0 means 1.0. Any positive value for MobileNetV1,
 *   MobileNetV2 and ShuffleNetV1 (as long as channels divide into groups);
 *   0.25, 0.5, 1.0, 1.5 or 2.0 for ShuffleNetV2; only 1.0 for SqueezeNet
 * @groups: groups of ShuffleNetV1's pointwise convolutions: 1, 2, 3, 4 or 8;
 *   0 means 3, as in the paper. Ignored by the other architectures
 * @version: SqueezeNet's version times ten, 10 or 11; 0 means 11. Ignored by
 *   the other architectures
 * @classes: number of classes; 0 means 600 (Kinetics)
 * @frames: frames in a clip; 0 means 16
 * @size: height and width of a frame, in pixels; 0 means 112
 *
 * What defines a network, up to its weights. All zeros is a valid value.
 */
typedef struct {
  Cnn3dArch arch;
  double width;
  int groups;
  int version;
  int classes;
  int frames;
  int size;
} Cnn3dConfig;

#define CNN3D_TYPE_CONFIG (cnn3d_config_get_type ())
CNN3D_API GType cnn3d_config_get_type (void);
CNN3D_API Cnn3dConfig *cnn3d_config_copy (const Cnn3dConfig *config);
CNN3D_API void cnn3d_config_free (Cnn3dConfig *config);

/**
 * Cnn3dComplexity:
 * @parameters: learned parameters (running statistics of BatchNorm excluded)
 * @macs: multiply-adds of all convolutions and linear layers for one clip.
 *   The paper's MFLOPs (Tables 7 and 8) also count BatchNorm and activations
 * @layers: convolutions and linear layers (Table 7)
 * @nonlinearities: ReLU and ReLU6 (Table 7)
 * @skips: shortcut connections (Table 7)
 * @activation_bytes: all outputs of convolutions and pools for one clip, as
 *   float32
 * @arena_bytes: what a session of the CPU backend keeps for activations of one
 *   clip, after planning
 */
typedef struct {
  gint64 parameters;
  gint64 macs;
  int layers;
  int nonlinearities;
  int skips;
  gint64 activation_bytes;
  gint64 arena_bytes;
} Cnn3dComplexity;

/**
 * cnn3d_arch_get_name:
 *
 * Returns: the name used in model cards, options and the element's `model`
 *   property: "shufflenet", "shufflenetv2", "mobilenet", "mobilenetv2" or
 *   "squeezenet"
 */
CNN3D_API const char *cnn3d_arch_get_name (Cnn3dArch arch);

/**
 * cnn3d_arch_get_title:
 *
 * Returns: the name as the paper writes it, such as "3D-ShuffleNetV1"
 */
CNN3D_API const char *cnn3d_arch_get_title (Cnn3dArch arch);

/**
 * cnn3d_arch_from_name:
 * @name: a name as of cnn3d_arch_get_name()
 * @arch: (out): the architecture; set only on success
 *
 * Returns: %TRUE on success, else %FALSE with %CNN3D_ERROR_CONFIG
 */
CNN3D_API gboolean cnn3d_arch_from_name (const char *name, Cnn3dArch *arch, GError **error);

/**
 * cnn3d_config_check:
 * @config: (inout): a configuration; zeros are replaced by their defaults, also
 *   on failure
 *
 * Checks a configuration against the limits of its architecture by building
 * its graph.
 *
 * Returns: %TRUE if the network exists, else %FALSE with %CNN3D_ERROR_CONFIG
 *   and a message that explains the limit
 */
CNN3D_API gboolean cnn3d_config_check (Cnn3dConfig *config, GError **error);

/**
 * cnn3d_config_describe:
 *
 * Returns: (transfer full): a short description for people, such as
 *   "3D-ShuffleNetV1 0.5x (3 groups)"
 */
CNN3D_API char *cnn3d_config_describe (const Cnn3dConfig *config);

/**
 * cnn3d_config_get_complexity:
 * @complexity: (out caller-allocates): the figures of the paper's Tables 7 and 8;
 *   set only on success
 *
 * Returns: %TRUE on success, else %FALSE with %CNN3D_ERROR_CONFIG
 */
CNN3D_API gboolean cnn3d_config_get_complexity (const Cnn3dConfig *config,
    Cnn3dComplexity *complexity, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dConfig, cnn3d_config_free)

G_END_DECLS
