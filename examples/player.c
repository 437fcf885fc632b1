/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A player that shows the labels: playbin with videoclassify3d and videoclassoverlay in it.
 *
 *     player VIDEO|URI [videoclassify3d's properties]
 *
 * Keys, in the window or in the terminal (followed by Enter): p or space pauses, + and - seek by five
 * seconds, q quits. With --test before the video there is no window.
 */

#include <gst/gst.h>
#include <gst/video/navigation.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  GstElement *playbin;
  GMainLoop *loop;
  gboolean paused;
  int status;
} Player;

static void
seek_by (Player *player, gint64 delta)
{
  gint64 position = 0;

  gst_element_query_position (player->playbin, GST_FORMAT_TIME, &position);
  gst_element_seek_simple (player->playbin, GST_FORMAT_TIME,
      GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_KEY_UNIT, MAX (0, position + delta));
}

static void
press (Player *player, char key)
{
  switch (key) {
  case ' ':
  case 'p':
    player->paused = !player->paused;
    gst_element_set_state (player->playbin, player->paused ? GST_STATE_PAUSED : GST_STATE_PLAYING);
    break;
  case '+':
    seek_by (player, 5 * GST_SECOND);
    break;
  case '-':
    seek_by (player, -5 * GST_SECOND);
    break;
  case 'q':
    g_main_loop_quit (player->loop);
    break;
  }
}

static gboolean
on_terminal (GIOChannel *channel, GIOCondition condition, gpointer data)
{
  char key;

  if (!(condition & G_IO_IN) || read (STDIN_FILENO, &key, 1) != 1)
    return G_SOURCE_REMOVE;
  press (data, key);
  return G_SOURCE_CONTINUE;
}

/* A key in the window: X11's names for those that are no letters. */
static void
on_navigation (Player *player, GstMessage *message)
{
  GstEvent *event = NULL;
  const char *key = NULL;

  if (gst_navigation_message_get_type (message) == GST_NAVIGATION_MESSAGE_EVENT
      && gst_navigation_message_parse_event (message, &event)
      && gst_navigation_event_parse_key_event (event, &key) && key != NULL)
    press (player, strcmp (key, "space") == 0 ? ' ' : strcmp (key, "plus") == 0 ? '+'
        : strcmp (key, "minus") == 0 ? '-' : key[1] == '\0' ? key[0] : '\0');
  if (event != NULL)
    gst_event_unref (event);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  g_autoptr (GError) error = NULL;
  Player *player = data;

  if (gst_message_has_name (message, "videoclassify3d")) {
    const char *label = gst_structure_get_string (gst_message_get_structure (message), "label");

    printf ("%s\n", label != NULL ? label : "-");
    fflush (stdout);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT) {
    on_navigation (player, message);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error (message, &error, NULL);
    fprintf (stderr, "%s\n", error->message);
    player->status = 1;
    g_main_loop_quit (player->loop);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS) {
    g_main_loop_quit (player->loop);
  }
  return G_SOURCE_CONTINUE;
}

int
main (int argc, char **argv)
{
  gboolean test = argc > 2 && strcmp (argv[1], "--test") == 0;
  const char *video = argv[test ? 2 : 1], *properties = !test && argc > 2 ? argv[2] : "";
  g_autofree char *filter = g_strdup_printf ("videoclassify3d clip-stride=4 %s ! videoclassoverlay", properties);
  g_autofree char *uri = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstBus) bus = NULL;
  Player player = { 0 };
  GIOChannel *terminal;

  gst_init (&argc, &argv);
  if (argc < 2) {
    fprintf (stderr, "usage: player VIDEO [PROPERTIES]\n");
    return 2;
  }
  uri = gst_uri_is_valid (video) ? g_strdup (video) : gst_filename_to_uri (video, &error);
  player.playbin = gst_object_ref_sink (gst_element_factory_make ("playbin", NULL));
  player.loop = g_main_loop_new (NULL, FALSE);
  g_object_set (player.playbin, "uri", uri, "video-filter",
      gst_parse_bin_from_description (filter, TRUE, &error), NULL);
  if (test)
    g_object_set (player.playbin, "video-sink", gst_parse_bin_from_description ("fakesink sync=true", TRUE, NULL), NULL);
  if (error == NULL) {
    bus = gst_element_get_bus (player.playbin);
    gst_bus_add_watch (bus, on_message, &player);
    terminal = g_io_channel_unix_new (STDIN_FILENO);
    g_io_add_watch (terminal, G_IO_IN | G_IO_HUP, on_terminal, &player);
    gst_element_set_state (player.playbin, GST_STATE_PLAYING);
    g_main_loop_run (player.loop);
    gst_element_set_state (player.playbin, GST_STATE_NULL);
    gst_bus_remove_watch (bus);
    g_io_channel_unref (terminal);
  } else {
    fprintf (stderr, "%s\n", error->message);
    player.status = 1;
  }
  gst_object_unref (player.playbin);
  g_main_loop_unref (player.loop);
  return player.status;
}
