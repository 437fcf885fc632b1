/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/jsonoutput.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often a FIFO is tried that nobody reads yet. */
#define RETRY (20 * GST_MSECOND)

struct _GstJsonOutput
{
  gchar *name;
  gchar *fifo;                  /* to be opened once somebody reads it, or NULL */
  int fd;                       /* -1: not yet */
  gboolean is_ours;             /* to be closed */
  gboolean is_socket;
  gboolean is_shared;           /* a pipe or a terminal of others, which may wait */
  int at;                       /* while a line is written: where to */
  gboolean blocks;              /* write() waits, so poll() comes first */
  gboolean is_stuck;            /* the last line did not get through */
  GString *rest;                /* of a line of which a part was written */
};

static GstJsonOutput *
output_new (gchar * name)
{
  GstJsonOutput *output = g_new0 (GstJsonOutput, 1);

  output->name = name;
  output->fd = -1;
  output->rest = g_string_new (NULL);
  return output;
}

static GstJsonOutput *
fail (GstJsonOutput * output, int code, GError ** error)
{
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code), "%s: %s",
      output->name, g_strerror (code));
  gst_json_output_free (output);
  return NULL;
}

/* Leaves errno as it is. */
static gboolean
is_fifo (const gchar * location)
{
  struct stat st;
  int error = errno;
  gboolean is = stat (location, &st) == 0 && S_ISFIFO (st.st_mode);

  errno = error;
  return is;
}

GstJsonOutput *
gst_json_output_new_file (const gchar * location, gboolean append,
    GError ** error)
{
  GstJsonOutput *output = output_new (g_strdup (location));
  int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

  output->is_ours = TRUE;
  output->fd = g_open (location, append ? flags : flags | O_TRUNC, 0666);
  if (output->fd >= 0)
    return output;
  /* Devices may answer the same. */
  if (errno != ENXIO || !is_fifo (location))
    return fail (output, errno, error);
  output->fifo = g_strdup (location);
  return output;
}

GstJsonOutput *
gst_json_output_new_fd (gint fd, GError ** error)
{
  GstJsonOutput *output = output_new (fd < 0 ? g_strdup ("standard output")
      : g_strdup_printf ("file descriptor %d", fd));
  struct stat st;
  int flags;

  output->fd = fd < 0 ? STDOUT_FILENO : fd;
  flags = fcntl (output->fd, F_GETFL);
  if (flags < 0 || fstat (output->fd, &st) != 0)
    return fail (output, errno, error);
  if ((flags & O_ACCMODE) == O_RDONLY)
    return fail (output, EBADF, error);
  output->is_socket = S_ISSOCK (st.st_mode);
  output->is_shared = !(flags & O_NONBLOCK)
      && (S_ISFIFO (st.st_mode) || isatty (output->fd));
  return output;
}

int
gst_json_output_free (GstJsonOutput * output)
{
  int error = 0;

  if (output->is_ours && output->fd >= 0 && close (output->fd) != 0)
    error = errno;
  g_string_free (output->rest, TRUE);
  g_free (output->fifo);
  g_free (output->name);
  g_free (output);
  return error;
}

const gchar *
gst_json_output_get_name (GstJsonOutput * output)
{
  return output->name;
}

