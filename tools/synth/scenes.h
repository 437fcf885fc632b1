/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where scenes come from: folders of pictures and videos, and textures that are made. */

#include "tools/synth/render.h"

G_BEGIN_DECLS

/*
 * Adds a scene for each picture (or each video, with as many pictures a second as rate) in the folder
 * and the folders in it, in the order of their names. Files that are no pictures are passed over; those
 * that cannot be decoded, or are too plain for clips of these options, are complained about. FALSE with an
 * error if the folder cannot be read, or none is left.
 */
gboolean scenes_add_folder (GPtrArray *scenes, const char *folder, gboolean videos, double rate,
    const RenderOptions *options, GError **error);

/*
 * Puts pictures that look alike, such as the two halves of a stereo pair or a wallpaper by day and by
 * night, into one group, so that a split by groups leaves no picture of the training in the tests.
 */
void scenes_group (GPtrArray *scenes);

/* Adds n textures: leaves of all sizes lying over each other, waves, grains. */
void scenes_add_textures (GPtrArray *scenes, int n, guint64 seed);

G_END_DECLS
