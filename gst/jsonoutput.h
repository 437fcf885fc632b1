/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where videoclassjson writes lines to: a file, a FIFO, or a descriptor that
 * others have opened. Nothing here waits without end, nor raises SIGPIPE. Knows
 * nothing of elements.
 */

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _GstJsonOutput GstJsonOutput;

/* Opens a file, which is truncated unless `append`. A FIFO that nobody reads is
 * opened when it is written to. Errors are of G_FILE_ERROR and name the file. */
GstJsonOutput *gst_json_output_new_file (const gchar * location,
    gboolean append, GError ** error);
/* For a descriptor, which stays the caller's and open, with its flags as they
 * are; -1 is the standard output. Fails if it cannot be written to. */
GstJsonOutput *gst_json_output_new_fd (gint fd, GError ** error);
/* Returns 0, or the errno of close(). */
int gst_json_output_free (GstJsonOutput * output);

/* What to call it in messages. */
const gchar *gst_json_output_get_name (GstJsonOutput * output);

/**
 * gst_json_output_write:
 * @poll: ends the wait when it is set to be flushing
 * @patience: how long to wait at most for a reader, or for room in a pipe;
 *   GST_CLOCK_TIME_NONE: for ever. Once that was too short, lines do not wait
 *   at all, until one gets through.
 *
 * Writes a line and its end with one call of write(), so that lines of several
 * writers do not mix; only where the system takes less than all of it, as of a
 * long line on a full pipe, the rest follows in further calls, if need be before
 * the next line.
 *
 * Returns: 0, EAGAIN if nothing of the line was written for want of a reader or of
 * room, EBUSY if @poll is flushing, or what errno was
 */
int gst_json_output_write (GstJsonOutput * output, const gchar * line,
    GstPoll * poll, GstClockTime patience);

G_END_DECLS
