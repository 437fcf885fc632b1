/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/synth/render.h"

#include <string.h>

#include "tools/synth/actors.h"

#define MAX_ACTORS 4
#define MAX_BLUR 4 /* samples of a motion blur */
#define TRIES 4000 /* places that are looked at for texture */
#define SCENE_TRIES 400
#define GRID 16
#define TEXTURE 56.0f /* sum of differences of neighbours in a square of 4 x 4 of the grid */

/* How a scene lies before the camera: picture = base + scale R (angle) (scene, mirrored). */
typedef struct {
  const Scene *scene;
  double x, y, scale, angle, mirror;
  int first, step; /* of the frames of a video */
} Place;

typedef struct {
  const RenderOptions *options;
  Place place;
  CameraPose *poses;
  Actor *actors[MAX_ACTORS];
  int n_actors;
  double blur;    /* of the lens, as a factor of scale */
  double *times;  /* when each frame is taken, in frames */
  int samples;    /* of the motion blur */
  double shutter; /* part of the time between frames that it is open */
} Clip;

Scene *
scene_new (const char *name)
{
  Scene *scene = g_new0 (Scene, 1);

  scene->name = g_strdup (name);
  scene->group = g_strdup (name);
  scene->pictures = g_ptr_array_new_with_free_func ((GDestroyNotify) picture_free);
  return scene;
}

void
scene_free (Scene *scene)
{
  g_free (scene->name);
  g_free (scene->group);
  g_ptr_array_unref (scene->pictures);
  g_free (scene);
}

/* The picture at a frame; a video that is too short goes back and forth. */
static const Picture *
place_picture (const Place *place, int frame)
{
  int n = (int) place->scene->pictures->len, period = MAX (2 * n - 2, 1);
  int i = (place->first + frame * place->step) % period;

  return g_ptr_array_index (place->scene->pictures, i < n ? i : period - i);
}

/* Where the pixel at (0, 0), and the step to the right, of a frame are in the scene's picture. */
static void
look (const Place *place, const CameraPose *pose, int size, double x, double y, PictureRow *row)
{
  double c = cos (pose->roll) / pose->zoom, s = sin (pose->roll) / pose->zoom;
  double ox = x - 0.5 * (size - 1), oy = y - 0.5 * (size - 1);
  double qx = (pose->x + c * ox - s * oy) * place->mirror, qy = pose->y + s * ox + c * oy;
  double pc = place->scale * cos (place->angle), ps = place->scale * sin (place->angle);

  row->x = place->x + pc * qx - ps * qy;
  row->y = place->y + ps * qx + pc * qy;
  row->dx = pc * c * place->mirror - ps * s;
  row->dy = ps * c * place->mirror + pc * s;
}

/* Sets scale and position so that all that the camera sees lies in the picture. */
static void
choose_place (Random *r, const RenderOptions *o, const CameraPose *poses, Place *place)
{
  const Picture *picture = g_ptr_array_index (place->scene->pictures, 0);
  gboolean video = place->scene->pictures->len > 1;
  double low_x = G_MAXDOUBLE, high_x = -G_MAXDOUBLE, low_y = G_MAXDOUBLE, high_y = -G_MAXDOUBLE,
         most;

  /* Mirroring what is seen does not change how the camera moves over it. */
  place->mirror = random_sign (r);
  place->angle = video ? 0 : random_uniform (r, -0.25, 0.25);
  place->x = place->y = 0;
  place->scale = 1;
  for (int i = 0; i < o->frames; i++)
    for (int corner = 0; corner < 4; corner++) {
      PictureRow row;

      look (place, &poses[i], o->size, corner & 1 ? o->size : -1, corner & 2 ? o->size : -1, &row);
      low_x = MIN (low_x, row.x);
      high_x = MAX (high_x, row.x);
      low_y = MIN (low_y, row.y);
      high_y = MAX (high_y, row.y);
    }
  most =
      MIN ((picture->width[0] - 1) / (high_x - low_x), (picture->height[0] - 1) / (high_y - low_y));
  /* Below half a pixel of the picture for one of the clip there is not much to see. */
  place->scale = MAX (most * random_log_uniform (r, video ? 0.6 : 0.25, 1), MIN (most, 0.5));
  place->x =
      random_uniform (r, -place->scale * low_x, picture->width[0] - 1 - place->scale * high_x);
  place->y =
      random_uniform (r, -place->scale * low_y, picture->height[0] - 1 - place->scale * high_y);
  place->step = 1;
  place->first =
      video ? random_pick (r, MAX ((int) place->scene->pictures->len - o->frames + 1, 1)) : 0;
}

