/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/plan.h"

static gsize
buffer_floats (const Cnn3dBuffer *buffer)
{
  if (buffer->in_chain)
    return 0;
  return (gsize) buffer->n_blocks * (gsize) buffer->positions * CNN3D_BLOCK;
}

static int
by_size (gconstpointer a, gconstpointer b, gpointer data)
{
  gsize size_a = buffer_floats (*(Cnn3dBuffer *const *) a);
  gsize size_b = buffer_floats (*(Cnn3dBuffer *const *) b);

  return size_a < size_b ? 1 : size_a > size_b ? -1 : 0;
}

static int
by_offset (gconstpointer a, gconstpointer b)
{
  const Cnn3dBuffer *buffer_a = *(Cnn3dBuffer *const *) a, *buffer_b = *(Cnn3dBuffer *const *) b;

  return buffer_a->offset < buffer_b->offset ? -1 : buffer_a->offset > buffer_b->offset;
}

/* The lowest gap among the placed buffers, which are sorted by offset, that fits. */
static gsize
find_gap (GPtrArray *placed, const Cnn3dBuffer *buffer)
{
  gsize offset = 0, size = buffer_floats (buffer);

  for (guint i = 0; i < placed->len; i++) {
    const Cnn3dBuffer *other = placed->pdata[i];

    if (other->last < buffer->first || other->first > buffer->last)
      continue;
    if (other->offset >= offset + size)
      break;
    offset = MAX (offset, other->offset + buffer_floats (other));
  }
  return offset;
}

gsize
cnn3d_arena_plan (GArray *buffers)
{
  g_autoptr (GPtrArray) order = g_ptr_array_new ();
  g_autoptr (GPtrArray) placed = g_ptr_array_new ();
  gsize total = 0;

  for (guint i = 0; i < buffers->len; i++)
    g_ptr_array_add (order, &g_array_index (buffers, Cnn3dBuffer, i));
  g_ptr_array_sort_with_data (order, by_size, NULL);

  for (guint i = 0; i < order->len; i++) {
    Cnn3dBuffer *buffer = order->pdata[i];

    buffer->offset = find_gap (placed, buffer);
    total = MAX (total, buffer->offset + buffer_floats (buffer));
    g_ptr_array_add (placed, buffer);
    g_ptr_array_sort (placed, by_offset);
  }
  return total;
}
