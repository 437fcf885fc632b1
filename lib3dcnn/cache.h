/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <lib3dcnn/error.h>

G_BEGIN_DECLS

/**
 * Cnn3dCache:
 *
 * A data set on disk: labelled videos as raw RGB frames. A folder with
 * `cache.json`, which says what there is, and `frames.bin`, the frames of all
 * videos one after another, 3 bytes a pixel, red first, without padding. Frames
 * are read when they are asked for, so a cache may be larger than memory.
 * Immutable and reference-counted; any number of threads may read it.
 */
typedef struct _Cnn3dCache Cnn3dCache;

/**
 * Cnn3dCacheVideo:
 * @name: (transfer none): what the video is called: its path, for decoded files
 * @label: its class, from 0
 * @width: pixels
 * @height: pixels
 * @frames: how many, at least 1
 * @rate: frames per second; 0 if unknown
 * @source_size: bytes of the file that the video was decoded from; 0 if there is none
 * @source_time: when that file was last changed, in microseconds since 1970
 *
 * A video of a cache. @name belongs to the cache.
 */
typedef struct {
  const char *name;
  int label;
  int width, height, frames;
  double rate;
  gint64 source_size, source_time;
} Cnn3dCacheVideo;

#define CNN3D_TYPE_CACHE (cnn3d_cache_get_type ())
CNN3D_API GType cnn3d_cache_get_type (void);

/**
 * cnn3d_cache_open:
 * @folder: the cache's folder
 *
 * Reads `cache.json` and checks that `frames.bin` has all frames.
 *
 * Returns: (transfer full) (nullable): the cache, or %NULL with %G_FILE_ERROR or
 *   %CNN3D_ERROR_FORMAT
 */
CNN3D_API Cnn3dCache *cnn3d_cache_open (const char *folder, GError **error);

/**
 * cnn3d_cache_new_subset:
 * @videos: (array length=n): which videos, in their new order
 * @n: at least 1
 *
 * A part of a cache, of which it keeps a reference.
 *
 * Returns: (transfer full): a cache with these videos and all labels
 */
CNN3D_API Cnn3dCache *cnn3d_cache_new_subset (Cnn3dCache *cache, const int *videos, int n);
CNN3D_API Cnn3dCache *cnn3d_cache_ref (Cnn3dCache *cache);
CNN3D_API void cnn3d_cache_unref (Cnn3dCache *cache);

/**
 * cnn3d_cache_get_folder:
 *
 * Returns: (transfer none): the folder that it was opened from
 */
CNN3D_API const char *cnn3d_cache_get_folder (Cnn3dCache *cache);

/**
 * cnn3d_cache_get_labels:
 *
 * Returns: (transfer none) (array zero-terminated=1): the labels in the order of classes
 */
CNN3D_API const char *const *cnn3d_cache_get_labels (Cnn3dCache *cache);

/**
 * cnn3d_cache_get_n_videos:
 *
 * Returns: number of videos, at least 1
 */
CNN3D_API int cnn3d_cache_get_n_videos (Cnn3dCache *cache);

/**
 * cnn3d_cache_get_video:
 * @index: from 0
 * @video: (out caller-allocates): what it is
 */
CNN3D_API void cnn3d_cache_get_video (Cnn3dCache *cache, int index, Cnn3dCacheVideo *video);

/**
 * cnn3d_cache_get_note:
 * @key: as given to cnn3d_cache_writer_set_note()
 *
 * Returns: (transfer none) (nullable): the note, or %NULL
 */
CNN3D_API const char *cnn3d_cache_get_note (Cnn3dCache *cache, const char *key);

/**
 * cnn3d_cache_read:
 * @video: a video, from 0
 * @first: a frame of it, from 0
 * @n: how many frames from there; they must exist
 * @rgb: (out caller-allocates): n x height x width x 3 bytes; valid only on success
 *
 * Returns: %TRUE on success, else %FALSE with %G_FILE_ERROR
 */
CNN3D_API gboolean cnn3d_cache_read (Cnn3dCache *cache, int video, int first, int n, guint8 *rgb,
    GError **error);

