/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/synth/camera.h"

#define DEGREES (G_PI / 180)
#define N_WAVES 3

const char *const camera_labels[] = {
  "static",
  "pan left",
  "pan right",
  "tilt up",
  "tilt down",
  "zoom in",
  "zoom out",
  "roll clockwise",
  "roll counterclockwise",
  "shake",
  NULL,
};

/* Goes from 0 to 1 in one of the ways in which hands and motors move a camera. */
typedef struct {
  double begin, end; /* when it moves, of 0 to 1 */
  double smooth;     /* 0: at an even speed; 1: starts and stops softly */
  double power;      /* above 1: ever faster; below: ever slower */
} Easing;

static Easing
draw_easing (Random *r)
{
  Easing e = { 0, 1, 0, 1 };

  if (random_chance (r, 0.35)) {
    double length = random_uniform (r, 0.55, 1);

    e.begin = random_uniform (r, 0, 1 - length);
    e.end = e.begin + length;
  }
  if (random_chance (r, 0.5))
    e.smooth = random_uniform (r, 0, 1);
  if (random_chance (r, 0.4))
    e.power = random_log_uniform (r, 0.6, 1.7);
  return e;
}

static double
ease (const Easing *e, double t)
{
  double u = CLAMP ((t - e->begin) / (e->end - e->begin), 0, 1);

  u = pow (u, e->power);
  return u + e->smooth * (u * u * (3 - 2 * u) - u);
}

/* Some sine waves on top of each other: a tremor. */
typedef struct {
  double amplitude[N_WAVES], frequency[N_WAVES], phase[N_WAVES];
} Tremor;

static Tremor
draw_tremor (Random *r, double rms, double low, double high)
{
  Tremor t;
  double power = 0;

  for (int i = 0; i < N_WAVES; i++) {
    t.amplitude[i] = random_uniform (r, 0.3, 1);
    t.frequency[i] = random_log_uniform (r, low, high);
    t.phase[i] = random_uniform (r, 0, 2 * G_PI);
    power += t.amplitude[i] * t.amplitude[i] / 2;
  }
  for (int i = 0; i < N_WAVES; i++)
    t.amplitude[i] *= rms / sqrt (power);
  return t;
}

static double
tremor_at (const Tremor *t, double frame)
{
  double sum = 0;

  for (int i = 0; i < N_WAVES; i++)
    sum += t->amplitude[i] * sin (2 * G_PI * t->frequency[i] * frame + t->phase[i]);
  return sum;
}

/* What a path is made of: each part eases over the clip. */
typedef struct {
  double x, y, zoom, roll; /* from the first frame to the last; zoom as a logarithm */
  double jitter;           /* of the hand: rms in pixels */
  double shake;            /* rms in pixels */
} Strokes;

