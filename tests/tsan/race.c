/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Shows that the wrapped locks hide no race. "locked" is free of races; "unlocked"
 * leaves out one lock, "freed" uses memory after another thread's last word on it.
 * "message" reads a message that another thread frees, "dropped" does so when it
 * has let go of it. ThreadSanitizer has to find the races of "unlocked", "freed"
 * and "dropped".
 */

#include <string.h>

#include <gst/gst.h>

static GMutex lock;
static GCond cond;
static guint counter;
static gboolean with_lock, ready;

static gpointer
count (gpointer data)
{
  for (guint i = 0; i < 1000; i++) {
    if (with_lock || data != NULL)
      g_mutex_lock (&lock);
    counter++;
    if (with_lock || data != NULL)
      g_mutex_unlock (&lock);
  }
  return NULL;
}

/* Says that it is ready, and then goes on to write. */
static gpointer
write_late (gpointer data)
{
  gint *value = data;

  g_mutex_lock (&lock);
  ready = TRUE;
  g_cond_signal (&cond);
  g_mutex_unlock (&lock);
  *value = 1;
  return NULL;
}

/* Posts a message, and has the last reference to it, as a bin may. Nothing else
 * orders the threads when it goes. */
static gpointer
post (gpointer bus)
{
  GstMessage *message = gst_message_new_application (NULL,
      gst_structure_new ("message", "text", G_TYPE_STRING, "text", NULL));

  gst_bus_post (bus, gst_message_ref (message));
  while (GST_MINI_OBJECT_REFCOUNT_VALUE (message) > 1)
    g_usleep (1000);
  /* Unreffed by GStreamer itself. */
  gst_message_replace (&message, NULL);
  return NULL;
}

static int
read_message (gboolean is_dropped)
{
  GstBus *bus = gst_bus_new ();
  GThread *thread = g_thread_new ("post", post, bus);
  GstMessage *message = gst_bus_timed_pop (bus, GST_CLOCK_TIME_NONE);
  const volatile gchar *text =
      gst_structure_get_string (gst_message_get_structure (message), "text");
  gchar first = *text;

  gst_message_unref (message);
  if (is_dropped)
    first = *text;
  g_thread_join (thread);
  gst_object_unref (bus);
  return first == 't' ? 0 : 1;
}

int
main (int argc, char **argv)
{
  const char *what = argc > 1 ? argv[1] : "locked";
  GThread *threads[2];

  if (strcmp (what, "message") == 0 || strcmp (what, "dropped") == 0) {
    gst_init (NULL, NULL);
    return read_message (*what == 'd');
  }
  if (strcmp (what, "freed") == 0) {
    gint *value = g_new0 (gint, 1);

    threads[0] = g_thread_new ("late", write_late, value);
    g_mutex_lock (&lock);
    while (!ready)
      g_cond_wait (&cond, &lock);
    g_mutex_unlock (&lock);
    *value += 2;
    g_thread_join (threads[0]);
    g_free (value);
    return 0;
  }
  with_lock = strcmp (what, "locked") == 0;
  threads[0] = g_thread_new ("a", count, NULL);
  threads[1] = g_thread_new ("b", count, &counter);
  g_thread_join (threads[0]);
  g_thread_join (threads[1]);
  return counter == 2000 || !with_lock ? 0 : 1;
}
