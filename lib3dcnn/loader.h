/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <lib3dcnn/cache.h>
#include <lib3dcnn/card.h>
#include <lib3dcnn/network.h>

G_BEGIN_DECLS

/**
 * Cnn3dLoader:
 *
 * Makes batches of clips from a cache, ahead of time, on threads of its own:
 * chooses frames, crops, scales, flips and normalises. What is in a batch
 * depends on the seed and the batch's number alone. To be used by one thread at
 * a time.
 */
typedef struct _Cnn3dLoader Cnn3dLoader;

/**
 * Cnn3dCropPosition:
 * @CNN3D_CROP_CORNERS: one of the four corners or the centre
 * @CNN3D_CROP_RANDOM: anywhere
 * @CNN3D_CROP_CENTRE: the centre
 *
 * Where crops that are smaller than the frame are taken.
 */
typedef enum {
  CNN3D_CROP_CORNERS,
  CNN3D_CROP_RANDOM,
  CNN3D_CROP_CENTRE,
} Cnn3dCropPosition;

#define CNN3D_MAX_CROP_SCALES 16

/**
 * Cnn3dLoaderOptions:
 * @seed: of order and augmentation
 * @batch: clips in a batch; 0 means 32
 * @threads: that prepare clips; 0 means 1
 * @labels: (nullable) (array zero-terminated=1): the classes to number labels
 *   by; %NULL means those of the cache
 * @sample_rate: frames per second at which the frames of a clip are taken; 0
 *   means all frames. Videos whose rate is unknown give all frames too
 * @training: videos in random order, a clip from a random position of each;
 *   everything below applies. Otherwise videos in their order
 * @n_scales: number of @scales; 0 means no multi-scale cropping
 * @scales: sides of crops, of the largest centred crop; one is drawn for each clip.
 *   The paper's are 1, 2^-1/4, 2^-1/2, 2^-3/4 and 1/2
 * @position: where crops lie
 * @flip: probability that a clip is mirrored
 * @flip_labels: (nullable): for each class what it becomes in the mirror: itself
 *   where that makes no difference, another one, or -1 for one that must not be
 *   mirrored. %NULL means that no class changes
 * @brightness: largest change of brightness, of 255; 0 means none
 * @contrast: largest relative change of contrast; 0 means none
 * @stride: when not @training: 0 for one clip from the middle of each video;
 *   otherwise clips one after another, as many sampled frames apart
 * @rank: this process, from 0
 * @ranks: number of processes that share each batch; 0 means 1. @batch must be a
 *   multiple of it, as must the videos to train on if they are fewer; each gets
 *   its part, in the order of ranks
 *
 * Options of a loader; all zeros means the clips of an evaluation.
 */
typedef struct {
  guint64 seed;
  int batch;
  int threads;
  const char *const *labels;
  double sample_rate;
  gboolean training;
  int n_scales;
  double scales[CNN3D_MAX_CROP_SCALES];
  Cnn3dCropPosition position;
  double flip;
  const int *flip_labels;
  double brightness;
  double contrast;
  int stride;
  int rank, ranks;
} Cnn3dLoaderOptions;

/**
 * Cnn3dLoaderBatch:
 * @clips: n x 3 x frames x size x size normalised floats, as for cnn3d_trainer_step()
 * @targets: (array length=n): the class of each
 * @videos: (array length=n): the video of each, from 0
 * @n: number of clips
 *
 * A batch. The arrays belong to the loader.
 */
typedef struct {
  const float *clips;
  const int *targets;
  const int *videos;
  int n;
} Cnn3dLoaderBatch;

#define CNN3D_TYPE_LOADER (cnn3d_loader_get_type ())
CNN3D_API GType cnn3d_loader_get_type (void);

/**
 * cnn3d_loader_new:
 * @cache: where videos come from; the loader keeps a reference
 * @config: frames and size of a clip
 * @card: normalisation, and whether frames are cropped or stretched
 * @options: (nullable): see #Cnn3dLoaderOptions; copied
 *
 * Returns: (transfer full) (nullable): the loader, or %NULL with
 *   %CNN3D_ERROR_MISMATCH if the cache has a label that is not in the options,
 *   or %CNN3D_ERROR_CONFIG if the batch cannot be shared by so many processes
 */
CNN3D_API Cnn3dLoader *cnn3d_loader_new (Cnn3dCache *cache, const Cnn3dConfig *config,
    const Cnn3dCard *card, const Cnn3dLoaderOptions *options, GError **error);
CNN3D_API Cnn3dLoader *cnn3d_loader_ref (Cnn3dLoader *loader);
CNN3D_API void cnn3d_loader_unref (Cnn3dLoader *loader);

/**
 * cnn3d_loader_get_n_batches:
 *
 * Returns: batches in an epoch. The last one may be smaller; in training, it too
 *   has as many clips for each process
 */
CNN3D_API int cnn3d_loader_get_n_batches (Cnn3dLoader *loader);

/**
 * cnn3d_loader_get_n_clips:
 *
 * Returns: clips in an epoch, those of all processes
 */
CNN3D_API gint64 cnn3d_loader_get_n_clips (Cnn3dLoader *loader);

/**
 * cnn3d_loader_get_n_used:
 *
 * Returns: how many of them are in the epoch's batches. In training, clips at the
 *   end that cannot be shared evenly by the processes, fewer than there are
 *   processes, are left out; they are others in each epoch
 */
CNN3D_API gint64 cnn3d_loader_get_n_used (Cnn3dLoader *loader);

/**
 * cnn3d_loader_seek:
 * @batch: counted from the first one of the first epoch
 *
 * Sets which batch cnn3d_loader_next() gives next.
 */
CNN3D_API void cnn3d_loader_seek (Cnn3dLoader *loader, guint64 batch);

/**
 * cnn3d_loader_next:
 * @batch: (out caller-allocates): valid on success, until the next call
 *
 * The next batch. After the last one of an epoch comes the first of the next;
 * when not training they are the same in each epoch. A last batch may be
 * smaller, and when not training empty for a process whose part of it holds no clips.
 *
 * Returns: %TRUE on success, else %FALSE with %G_FILE_ERROR
 */
CNN3D_API gboolean cnn3d_loader_next (Cnn3dLoader *loader, Cnn3dLoaderBatch *batch, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dLoader, cnn3d_loader_unref)

G_END_DECLS