/**
 * Cnn3dCacheWriter:
 *
 * A cache in the making. It is written under another name next to its folder
 * and takes its place when it is finished, so that a folder with a cache is
 * always a whole one. To be used by one thread at a time.
 */
typedef struct _Cnn3dCacheWriter Cnn3dCacheWriter;

/**
 * cnn3d_cache_writer_new: (skip)
 * @folder: the cache's folder to be. A cache that is there already is replaced
 *   in the end; any other folder that is not empty is an error
 * @labels: (array zero-terminated=1): a label for each class, at least one
 *
 * Returns: (transfer full) (nullable): the writer, or %NULL with %G_FILE_ERROR
 */
CNN3D_API Cnn3dCacheWriter *cnn3d_cache_writer_new (const char *folder, const char *const *labels,
    GError **error);

/**
 * cnn3d_cache_writer_set_note: (skip)
 * @key: what it is about
 * @value: text that is kept in `cache.json`, such as how the videos were made
 */
CNN3D_API void cnn3d_cache_writer_set_note (Cnn3dCacheWriter *writer, const char *key,
    const char *value);

/**
 * cnn3d_cache_writer_add: (skip)
 * @name: what the video is called
 * @label: its class, from 0
 * @width: pixels, 1 to 8192
 * @height: pixels, 1 to 8192
 * @rate: frames per second; 0 if unknown
 * @rgb: n_frames x height x width x 3 bytes, red first
 * @n_frames: at least 1
 *
 * Adds a video: cnn3d_cache_writer_begin(), cnn3d_cache_writer_add_frames().
 *
 * Returns: %TRUE on success, else %FALSE with %G_FILE_ERROR: the disk is full,
 *   for one. The writer is then good for nothing but cnn3d_cache_writer_free()
 */
CNN3D_API gboolean cnn3d_cache_writer_add (Cnn3dCacheWriter *writer, const char *name, int label,
    int width, int height, double rate, const guint8 *rgb, int n_frames, GError **error);

/**
 * cnn3d_cache_writer_begin: (skip)
 * @video: all but the number of frames, which is ignored
 *
 * Begins a video whose frames follow by cnn3d_cache_writer_add_frames(). If none
 * do, there will be no such video.
 */
CNN3D_API void cnn3d_cache_writer_begin (Cnn3dCacheWriter *writer, const Cnn3dCacheVideo *video);

/**
 * cnn3d_cache_writer_add_frames: (skip)
 * @rgb: n x height x width x 3 bytes, red first
 * @n: frames that follow those the video has; may be 0
 *
 * Returns: as cnn3d_cache_writer_add()
 */
CNN3D_API gboolean cnn3d_cache_writer_add_frames (Cnn3dCacheWriter *writer, const guint8 *rgb, int n,
    GError **error);

/**
 * cnn3d_cache_writer_cancel_video: (skip)
 *
 * Forgets the video that was begun last, and its frames.
 */
CNN3D_API void cnn3d_cache_writer_cancel_video (Cnn3dCacheWriter *writer);

/**
 * cnn3d_cache_writer_get_size: (skip)
 *
 * Returns: bytes of frames so far
 */
CNN3D_API gint64 cnn3d_cache_writer_get_size (Cnn3dCacheWriter *writer);

/**
 * cnn3d_cache_writer_finish: (skip)
 *
 * Writes what is left to the disk and puts the cache in its place. Nothing can
 * be added any more.
 *
 * Returns: %TRUE on success, else %FALSE with %G_FILE_ERROR, or
 *   %CNN3D_ERROR_FORMAT if there is no video in it; the folder is then as it was
 */
CNN3D_API gboolean cnn3d_cache_writer_finish (Cnn3dCacheWriter *writer, GError **error);

/**
 * cnn3d_cache_writer_free: (skip)
 * @writer: (nullable) (transfer full): if it is not finished, what it wrote is removed
 */
CNN3D_API void cnn3d_cache_writer_free (Cnn3dCacheWriter *writer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dCache, cnn3d_cache_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dCacheWriter, cnn3d_cache_writer_free)

G_END_DECLS
