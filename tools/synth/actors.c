/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/synth/actors.h"

#include <string.h>

typedef struct {
  float colour[3];
  float cloth;  /* how much of the picture shows */
  double u, v;  /* where in the picture it begins */
  double scale; /* pixels of the picture per pixel of the clip */
} Surface;

/* A joint swings about its rest. In bursts, as gestures do, if its power is above 1. */
typedef struct {
  double rest, swing, frequency, phase;
} Joint;

struct Actor {
  gboolean person;
  const Picture *cloth;
  double depth;
  double x, y;   /* of the middle, at frame 0 */
  double vx, vy; /* per frame */
  Joint sway_x, sway_y, lean;
  double torso; /* length, the measure of a person; of a thing, its size */
  Joint shoulder[2], elbow[2];
  double reach, reach_frequency, reach_phase; /* a hand that comes nearer grows */
  int n;
  Capsule shape[ACTOR_MAX_PARTS]; /* of a thing, about its middle */
  Surface surface[ACTOR_MAX_PARTS];
};

static double
joint_at (const Joint *joint, double frame)
{
  return joint->rest + joint->swing * sin (2 * G_PI * joint->frequency * frame + joint->phase);
}

static Joint
draw_joint (Random *r, double rest, double swing, double low, double high)
{
  return (Joint){ rest, swing, random_log_uniform (r, low, high), random_uniform (r, 0, 2 * G_PI) };
}

static Surface
draw_surface (Random *r, const Picture *cloth, gboolean skin)
{
  static const float skins[][3] = {
    { 224, 172, 140 },
    { 198, 134, 98 },
    { 141, 85, 54 },
    { 241, 194, 165 },
    { 92, 58, 40 },
  };
  Surface s = { { 0 } };
  int tone = random_pick (r, G_N_ELEMENTS (skins));

  for (int c = 0; c < 3; c++)
    s.colour[c] = skin ? skins[tone][c] * (float) random_uniform (r, 0.75, 1.1)
                       : (float) random_uniform (r, 10, 245);
  s.cloth = (float) (skin ? random_uniform (r, 0.05, 0.25) : random_uniform (r, 0, 1));
  s.scale = random_log_uniform (r, 0.7, 5);
  s.u = random_uniform (r, 0, cloth->width[0]);
  s.v = random_uniform (r, 0, cloth->height[0]);
  return s;
}

static Actor *
new_actor (Random *r, const Picture *cloth, double spread)
{
  Actor *actor = g_new0 (Actor, 1);

  actor->cloth = cloth;
  actor->depth = random_chance (r, 0.65)  ? 1
                 : random_chance (r, 0.6) ? random_uniform (r, 1, 1.5)
                                          : random_uniform (r, 0, 1);
  actor->x = random_uniform (r, -0.7, 0.7) * spread;
  actor->y = random_uniform (r, -0.6, 0.8) * spread;
  return actor;
}

/* Parts of a person, in the order in which they are drawn. */
enum {
  TORSO,
  SHOULDERS,
  NECK,
  HEAD,
  UPPER_LEFT,
  UPPER_RIGHT,
  LOWER_LEFT,
  LOWER_RIGHT,
  HAND_LEFT,
  HAND_RIGHT
};

Actor *
actor_new_person (Random *r, const Picture *cloth, double spread)
{
  Actor *a = new_actor (r, cloth, spread);
  /* From someone across the room to a head and shoulders in front of a webcam. */
  double lively = random_chance (r, 0.2) ? 0.15 : random_uniform (r, 0.3, 1.3);
  Surface skin = draw_surface (r, cloth, TRUE), shirt = draw_surface (r, cloth, FALSE);

  a->person = TRUE;
  a->torso = random_log_uniform (r, 0.35, 1.9) * spread;
  a->y = MAX (a->y, random_uniform (r, -0.2, 0.6) * spread);
  a->sway_x = draw_joint (r, 0, random_uniform (r, 0, 0.12) * a->torso * lively, 0.02, 0.15);
  a->sway_y = draw_joint (r, 0, random_uniform (r, 0, 0.06) * a->torso * lively, 0.02, 0.15);
  a->lean = draw_joint (
      r, random_uniform (r, -0.15, 0.15), random_uniform (r, 0, 0.15) * lively, 0.02, 0.12);
  if (random_chance (r, 0.2)) /* walks by */
    a->vx = random_sign (r) * random_uniform (r, 0.3, 3);
  for (int side = 0; side < 2; side++) {
    gboolean gestures = random_chance (r, 0.6);
    double high =
        random_chance (r, 0.5) ? random_uniform (r, -1.2, 0.6) : random_uniform (r, 0.8, 1.5);

    /* Angles from the horizontal, outwards; down is positive. */
    a->shoulder[side] =
        draw_joint (r, high, gestures ? random_uniform (r, 0.1, 1) * lively : 0.05, 0.03, 0.3);
    a->elbow[side] = draw_joint (r, -random_uniform (r, 0.2, 2.2),
        gestures ? random_uniform (r, 0.1, 1.3) * lively : 0.05, 0.03, 0.35);
  }
  a->reach = random_chance (r, 0.3) ? random_uniform (r, 0.2, 1.5) : 0;
  a->reach_frequency = random_uniform (r, 0.03, 0.12);
  a->reach_phase = random_uniform (r, 0, 2 * G_PI);
  a->n = HAND_RIGHT + 1;
  for (int i = 0; i < a->n; i++) {
    gboolean bare =
        i == NECK || i == HEAD || i >= HAND_LEFT || (i >= LOWER_LEFT && random_chance (r, 0.4));

    a->surface[i] = bare ? skin : shirt;
  }
  return a;
}

