/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <lib3dcnn/model.h>

G_BEGIN_DECLS

/**
 * Cnn3dBackend:
 * @CNN3D_BACKEND_AUTO: the fastest that is available
 * @CNN3D_BACKEND_CPU: vector kernels for this CPU
 * @CNN3D_BACKEND_REFERENCE: naive loops with double accumulation; slow, and
 *   what every other backend is tested against
 * @CNN3D_BACKEND_CUDNN: an NVIDIA GPU, by cuDNN and kernels of our own
 *
 * What runs a network.
 */
typedef enum {
  CNN3D_BACKEND_AUTO,
  CNN3D_BACKEND_CPU,
  CNN3D_BACKEND_REFERENCE,
  CNN3D_BACKEND_CUDNN,
} Cnn3dBackend;

/**
 * Cnn3dPrecision:
 * @CNN3D_PRECISION_AUTO: fp16 on GPUs with tensor cores if it can hold the model's weights, fp32 elsewhere; on CPUs with
 *   AMX-BF16 with a stem by tiles, whose weights are sums of three bfloat16 numbers. These have all 24 bits of mantissa, so that
 *   it is as exact as fp32, and faster with clips of bytes (cnn3d_session_run_rgb()). With floats it would be slower: where
 *   these are announced (floats of #Cnn3dSessionOptions), fp32 is taken
 * @CNN3D_PRECISION_FP32: everything in single precision
 * @CNN3D_PRECISION_FP16: weights and activations in half precision, sums in single precision;
 *   only of the cudnn backend
 * @CNN3D_PRECISION_BF16X3: factors of matrix products as sums of two bfloat16 numbers, 16 bits of
 *   mantissa; products and sums of them in single precision. Errors are near those of fp32. Only of the
 *   cpu backend, and only on CPUs with AMX-BF16 or AVX512_BF16; faster than fp32 only with AMX
 * @CNN3D_PRECISION_BF16: factors of matrix products in bfloat16, 8 bits of mantissa; sums in single precision.
 *   Where @CNN3D_PRECISION_BF16X3 is to be had; layers that gain nothing by it stay in fp32, and with AMX and AVX512-FP16
 *   some depthwise convolutions are in half precision (doc/precision.md)
 *
 * In which precision a network is computed.
 */
typedef enum {
  CNN3D_PRECISION_AUTO,
  CNN3D_PRECISION_FP32,
  CNN3D_PRECISION_FP16,
  CNN3D_PRECISION_BF16X3,
  CNN3D_PRECISION_BF16,
} Cnn3dPrecision;

/**
 * Cnn3dSession:
 *
 * A model bound to a backend: packed weights, an execution plan and an arena
 * for activations. To be used by one thread at a time; make a session for each
 * thread, they share the model.
 */
typedef struct _Cnn3dSession Cnn3dSession;

/**
 * Cnn3dSessionOptions:
 * @backend: what runs the network
 * @threads: threads to compute on, the caller's included; 0 means one for each
 *   CPU that the process may run on, at most 16. The CPU backend takes no more
 *   than that many CPUs, and fewer while other sessions run
 * @direct_stem: compute the first convolution as a plain sum. By default the CPU
 *   backend uses Winograd's minimal filtering over frames, four at a time, which is
 *   faster and rounds differently, unless the stem is by AMX, which is a plain sum. Streams of some
 *   strides run faster with it: cnn3d_stream_wants_direct_stem()
 * @device: (nullable): of the cudnn backend: an index or a UUID (or its beginning) as of
 *   cnn3d_device_list(); %NULL means the first that can be used
 * @precision: one that the backend has, or cnn3d_session_new() fails and says which it has. With
 *   %CNN3D_BACKEND_AUTO, bf16 and bf16x3 choose the CPU, and fp16 is fp32 where there is no GPU
 * @allow_tf32: of the cudnn backend with fp32: whether products may be rounded to 10 bits of
 *   mantissa, which is faster
 * @batch: how many clips runs will have; they may have any number, but memory grows with
 *   this. On the cudnn backend as many are run together; 0 means 8, more than 16 means 16.
 *   On the CPU backend 0 means one; with two or more, each thread has memory for a clip, and clips
 *   run side by side, which is faster than sharing out each of them
 * @floats: whether clips will be floats (cnn3d_session_run()) rather than bytes. Sessions take both in any case; with
 *   %CNN3D_PRECISION_AUTO those of the CPU backend are made for the ones that are announced
 *
 * Options for cnn3d_session_new(). All zeros is the default.
 */
typedef struct {
  Cnn3dBackend backend;
  int threads;
  gboolean direct_stem;
  const char *device;
  Cnn3dPrecision precision;
  gboolean allow_tf32;
  int batch;
  gboolean floats;
} Cnn3dSessionOptions;

