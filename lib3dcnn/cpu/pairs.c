/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Packs the weights of tiles of few output channels (paired_tmpl.h), whose taps are two inputs that lie next to each
 * other. The sums may be in any order, so it does not matter which channels of the network these are.
 */

#include "lib3dcnn/cpu/engine.h"

typedef struct {
  gsize place;
  int channel; /* of the group */
} Input;

static int
compare_places (gconstpointer a, gconstpointer b)
{
  const Input *x = a, *y = b;

  return (x->place > y->place) - (x->place < y->place);
}

/* The inputs of a group of a 1x1x1 convolution, in the order in which they lie. */
static Input *
sort_inputs (const Cnn3dEngine *engine, const Cnn3dStep *step, int group)
{
  int n = step->channels_in / step->groups;
  Input *inputs = g_new (Input, n);

  for (int c = 0; c < n; c++)
    inputs[c] = (Input){ cnn3d_lane_offset (engine, &step->inputs[group * n + c]), c };
  qsort (inputs, (gsize) n, sizeof (Input), compare_places);
  return inputs;
}

gboolean
cnn3d_cpu_pairs_up (const Cnn3dEngine *engine, const Cnn3dStep *step, int group)
{
  g_autofree Input *inputs = sort_inputs (engine, step, group);
  int n = step->channels_in / step->groups;

  if (n % 2 != 0)
    return FALSE;
  /* One that begins at an even place has its neighbour in the same block. */
  for (int c = 0; c < n; c += 2)
    if (inputs[c].place % 2 != 0 || inputs[c + 1].place != inputs[c].place + 1)
      return FALSE;
  return TRUE;
}

void
cnn3d_cpu_pack_pairs (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, const Cnn3dFolded *folded, Cnn3dTile *tile,
    guint64 groups, int32_t *taps, float *weights)
{
  const Cnn3dStep *step = s->step;
  const int *channel = step->lane_channel + tile->first_half * CNN3D_HALF;
  int n = step->channels_in / step->groups, outputs = step->channels_out / step->groups;

  tile->taps = taps;
  tile->weights = weights;
  for (int g = 0; g < step->groups; g++) {
    g_autofree Input *inputs = NULL;

    if (!(groups >> g & 1))
      continue;
    inputs = sort_inputs (engine, step, g);
    for (int c = 0; c < n; c += 2) {
      *taps++ = (int32_t) inputs[c].place;
      for (int i = 0; i < tile->halves * CNN3D_HALF; i++, weights += 2) {
        const float *w = folded->weights + (gsize) MAX (channel[i], 0) * folded->inputs;
        gboolean connected = channel[i] >= 0 && channel[i] / outputs == g;

        weights[0] = connected ? w[inputs[c].channel] : 0;
        weights[1] = connected ? w[inputs[c + 1].channel] : 0;
      }
    }
  }
}
