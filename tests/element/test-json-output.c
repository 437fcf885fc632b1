/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where lines go: pipes that are full or without a reader, and what cannot be
 * written to. */

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "gst/jsonoutput.h"

#define LONG 100000

static gchar *
make_line (gsize length, gchar c)
{
  gchar *line = g_malloc (length + 1);

  memset (line, c, length);
  line[length] = '\0';
  return line;
}

/* All that is in a pipe now. */
static gchar *
take (int fd)
{
  GString *all = g_string_new (NULL);
  gchar some[512];
  gssize n;

  fcntl (fd, F_SETFL, O_NONBLOCK);
  while ((n = read (fd, some, sizeof some)) > 0)
    g_string_append_len (all, some, n);
  return g_string_free (all, FALSE);
}

/* Lines are whole or not there, also where the pipe took a part of one first. */
static void
test_full (void)
{
  GstPoll *poll = gst_poll_new (TRUE);
  g_autofree gchar *large = make_line (LONG, 'a');
  g_autofree gchar *first = NULL, *second = NULL, *all = NULL;
  GstJsonOutput *output;
  int fds[2];

  g_assert_cmpint (pipe (fds), ==, 0);
  output = gst_json_output_new_fd (fds[1], NULL);
  g_assert_cmpint (gst_json_output_write (output, large, poll, 0), ==, 0);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (gst_json_output_write (output, "lost", poll,
            GST_MSECOND), ==, EAGAIN);
  first = take (fds[0]);
  g_assert_cmpuint (strlen (first), <, LONG);
  g_assert_cmpint (gst_json_output_write (output, "kept", poll, 0), ==, 0);
  second = take (fds[0]);
  all = g_strconcat (first, second, NULL);
  g_assert_cmpuint (strlen (all), ==, LONG + strlen ("\nkept\n"));
  g_assert_true (g_str_has_prefix (all, large));
  g_assert_cmpstr (all + LONG, ==, "\nkept\n");
  g_assert_cmpint (gst_json_output_free (output), ==, 0);
  gst_poll_free (poll);
  close (fds[0]);
  close (fds[1]);
}

static void
test_flushing (void)
{
  GstPoll *poll = gst_poll_new (TRUE);
  g_autofree gchar *large = make_line (LONG, 'a');
  GstJsonOutput *output;
  int fds[2];

  g_assert_cmpint (pipe (fds), ==, 0);
  output = gst_json_output_new_fd (fds[1], NULL);
  gst_poll_set_flushing (poll, TRUE);
  g_assert_cmpint (gst_json_output_write (output, large, poll,
          GST_CLOCK_TIME_NONE), ==, EBUSY);
  gst_json_output_free (output);
  gst_poll_free (poll);
  close (fds[0]);
  close (fds[1]);
}

/* Who reads sees the end when the owner of the descriptor closes it. */
static void
test_end (void)
{
  GstPoll *poll = gst_poll_new (TRUE);
  GstJsonOutput *output;
  gchar some[8];
  int fds[2];

  g_assert_cmpint (pipe (fds), ==, 0);
  output = gst_json_output_new_fd (fds[1], NULL);
  g_assert_cmpint (gst_json_output_write (output, "a", poll, 0), ==, 0);
  close (fds[1]);
  fcntl (fds[0], F_SETFL, O_NONBLOCK);
  g_assert_cmpint (read (fds[0], some, sizeof some), ==, 2);
  g_assert_cmpint (read (fds[0], some, sizeof some), ==, 0);
  g_assert_cmpint (gst_json_output_write (output, "a", poll, 0), ==, EBADF);
  gst_json_output_free (output);
  gst_poll_free (poll);
  close (fds[0]);
}

static void
fail_on_signal (int number)
{
  g_error ("SIGPIPE came");
}

/* EPIPE, and no signal, now or later. */
static void
test_gone (void)
{
  GstPoll *poll = gst_poll_new (TRUE);
  GstJsonOutput *output;
  sigset_t pending;
  int fds[2];

  signal (SIGPIPE, fail_on_signal);
  g_assert_cmpint (pipe (fds), ==, 0);
  output = gst_json_output_new_fd (fds[1], NULL);
  close (fds[0]);
  g_assert_cmpint (gst_json_output_write (output, "a", poll, 0), ==, EPIPE);
  sigpending (&pending);
  g_assert_false (sigismember (&pending, SIGPIPE));
  gst_json_output_free (output);
  gst_poll_free (poll);
  close (fds[1]);
  signal (SIGPIPE, SIG_DFL);
}

static void
test_unusable (void)
{
  g_autofree gchar *path = NULL;
  GError *error = NULL;
  int fd = g_file_open_tmp ("json-output-XXXXXX", &path, NULL), again;

  g_assert_cmpint (fd, >=, 0);
  close (fd);
  again = open (path, O_RDONLY);
  g_assert_null (gst_json_output_new_fd (again, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_BADF);
  g_clear_error (&error);
  close (again);
  g_assert_null (gst_json_output_new_fd (again, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_BADF);
  g_clear_error (&error);
  g_assert_null (gst_json_output_new_file ("/nonexistent/a", FALSE, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  g_assert_nonnull (strstr (error->message, "/nonexistent/a"));
  g_clear_error (&error);
  g_remove (path);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json-output/full", test_full);
  g_test_add_func ("/json-output/flushing", test_flushing);
  g_test_add_func ("/json-output/end", test_end);
  g_test_add_func ("/json-output/gone", test_gone);
  g_test_add_func ("/json-output/unusable", test_unusable);
  return g_test_run ();
}
