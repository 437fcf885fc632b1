/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One clip: a scene, a camera's path over it, people and things, light, blur and noise. */

#include "tools/synth/camera.h"
#include "tools/synth/picture.h"

G_BEGIN_DECLS

/* What a camera may look at. */
typedef struct {
  char *name, *group; /* scenes of one group show the same */
  GPtrArray *pictures; /* of Picture: one, or the frames of a video, sampled as clips are */
} Scene;

Scene *scene_new (const char *name);
void scene_free (Scene *scene);

typedef struct {
  int frames, size;
  double actors; /* probability that something moves before the scene */
} RenderOptions;

/* Whether motion could be seen in some part of a scene: in a white wall it could not. */
gboolean scene_has_texture (Scene *scene, const RenderOptions *options);

/*
 * Makes a clip of the motion from a random part of a random one of n scenes; clothes and things take
 * their surfaces from them too. rgb takes frames x size x size x 3 bytes. Returns the scene; NULL if no part
 * was found in which motion can be seen. Everything depends on the seed alone.
 */
const Scene *render_clip (const RenderOptions *options, Scene *const *scenes, int n, CameraMotion motion,
    guint64 seed, guint8 *rgb);

G_END_DECLS