/* Whether motion along both axes can be seen, in most of the frame. */
static gboolean
has_texture (const Place *place, const CameraPose *pose, int size)
{
  float grid[GRID][GRID][3] = { 0 };
  double step = (double) size / GRID;
  int rich_x = 0, rich_y = 0;

  for (int y = 0; y < GRID; y++) {
    PictureRow row;

    look (place, pose, size, 0.5 * step, (y + 0.5) * step, &row);
    row.dx *= step;
    row.dy *= step;
    picture_add_row (
        place_picture (place, 0), &row, place->scale / pose->zoom * 2, 1, GRID, grid[y][0]);
  }
  /* By quarters of quarters: 16 squares of 4 x 4. */
  for (int i = 0; i < 16; i++) {
    float sum_x = 0, sum_y = 0;

    for (int y = i / 4 * 4; y < i / 4 * 4 + 4; y++)
      for (int x = i % 4 * 4; x < i % 4 * 4 + 4; x++) {
        if (x + 1 < GRID)
          sum_x += fabsf (grid[y][x + 1][1] - grid[y][x][1]);
        if (y + 1 < GRID)
          sum_y += fabsf (grid[y + 1][x][1] - grid[y][x][1]);
      }
    rich_x += sum_x > TEXTURE;
    rich_y += sum_y > TEXTURE;
  }
  return rich_x >= 7 && rich_y >= 7;
}

gboolean
scene_has_texture (Scene *scene, const RenderOptions *options)
{
  Random random = { 1, 0 };
  g_autofree CameraPose *poses = g_new (CameraPose, options->frames + 1);
  Place place = { .scene = scene };

  camera_path (&random, CAMERA_STATIC, options->size, poses, options->frames + 1);
  for (int i = 0; i < SCENE_TRIES; i++) {
    choose_place (&random, options, poses, &place);
    if (has_texture (&place, &poses[0], options->size))
      return TRUE;
  }
  return FALSE;
}

/* Chooses a place with texture where the path begins and ends. */
static gboolean
find_place (Random *r, Clip *clip, Scene *const *scenes, int n, CameraMotion motion)
{
  const RenderOptions *o = clip->options;

  for (int i = 0; i < TRIES; i++) {
    if (i % 4 == 0)
      clip->place.scene = scenes[random_pick (r, n)];
    camera_path (r, motion, o->size, clip->poses, o->frames + 1);
    choose_place (r, o, clip->poses, &clip->place);
    if (has_texture (&clip->place, &clip->poses[0], o->size)
        && has_texture (&clip->place, &clip->poses[o->frames - 1], o->size))
      return TRUE;
  }
  return FALSE;
}

/* The actor's part, as the camera sees it. */
static Capsule
project (const Capsule *part, const CameraPose *pose, double depth, int size)
{
  double c = cos (pose->roll) * pose->zoom, s = sin (pose->roll) * pose->zoom,
         middle = 0.5 * (size - 1);
  double ax = part->x0 - depth * pose->x, ay = part->y0 - depth * pose->y;
  double bx = part->x1 - depth * pose->x, by = part->y1 - depth * pose->y;

  return (Capsule){ middle + c * ax + s * ay, middle - s * ax + c * ay, middle + c * bx + s * by,
    middle - s * bx + c * by, part->radius * pose->zoom };
}

