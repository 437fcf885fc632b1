/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The clips of camera motion: paths, pictures, and that what is rendered moves as its label says. */

#include <string.h>

#include "tools/synth/camera.h"
#include "tools/synth/render.h"

#define FRAMES 16
#define SIZE 112
#define SEEDS 400

/* The way from the first pose to the last of the clip, within the ranges that are promised. */
static void
test_paths (void)
{
  for (int motion = 0; motion < CAMERA_N_MOTIONS; motion++)
    for (guint64 seed = 0; seed < SEEDS; seed++) {
      Random r = { seed, 0 };
      CameraPose poses[FRAMES + 1];
      double x, y, zoom, roll, low = 0, high = 0;

      camera_path (&r, (CameraMotion) motion, SIZE, poses, FRAMES + 1);
      x = poses[FRAMES - 1].x - poses[0].x;
      y = poses[FRAMES - 1].y - poses[0].y;
      zoom = poses[FRAMES - 1].zoom / poses[0].zoom;
      roll = (poses[FRAMES - 1].roll - poses[0].roll) * 180 / G_PI;
      for (int i = 0; i < FRAMES; i++) {
        low = MIN (low, poses[i].x + poses[i].y);
        high = MAX (high, poses[i].x + poses[i].y);
      }
      switch (motion) {
        case CAMERA_PAN_LEFT:
          g_assert_cmpfloat (x, <, -6);
          g_assert_cmpfloat (x, >, -96);
          g_assert_cmpfloat (fabs (y), <, fabs (x));
          break;
        case CAMERA_PAN_RIGHT:
          g_assert_cmpfloat (x, >, 6);
          g_assert_cmpfloat (x, <, 96);
          g_assert_cmpfloat (fabs (y), <, fabs (x));
          break;
        case CAMERA_TILT_UP:
          g_assert_cmpfloat (y, <, -6);
          g_assert_cmpfloat (fabs (x), <, fabs (y));
          break;
        case CAMERA_TILT_DOWN:
          g_assert_cmpfloat (y, >, 6);
          g_assert_cmpfloat (fabs (x), <, fabs (y));
          break;
        case CAMERA_ZOOM_IN:
          g_assert_cmpfloat (zoom, >, 1.129);
          g_assert_cmpfloat (zoom, <, 2.51);
          break;
        case CAMERA_ZOOM_OUT:
          g_assert_cmpfloat (1 / zoom, >, 1.129);
          g_assert_cmpfloat (1 / zoom, <, 2.51);
          break;
        case CAMERA_ROLL_CLOCKWISE: /* the picture turns clockwise, the camera the other way */
          g_assert_cmpfloat (roll, <, -6);
          g_assert_cmpfloat (roll, >, -86);
          break;
        case CAMERA_ROLL_COUNTERCLOCKWISE:
          g_assert_cmpfloat (roll, >, 6);
          g_assert_cmpfloat (roll, <, 86);
          break;
        case CAMERA_STATIC:
          g_assert_cmpfloat (high - low, <, 12);
          g_assert_cmpfloat (fabs (zoom - 1), <, 0.04);
          break;
        case CAMERA_SHAKE:
          g_assert_cmpfloat (high - low, >, 2);
          break;
        default:
          g_assert_not_reached ();
      }
    }
}

static void
test_between (void)
{
  CameraPose a = { 0, 10, 1, 0 }, b = { 8, 20, 4, 1 }, middle = camera_between (&a, &b, 0.5);

  g_assert_cmpfloat (middle.x, ==, 4);
  g_assert_cmpfloat (middle.y, ==, 15);
  g_assert_cmpfloat (middle.roll, ==, 0.5);
  g_assert_cmpfloat_with_epsilon (middle.zoom, 2, 1e-12);
}

/* A ramp, whose value at any place is known: red is 2 x, green 2 y, blue 100. */
static void
test_picture (void)
{
  g_autofree guint8 *rgb = g_malloc (3 * 64 * 64);
  PictureRow row = { 10.25, 20.5, 1, 0.5 }, outside = { -5, 100, 1, 0 };
  float out[12] = { 0 };
  Picture *picture;

  for (int i = 0; i < 64 * 64; i++) {
    rgb[3 * i] = (guint8) (2 * (i % 64));
    rgb[3 * i + 1] = (guint8) (2 * (i / 64));
    rgb[3 * i + 2] = 100;
  }
  picture = picture_new (rgb, 64, 64, 3 * 64);
  g_assert_cmpint (picture->n_levels, ==, 4); /* 64, 32, 16, 8 */
  for (int level = 0; level < 3; level++) {
    memset (out, 0, sizeof out);
    picture_add_row (picture, &row, 1 << level, 1, 4, out);
    for (int i = 0; i < 4; i++) {
      g_assert_cmpfloat_with_epsilon (out[3 * i], 2 * (10.25 + i), 0.6);
      g_assert_cmpfloat_with_epsilon (out[3 * i + 1], 2 * (20.5 + 0.5 * i), 0.6);
      g_assert_cmpfloat_with_epsilon (out[3 * i + 2], 100, 1e-3);
    }
  }
  /* The border goes on outside; what is there already is added to. */
  picture_add_row (picture, &outside, 1, 2, 1, out);
  g_assert_cmpfloat_with_epsilon (out[0], 2 * 10.25 + 0, 1);
  g_assert_cmpfloat_with_epsilon (out[1], 2 * 20.5 + 2 * 126, 1);
  picture_free (picture);
}

