/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Memory that notices what a kernel touches: see kernels-test.h. */

#include "tests/kernels/kernels-test.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define N_SLOTS 11
#define SLOT_WORDS (1 << 17)
#define GUARD_WORDS 256 /* of poison on each side, as far as the slot goes */

#define SCRATCH -1.0

typedef struct {
  float *words;         /* SLOT_WORDS, between two pages that fault */
  size_t first, end;    /* of these, what is watched: the buffer and its guards */
  double *want, *error; /* what a watched word has to become */
  uint32_t *before;     /* and what an input has to remain */
  bool *output;
} Slot;

static Slot slots[N_SLOTS];
static int n_used;
static bool failed;
static int test_number;
static char test_name[128], description[256];

/* A kernel that touches a guard page: says which case it was, as TAP. */
static void
on_fault (int number)
{
  char text[512];
  int n = snprintf (text, sizeof text, "# %s: %s: memory fault\nnot ok %d - %s\n", test_name,
      description, test_number, test_name);

  if (write (STDOUT_FILENO, text, (size_t) n) < 0)
    _exit (3);
  _exit (1);
}

static void
init_slots (void)
{
  size_t page = (size_t) sysconf (_SC_PAGESIZE), bytes = SLOT_WORDS * sizeof (float);

  signal (SIGSEGV, on_fault);
  signal (SIGBUS, on_fault);
  for (int i = 0; i < N_SLOTS; i++) {
    char *map = mmap (NULL, bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (map == MAP_FAILED || mprotect (map + page, bytes, PROT_READ | PROT_WRITE) != 0)
      abort ();
    slots[i].words = (float *) (map + page);
    slots[i].want = malloc (SLOT_WORDS * sizeof (double));
    slots[i].error = malloc (SLOT_WORDS * sizeof (double));
    slots[i].before = malloc (SLOT_WORDS * sizeof (uint32_t));
    slots[i].output = malloc (SLOT_WORDS * sizeof (bool));
  }
}

void
guard_start (const char *name, int number)
{
  if (slots[0].words == NULL)
    init_slots ();
  snprintf (test_name, sizeof test_name, "%s", name);
  test_number = number;
  failed = false;
}

bool
guard_failed (void)
{
  return failed;
}

void
fill (float *p, size_t floats, uint32_t bits)
{
  for (size_t i = 0; i < floats; i++)
    memcpy (p + i, &bits, sizeof bits);
}

void
case_begin (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  vsnprintf (description, sizeof description, format, args);
  va_end (args);
  n_used = 0;
}

/* At the slot's end, at its start, or (no page to touch, but poison on both sides) between. */
uint8_t *
guarded_bytes (size_t bytes)
{
  Slot *slot = &slots[n_used++];
  size_t words = (bytes + 3) / 4, room = SLOT_WORDS - words;
  size_t place = room;

  if (n_used > N_SLOTS || words > SLOT_WORDS)
    abort ();
  switch (random_int (0, 3)) {
    case 0:
      place = 0;
      break;
    case 1:
      place = room / 2 + (size_t) random_int (0, 15);
      break;
  }
  slot->first = place < GUARD_WORDS ? 0 : place - GUARD_WORDS;
  slot->end = room - place < GUARD_WORDS ? SLOT_WORDS : place + words + GUARD_WORDS;
  fill (slot->words + slot->first, slot->end - slot->first, POISON);
  return (uint8_t *) (slot->words + place) + (place == room ? words * 4 - bytes : 0);
}

float *
guarded (size_t floats)
{
  return (float *) guarded_bytes (floats * sizeof (float));
}

void
case_freeze (void)
{
  for (int i = 0; i < n_used; i++) {
    Slot *slot = &slots[i];

    memcpy (slot->before + slot->first, slot->words + slot->first,
        (slot->end - slot->first) * sizeof (float));
    memset (slot->output + slot->first, 0, (slot->end - slot->first) * sizeof (bool));
  }
}

static void
set_output (const float *out, size_t floats, double want, double error)
{
  for (int i = 0; i < n_used; i++) {
    Slot *slot = &slots[i];

    if (out < slot->words + slot->first || out >= slot->words + slot->end)
      continue;
    for (size_t k = (size_t) (out - slot->words); floats > 0; k++, floats--) {
      slot->output[k] = true;
      slot->want[k] = want;
      slot->error[k] = error;
    }
  }
}

void
case_expect (const float *out, double value, double error)
{
  set_output (out, 1, value, error);
}

void
case_scratch (const float *out, size_t floats)
{
  set_output (out, floats, 0, SCRATCH);
}

void
case_scratch_bytes (const void *out, size_t bytes)
{
  uintptr_t first = (uintptr_t) out / sizeof (float), end = ((uintptr_t) out + bytes + sizeof (float) - 1) / sizeof (float);

  case_scratch ((const float *) (first * sizeof (float)), end - first);
}

static bool
word_is_right (const Slot *slot, size_t k)
{
  float got = slot->words[k], want;

  if (!slot->output[k])
    return memcmp (&got, &slot->before[k], sizeof got) == 0;
  if (slot->error[k] == SCRATCH)
    return true;
  want = (float) slot->want[k];
  if (slot->error[k] == 0)
    return memcmp (&got, &want, sizeof got) == 0;
  return fabs (got - slot->want[k]) <= slot->error[k]; /* not so for a NaN */
}

void
case_end (void)
{
  for (int i = 0; i < n_used && !failed; i++) {
    const Slot *slot = &slots[i];

    for (size_t k = slot->first; k < slot->end; k++) {
      if (word_is_right (slot, k))
        continue;
      failed = true;
      printf ("# %s: %s: buffer %d, float %zu after the start of its guard: ", test_name,
          description, i, k - slot->first);
      if (slot->output[k])
        printf ("%.9g instead of %.9g +- %.3g\n", slot->words[k], slot->want[k], slot->error[k]);
      else
        printf ("written, and is no output\n");
      break;
    }
  }
}

void
case_require (bool right, const char *format, ...)
{
  char text[256];
  va_list args;

  if (right || failed)
    return;
  failed = true;
  va_start (args, format);
  vsnprintf (text, sizeof text, format, args);
  va_end (args);
  printf ("# %s: %s: %s\n", test_name, description, text);
}

double
error_bound (bool exact, int terms, double sum_abs)
{
  return exact ? 0 : (terms + 8) * 0x1p-24 * sum_abs;
}