#define CNN3D_TYPE_SESSION (cnn3d_session_get_type ())
CNN3D_API GType cnn3d_session_get_type (void);

/**
 * cnn3d_session_new:
 * @model: the model; the session keeps a reference
 * @options: (nullable): see #Cnn3dSessionOptions
 *
 * Folds and packs the weights, plans and allocates; nothing of this happens
 * again in cnn3d_session_run().
 *
 * Returns: (transfer full) (nullable): the session, or %NULL with
 *   %CNN3D_ERROR_BACKEND
 */
CNN3D_API Cnn3dSession *cnn3d_session_new (Cnn3dModel *model, const Cnn3dSessionOptions *options,
    GError **error);
CNN3D_API Cnn3dSession *cnn3d_session_ref (Cnn3dSession *session);
CNN3D_API void cnn3d_session_unref (Cnn3dSession *session);

/**
 * cnn3d_session_run:
 * @clips: n x 3 x frames x size x size floats (N, C, T, H, W), normalised as by
 *   cnn3d_model_normalize()
 * @n: number of clips, at least 1
 * @logits: (out caller-allocates): n x classes floats; valid only on success
 *
 * Runs the network. Allocates nothing and takes no lock that another session
 * could hold. Programs that have no bytes say so in the session's options (floats), as it then is faster on CPUs with AMX.
 *
 * Returns: %TRUE on success
 */
CNN3D_API gboolean cnn3d_session_run (Cnn3dSession *session, const float *clips, int n,
    float *logits, GError **error);

/**
 * cnn3d_session_run_rgb:
 * @rgb: n x frames x size x size x 3 bytes, red first
 * @n: number of clips, at least 1
 * @logits: (out caller-allocates): n x classes floats; valid only on success
 *
 * Like cnn3d_session_run(), with the card's normalisation included.
 *
 * Returns: %TRUE on success
 */
CNN3D_API gboolean cnn3d_session_run_rgb (Cnn3dSession *session, const guint8 *rgb, int n,
    float *logits, GError **error);

/**
 * cnn3d_session_run_features:
 * @logits: (out caller-allocates): n x classes floats; valid only on success
 * @features: (out caller-allocates) (nullable): n x cnn3d_model_get_n_features() floats, what the
 *   last layer sees of each clip; valid only on success
 *
 * Like cnn3d_session_run(), and also tells the clips' features, for comparisons of clips. Costs
 * nothing more.
 *
 * Returns: %TRUE on success
 */
CNN3D_API gboolean cnn3d_session_run_features (Cnn3dSession *session, const float *clips, int n,
    float *logits, float *features, GError **error);

/**
 * cnn3d_session_run_rgb_features:
 * @rgb: as of cnn3d_session_run_rgb()
 * @features: (out caller-allocates) (nullable): as of cnn3d_session_run_features()
 *
 * Like cnn3d_session_run_features(), with the card's normalisation included.
 *
 * Returns: %TRUE on success
 */
CNN3D_API gboolean cnn3d_session_run_rgb_features (Cnn3dSession *session, const guint8 *rgb, int n,
    float *logits, float *features, GError **error);

/**
 * Cnn3dLayer:
 * @name: (nullable): the published module's name
 * @kind: "stem", "conv", "pointwise", "depthwise", "maxpool", "avgpool" or "linear", joined by "+" where
 *   several layers run as one
 * @macs: multiply-adds for one clip
 * @seconds: time of one run
 *
 * How long one layer takes.
 */
typedef struct {
  const char *name;
  char kind[40];
  gint64 macs;
  double seconds;
} Cnn3dLayer;

/**
 * cnn3d_session_profile: (skip)
 * @clip: as of cnn3d_session_run(), of one clip
 * @layers: (out caller-allocates) (array length=max): the layers in order of execution
 * @max: room in @layers
 * @peak: (out) (optional): multiply-adds per second that the session's threads reach at most, measured;
 *   0 where that is not measured
 *
 * Runs one clip and tells how long each layer took. Names belong to the session.
 *
 * Returns: the number of layers, which may be above @max; 0 if the backend does not profile
 */
CNN3D_API int cnn3d_session_profile (Cnn3dSession *session, const float *clip, Cnn3dLayer *layers,
    int max, double *peak);

/**
 * cnn3d_session_profile_rgb: (skip)
 * @rgb: as of cnn3d_session_run_rgb(), of one clip
 * @layers: (out caller-allocates) (array length=max): the layers in order of execution
 * @max: room in @layers
 * @peak: (out) (optional): as of cnn3d_session_profile()
 *
 * Like cnn3d_session_profile(), of a clip of bytes, as cameras have them: kernels may differ.
 *
 * Returns: as cnn3d_session_profile()
 */
