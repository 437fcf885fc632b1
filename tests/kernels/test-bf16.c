/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * test-bf16 [--seed N] [--rounds N] [ISA]
 *
 * Tests (TAP) the kernels in bfloat16 that this CPU can run, and those of AMX with emulated tiles. Where
 * there is AMX, the emulation has to give the same bits.
 */

#include "tests/kernels/amx-emulated.h"
#include "tests/kernels/bf16-test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CNN3D_BF16_ENTRY(name, supported)                                                          \
  static int has_##name (void)                                                                     \
  {                                                                                                \
    return supported;                                                                              \
  }
#include "lib3dcnn/cpu/bf16s.inc"
#undef CNN3D_BF16_ENTRY

/* What the emulation needs as well: its rows are those of AVX512_BF16. */
static const struct {
  const char *name;
  int (*supported) (void);
  void (*init) (Cnn3dBf16 *kernels);
} isas[] = {
#define CNN3D_BF16_ENTRY(name, supported) { #name, has_##name, cnn3d_bf16_init_##name },
#include "lib3dcnn/cpu/bf16s.inc"
#undef CNN3D_BF16_ENTRY
  { "amx-emulated", has_avx512bf16, amx_emulated_init },
};

#define N_ISAS (sizeof isas / sizeof *isas)

int rounds = 1;
static uint64_t seed;
static int n_tests, n_failed;

static void
convs (const Cnn3dBf16 *table, int parts, bool exact)
{
  for (int round = 0; round < 2 * rounds; round++)
    for (int halves = 1; halves <= table->max_halves; halves++)
      for (int positions = 1; positions <= 40 && !guard_failed (); positions++)
        conv_case (table, exact, parts, halves, positions);
  for (int i = 0; i < 20 * rounds && !guard_failed (); i++)
    conv_case (table, exact, parts, random_int (1, table->max_halves), random_int (41, 70));
}

static void
products (const Cnn3dBf16 *table, int parts, bool exact)
{
  for (int i = 0; i < 100 * rounds && !guard_failed (); i++)
    product_case (table, parts, random_int (1, table->max_halves), random_int (1, 50));
}

static void
rows (const Cnn3dBf16 *table, int parts, bool exact)
{
  for (int round = 0; round < 4 * rounds; round++)
    for (int blocks = 1; blocks <= MAX_BLOCKS; blocks++)
      for (int i = 0; i < 10 && !guard_failed (); i++)
        rows_case (table, parts, blocks, random_int (1, 20));
}

static void
splits (const Cnn3dBf16 *table, int parts, bool exact)
{
  for (int i = 0; i < 100 * rounds && !guard_failed (); i++)
    split_case (table, random_int (1, 40));
}

static void
lines (const Cnn3dBf16 *table, int parts, bool exact)
{
  for (int round = 0; round < 4 * rounds; round++)
    for (int width = 1; width <= 130 && !guard_failed (); width++)
      lines_case (table, parts, width);
}

static void
stems (const Cnn3dBf16 *table, int parts, bool exact)
{
  for (int channels = 1; channels <= CNN3D_STEM_CHANNELS; channels++)
    for (int i = 0; i < 4 * rounds && !guard_failed (); i++)
      stem_case (table, exact, parts, channels, random_int (1, 140));
}

static void
exact_stems (const Cnn3dBf16 *table, int parts, bool exact)
{
  for (int channels = 1; channels <= CNN3D_STEM_CHANNELS; channels++)
    for (int i = 0; i < 4 * rounds && !guard_failed (); i++)
      exact_stem_case (table, channels, random_int (1, 160));
}

static void
joins (const Cnn3dBf16 *table, int parts, bool exact)
{
  for (int width = 1; width <= 130; width++)
    for (int i = 0; i < 4 * rounds && !guard_failed (); i++)
      join_case (table, random_int (1, i % 2 ? 16 : CNN3D_STEM_CHANNELS), width);
}

static void
blocks (const Cnn3dBf16 *table, int parts, bool exact)
{
  for (int outputs = 1; outputs <= 70; outputs++)
    for (int i = 0; i < 4 * rounds && !guard_failed (); i++)
      blocks_case (table, i % 2, random_int (1, i % 2 ? 2 * CNN3D_BLOCK : CNN3D_BLOCK), outputs);
}

static void
twins (const Cnn3dBf16 *table, int parts, bool exact)
{
  Cnn3dBf16 emulated;

  amx_emulated_init (&emulated);
  for (int i = 0; i < 200 * rounds && !guard_failed (); i++)
    same_case (table, &emulated, parts, random_int (1, table->max_halves), random_int (1, 100));
}

static void
stem_twins (const Cnn3dBf16 *table, int parts, bool exact)
{
  Cnn3dBf16 emulated;

  amx_emulated_init (&emulated);
  for (int i = 0; i < 100 * rounds && !guard_failed (); i++)
    same_stem_case (table, &emulated, parts, random_int (1, CNN3D_STEM_CHANNELS), random_int (1, 100));
}

