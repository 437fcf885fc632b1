/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/gpu/double.h"

#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void) (p), (void) (n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void) (p), (void) (n))
#endif

#define GUARD 4096
#define GUARD_BYTE 0xa5
#define ALIGNMENT 256

typedef struct {
  guint8 *base, *pointer;
  gsize bytes;
  gboolean device, freed;
  int owner; /* the device that was current */
} Block;

static GArray *blocks;

static Block *
find (const void *pointer)
{
  const guint8 *p = pointer;

  for (guint i = 0; blocks != NULL && i < blocks->len; i++) {
    Block *b = &g_array_index (blocks, Block, i);
    if (p >= b->pointer && p < b->pointer + MAX (b->bytes, 1))
      return b;
  }
  return NULL;
}

void *
double_allocate (gsize bytes, gboolean device)
{
  Block b = { .bytes = bytes, .device = device, .owner = double_current_device () };
  gsize room = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + 2 * GUARD;

  if (blocks == NULL)
    blocks = g_array_new (FALSE, FALSE, sizeof (Block));
  b.base = aligned_alloc (GUARD, (room + GUARD - 1) / GUARD * GUARD);
  g_assert_nonnull (b.base);
  b.pointer = b.base + GUARD;
  memset (b.base, GUARD_BYTE, GUARD);
  memset (b.pointer, 0xff, bytes);
  memset (b.pointer + bytes, GUARD_BYTE, room - GUARD - bytes);
  ASAN_POISON_MEMORY_REGION (b.base, GUARD);
  ASAN_POISON_MEMORY_REGION (b.pointer + bytes, room - GUARD - bytes);
  g_array_append_val (blocks, b);
  return b.pointer;
}

static void
check_guard (const Block *b, gsize from, gsize to)
{
  guint8 wrong = 0;

  for (gsize i = from; i < to; i++)
    wrong |= b->base[i] ^ GUARD_BYTE;
  for (gsize i = from; wrong != 0 && i < to; i++)
    if (b->base[i] != GUARD_BYTE)
      g_error ("cuda double: a write out of bounds, %" G_GSSIZE_FORMAT " bytes from the start of %"
               G_GSIZE_FORMAT, (gssize) i - GUARD, b->bytes);
}

static void
check_guards (const Block *b)
{
  gsize room = (b->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + 2 * GUARD;

  ASAN_UNPOISON_MEMORY_REGION (b->base, room);
  check_guard (b, 0, GUARD);
  check_guard (b, GUARD + b->bytes, room);
}

gboolean
double_release (void *pointer, gboolean device)
{
  Block *b = find (pointer);

  if (b == NULL || b->pointer != pointer || b->device != device)
    return FALSE;
  if (b->freed)
    g_error ("cuda double: memory is freed twice");
  b->freed = TRUE;
  check_guards (b);
  /* Whoever reads on meets NaN, or AddressSanitizer. */
  memset (b->pointer, 0xff, b->bytes);
  ASAN_POISON_MEMORY_REGION (b->pointer, b->bytes);
  return TRUE;
}

void
double_check_pointer (const void *pointer, gsize bytes, gsize alignment, const char *what)
{
  const Block *b = find (pointer);

  if (b == NULL || !b->device)
    g_error ("cuda double: %s: a pointer that is not of the device", what);
  if (b->freed)
    g_error ("cuda double: %s: memory is used after it was freed", what);
  double_check_device (b->owner, "memory");
  if ((const guint8 *) pointer + bytes > b->pointer + b->bytes)
    g_error ("cuda double: %s: %" G_GSIZE_FORMAT " bytes are out of bounds", what, bytes);
  if ((guintptr) pointer % alignment != 0)
    g_error ("cuda double: %s: a pointer is not aligned to %d bytes", what, (int) alignment);
}

void
double_check_words (const void *args, gsize bytes, const char *what)
{
  for (gsize i = 0; i + sizeof (guintptr) <= bytes; i += sizeof (guintptr)) {
    gpointer pointer;
    const Block *b;

    memcpy (&pointer, (const guint8 *) args + i, sizeof pointer);
    b = find (pointer);
    if (b != NULL)
      double_check_pointer (pointer, 1, 16, what);
  }
}

gboolean
double_is_pinned (const void *pointer)
{
  const Block *b = find (pointer);

  if (b == NULL || b->device || b->freed)
    return FALSE;
  double_check_device (b->owner, "pinned memory");
  return TRUE;
}

void
double_memory_check_clean (void)
{
  for (guint i = 0; blocks != NULL && i < blocks->len; i++) {
    Block *b = &g_array_index (blocks, Block, i);

    if (!b->freed)
      g_error ("cuda double: %" G_GSIZE_FORMAT " bytes of %s memory are leaked", b->bytes,
          b->device ? "device" : "pinned");
    check_guards (b);
    free (b->base);
  }
  g_clear_pointer (&blocks, g_array_unref);
}