static Strokes
draw_strokes (Random *r, CameraMotion motion, double unit)
{
  Strokes s = { 0 };
  double pan = random_log_uniform (r, 10, 80) * unit;
  double zoom = random_log_uniform (r, log (1.13), log (2.5));
  double roll = random_log_uniform (r, 8, 80) * DEGREES;
  /* Some clips are pure, in others everything moves a little. */
  double second = random_chance (r, 0.25) ? 0 : random_uniform (r, 0, 1);
  double shift = 8 * unit, slope = 0.35 * pan;

  s.zoom = second * random_uniform (r, -0.07, 0.07);
  s.roll = second * random_uniform (r, -3, 3) * DEGREES;
  s.jitter = random_chance (r, 0.3) ? 0 : random_uniform (r, 0.1, 1.9) * unit;
  switch (motion) {
    case CAMERA_PAN_LEFT:
    case CAMERA_PAN_RIGHT:
      s.x = motion == CAMERA_PAN_LEFT ? -pan : pan;
      s.y = second * random_uniform (r, -slope, slope);
      s.jitter = MIN (s.jitter, 0.1 * pan);
      break;
    case CAMERA_TILT_UP:
    case CAMERA_TILT_DOWN:
      s.x = second * random_uniform (r, -slope, slope);
      s.y = motion == CAMERA_TILT_UP ? -pan : pan;
      s.jitter = MIN (s.jitter, 0.1 * pan);
      break;
    case CAMERA_ZOOM_IN:
    case CAMERA_ZOOM_OUT:
      s.x = second * random_uniform (r, -shift, shift);
      s.y = second * random_uniform (r, -shift, shift);
      s.zoom = motion == CAMERA_ZOOM_IN ? zoom : -zoom;
      s.jitter = MIN (s.jitter, 6 * unit * zoom);
      break;
    case CAMERA_ROLL_CLOCKWISE:
    case CAMERA_ROLL_COUNTERCLOCKWISE:
      s.x = second * random_uniform (r, -shift, shift);
      s.y = second * random_uniform (r, -shift, shift);
      s.roll = motion == CAMERA_ROLL_CLOCKWISE ? -roll : roll;
      break;
    case CAMERA_SHAKE:
      s.x = second * random_uniform (r, -shift, shift);
      s.y = second * random_uniform (r, -shift, shift);
      s.jitter = 0;
      s.shake = random_log_uniform (r, 2, 12) * unit;
      break;
    case CAMERA_STATIC:
    default:
      s.x = second * random_uniform (r, -2.5, 2.5) * unit;
      s.y = second * random_uniform (r, -2.5, 2.5) * unit;
      s.zoom *= 0.5;
      s.roll *= 0.5;
      s.jitter = MIN (s.jitter, 0.8 * unit);
      break;
  }
  return s;
}

void
camera_path (Random *random, CameraMotion motion, int size, CameraPose *poses, int n)
{
  double unit = size / 112.0; /* the speeds are told for frames of 112 x 112 */
  Strokes s = draw_strokes (random, motion, unit);
  Easing main = draw_easing (random), second = draw_easing (random);
  gboolean moves_x = motion == CAMERA_PAN_LEFT || motion == CAMERA_PAN_RIGHT;
  gboolean moves_y = motion == CAMERA_TILT_UP || motion == CAMERA_TILT_DOWN;
  gboolean zooms = motion == CAMERA_ZOOM_IN || motion == CAMERA_ZOOM_OUT;
  gboolean rolls = motion == CAMERA_ROLL_CLOCKWISE || motion == CAMERA_ROLL_COUNTERCLOCKWISE;
  /* A shake may be along a line or in all directions. */
  double along = random_chance (random, 0.3) ? random_uniform (random, 0.1, 0.5) : 1;
  gboolean upright = random_chance (random, 0.5);
  Tremor hand_x = draw_tremor (random, s.jitter, 0.02, 0.25);
  Tremor hand_y = draw_tremor (random, s.jitter, 0.02, 0.25);
  Tremor shake_x = draw_tremor (random, s.shake * (upright ? along : 1), 0.12, 0.48);
  Tremor shake_y = draw_tremor (random, s.shake * (upright ? 1 : along), 0.12, 0.48);
  Tremor twist = draw_tremor (random,
      (0.1 * s.jitter + 0.25 * s.shake * random_uniform (random, 0, 1)) / unit * DEGREES, 0.1,
      0.45);

  for (int i = 0; i < n; i++) {
    double t = (double) i / MAX (n - 2, 1); /* the last pose is past the clip, for its blur */
    double a = ease (&main, t), b = ease (&second, t);

    poses[i].x = s.x * (moves_x ? a : b) + tremor_at (&hand_x, i) + tremor_at (&shake_x, i);
    poses[i].y = s.y * (moves_y ? a : b) + tremor_at (&hand_y, i) + tremor_at (&shake_y, i);
    poses[i].zoom = exp (s.zoom * (zooms ? a : b));
    poses[i].roll = s.roll * (rolls ? a : b) + tremor_at (&twist, i);
  }
}

CameraPose
camera_between (const CameraPose *a, const CameraPose *b, double part)
{
  return (CameraPose){
    .x = a->x + part * (b->x - a->x),
    .y = a->y + part * (b->y - a->y),
    .zoom = a->zoom * pow (b->zoom / a->zoom, part),
    .roll = a->roll + part * (b->roll - a->roll),
  };
}
