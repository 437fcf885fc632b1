/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tells ThreadSanitizer what it cannot see. GLib's locks are futexes, and GLib and
 * GStreamer are not instrumented, so that every use of a lock would look like a
 * race. This library is preloaded: it wraps the calls by which threads of ours
 * meet, and says which of them happen before which others. It adds order only
 * where there is order: an unlock before the next lock of the same mutex, the
 * last unref after all others, a message's post before its pop.
 */

#include <dlfcn.h>

#include <gst/gst.h>

/* The project hides symbols; those here are to be found before GLib's. */
#pragma GCC visibility push(default)

void __tsan_acquire (void *address) __attribute__ ((weak));
void __tsan_release (void *address) __attribute__ ((weak));

/* In setarch, of run.sh, there is no sanitizer, but GObject sets itself up there, too. */
static void
acquire (void *address)
{
  if (__tsan_acquire != NULL)
    __tsan_acquire (address);
}

static void
release (void *address)
{
  if (__tsan_release != NULL)
    __tsan_release (address);
}

/* The real function of a name. */
#define REAL(name) \
  static __typeof__ (name) *real; \
  if (real == NULL) \
    real = (__typeof__ (name) *) dlsym (RTLD_NEXT, #name)

#define WRAP_LOCK(name, Type) \
void name (Type * lock) \
{ \
  REAL (name); \
  real (lock); \
  acquire (lock); \
}

#define WRAP_TRYLOCK(name, Type) \
gboolean name (Type * lock) \
{ \
  REAL (name); \
  gboolean locked = real (lock); \
  if (locked) \
    acquire (lock); \
  return locked; \
}

#define WRAP_UNLOCK(name, Type) \
void name (Type * lock) \
{ \
  REAL (name); \
  release (lock); \
  real (lock); \
}

/* *INDENT-OFF* */
#undef g_mutex_lock
#undef g_mutex_unlock
#undef g_mutex_trylock
WRAP_LOCK (g_mutex_lock, GMutex)
WRAP_TRYLOCK (g_mutex_trylock, GMutex)
WRAP_UNLOCK (g_mutex_unlock, GMutex)
WRAP_LOCK (g_rec_mutex_lock, GRecMutex)
WRAP_TRYLOCK (g_rec_mutex_trylock, GRecMutex)
WRAP_UNLOCK (g_rec_mutex_unlock, GRecMutex)
WRAP_LOCK (g_rw_lock_reader_lock, GRWLock)
WRAP_UNLOCK (g_rw_lock_reader_unlock, GRWLock)
WRAP_LOCK (g_rw_lock_writer_lock, GRWLock)
WRAP_UNLOCK (g_rw_lock_writer_unlock, GRWLock)
/* *INDENT-ON* */

void
g_cond_wait (GCond * cond, GMutex * mutex)
{
  REAL (g_cond_wait);
  release (mutex);
  real (cond, mutex);
  acquire (mutex);
}

gboolean
g_cond_wait_until (GCond * cond, GMutex * mutex, gint64 end_time)
{
  REAL (g_cond_wait_until);
  gboolean signalled;

  release (mutex);
  signalled = real (cond, mutex, end_time);
  acquire (mutex);
  return signalled;
}

/* Types and other things that are set up once. */
static char once;

gboolean
(g_once_init_enter) (volatile void *location)
{
  REAL (g_once_init_enter);
  gboolean first = real (location);

  acquire (&once);
  return first;
}

void
(g_once_init_leave) (volatile void *location, gsize result)
{
  REAL (g_once_init_leave);
  release (&once);
  release ((void *) location);
  real (location, result);
}

/* Reference counts: all that was done to an object was done before the last
 * reference goes. That of a message may go inside of GStreamer, in the thread
 * that posted it, where no call can be wrapped but the one for each of its values. */
static gboolean
release_value (GQuark field, const GValue * value, gpointer data)
{
  release ((void *) value);
  return TRUE;
}

void
g_value_unset (GValue * value)
{
  REAL (g_value_unset);
  acquire (value);
  real (value);
}

void
gst_mini_object_unref (GstMiniObject * object)
{
  REAL (gst_mini_object_unref);
  if (GST_MINI_OBJECT_TYPE (object) == GST_TYPE_MESSAGE) {
    const GstStructure *s = gst_message_get_structure ((GstMessage *) object);

    if (s != NULL)
      gst_structure_foreach (s, release_value, NULL);
  }
  release (object);
  acquire (object);
  real (object);
}

/* As GStreamer's, but for its last line, whose call is the one above: between the
 * copy and the end of the reference there is nothing to wrap. */
GstMiniObject *
gst_mini_object_make_writable (GstMiniObject * object)
{
  GstMiniObject *copy;

  if (gst_mini_object_is_writable (object))
    return object;
  copy = gst_mini_object_copy (object);
  gst_mini_object_unref (object);
  return copy;
}

void
g_object_unref (gpointer object)
{
  REAL (g_object_unref);
  release (object);
  acquire (object);
  real (object);
}

void
gst_object_unref (gpointer object)
{
  REAL (gst_object_unref);
  release (object);
  acquire (object);
  real (object);
}

#undef g_atomic_ref_count_dec
gboolean
g_atomic_ref_count_dec (gatomicrefcount * count)
{
  REAL (g_atomic_ref_count_dec);
  release ((void *) count);
  if (!real (count))
    return FALSE;
  acquire ((void *) count);
  return TRUE;
}

/* A bus hands messages from thread to thread without a lock. */
gboolean
gst_bus_post (GstBus * bus, GstMessage * message)
{
  REAL (gst_bus_post);
  release (bus);
  return real (bus, message);
}

gboolean
gst_element_post_message (GstElement * element, GstMessage * message)
{
  REAL (gst_element_post_message);
  release (message);
  if (GST_ELEMENT_BUS (element) != NULL)
    release (GST_ELEMENT_BUS (element));
  return real (element, message);
}

GstMessage *
gst_bus_timed_pop_filtered (GstBus * bus, GstClockTime timeout,
    GstMessageType types)
{
  REAL (gst_bus_timed_pop_filtered);
  GstMessage *message = real (bus, timeout, types);

  acquire (bus);
  return message;
}

GstMessage *
gst_bus_pop_filtered (GstBus * bus, GstMessageType types)
{
  REAL (gst_bus_pop_filtered);
  GstMessage *message = real (bus, types);

  acquire (bus);
  return message;
}
