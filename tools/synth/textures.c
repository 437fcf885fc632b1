/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Textures whose statistics are near those of photographs: edges and detail of every size. */
#include <string.h>

#include "tools/synth/random.h"
#include "tools/synth/scenes.h"

#define SIDE 640
#define N_COLOURS 5
#define N_LEAVES 900

typedef struct {
  Random random;
  float colours[N_COLOURS][3];
  guint8 *rgb;
} Canvas;

static const float *
pick_colour (Canvas *canvas)
{
  return canvas->colours[random_pick (&canvas->random, N_COLOURS)];
}

/* Leaves of sizes by a power law fall on each other: "dead leaves", as in natural pictures. */
static void
draw_leaf (Canvas *canvas, double radius)
{
  Random *r = &canvas->random;
  double x = random_uniform (r, 0, SIDE), y = random_uniform (r, 0, SIDE),
         angle = random_uniform (r, 0, G_PI);
  double flat = random_uniform (r, 0.3, 1), ca = cos (angle), sa = sin (angle);
  double wave = random_uniform (r, 0.05, 1), turn = random_uniform (r, 0, 2 * G_PI);
  gboolean square = random_chance (r, 0.4), stripes = random_chance (r, 0.3);
  const float *colour = pick_colour (canvas), *other = pick_colour (canvas);
  float shade = (float) random_uniform (r, 0.6, 1.2);

  for (int j = MAX ((int) (y - radius), 0); j < MIN ((int) (y + radius) + 1, SIDE); j++)
    for (int i = MAX ((int) (x - radius), 0); i < MIN ((int) (x + radius) + 1, SIDE); i++) {
      double u = (ca * (i - x) + sa * (j - y)) / radius,
             v = (ca * (j - y) - sa * (i - x)) / (radius * flat);
      double inside = square ? MAX (fabs (u), fabs (v)) * 1.42 : sqrt (u * u + v * v);
      float mix =
          stripes ? (float) (0.5 + 0.5 * sin (wave * (cos (turn) * i + sin (turn) * j))) : 0;

      if (inside > 1)
        continue;
      for (int c = 0; c < 3; c++)
        canvas->rgb[3 * (j * SIDE + i) + c] = (guint8) CLAMP (
            shade * (colour[c] + mix * (other[c] - colour[c])) * (1.1 - 0.2 * inside), 0, 255);
    }
}

/* Noise of octaves from 4 pixels to the whole side, as marble, clouds and grass have. */
static void
add_grain (Canvas *canvas, double amplitude, double roughness)
{
  Random *r = &canvas->random;

  for (int cell = SIDE / 2; cell >= 3; cell /= 2, amplitude *= roughness) {
    int n = SIDE / cell + 2;
    g_autofree float *grid = g_new (float, n *n);

    for (int i = 0; i < n * n; i++)
      grid[i] = (float) random_uniform (r, -1, 1);
    for (int y = 0; y < SIDE; y++)
      for (int x = 0; x < SIDE; x++) {
        const float *g = grid + y / cell * n + x / cell;
        float u = (float) (x % cell) / (float) cell, v = (float) (y % cell) / (float) cell;
        float top, bottom;

        u = u * u * (3 - 2 * u);
        v = v * v * (3 - 2 * v);
        top = g[0] + u * (g[1] - g[0]);
        bottom = g[n] + u * (g[n + 1] - g[n]);
        for (int c = 0; c < 3; c++) {
          guint8 *to = &canvas->rgb[3 * (y * SIDE + x) + c];

          *to = (guint8) CLAMP (*to + amplitude * (top + v * (bottom - top)), 0, 255);
        }
      }
  }
}

void
scenes_add_textures (GPtrArray *scenes, int n, guint64 seed)
{
  Canvas canvas = { .rgb = g_malloc (3 * SIDE * SIDE) };

  for (int i = 0; i < n; i++) {
    g_autofree char *name = g_strdup_printf ("texture %d", i);
    Scene *scene = scene_new (name);
    double largest, leaves;

    canvas.random = (Random){ seed, (guint64) i << 32 };
    for (int k = 0; k < N_COLOURS; k++)
      for (int c = 0; c < 3; c++)
        canvas.colours[k][c] = (float) random_uniform (&canvas.random, 5, 250);
    for (int k = 0; k < SIDE * SIDE; k++)
      for (int c = 0; c < 3; c++)
        canvas.rgb[3 * k + c] = (guint8) canvas.colours[0][c];
    largest = random_uniform (&canvas.random, 50, 260);
    leaves = random_chance (&canvas.random, 0.8)
                 ? N_LEAVES * random_uniform (&canvas.random, 0.1, 1)
                 : 0;
    for (int k = 0; k < leaves; k++)
      draw_leaf (&canvas, 6 / sqrt (random_uniform (&canvas.random, 36 / (largest * largest), 1)));
    if (leaves == 0 || random_chance (&canvas.random, 0.6))
      add_grain (&canvas,
          random_uniform (&canvas.random, leaves > 0 ? 5 : 40, leaves > 0 ? 40 : 90),
          random_uniform (&canvas.random, 0.6, 0.95));
    g_ptr_array_add (scene->pictures, picture_new (canvas.rgb, SIDE, SIDE, 3 * SIDE));
    g_ptr_array_add (scenes, scene);
  }
  g_free (canvas.rgb);
}