/* A frame as it is when it is taken, or a part of a frame later. */
static void
render_sample (const Clip *clip, int frame, double part, float *image)
{
  const RenderOptions *o = clip->options;
  double time = CLAMP (clip->times[frame] + part, 0, o->frames - 0.001);
  int before = (int) time;
  CameraPose pose = camera_between (&clip->poses[before], &clip->poses[before + 1], time - before);
  const Picture *picture = place_picture (&clip->place, frame);
  double scale = clip->place.scale / pose.zoom * clip->blur;

  memset (image, 0, (gsize) o->size * o->size * 3 * sizeof (float));
  for (int y = 0; y < o->size; y++) {
    PictureRow row;

    look (&clip->place, &pose, o->size, 0, y, &row);
    picture_add_row (picture, &row, scale, 1, o->size, image + (gsize) 3 * o->size * y);
  }
  for (int i = 0; i < clip->n_actors; i++) {
    double depth = actor_get_depth (clip->actors[i]);
    /* What is on the lens does not turn or grow with the scene. */
    CameraPose seen = depth > 0.5 ? pose : (CameraPose){ pose.x, pose.y, 1, 0 };
    Capsule parts[ACTOR_MAX_PARTS];
    int n = actor_pose (clip->actors[i], time, parts);

    for (int k = 0; k < n; k++) {
      Capsule shape = project (&parts[k], &seen, depth, o->size);

      actor_draw (clip->actors[i], k, &shape, seen.zoom, o->size, image);
    }
  }
}

/* How a sensor turns light into numbers: a matrix and offset, exposure over time, gamma, noise. */
typedef struct {
  float matrix[3][3];
  float offset;
  double gain, drift, flicker; /* exposure at frame 0, its change over the clip, and per frame */
  double gamma;
  double noise;
} Sensor;

static Sensor
draw_sensor (Random *r)
{
  Sensor s;
  double saturation = random_chance (r, 0.1) ? 0 : random_uniform (r, 0.3, 1.4);
  double contrast = random_uniform (r, 0.6, 1.3);
  int turned = random_chance (r, 0.35) ? random_pick (r, 3) : 0;
  gboolean swapped = random_chance (r, 0.2);

  for (int i = 0; i < 3; i++) {
    double tint = random_uniform (r, 0.85, 1.15);

    for (int k = 0; k < 3; k++) {
      int from = swapped ? 2 - (k + turned) % 3 : (k + turned) % 3;

      s.matrix[i][k] =
          (float) (contrast * tint * ((1 - saturation) / 3 + (from == i ? saturation : 0)));
    }
  }
  s.offset = (float) (128 * (1 - contrast) + random_uniform (r, -30, 30));
  s.gain = random_uniform (r, 0.85, 1.15);
  s.drift = random_chance (r, 0.3) ? random_uniform (r, -0.35, 0.35) : 0;
  s.flicker = random_chance (r, 0.2) ? random_uniform (r, 0, 0.06) : 0;
  s.gamma = random_chance (r, 0.4) ? random_log_uniform (r, 0.7, 1.5) : 1;
  s.noise = random_chance (r, 0.7) ? random_uniform (r, 0, 9) : 0;
  return s;
}

/* Noise is read from a table at random places. */
#define NOISE_SIZE 65536
static gint8 noise_table[NOISE_SIZE];

static gpointer
fill_noise_table (gpointer data)
{
  Random r = { 1, 0 };

  for (int i = 0; i < NOISE_SIZE; i++)
    noise_table[i] = (gint8) CLAMP (lrint (random_normal (&r) * 32), -127, 127);
  return NULL;
}

