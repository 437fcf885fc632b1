/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where activations and gradients lie. Time runs forward over the steps, then backward: step i is
 * done at time i and undone at 2 n - 1 - i. An activation lives until it was needed last, a
 * gradient from its first part to the undoing of the step that it belongs to.
 */

#include "lib3dcnn/error.h"
#include "lib3dcnn/plan.h"
#include "lib3dcnn/train/tape.h"

#include <sys/mman.h>

/* An odd number of cache lines, so that the same position of many channels does not share a set. */
static gsize
channel_stride (const Cnn3dTrainBuffer *buffer, int n)
{
  gsize floats = (gsize) cnn3d_extent_count (buffer->e) * (gsize) n;
  gsize lines = (floats + CNN3D_TRAIN_ALIGN - 1) / CNN3D_TRAIN_ALIGN + 1;

  return (lines | 1) * CNN3D_TRAIN_ALIGN;
}

static void
add_item (GArray *items, int channels, gsize stride, int first, int last)
{
  Cnn3dBuffer item = { .n_blocks = channels, .positions = (gint64) (stride / CNN3D_BLOCK),
    .first = first, .last = last };

  g_array_append_val (items, item);
}

static gboolean
make_room (Cnn3dTape *tape, gsize bytes, GError **error)
{
  if (bytes <= tape->arena_capacity)
    return TRUE;
  if (tape->arena != NULL)
    munmap (tape->arena, tape->arena_capacity);
  tape->arena_capacity = 0;
  tape->arena = mmap (NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (tape->arena == MAP_FAILED) {
    tape->arena = NULL;
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
        "a batch of %d clips needs %.1f GB of memory; use a smaller one", tape->n,
        (double) bytes * 1e-9);
    return FALSE;
  }
#ifdef MADV_HUGEPAGE
  madvise (tape->arena, bytes, MADV_HUGEPAGE);
#endif
  tape->arena_capacity = bytes;
  return TRUE;
}

gboolean
cnn3d_train_tape_place (Cnn3dTape *tape, int n, gboolean training, GError **error)
{
  int steps = (int) tape->steps->len;
  g_autoptr (GArray) items = g_array_new (FALSE, FALSE, sizeof (Cnn3dBuffer));
  gsize floats;
  Cnn3dBuffer *item;

  tape->n = n;
  if (n == tape->planned_n && training == tape->planned_training)
    return TRUE;
  tape->planned_n = 0;
  for (int i = 0; i < steps; i++) {
    Cnn3dTrainStep *step = tape_step (tape, i);
    Cnn3dTrainBuffer *buffer = tape_buffer (tape, step->buffer);
    int undone = 2 * steps - 1 - i;

    buffer->stride = channel_stride (buffer, n);
    add_item (items, buffer->channels, buffer->stride, i,
        training && buffer->keep ? undone
            : i == steps - 1 ? 2 * steps
                             : buffer->last_use);
    if (cnn3d_train_window_fits (tape, step)) {
      gsize volume = cnn3d_train_window_init (tape, step);

      add_item (items, 1, volume, i, i);
      if (training)
        add_item (items, 1, volume, undone, undone);
    }
    if (!training)
      continue;
    if (buffer->needs_grad)
      add_item (items, buffer->channels, buffer->stride,
          i == steps - 1 ? steps : 2 * steps - 1 - buffer->last_use, undone);
    if (step->node->op == CNN3D_OP_MAXPOOL)
      add_item (items, buffer->channels, buffer->stride, i, undone);
  }
  floats = cnn3d_arena_plan (items);
  if (!make_room (tape, floats * sizeof (Real), error))
    return FALSE;
  tape->arena_bytes = floats * sizeof (Real);

  item = (Cnn3dBuffer *) items->data;
  for (int i = 0; i < steps; i++) {
    Cnn3dTrainStep *step = tape_step (tape, i);
    Cnn3dTrainBuffer *buffer = tape_buffer (tape, step->buffer);

    buffer->x = tape->arena + item++->offset;
    for (int k = 0; cnn3d_train_window_fits (tape, step) && k < (training ? 2 : 1); k++)
      step->dense.volume[k] = tape->arena + item++->offset;
    if (!training)
      continue;
    if (buffer->needs_grad)
      buffer->g = tape->arena + item++->offset;
    if (step->node->op == CNN3D_OP_MAXPOOL)
      step->taps = (int32_t *) (tape->arena + item++->offset);
  }
  tape->planned_n = n;
  tape->planned_training = training;
  return TRUE;
}
