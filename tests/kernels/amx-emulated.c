/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/kernels/amx-emulated.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_TILES 8
#define MAX_ROWS 16
#define MAX_BYTES 64
#define MAX_DWORDS (MAX_BYTES / 4)

typedef struct {
  int rows, bytes;
  uint32_t data[MAX_ROWS][MAX_DWORDS];
} Tile;

static _Thread_local bool tiles_configured;
static _Thread_local Tile tiles[N_TILES];

static void
fault (const char *instruction, const char *what)
{
  printf ("Bail out! %s: %s\n", instruction, what);
  fflush (stdout);
  abort ();
}

static Tile *
get_tile (const char *instruction, int n)
{
  if (!tiles_configured)
    fault (instruction, "no tiles are configured");
  if (n < 0 || n >= N_TILES || tiles[n].rows == 0)
    fault (instruction, "the tile is not configured");
  if (tiles[n].bytes % 4 != 0)
    fault (instruction, "the rows are no whole double words");
  return &tiles[n];
}

static void
ldtilecfg (const void *memory)
{
  const unsigned char *config = memory;

  if (config[0] != 1)
    fault ("LDTILECFG", "the palette is not 1");
  if (config[1] != 0)
    fault ("LDTILECFG", "a start row");
  for (int i = 2; i < 64; i++)
    if ((i < 16 || (i >= 32 && i < 48) || i >= 56) && config[i] != 0)
      fault ("LDTILECFG", "a reserved byte is set");
  memset (tiles, 0, sizeof tiles);
  for (int i = 0; i < N_TILES; i++) {
    tiles[i].bytes = config[16 + 2 * i] | config[17 + 2 * i] << 8;
    tiles[i].rows = config[48 + i];
    if (tiles[i].bytes > MAX_BYTES || tiles[i].rows > MAX_ROWS)
      fault ("LDTILECFG", "a tile is too large");
    if ((tiles[i].bytes == 0) != (tiles[i].rows == 0))
      fault ("LDTILECFG", "a tile has rows or bytes only");
  }
  tiles_configured = true;
}

static void
tilerelease (void)
{
  memset (tiles, 0, sizeof tiles);
  tiles_configured = false;
}

static void
tileloadd (int n, const void *base, long stride)
{
  Tile *t = get_tile ("TILELOADD", n);

  memset (t->data, 0, sizeof t->data);
  for (int r = 0; r < t->rows; r++)
    memcpy (t->data[r], (const char *) base + r * stride, (size_t) t->bytes);
}

static void
tilestored (int n, void *base, long stride)
{
  const Tile *t = get_tile ("TILESTORED", n);

  for (int r = 0; r < t->rows; r++)
    memcpy ((char *) base + r * stride, t->data[r], (size_t) t->bytes);
}

static void
tilezero (int n)
{
  Tile *t = get_tile ("TILEZERO", n);

  memset (t->data, 0, sizeof t->data);
}

static inline float
low_word (uint32_t dword)
{
  return _mm_cvtss_f32 (_mm_castsi128_ps (_mm_cvtsi32_si128 ((int) (dword << 16))));
}

static inline float
high_word (uint32_t dword)
{
  return low_word (dword >> 16);
}

/* One row: sums of even and of odd words by themselves, then their sum, then the tile's. */
static __attribute__ ((noinline)) void
multiply_row (const Tile *b, const uint32_t *a, int pairs, float *c)
{
  union {
    uint32_t dwords[MAX_DWORDS];
    float floats[MAX_DWORDS];
  } low, high;
  float even[MAX_DWORDS] = { 0 }, odd[MAX_DWORDS] = { 0 };

  for (int k = 0; k < pairs; k++) {
    float x = low_word (a[k]), y = high_word (a[k]);

    for (int n = 0; n < MAX_DWORDS; n++) {
      low.dwords[n] = b->data[k][n] << 16;
      high.dwords[n] = b->data[k][n] & 0xffff0000;
    }
    for (int n = 0; n < MAX_DWORDS; n++) {
      even[n] = __builtin_fmaf (x, low.floats[n], even[n]);
      odd[n] = __builtin_fmaf (y, high.floats[n], odd[n]);
    }
  }
  for (int n = 0; n < MAX_DWORDS; n++)
    c[n] += even[n] + odd[n];
}

static void
tdpbf16ps (int nc, int na, int nb)
{
  Tile *c = get_tile ("TDPBF16PS", nc), result = *c;
  const Tile *a = get_tile ("TDPBF16PS", na), *b = get_tile ("TDPBF16PS", nb);
  unsigned mxcsr = _mm_getcsr ();

  if (nc == na || nc == nb || na == nb)
    fault ("TDPBF16PS", "the same tile twice");
  if (c->rows != a->rows || c->bytes != b->bytes || a->bytes / 4 != b->rows)
    fault ("TDPBF16PS", "the tiles' sizes do not match");
  memset (result.data, 0, sizeof result.data);
  /* Round to nearest even, and denormals are zero both ways, whatever the thread has set. */
  _mm_setcsr (0x9fc0);
  for (int m = 0; m < c->rows; m++) {
    float row[MAX_DWORDS];

    memcpy (row, c->data[m], sizeof row);
    multiply_row (b, a->data[m], a->bytes / 4, row);
    memcpy (result.data[m], row, (size_t) c->bytes);
  }
  _mm_setcsr (mxcsr);
  *c = result;
}

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#define _tile_loadconfig(config) ldtilecfg (config)
#define _tile_release() tilerelease ()
#define _tile_loadd(tile, base, stride) tileloadd (tile, base, stride)
#define _tile_stored(tile, base, stride) tilestored (tile, base, stride)
#define _tile_zero(tile) tilezero (tile)
#define _tile_dpbf16ps(c, a, b) tdpbf16ps (c, a, b)
#define cnn3d_bf16_init_amx amx_emulated_init
#include "lib3dcnn/cpu/bf16-amx.c"
