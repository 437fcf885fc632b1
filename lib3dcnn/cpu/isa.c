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

static Cnn3dKernels tables[G_N_ELEMENTS (isas)];
static int n_tables;

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

const Cnn3dKernels *
cnn3d_isa_get (int i)
{
  init_tables ();
  return i >= 0 && i < n_tables ? &tables[i] : NULL;
}

const Cnn3dKernels *
cnn3d_isa_choose (GError **error)
{
  const char *limit = g_getenv (CNN3D_ISA_ENV);

  init_tables ();
  if (limit == NULL || *limit == '\0')
    return &tables[n_tables - 1];
  for (guint i = 0; i < G_N_ELEMENTS (isas); i++)
    if (strcmp (limit, isas[i].name) == 0)
      return &tables[MIN ((int) i, n_tables - 1)];
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND, "%s=%s: this build has no such ISA (%s%s%s)",
      CNN3D_ISA_ENV, limit, isas[0].name, G_N_ELEMENTS (isas) > 1 ? " to " : "",
      G_N_ELEMENTS (isas) > 1 ? isas[G_N_ELEMENTS (isas) - 1].name : "");
  return NULL;
}