CNN3D_API int cnn3d_session_profile_rgb (Cnn3dSession *session, const guint8 *rgb, Cnn3dLayer *layers,
    int max, double *peak);

/**
 * Cnn3dLayerCheck:
 * @name: (nullable): the published module's name
 * @kind: as of #Cnn3dLayer
 * @error: the largest difference from the reference backend's values, in units of their largest; not finite
 *   if the layer's values are not
 * @tolerance: what @error may be in this precision
 * @detail: what computed it, for people; "" if there is nothing to say
 *
 * How exact one layer is.
 */
typedef struct {
  const char *name;
  char kind[40];
  double error;
  double tolerance;
  char detail[64];
} Cnn3dLayerCheck;

/**
 * cnn3d_session_check_layers: (skip)
 * @clip: as of cnn3d_session_run(), of one clip
 * @checks: (out caller-allocates) (array length=max): the layers in order of execution
 * @max: room in @checks
 *
 * Runs one clip layer by layer and compares each layer's output with the reference backend's. Takes seconds.
 * Names belong to the session.
 *
 * Returns: the number of layers, which may be above @max; 0 if the backend cannot be looked into; -1 with
 *   %CNN3D_ERROR_BACKEND if it fails
 */
CNN3D_API int cnn3d_session_check_layers (Cnn3dSession *session, const float *clip,
    Cnn3dLayerCheck *checks, int max, GError **error);

/**
 * cnn3d_session_get_model:
 *
 * Returns: (transfer none): the session's model
 */
CNN3D_API Cnn3dModel *cnn3d_session_get_model (Cnn3dSession *session);

/**
 * cnn3d_session_get_backend:
 *
 * Returns: the backend in use, never %CNN3D_BACKEND_AUTO
 */
CNN3D_API Cnn3dBackend cnn3d_session_get_backend (Cnn3dSession *session);

/**
 * cnn3d_session_get_precision:
 *
 * Returns: the precision in use, never %CNN3D_PRECISION_AUTO
 */
CNN3D_API Cnn3dPrecision cnn3d_session_get_precision (Cnn3dSession *session);

/**
 * cnn3d_session_verify:
 * @difference: (out) (optional): the largest difference from the logits of the model card, in units of the
 *   largest of these; set on success, and with %CNN3D_ERROR_VERIFY for a difference
 *
 * Runs the model's self-check in this session: a clip made by a hash, whose logits the model card has. They may
 * differ by 1e-4 in fp32 and bf16x3, by 2e-2 in fp16 and by 3e-2 in bf16.
 *
 * Returns: %TRUE if they do not differ by more; else %FALSE with %CNN3D_ERROR_VERIFY, also if the card has no
 *   self-check, or %CNN3D_ERROR_BACKEND
 */
CNN3D_API gboolean cnn3d_session_verify (Cnn3dSession *session, double *difference, GError **error);

/**
 * cnn3d_session_describe:
 *
 * Returns: (transfer none): the backend for people, such as
 *   "cpu (avx512), 2 threads"; valid as long as the session
 */
CNN3D_API const char *cnn3d_session_describe (Cnn3dSession *session);

/**
 * cnn3d_session_get_fallback:
 *
 * A session with %CNN3D_BACKEND_AUTO runs on the CPU if the GPU cannot be used, and goes on there, with
 * the clip at hand, if the GPU fails later. This tells why; it is worth one warning.
 *
 * Returns: (transfer none) (nullable): why not the GPU, or %NULL if there is none or if it is in use
 */
CNN3D_API const char *cnn3d_session_get_fallback (Cnn3dSession *session);

/**
 * cnn3d_backend_from_name:
 * @name: "auto", "cpu", "reference" or "cudnn"
 * @backend: (out): set only on success
 *
 * Returns: %TRUE on success, else %FALSE with %CNN3D_ERROR_BACKEND
 */
CNN3D_API gboolean cnn3d_backend_from_name (const char *name, Cnn3dBackend *backend, GError **error);
CNN3D_API const char *cnn3d_backend_get_name (Cnn3dBackend backend);

/**
 * cnn3d_precision_from_name:
 * @name: "auto", "fp32", "fp16", "bf16x3" or "bf16"
 * @precision: (out): set only on success
 *
 * Returns: %TRUE on success, else %FALSE with %CNN3D_ERROR_BACKEND
 */
CNN3D_API gboolean cnn3d_precision_from_name (const char *name, Cnn3dPrecision *precision,
    GError **error);
CNN3D_API const char *cnn3d_precision_get_name (Cnn3dPrecision precision);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dSession, cnn3d_session_unref)

G_END_DECLS
