/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cpu/isa.h"
#include "lib3dcnn/error.h"

#include <string.h>

#define CNN3D_ISA_ENTRY(name, supported)                                                           \
  static gboolean has_##name (void)                                                                \
  {                                                                                                \
    return supported;                                                                              \
  }
#include "lib3dcnn/cpu/isas.inc"
#undef CNN3D_ISA_ENTRY

static const struct {
  const char *name;
  gboolean (*supported) (void);
  void (*init) (Cnn3dKernels *kernels);
} isas[] = {
#define CNN3D_ISA_ENTRY(name, supported) { #name, has_##name, cnn3d_kernels_init_##name },
#include "lib3dcnn/cpu/isas.inc"
#undef CNN3D_ISA_ENTRY
};

#define CNN3D_BF16_ENTRY(name, supported)                                                          \
  static gboolean has_bf16_##name (void)                                                           \
  {                                                                                                \
    return supported;                                                                              \
  }
#include "lib3dcnn/cpu/bf16s.inc"
#undef CNN3D_BF16_ENTRY

static const struct {
  const char *name;
  gboolean (*supported) (void);
  void (*init) (Cnn3dBf16 *kernels);
} bf16s[] = {
#define CNN3D_BF16_ENTRY(name, supported) { #name, has_bf16_##name, cnn3d_bf16_init_##name },
#include "lib3dcnn/cpu/bf16s.inc"
#undef CNN3D_BF16_ENTRY
  { NULL },
};

#define N_BF16 ((int) G_N_ELEMENTS (bf16s) - 1)

static Cnn3dKernels tables[G_N_ELEMENTS (isas)];
static int n_tables;
static Cnn3dBf16 bf16_tables[N_BF16 + 1];
static int n_bf16_tables;
static const Cnn3dBf16 *bf16_override;

static void
init_tables (void)
{
  static gsize once = 0;

  if (!g_once_init_enter (&once))
    return;
  for (guint i = 0; i < G_N_ELEMENTS (isas) && isas[i].supported (); i++)
    isas[n_tables++].init (&tables[i]);
  g_once_init_leave (&once, 1);
}

/* Not before they are wanted: the system is asked for AMX' tiles, and then keeps them. */
static void
init_bf16_tables (void)
{
  static gsize once = 0;

  init_tables ();
  if (!g_once_init_enter (&once))
    return;
  /* They are compiled with all that the highest of the others needs. */
  for (int i = 0; n_tables == G_N_ELEMENTS (isas) && i < N_BF16 && bf16s[i].supported (); i++)
    bf16s[n_bf16_tables++].init (&bf16_tables[i]);
#ifdef CNN3D_HAVE_FP16
  /* Of the others none leaves halves. */
  if (n_bf16_tables == N_BF16 && cnn3d_has_fp16 ())
    bf16_tables[N_BF16 - 1].depthwise = cnn3d_half_depthwise;
#endif
  g_once_init_leave (&once, 1);
}

const Cnn3dKernels *
cnn3d_isa_get (int i)
{
  init_tables ();
  return i >= 0 && i < n_tables ? &tables[i] : NULL;
}

/* The place of an ISA's name among all of them, in ascending order; -1 if it is none. */
static int
rank_of (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (isas); i++)
    if (strcmp (name, isas[i].name) == 0)
      return (int) i;
  for (int i = 0; i < N_BF16; i++)
    if (strcmp (name, bf16s[i].name) == 0)
      return (int) G_N_ELEMENTS (isas) + i;
  return -1;
}

/* The highest rank that the environment allows; -1, with error set, if it names no ISA. */
static int
highest_rank (GError **error)
{
  const char *limit = g_getenv (CNN3D_ISA_ENV);
  int n = (int) G_N_ELEMENTS (isas) + N_BF16, rank = n - 1;

  if (limit != NULL && *limit != '\0')
    rank = rank_of (limit);
  if (rank < 0)
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
        "%s=%s: this build has no such ISA (%s%s%s)", CNN3D_ISA_ENV, limit, isas[0].name, n > 1 ? " to " : "",
        n == 1 ? "" : N_BF16 > 0 ? bf16s[N_BF16 - 1].name : isas[G_N_ELEMENTS (isas) - 1].name);
  return rank;
}

const Cnn3dKernels *
cnn3d_isa_choose (GError **error)
{
  int rank = highest_rank (error);

  if (rank < 0)
    return NULL;
  init_tables ();
  return &tables[MIN (rank, n_tables - 1)];
}

void
cnn3d_bf16_override (const Cnn3dBf16 *kernels)
{
  bf16_override = kernels;
}

const Cnn3dBf16 *
cnn3d_bf16_choose (const char *precision, GError **error)
{
  int rank = highest_rank (error) - (int) G_N_ELEMENTS (isas);

  if (rank < -(int) G_N_ELEMENTS (isas))
    return NULL;
  init_bf16_tables ();
  if (rank >= 0 && bf16_override != NULL)
    return bf16_override;
  if (rank >= 0 && n_bf16_tables > 0)
    return &bf16_tables[MIN (rank, n_bf16_tables - 1)];
  if (N_BF16 == 0)
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
        "precision %s: this build of the cpu backend has kernels for fp32 only", precision);
  else if (n_bf16_tables > 0)
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
        "precision %s: the cpu backend needs AMX-BF16 or AVX512_BF16, which %s=%s does not allow",
        precision, CNN3D_ISA_ENV, g_getenv (CNN3D_ISA_ENV));
  else
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
        "precision %s: the cpu backend needs a CPU with AMX-BF16 or AVX512_BF16,"
        " and this one has neither",
        precision);
  return NULL;
}
