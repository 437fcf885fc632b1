/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lib3dcnn/session.h>

G_BEGIN_DECLS

/**
 * Cnn3dStream:
 *
 * Incremental inference: frames are pushed one at a time, and a clip of the
 * newest ones can be run after any of them.
 *
 * The first layers, up to where frames are merged in time, take most of the
 * work of these networks. A stream computes them for each frame as it arrives,
 * and clips that overlap share what they have in common. So fewer operations
 * are needed for each clip, and fewer still once its last frame is there.
 *
 * The session has to be one of the CPU backend, and cnn3d_stream_wants_direct_stem()
 * says how it is made best. On any other, a stream only collects frames and runs
 * each clip from scratch.
 *
 * Logits are, to the last bit, those of cnn3d_session_run() on the same frames.
 *
 * A stream and its session are used by one thread at a time; a session can have
 * any number of streams.
 */
typedef struct _Cnn3dStream Cnn3dStream;

#define CNN3D_TYPE_STREAM (cnn3d_stream_get_type ())
CNN3D_API GType cnn3d_stream_get_type (void);

/**
 * cnn3d_stream_wants_direct_stem:
 * @stride: frames from the start of a clip to the start of the next, at least 1
 *
 * By default the CPU backend's first convolution makes four frames at a time, and
 * clips that begin multiples of four frames apart share what it makes. Those of
 * other strides have single frames in common, which a session made with
 * #Cnn3dSessionOptions.direct_stem computes one by one. Results do not depend on
 * it but for rounding.
 *
 * Returns: whether the session is to be made so, for streams of this stride to
 *   run fastest
 */
CNN3D_API gboolean cnn3d_stream_wants_direct_stem (int stride);

/**
 * cnn3d_stream_new:
 * @session: the session that runs the clips; the stream keeps a reference
 * @stride: frames from the start of a clip to the start of the next, at least 1;
 *   see cnn3d_stream_set_stride()
 *
 * Allocates what the stream needs: for the 1.0x networks 16 to 46 MB, of which
 * less is used if @stride is even.
 *
 * Returns: (transfer full): a stream without frames
 */
CNN3D_API Cnn3dStream *cnn3d_stream_new (Cnn3dSession *session, int stride);
CNN3D_API Cnn3dStream *cnn3d_stream_ref (Cnn3dStream *stream);
CNN3D_API void cnn3d_stream_unref (Cnn3dStream *stream);

/**
 * cnn3d_stream_set_stride:
 * @stride: frames from the start of a clip to the start of the next, at least 1
 *
 * Says which clips to work ahead on. Results do not depend on it: a clip can be
 * run after any frame.
 */
CNN3D_API void cnn3d_stream_set_stride (Cnn3dStream *stream, int stride);

/**
 * cnn3d_stream_reset:
 *
 * Forgets all frames, for those that follow do not continue them: after a seek,
 * a gap or a cut.
 */
CNN3D_API void cnn3d_stream_reset (Cnn3dStream *stream);

/**
 * cnn3d_stream_push:
 * @frame: 3 x size x size floats (C, H, W), normalised as by
 *   cnn3d_model_normalize(); not kept
 *
 * Adds a frame, and works ahead on the next clip that is due: on the first layer
 * with each frame, on others with the last frames before the clip's end.
 *
 * All frames from one reset to the next are pushed by the same call: this one or
 * cnn3d_stream_push_rgb().
 */
CNN3D_API void cnn3d_stream_push (Cnn3dStream *stream, const float *frame);

/**
 * cnn3d_stream_push_rgb:
 * @rgb: size x size x 3 bytes, red first; not kept
 *
 * Like cnn3d_stream_push(), with the card's normalisation included.
 */
CNN3D_API void cnn3d_stream_push_rgb (Cnn3dStream *stream, const guint8 *rgb);

/**
 * cnn3d_stream_get_n_frames:
 *
 * Returns: frames pushed since the last reset
 */
CNN3D_API gint64 cnn3d_stream_get_n_frames (Cnn3dStream *stream);

/**
 * cnn3d_stream_is_due:
 *
 * Returns: whether the frame pushed last completes a clip: the first after a
 *   reset, or one that begins a multiple of the stride after that which was run last
 */
CNN3D_API gboolean cnn3d_stream_is_due (Cnn3dStream *stream);

/**
 * cnn3d_stream_run:
 * @logits: (out caller-allocates): a float for each class; valid only on success
 *
 * Runs the clip of the newest frames, of which there must be as many as a clip
 * has. Allocates nothing.
 *
 * Returns: %TRUE on success
 */
CNN3D_API gboolean cnn3d_stream_run (Cnn3dStream *stream, float *logits, GError **error);

/**
 * cnn3d_stream_run_features:
 * @logits: (out caller-allocates): a float for each class; valid only on success
 * @features: (out caller-allocates) (nullable): as of cnn3d_session_run_features(), of one clip
 *
 * Like cnn3d_stream_run(), and also tells the clip's features.
 *
 * Returns: %TRUE on success
 */
CNN3D_API gboolean cnn3d_stream_run_features (Cnn3dStream *stream, float *logits, float *features,
    GError **error);

/**
 * cnn3d_stream_get_session:
 *
 * Returns: (transfer none): the stream's session
 */
CNN3D_API Cnn3dSession *cnn3d_stream_get_session (Cnn3dStream *stream);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dStream, cnn3d_stream_unref)

G_END_DECLS
