/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/classify/output.h"

/* Of a picture that does not say how long it is shown, in seconds. */
#define SHORTEST_CUE 1.0

static const char *
label_of (const Output *o, int index)
{
  return index < 0 ? cnn3d_model_get_card (o->model)->unknown->label : cnn3d_model_get_label (o->model, index);
}

static void
json_classes (JsonBuilder *b, const Output *o, const Clip *clip)
{
  json_builder_set_member_name (b, "classes");
  json_builder_begin_array (b);
  for (int i = 0; i < MIN (o->top_k, clip->n); i++) {
    json_builder_begin_object (b);
    tool_json_string (b, "label", label_of (o, clip->index[i]));
    tool_json_int (b, "index", clip->index[i]);
    tool_json_double (b, "score", clip->score[i]);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
}

static char *
describe_json (const Output *o, const Video *video, const GArray *clips, const Clip *whole)
{
  g_autofree char *name = g_utf8_make_valid (video->name, -1);
  g_autoptr (JsonBuilder) b = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (b);
  tool_json_string (b, "video", name);
  json_classes (b, o, whole);
  json_builder_set_member_name (b, "clips");
  json_builder_begin_array (b);
  for (guint i = 0; i < clips->len; i++) {
    const Clip *clip = &g_array_index (clips, Clip, i);

    json_builder_begin_object (b);
    tool_json_double (b, "start", clip->start);
    tool_json_double (b, "end", clip->end);
    json_classes (b, o, clip);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
  json_builder_end_object (b);
  root = json_builder_get_root (b);
  return json_to_string (root, FALSE);
}

static void
add_line (GString *s, const Output *o, const Clip *clip)
{
  for (int i = 0; i < MIN (o->top_k, clip->n); i++)
    g_string_append_printf (s, "%s%s %.3f", i > 0 ? ", " : "", label_of (o, clip->index[i]),
        clip->score[i]);
  g_string_append_c (s, '\n');
}

static char *
describe_lines (const Output *o, const Video *video, const GArray *clips, const Clip *whole)
{
  GString *s = g_string_new (video->name);

  g_string_append_c (s, '\n');
  for (guint i = 0; i < clips->len; i++) {
    const Clip *clip = &g_array_index (clips, Clip, i);

    g_string_append_printf (s, "  %7.2f - %7.2f s  ", clip->start, clip->end);
    add_line (s, o, clip);
  }
  g_string_append (s, "  whole video          ");
  add_line (s, o, whole);
  return g_string_free (s, FALSE);
}

char *
output_describe (const Output *o, const Video *video, const GArray *clips)
{
  Clip whole = clips_mean (clips, cnn3d_model_get_config (o->model)->classes);
  char *text = o->json ? describe_json (o, video, clips, &whole) : describe_lines (o, video, clips, &whole);

  clip_clear (&whole);
  return text;
}

gboolean
output_has_side_cars (const Output *o)
{
  for (int format = 0; format < N_TIMELINES; format++)
    if (o->side_cars[format])
      return TRUE;
  return FALSE;
}

/* A cue that ends where it begins is not shown: of a single frame, it lasts as long as that. */
static double
cue_end (const Clip *clip)
{
  return clip->end > clip->start ? clip->end : clip->start + (clip->frame > 0 ? clip->frame : SHORTEST_CUE);
}

gboolean
output_write_side_cars (const Output *o, const Video *video, const GArray *clips, GError **error)
{
  g_autoptr (GArray) entries = g_array_new (FALSE, FALSE, sizeof (TimelineEntry));
  gboolean ok = TRUE;

  for (guint i = 0; i < clips->len; i++) {
    const Clip *clip = &g_array_index (clips, Clip, i);

    if (clip->n > 0 && clip->score[0] >= o->threshold)
      timeline_add (entries, clip->start, cue_end (clip), label_of (o, clip->index[0]), clip->score[0]);
  }
  for (int format = 0; ok && format < N_TIMELINES; format++)
    if (o->side_cars[format])
      ok = timeline_write (entries, (Timeline) format, video->path, error);
  return ok;
}
