/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * lib3dcnn without GStreamer: loads a model, runs one clip of RGB frames that it paints itself, and
 * prints the best class.
 *
 *     core MODEL [--test]        (such as models/shufflenet.safetensors)
 */

#include <lib3dcnn/3dcnn.h>
#include <stdio.h>
#include <string.h>

/* Coloured tiles that move to the right by 3 pixels a frame: the camera pans left. */
static void
paint (guint8 *rgb, int frames, int size)
{
  for (int t = 0; t < frames; t++)
    for (int y = 0; y < size; y++)
      for (int x = 0; x < size; x++) {
        int i = (x - 3 * t + 1400) / 14, j = y / 14;
        int shade = (31 * i * i + 17 * j * j + 57 * i * j) % 97 * 255 / 96;

        *rgb++ = (guint8) shade;
        *rgb++ = (guint8) (shade + 80);
        *rgb++ = (guint8) (255 - shade);
      }
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = NULL;
  g_autoptr (Cnn3dSession) session = NULL;
  const Cnn3dConfig *config;
  g_autofree guint8 *frames = NULL;
  g_autofree float *scores = NULL;
  int best = 0;

  if (argc < 2) {
    fprintf (stderr, "usage: core MODEL\n");
    return 2;
  }
  model = cnn3d_model_load (argv[1], NULL, &error);
  if (model == NULL || (session = cnn3d_session_new (model, NULL, &error)) == NULL) {
    fprintf (stderr, "%s\n", error->message);
    return 1;
  }

  config = cnn3d_model_get_config (model);
  frames = g_malloc ((gsize) config->frames * config->size * config->size * 3);
  scores = g_new (float, config->classes);
  paint (frames, config->frames, config->size);
  if (!cnn3d_session_run_rgb (session, frames, 1, scores, &error)) {
    fprintf (stderr, "%s\n", error->message);
    return 1;
  }
  cnn3d_card_scores (cnn3d_model_get_card (model), scores, config->classes, scores);
  for (int c = 1; c < config->classes; c++)
    if (scores[c] > scores[best])
      best = c;
  printf ("%s: %s %.2f\n", cnn3d_session_describe (session), cnn3d_model_get_label (model, best),
      scores[best]);
  return argc > 2 && strcmp (argv[2], "--test") == 0
      && strcmp (cnn3d_model_get_label (model, best), "pan left") != 0;
}