static Scene *
make_scene (void)
{
  g_autofree guint8 *rgb = g_malloc (3 * 480 * 480);
  Scene *scene = scene_new ("cells");
  guint8 *to = rgb;

  for (int y = 0; y < 480; y++)
    for (int x = 0; x < 480; x++, to += 3) {
      guint64 bits = cnn3d_random_bits (7, (guint64) (y / 9 * 1000 + x / 9));

      to[0] = (guint8) bits;
      to[1] = (guint8) (bits >> 8);
      to[2] = (guint8) (bits >> 16);
    }
  g_ptr_array_add (scene->pictures, picture_new (rgb, 480, 480, 3 * 480));
  return scene;
}

/* By how much the second frame's picture is moved against the first's, from luma of the inner part. */
static void
find_shift (const guint8 *a, const guint8 *b, int *dx, int *dy)
{
  double best = G_MAXDOUBLE;

  for (int v = -12; v <= 12; v++)
    for (int u = -12; u <= 12; u++) {
      double sum = 0;

      for (int y = 16; y < SIZE - 16; y += 2)
        for (int x = 16; x < SIZE - 16; x += 2)
          sum += abs (a[3 * (y * SIZE + x) + 1] - b[3 * ((y + v) * SIZE + x + u) + 1]);
      if (sum < best) {
        best = sum;
        *dx = u;
        *dy = v;
      }
    }
}

/* In a pan to the left the picture moves right, as it tilts up it moves down: in nearly all clips. */
static void
test_directions (void)
{
  static const int motions[][3] = {
    { CAMERA_PAN_LEFT, 1, 0 }, { CAMERA_PAN_RIGHT, -1, 0 }, { CAMERA_TILT_UP, 0, 1 }, { CAMERA_TILT_DOWN, 0, -1 },
  };
  const RenderOptions options = { .frames = FRAMES, .size = SIZE };
  g_autofree guint8 *rgb = g_malloc (FRAMES * SIZE * SIZE * 3);
  Scene *scene = make_scene ();

  for (guint m = 0; m < G_N_ELEMENTS (motions); m++) {
    int right = 0;

    for (guint64 seed = 0; seed < 20; seed++) {
      int sum_x = 0, sum_y = 0;

      g_assert_true (render_clip (&options, &scene, 1, (CameraMotion) motions[m][0], seed, rgb) == scene);
      for (int t = 0; t + 1 < FRAMES; t++) {
        int dx = 0, dy = 0;

        find_shift (rgb + t * SIZE * SIZE * 3, rgb + (t + 1) * SIZE * SIZE * 3, &dx, &dy);
        sum_x += dx;
        sum_y += dy;
      }
      right += motions[m][1] != 0 ? sum_x * motions[m][1] >= 6 && abs (sum_x) > abs (sum_y)
                                  : sum_y * motions[m][2] >= 6 && abs (sum_y) > abs (sum_x);
    }
    g_assert_cmpint (right, >=, 17);
  }
  scene_free (scene);
}

/* A clip depends on its seed alone, with people and things in it as well. */
static void
test_repeatable (void)
{
  const RenderOptions options = { .frames = FRAMES, .size = SIZE, .actors = 1 };
  gsize size = FRAMES * SIZE * SIZE * 3;
  g_autofree guint8 *a = g_malloc (size), *b = g_malloc (size), *c = g_malloc (size);
  Scene *scene = make_scene ();

  for (guint64 seed = 0; seed < 5; seed++) {
    render_clip (&options, &scene, 1, CAMERA_ZOOM_IN, seed, a);
    render_clip (&options, &scene, 1, CAMERA_ZOOM_IN, seed, b);
    render_clip (&options, &scene, 1, CAMERA_ZOOM_IN, seed + 1000, c);
    g_assert_cmpmem (a, size, b, size);
    g_assert_true (memcmp (a, c, size) != 0);
  }
  scene_free (scene);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/synth/paths", test_paths);
  g_test_add_func ("/synth/between", test_between);
  g_test_add_func ("/synth/picture", test_picture);
  g_test_add_func ("/synth/directions", test_directions);
  g_test_add_func ("/synth/repeatable", test_repeatable);
  return g_test_run ();
}