/* write(), but a pipe without a reader is EPIPE, and no signal. */
static gssize
write_quietly (GstJsonOutput * output, const gchar * data, gsize n)
{
  sigset_t broken, before, pending;
  const struct timespec at_once = { 0, 0 };
  gssize written;
  int error;

  if (output->is_socket)
    return send (output->at, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
  sigemptyset (&broken);
  sigaddset (&broken, SIGPIPE);
  sigemptyset (&pending);
  sigpending (&pending);
  pthread_sigmask (SIG_BLOCK, &broken, &before);
  written = write (output->at, data, n);
  error = errno;
  /* One that was pending before is not ours to take away. */
  if (written < 0 && error == EPIPE && !sigismember (&pending, SIGPIPE))
    while (sigtimedwait (&broken, NULL, &at_once) < 0 && errno == EINTR);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  errno = error;
  return written;
}

static GstClockTime
time_left (gint64 deadline)
{
  gint64 now = g_get_monotonic_time ();

  if (deadline < 0)
    return GST_CLOCK_TIME_NONE;
  return deadline > now ? (deadline - now) * GST_USECOND : 0;
}

/* Returns 0 when it is time to try again, EAGAIN when there is none left. */
static int
wait_for (GstPoll * poll, gint64 deadline, GstClockTime at_most)
{
  GstClockTime left = time_left (deadline);
  gint n = gst_poll_wait (poll, MIN (left, at_most));

  if (n < 0 && errno != EINTR && errno != EAGAIN)
    return errno;
  return n == 0 && left <= at_most && deadline >= 0 ? EAGAIN : 0;
}

static int
open_fifo (GstJsonOutput * output, GstPoll * poll, gint64 deadline)
{
  int error = 0;

  while (error == 0) {
    output->fd = g_open (output->fifo, O_WRONLY | O_APPEND | O_CLOEXEC
        | O_NONBLOCK, 0);
    if (output->fd >= 0)
      return 0;
    if (errno != ENXIO && errno != EINTR)
      return errno;
    error = wait_for (poll, deadline, RETRY);
  }
  return error;
}

/* Takes what was written from the beginning of data. */
static int
write_all (GstJsonOutput * output, GString * data, GstPoll * poll,
    gint64 deadline)
{
  int error = 0;
  gboolean is_ready = !output->blocks;

  while (data->len > 0 && error == 0) {
    gssize n = -1;

    /* A pipe that is ready has room for that much, at least for one writer. */
    errno = EAGAIN;
    if (is_ready)
      n = write_quietly (output, data->str, output->blocks ?
          MIN (data->len, PIPE_BUF) : data->len);
    is_ready = !output->blocks;
    if (n > 0) {
      g_string_erase (data, 0, n);
    } else if (n == 0) {
      error = EIO;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      error = wait_for (poll, deadline, GST_CLOCK_TIME_NONE);
      is_ready = error == 0;
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  return error;
}

/* Whether a descriptor waits in write() belongs to all who share it, so a pipe
 * or a terminal is opened once more, for one line alone: who reads sees the end
 * as soon as the caller closes the descriptor. */
static void
begin (GstJsonOutput * output)
{
  g_autofree gchar *path = g_strdup_printf ("/proc/self/fd/%d", output->fd);

  output->at = output->is_shared ? g_open (path, O_WRONLY | O_APPEND | O_CLOEXEC
      | O_NONBLOCK | O_NOCTTY, 0) : output->fd;
  output->blocks = output->at < 0;
  if (output->at < 0)
    output->at = output->fd;
}

static void
end (GstJsonOutput * output)
{
  if (output->at != output->fd)
    close (output->at);
}

static int
write_line (GstJsonOutput * output, GString * line, GstPoll * poll,
    gint64 deadline)
{
  const gsize length = line->len;
  GstPollFD pollfd = GST_POLL_FD_INIT;
  int error = 0;

  if (output->fd < 0)
    error = open_fifo (output, poll, deadline);
  if (error != 0)
    return error;
  begin (output);
  pollfd.fd = output->at;
  gst_poll_add_fd (poll, &pollfd);
  gst_poll_fd_ctl_write (poll, &pollfd, TRUE);
  error = write_all (output, output->rest, poll, deadline);
  if (error == 0)
    error = write_all (output, line, poll, deadline);
  gst_poll_remove_fd (poll, &pollfd);
  end (output);
  if (line->len == 0 || line->len == length)
    return error;
  /* Whoever reads would take the next line for its end. */
  g_string_append_len (output->rest, line->str, line->len);
  return error == EAGAIN ? 0 : error;
}

int
gst_json_output_write (GstJsonOutput * output, const gchar * text,
    GstPoll * poll, GstClockTime patience)
{
  GString *line = g_string_new (text);
  gint64 deadline = -1;
  int error;

  g_string_append_c (line, '\n');
  if (GST_CLOCK_TIME_IS_VALID (patience))
    deadline = g_get_monotonic_time ()
        + (output->is_stuck ? 0 : (gint64) (patience / GST_USECOND));
  error = write_line (output, line, poll, deadline);
  output->is_stuck = error == EAGAIN;
  g_string_free (line, TRUE);
  return error;
}