static void
expose (const Sensor *sensor, Random *r, double time, int n, const float *image, guint8 *rgb)
{
  static GOnce once = G_ONCE_INIT;
  double gain =
      sensor->gain * (1 + sensor->drift * time) * (1 + sensor->flicker * random_normal (r));
  float noise = (float) (sensor->noise / 32);
  guint8 curve[256];
  guint32 state = (guint32) cnn3d_random_bits (r->seed, r->drawn++) | 1;
  guint32 at = 0;

  g_once (&once, fill_noise_table, NULL);
  for (int i = 0; i < 256; i++)
    curve[i] = (guint8) lrint (255 * pow (i / 255.0, sensor->gamma));
  for (int i = 0; i < n; i++, image += 3, rgb += 3) {
    if (i % 32 == 0) {
      state ^= state << 13;
      state ^= state >> 17;
      state ^= state << 5;
      at = state % (NOISE_SIZE - 96);
    }
    for (int c = 0; c < 3; c++) {
      float v = sensor->matrix[c][0] * image[0] + sensor->matrix[c][1] * image[1]
                + sensor->matrix[c][2] * image[2] + sensor->offset;

      v = v * (float) gain + noise * noise_table[at++];
      rgb[c] = curve[(int) CLAMP (v, 0, 255)];
    }
  }
}

/* Cameras that are short of light or of time repeat frames, and take them a little early or late.
 */
static void
draw_times (Random *r, double *times, int n)
{
  double jitter = random_chance (r, 0.3) ? random_uniform (r, 0, 0.4) : 0;
  double repeats = random_chance (r, 0.15) ? random_uniform (r, 0, 0.3) : 0;

  for (int t = 0; t < n; t++)
    times[t] = t > 0 && random_chance (r, repeats) ? times[t - 1]
                                                   : t + random_uniform (r, -jitter, jitter);
}

static void
draw_actors (Random *r, Clip *clip, Scene *const *scenes, int n)
{
  double spread = 0.5 * clip->options->size;
  int things, people;

  if (!random_chance (r, clip->options->actors))
    return;
  people = random_chance (r, 0.7) ? 1 + random_chance (r, 0.15) : 0;
  things = random_chance (r, people > 0 ? 0.3 : 1) ? 1 + random_pick (r, 2) : 0;
  for (int i = 0; i < people + things; i++) {
    const Scene *from = scenes[random_pick (r, n)];
    const Picture *cloth = g_ptr_array_index (from->pictures, 0);

    clip->actors[clip->n_actors++] =
        i < people ? actor_new_person (r, cloth, spread) : actor_new_thing (r, cloth, spread);
  }
}

const Scene *
render_clip (const RenderOptions *o, Scene *const *scenes, int n, CameraMotion motion, guint64 seed,
    guint8 *rgb)
{
  Random random = { seed, 0 }, *r = &random;
  gsize pixels = (gsize) o->size * o->size;
  g_autofree float *image = g_new (float, 3 * pixels);
  g_autofree float *sum = g_new (float, 3 * pixels);
  g_autofree CameraPose *poses = g_new (CameraPose, o->frames + 1);
  g_autofree double *times = g_new (double, o->frames);
  Clip clip = { .options = o, .poses = poses, .times = times };
  Sensor sensor;

  if (!find_place (r, &clip, scenes, n, motion))
    return NULL;
  draw_actors (r, &clip, scenes, n);
  draw_times (r, times, o->frames);
  clip.blur = random_chance (r, 0.5) ? random_log_uniform (r, 0.7, 3) : 1;
  clip.samples = random_chance (r, 0.3) ? 2 + random_pick (r, MAX_BLUR - 1) : 1;
  clip.shutter = random_uniform (r, 0.2, 0.9);
  sensor = draw_sensor (r);

  for (int t = 0; t < o->frames; t++) {
    const float *from = image;

    render_sample (&clip, t, 0, image);
    if (clip.samples > 1) {
      memcpy (sum, image, 3 * pixels * sizeof (float));
      for (int k = 1; k < clip.samples; k++) {
        render_sample (&clip, t, clip.shutter * k / clip.samples, image);
        for (gsize i = 0; i < 3 * pixels; i++)
          sum[i] += image[i];
      }
      for (gsize i = 0; i < 3 * pixels; i++)
        sum[i] *= 1.0f / (float) clip.samples;
      from = sum;
    }
    expose (
        &sensor, r, (double) t / MAX (o->frames - 1, 1), (int) pixels, from, rgb + 3 * pixels * t);
  }
  for (int i = 0; i < clip.n_actors; i++)
    actor_free (clip.actors[i]);
  return clip.place.scene;
}
