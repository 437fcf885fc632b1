/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What moves in front of a scene: people of capsules, who breathe, sway, walk and gesture, and
 * things of any shape. They teach a network that a camera stands still when only they move.
 */

#include "tools/synth/picture.h"
#include "tools/synth/random.h"

G_BEGIN_DECLS

#define ACTOR_MAX_PARTS 10

/* A rounded stick from (x0, y0) to (x1, y1), in pixels of the clip before the camera moves. */
typedef struct {
  double x0, y0, x1, y1, radius;
} Capsule;

typedef struct Actor Actor;

/* cloth gives the surfaces; it is kept, not copied. spread is half the side of the frame. */
Actor *actor_new_person (Random *random, const Picture *cloth, double spread);
Actor *actor_new_thing (Random *random, const Picture *cloth, double spread);
void actor_free (Actor *actor);

/* How far it moves with the scene: 1 stands in it, above 1 nearer to the camera, 0 on the lens. */
double actor_get_depth (const Actor *actor);

/* Where its parts are at a frame (or between frames); returns how many. */
int actor_pose (const Actor *actor, double frame, Capsule *parts);

/*
 * Draws part i over a frame of size x size (R, G, B floats). shape is the part as the camera sees it,
 * its picture enlarged by zoom.
 */
void actor_draw (const Actor *actor, int i, const Capsule *shape, double zoom, int size, float *frame);

G_END_DECLS
