/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/protobuf.h"

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

static void
varint (GByteArray *message, guint64 value)
{
  guint8 bytes[10];
  guint n = 0;

  for (; value > 127; value >>= 7)
    bytes[n++] = (guint8) (value | 128);
  bytes[n++] = (guint8) value;
  g_byte_array_append (message, bytes, n);
}

void
cnn3d_protobuf_int (GByteArray *message, int field, guint64 value)
{
  varint (message, (guint64) field << 3 | WIRE_VARINT);
  varint (message, value);
}

void
cnn3d_protobuf_start (GByteArray *message, int field, guint64 bytes)
{
  varint (message, (guint64) field << 3 | WIRE_BYTES);
  varint (message, bytes);
}

void
cnn3d_protobuf_string (GByteArray *message, int field, const char *value)
{
  gsize n = strlen (value);

  cnn3d_protobuf_start (message, field, n);
  g_byte_array_append (message, (const guint8 *) value, (guint) n);
}

void
cnn3d_protobuf_message (GByteArray *message, int field, GByteArray *content)
{
  cnn3d_protobuf_start (message, field, content->len);
  g_byte_array_append (message, content->data, content->len);
  g_byte_array_unref (content);
}