static void
depthwise (const Cnn3dBf16 *table, int parts, bool exact)
{
  for (int round = 0; round < rounds; round++)
    for (int n_rows = 1; n_rows <= 9; n_rows++)
      for (int width = 1; width <= 60 && !guard_failed (); width++)
        half_case (table, exact, n_rows, width);
}

static void
depthwise_words (const Cnn3dBf16 *table, int parts, bool exact)
{
  for (int round = 0; round < rounds; round++)
    for (int n_rows = 1; n_rows <= 9; n_rows++)
      for (int width = 1; width <= 60 && !guard_failed (); width++)
        depthwise_words_case (table, exact, n_rows, width);
}

static void
products_to_halves (const Cnn3dBf16 *table, int parts, bool exact)
{
  for (int round = 0; round < 2 * rounds; round++)
    for (int halves = 1; halves <= table->max_halves; halves++)
      for (int positions = 1; positions <= 60 && !guard_failed (); positions++)
        half_conv_case (table, halves, positions);
}

typedef void Cases (const Cnn3dBf16 *table, int parts, bool exact);

static void
test (const char *isa, const Cnn3dBf16 *table, const char *name, Cases *cases, int parts, bool exact)
{
  char text[128];

  snprintf (text, sizeof text, "%s/%s/%s", isa, name, parts == 1 ? "bf16" : parts == 2 ? "bf16x3" : "exact");
  guard_start (text, ++n_tests);
  random_start (seed + (uint64_t) n_tests);
  cases (table, parts, exact);
  if (table->release != NULL)
    table->release ();
  n_failed += guard_failed ();
  printf ("%sok %d - %s\n", guard_failed () ? "not " : "", n_tests, text);
  fflush (stdout);
}

static void
test_isa (size_t i)
{
  Cnn3dBf16 table;

  isas[i].init (&table);
  for (int parts = 1; parts <= 2; parts++) {
    test (isas[i].name, &table, "conv-exact", convs, parts, true);
    test (isas[i].name, &table, "conv-real", convs, parts, false);
    test (isas[i].name, &table, "bound", products, parts, false);
    if (strcmp (isas[i].name, "amx") == 0)
      test (isas[i].name, &table, "same-as-emulated", twins, parts, false);
  }
  for (int parts = 1; parts <= CNN3D_MAX_PARTS; parts++) {
    test (isas[i].name, &table, "stem-exact", stems, parts, true);
    test (isas[i].name, &table, "stem-real", stems, parts, false);
    if (strcmp (isas[i].name, "amx") == 0)
      test (isas[i].name, &table, "stem-as-emulated", stem_twins, parts, false);
  }
  test (isas[i].name, &table, "stem-bound", exact_stems, CNN3D_EXACT_PARTS, false);
  if (strncmp (isas[i].name, "amx", 3) == 0)
    test (isas[i].name, &table, "to-halves", products_to_halves, 1, false);
}

int
main (int argc, char **argv)
{
  const char *only = NULL;
  Cnn3dBf16 table;

  seed = (uint64_t) time (NULL);
  for (int i = 1; i < argc; i++) {
    if (strcmp (argv[i], "--seed") == 0 && i + 1 < argc)
      seed = strtoull (argv[++i], NULL, 0);
    else if (strcmp (argv[i], "--rounds") == 0 && i + 1 < argc)
      rounds = atoi (argv[++i]);
    else
      only = argv[i];
  }
  if (!has_avx512bf16 ()) {
    printf ("1..0 # SKIP this CPU has no AVX512_BF16\n");
    return 0;
  }
  printf ("# seed %llu\n", (unsigned long long) seed);
  for (size_t i = 0; i < N_ISAS; i++) {
    if (only != NULL && strcmp (only, isas[i].name) != 0)
      continue;
    if (isas[i].supported ())
      test_isa (i);
    else
      printf ("# %s: not on this CPU\n", isas[i].name);
  }
  /* All have the same. */
  cnn3d_bf16_init_avx512bf16 (&table);
  test ("avx512bf16", &table, "split", splits, 1, false);
  test ("avx512bf16", &table, "joins", joins, 1, false);
  test ("avx512bf16", &table, "blocks", blocks, 1, false);
  test ("avx512bf16", &table, "depthwise-words-exact", depthwise_words, 2, true);
  test ("avx512bf16", &table, "depthwise-words-real", depthwise_words, 2, false);
  for (int parts = 1; parts <= 2; parts++)
    test ("avx512bf16", &table, "rows", rows, parts, false);
  for (int parts = 1; parts <= CNN3D_MAX_PARTS; parts++)
    test ("avx512bf16", &table, "lines", lines, parts, false);
#ifdef CNN3D_HAVE_FP16
  table.depthwise = cnn3d_half_depthwise;
  if (cnn3d_has_fp16 ()) {
    test ("avx512fp16", &table, "depthwise-exact", depthwise, 1, true);
    test ("avx512fp16", &table, "depthwise-real", depthwise, 1, false);
  } else {
    printf ("# avx512fp16: not on this CPU\n");
  }
#endif
  printf ("1..%d\n", n_tests);
  return n_failed > 0;
}
