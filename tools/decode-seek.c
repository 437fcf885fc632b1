/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/decode-seek.h"

#include <string.h>

/* Before the start, so that a decoder that clips its frames clips none of ours. */
#define MARGIN GST_SECOND

struct DecodeSeek {
  GstPad *pad;
  gulong probe;
  GstClockTime period;    /* after which videorate's frames are at whole nanoseconds again; 0: no videorate */
  gboolean failed;
  GMutex lock;            /* of what follows */
  GstSegment segment;
  gboolean begun;
  GstSegment origin;      /* of the file's beginning */
  GstClockTime first;     /* stream time of the first frame of the segment */
  GstClockTime last;      /* and where the last one ends */
  guint frames;
};

static guint64
common_divisor (guint64 a, guint64 b)
{
  return b == 0 ? a : common_divisor (b, a % b);
}

/*
 * Lets the segment begin earlier, at a whole number of periods from the file's beginning: videorate
 * counts its frames from there, and must choose the same ones as without seeking. It also repeats the
 * last frame up to the segment's end, which some demuxers set when they seek only.
 */
static GstEvent *
align (DecodeSeek *seek, GstEvent *event)
{
  GstSegment segment = seek->segment;
  guint32 number = gst_event_get_seqnum (event);
  guint64 late = seek->period > 0 && segment.time > seek->origin.time
      ? (segment.time - seek->origin.time) % seek->period : 0;

  if (segment.start >= late) {
    segment.start -= late;
    segment.time -= late;
    segment.position = segment.start;
  }
  segment.stop = seek->origin.stop;
  gst_event_unref (event);
  event = gst_event_new_segment (&segment);
  gst_event_set_seqnum (event, number);
  return event;
}

static void
take_times (DecodeSeek *seek, GstBuffer *buffer)
{
  GstClockTime time = GST_CLOCK_TIME_NONE;

  if (GST_BUFFER_PTS_IS_VALID (buffer))
    time = gst_segment_to_stream_time (&seek->segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
  seek->frames++;
  if (!GST_CLOCK_TIME_IS_VALID (time))
    return;
  if (!GST_CLOCK_TIME_IS_VALID (seek->first))
    seek->first = time;
  seek->last = time + (GST_BUFFER_DURATION_IS_VALID (buffer) ? GST_BUFFER_DURATION (buffer) : 0);
}

static GstPadProbeReturn
watch (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  DecodeSeek *seek = data;

  g_mutex_lock (&seek->lock);
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    take_times (seek, info->data);
  } else if (GST_EVENT_TYPE (info->data) == GST_EVENT_SEGMENT) {
    gst_event_copy_segment (info->data, &seek->segment);
    seek->first = GST_CLOCK_TIME_NONE;
    if (!seek->begun)
      seek->origin = seek->segment;
    else if (seek->segment.format == GST_FORMAT_TIME && seek->origin.format == GST_FORMAT_TIME)
      info->data = align (seek, info->data);
    seek->begun = TRUE;
  }
  g_mutex_unlock (&seek->lock);
  return GST_PAD_PROBE_OK;
}

DecodeSeek *
decode_seek_new (GstElement *entry, int rate_n, int rate_d)
{
  DecodeSeek *seek = g_new0 (DecodeSeek, 1);

  g_mutex_init (&seek->lock);
  seek->first = seek->last = GST_CLOCK_TIME_NONE;
  if (rate_n > 0) {
    guint64 whole = (guint64) rate_d * GST_SECOND;

    seek->period = whole / common_divisor (whole, (guint64) rate_n);
  }
  seek->pad = gst_element_get_static_pad (entry, "sink");
  seek->probe = gst_pad_add_probe (seek->pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
      watch, seek, NULL);
  return seek;
}

void
decode_seek_free (DecodeSeek *seek)
{
  gst_pad_remove_probe (seek->pad, seek->probe);
  gst_object_unref (seek->pad);
  g_mutex_clear (&seek->lock);
  g_free (seek);
}

/* AVI numbers coded frames, so times are guesses where those have another order: the same ones only if nothing is. */
static gboolean
has_only_pictures (GstElement *demuxer)
{
  for (GList *i = demuxer->srcpads; i != NULL; i = i->next) {
    g_autoptr (GstCaps) caps = gst_pad_get_current_caps (i->data);
    const char *name = caps ? gst_structure_get_name (gst_caps_get_structure (caps, 0)) : "";

    if (g_str_has_prefix (name, "video/") && strcmp (name, "video/x-raw") != 0)
      return FALSE;
  }
  return TRUE;
}

/* Whether an element reads files that keep the time of each frame: elsewhere, a time after seeking is an estimate. */
static gboolean
keeps_times (GstElement *element)
{
  static const char *const demuxers[] = { "matroskademux", "qtdemux", "oggdemux", NULL };
  GstElementFactory *factory = gst_element_get_factory (element);
  const char *name = factory ? GST_OBJECT_NAME (factory) : "";

  return g_strv_contains (demuxers, name) || (strcmp (name, "avidemux") == 0 && has_only_pictures (element));
}

static gboolean
can_seek (GstElement *pipeline)
{
  g_autoptr (GstIterator) elements = gst_bin_iterate_recurse (GST_BIN (pipeline));
  GValue value = G_VALUE_INIT;
  gboolean found = FALSE;

  while (!found && gst_iterator_next (elements, &value) == GST_ITERATOR_OK) {
    found = keeps_times (g_value_get_object (&value));
    g_value_reset (&value);
  }
  g_value_unset (&value);
  return found;
}

gboolean
decode_seek_to (DecodeSeek *seek, GstElement *pipeline, double start)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;
  GstClockTime time = (GstClockTime) (start * GST_SECOND);

  if (time <= MARGIN || gst_element_set_state (pipeline, GST_STATE_PAUSED) == GST_STATE_CHANGE_FAILURE)
    return FALSE;
  /* An error is for whoever plays the pipeline, so it stays there. */
  while ((message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
              GST_MESSAGE_ASYNC_DONE | GST_MESSAGE_ERROR)) == NULL)
    ;
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_bus_post (bus, g_steal_pointer (&message));
    return FALSE;
  }
  if (!can_seek (pipeline))
    return FALSE;
  seek->failed = !gst_element_seek (pipeline, 1, GST_FORMAT_TIME,
      GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_KEY_UNIT | GST_SEEK_FLAG_SNAP_BEFORE, GST_SEEK_TYPE_SET, time - MARGIN,
      GST_SEEK_TYPE_NONE, (gint64) GST_CLOCK_TIME_NONE);
  return TRUE;
}

gboolean
decode_seek_arrived (DecodeSeek *seek, double start)
{
  gboolean arrived;

  g_mutex_lock (&seek->lock);
  arrived = !seek->failed && GST_CLOCK_TIME_IS_VALID (seek->first) && (double) seek->first / GST_SECOND <= start;
  g_mutex_unlock (&seek->lock);
  return arrived;
}

guint
decode_seek_get_frames (DecodeSeek *seek, double *end)
{
  guint frames;

  g_mutex_lock (&seek->lock);
  frames = seek->frames;
  *end = GST_CLOCK_TIME_IS_VALID (seek->last) ? (double) seek->last / GST_SECOND : -1;
  g_mutex_unlock (&seek->lock);
  return frames;
}