Actor *
actor_new_thing (Random *r, const Picture *cloth, double spread)
{
  Actor *a = new_actor (r, cloth, spread);
  double speed = random_chance (r, 0.3) ? 0 : random_uniform (r, 0, 5),
         heading = random_uniform (r, 0, 2 * G_PI);

  a->torso = random_log_uniform (r, 0.1, 0.55) * spread;
  a->vx = speed * cos (heading);
  a->vy = speed * sin (heading);
  /* It passes through where it was put in the middle of the clip. */
  a->x -= a->vx * 8;
  a->y -= a->vy * 8;
  a->sway_x = draw_joint (r, 0, random_chance (r, 0.4) ? random_uniform (r, 0, 8) : 0, 0.02, 0.2);
  a->sway_y = draw_joint (r, 0, random_chance (r, 0.4) ? random_uniform (r, 0, 8) : 0, 0.02, 0.2);
  a->lean = draw_joint (r, 0, random_chance (r, 0.4) ? random_uniform (r, 0, 1.5) : 0, 0.01, 0.1);
  a->n = 1 + random_pick (r, 4);
  for (int i = 0; i < a->n; i++) {
    Capsule *c = &a->shape[i];

    c->x0 = random_uniform (r, -1, 1) * a->torso * (i > 0);
    c->y0 = random_uniform (r, -1, 1) * a->torso * (i > 0);
    c->x1 = random_uniform (r, -1, 1) * a->torso;
    c->y1 = random_uniform (r, -1, 1) * a->torso;
    c->radius = random_uniform (r, 0.3, 0.9) * a->torso;
    a->surface[i] =
        i > 0 && random_chance (r, 0.5) ? a->surface[0] : draw_surface (r, cloth, FALSE);
  }
  return a;
}

void
actor_free (Actor *actor)
{
  g_free (actor);
}

double
actor_get_depth (const Actor *actor)
{
  return actor->depth;
}

static void
turn (double angle, double x, double y, double *to_x, double *to_y)
{
  *to_x = cos (angle) * x - sin (angle) * y;
  *to_y = sin (angle) * x + cos (angle) * y;
}

