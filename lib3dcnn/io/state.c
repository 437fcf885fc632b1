/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/io/half.h"
#include "lib3dcnn/io/readers.h"

#include <string.h>

gboolean
cnn3d_state_fail (GError **error, const char *file, const char *format, ...)
{
  g_autofree char *reason = NULL;
  va_list args;

  va_start (args, format);
  reason = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: %s", file, reason);
  return FALSE;
}

static void
tensor_free (gpointer data)
{
  Cnn3dTensor *tensor = data;

  g_free (tensor->name);
  g_free (tensor);
}

Cnn3dState *
cnn3d_state_new (GBytes *bytes)
{
  Cnn3dState *state = g_new0 (Cnn3dState, 1);

  state->bytes = g_bytes_ref (bytes);
  state->tensors = g_ptr_array_new_with_free_func (tensor_free);
  state->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  state->metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  state->owned = g_ptr_array_new_with_free_func (g_free);
  return state;
}

void
cnn3d_state_free (Cnn3dState *state)
{
  if (state == NULL)
    return;
  g_hash_table_unref (state->by_name);
  g_ptr_array_unref (state->tensors);
  g_hash_table_unref (state->metadata);
  g_ptr_array_unref (state->owned);
  g_bytes_unref (state->bytes);
  g_free (state);
}

gboolean
cnn3d_state_add (Cnn3dState *state, const Cnn3dTensor *tensor, const char *file, GError **error)
{
  Cnn3dTensor *copy;

  if (g_hash_table_contains (state->by_name, tensor->name)) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: tensor '%s' is there twice", file,
        tensor->name);
    return FALSE;
  }
  copy = g_memdup2 (tensor, sizeof *tensor);
  copy->name = g_strdup (tensor->name);
  g_ptr_array_add (state->tensors, copy);
  g_hash_table_insert (state->by_name, copy->name, copy);
  return TRUE;
}

/* What the first bytes say; there is no other way to tell a .pth of old from one of today. */
Cnn3dState *
cnn3d_state_read (GBytes *bytes, const char *name, GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  if (size >= 4 && memcmp (data, "PK\3\4", 4) == 0)
    return cnn3d_pth_zip_read (bytes, name, error);
  /* A pickle's PROTO opcode, then the magic number. */
  if (size >= 2 && data[0] == 0x80 && data[1] >= 2 && data[1] <= 5)
    return cnn3d_pth_legacy_read (bytes, name, error);
  if (size >= 9 && data[8] == '{')
    return cnn3d_safetensors_read (bytes, name, error);
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT,
      "%s: is neither a safetensors file nor a PyTorch checkpoint", name);
  return NULL;
}

const Cnn3dTensor *
cnn3d_state_get (const Cnn3dState *state, const char *name)
{
  return g_hash_table_lookup (state->by_name, name);
}

gint64
cnn3d_tensor_count (const Cnn3dTensor *tensor)
{
  gint64 n = 1;

  for (int d = 0; d < tensor->n_dims; d++)
    n *= tensor->dims[d];
  return n;
}

char *
cnn3d_tensor_describe (const Cnn3dTensor *tensor)
{
  GString *s = g_string_new ("[");

  for (int d = 0; d < tensor->n_dims; d++)
    g_string_append_printf (s, "%s%" G_GINT64_FORMAT, d > 0 ? ", " : "", tensor->dims[d]);
  g_string_append_c (s, ']');
  return g_string_free (s, FALSE);
}

static gboolean
is_contiguous (const Cnn3dTensor *tensor)
{
  gint64 stride = 1;

  for (int d = tensor->n_dims - 1; d >= 0; d--) {
    if (tensor->dims[d] != 1 && tensor->strides[d] != stride)
      return FALSE;
    stride *= tensor->dims[d];
  }
  return TRUE;
}

const float *
cnn3d_tensor_peek (const Cnn3dTensor *tensor)
{
  if (G_BYTE_ORDER != G_LITTLE_ENDIAN || tensor->dtype != CNN3D_DTYPE_F32
      || (guintptr) tensor->data % sizeof (float) != 0 || !is_contiguous (tensor))
    return NULL;
  return (const float *) (gconstpointer) tensor->data;
}

static float
from_bits (guint32 bits)
{
  float f;

  memcpy (&f, &bits, sizeof f);
  return f;
}

static float
read_element (Cnn3dDtype dtype, const guint8 *data, gint64 i)
{
  guint16 u16;
  guint32 u32;
  guint64 u64;
  double d;

  switch (dtype) {
    case CNN3D_DTYPE_F16:
      memcpy (&u16, data + i * 2, 2);
      return cnn3d_half_to_float (GUINT16_FROM_LE (u16));
    case CNN3D_DTYPE_BF16:
      memcpy (&u16, data + i * 2, 2);
      return from_bits ((guint32) GUINT16_FROM_LE (u16) << 16);
    case CNN3D_DTYPE_F64:
      memcpy (&u64, data + i * 8, 8);
      u64 = GUINT64_FROM_LE (u64);
      memcpy (&d, &u64, 8);
      return (float) d;
    default:
      memcpy (&u32, data + i * 4, 4);
      return from_bits (GUINT32_FROM_LE (u32));
  }
}

void
cnn3d_tensor_convert (const Cnn3dTensor *tensor, float *out)
{
  gint64 index[CNN3D_MAX_DIMS] = { 0 }, n = cnn3d_tensor_count (tensor), at = 0;

  g_return_if_fail (tensor->dtype != CNN3D_DTYPE_OTHER);

  for (gint64 i = 0; i < n; i++) {
    out[i] = read_element (tensor->dtype, tensor->data, at);
    for (int d = tensor->n_dims - 1; d >= 0; d--) {
      at += tensor->strides[d];
      if (++index[d] < tensor->dims[d])
        break;
      at -= tensor->strides[d] * tensor->dims[d];
      index[d] = 0;
    }
  }
}
