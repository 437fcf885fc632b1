/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a camera moves in a clip. */

#include "tools/synth/random.h"

G_BEGIN_DECLS

typedef enum {
  CAMERA_STATIC,
  CAMERA_PAN_LEFT,
  CAMERA_PAN_RIGHT,
  CAMERA_TILT_UP,
  CAMERA_TILT_DOWN,
  CAMERA_ZOOM_IN,
  CAMERA_ZOOM_OUT,
  CAMERA_ROLL_CLOCKWISE,
  CAMERA_ROLL_COUNTERCLOCKWISE,
  CAMERA_SHAKE,
  CAMERA_N_MOTIONS,
} CameraMotion;

/* What the classes are called, in order; NULL ends them. */
extern const char *const camera_labels[];

/*
 * Where a camera is. Pan, tilt and zoom name the camera's motion: as it pans left, x falls and the
 * picture moves to the right. Roll names how the picture is seen to turn: in "roll clockwise" it turns
 * clockwise, and so the camera counterclockwise.
 */
typedef struct {
  double x, y; /* of the middle, in pixels of the clip at zoom 1; y points down */
  double zoom; /* more is nearer */
  double roll; /* of the camera, in radians, clockwise */
} CameraPose;

/* A path of n poses, the first n - 1 of which are the clip's, for frames of size x size. */
void camera_path (Random *random, CameraMotion motion, int size, CameraPose *poses, int n);

/* Between poses a and b: a part of the way. */
CameraPose camera_between (const CameraPose *a, const CameraPose *b, double part);

G_END_DECLS
