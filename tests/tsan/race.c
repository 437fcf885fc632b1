/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Shows that the wrapped locks hide no race. "locked" is free of races; "unlocked"
 * leaves out one lock, "freed" uses memory after another thread's last word on it.
 * ThreadSanitizer has to find the last two.
 */

#include <string.h>

#include <glib.h>

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

int
main (int argc, char **argv)
{
  const char *what = argc > 1 ? argv[1] : "locked";
  GThread *threads[2];

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
