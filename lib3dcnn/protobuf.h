/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Messages in Protocol Buffers' wire format, written to byte arrays. Numbers are not negative. */

#include <glib.h>

G_BEGIN_DECLS

void cnn3d_protobuf_int (GByteArray *message, int field, guint64 value);
void cnn3d_protobuf_string (GByteArray *message, int field, const char *value);
/* Writes content as a field, and frees it. */
void cnn3d_protobuf_message (GByteArray *message, int field, GByteArray *content);
/* The start of a field whose content of this many bytes is written by the caller. */
void cnn3d_protobuf_start (GByteArray *message, int field, guint64 bytes);

G_END_DECLS