static int
pose_person (const Actor *a, double frame, double x, double y, Capsule *parts)
{
  double l = a->torso, lean = joint_at (&a->lean, frame), ux, uy, rx, ry;
  double neck_x, neck_y;

  turn (lean, 0, -1, &ux, &uy); /* up along the spine */
  turn (lean, 1, 0, &rx, &ry);
  neck_x = x + 0.5 * l * ux;
  neck_y = y + 0.5 * l * uy;
  parts[TORSO] = (Capsule){ x - 0.6 * l * ux, y - 0.6 * l * uy, x + 0.25 * l * ux,
    y + 0.25 * l * uy, 0.3 * l };
  parts[SHOULDERS] =
      (Capsule){ neck_x - 0.33 * l * rx - 0.12 * l * ux, neck_y - 0.33 * l * ry - 0.12 * l * uy,
        neck_x + 0.33 * l * rx - 0.12 * l * ux, neck_y + 0.33 * l * ry - 0.12 * l * uy, 0.12 * l };
  parts[NECK] =
      (Capsule){ neck_x, neck_y, neck_x + 0.15 * l * ux, neck_y + 0.15 * l * uy, 0.08 * l };
  parts[HEAD] = (Capsule){ neck_x + 0.26 * l * ux, neck_y + 0.26 * l * uy, neck_x + 0.4 * l * ux,
    neck_y + 0.4 * l * uy, 0.17 * l };
  for (int side = 0; side < 2; side++) {
    double out = side == 0 ? -1 : 1, dx, dy;
    double a0 = joint_at (&a->shoulder[side], frame), a1 = a0 + joint_at (&a->elbow[side], frame);
    double sx = neck_x + out * 0.38 * l * rx - 0.12 * l * ux;
    double sy = neck_y + out * 0.38 * l * ry - 0.12 * l * uy, ex, ey;
    double near =
        1 + a->reach * (0.5 + 0.5 * sin (2 * G_PI * a->reach_frequency * frame + a->reach_phase));

    turn (lean, out * cos (a0), sin (a0), &dx, &dy);
    ex = sx + 0.45 * l * dx;
    ey = sy + 0.45 * l * dy;
    parts[UPPER_LEFT + side] = (Capsule){ sx, sy, ex, ey, 0.1 * l };
    turn (lean, out * cos (a1), sin (a1), &dx, &dy);
    parts[LOWER_LEFT + side] = (Capsule){ ex, ey, ex + 0.4 * l * dx, ey + 0.4 * l * dy, 0.08 * l };
    parts[HAND_LEFT + side] = (Capsule){ ex + 0.42 * l * dx, ey + 0.42 * l * dy, ex + 0.52 * l * dx,
      ey + 0.52 * l * dy, 0.09 * l * near };
  }
  return a->n;
}

int
actor_pose (const Actor *a, double frame, Capsule *parts)
{
  double x = a->x + a->vx * frame + joint_at (&a->sway_x, frame);
  double y = a->y + a->vy * frame + joint_at (&a->sway_y, frame), lean;

  if (a->person)
    return pose_person (a, frame, x, y, parts);
  lean = joint_at (&a->lean, frame);
  for (int i = 0; i < a->n; i++) {
    const Capsule *from = &a->shape[i];

    turn (lean, from->x0, from->y0, &parts[i].x0, &parts[i].y0);
    turn (lean, from->x1, from->y1, &parts[i].x1, &parts[i].y1);
    parts[i].x0 += x;
    parts[i].x1 += x;
    parts[i].y0 += y;
    parts[i].y1 += y;
    parts[i].radius = from->radius;
  }
  return a->n;
}

void
actor_draw (const Actor *actor, int i, const Capsule *shape, double zoom, int size, float *frame)
{
  const Surface *s = &actor->surface[i];
  double ax = shape->x1 - shape->x0, ay = shape->y1 - shape->y0, length2 = ax * ax + ay * ay;
  double length = sqrt (length2), cx = length > 1e-6 ? ax / length : 1,
         cy = length > 1e-6 ? ay / length : 0;
  double r = shape->radius + 1, scale = s->scale / zoom;
  int x0 = MAX ((int) floor (MIN (shape->x0, shape->x1) - r), 0);
  int x1 = MIN ((int) ceil (MAX (shape->x0, shape->x1) + r), size - 1);
  int y0 = MAX ((int) floor (MIN (shape->y0, shape->y1) - r), 0);
  int y1 = MIN ((int) ceil (MAX (shape->y0, shape->y1) + r), size - 1);
  int n = x1 - x0 + 1;
  g_autofree float *cloth = n > 0 ? g_new (float, 3 * n) : NULL;

  for (int y = y0; y <= y1 && n > 0; y++) {
    /* The cloth turns and moves with the part: u runs along its axis. */
    double px = x0 - shape->x0, py = y - shape->y0;
    PictureRow row = { s->u + scale * (px * cx + py * cy), s->v + scale * (py * cx - px * cy),
      scale * cx, -scale * cy };
    float *to = frame + 3 * ((gsize) y * size + x0);

    memset (cloth, 0, 3 * n * sizeof (float));
    if (s->cloth > 0)
      picture_add_row (actor->cloth, &row, scale, s->cloth, n, cloth);
    for (int x = 0; x < n; x++, to += 3) {
      double qx = px + x, t = length2 > 0 ? CLAMP ((qx * ax + py * ay) / length2, 0, 1) : 0;
      double dx = qx - t * ax, dy = py - t * ay, distance = sqrt (dx * dx + dy * dy);
      float cover = (float) CLAMP (shape->radius - distance + 0.5, 0, 1);
      float shade = (float) (1.08 - 0.35 * distance / r); /* round, not flat */

      for (int c = 0; c < 3 && cover > 0; c++)
        to[c] += cover * (shade * (cloth[3 * x + c] + (1 - s->cloth) * s->colour[c]) - to[c]);
    }
  }
}
