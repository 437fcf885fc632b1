/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "tools/session-options.h"

int
cmd_run (int argc, char **argv)
{
  g_autofree char *input = NULL, *format = NULL;
  g_auto (ToolSession) where = { 0 };
  Cnn3dSessionOptions o = { 0 };
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "input", 'i', 0, G_OPTION_ARG_FILENAME, &input, "The raw clip (needed)", "FILE" },
    { "input-format", 'f', 0, G_OPTION_ARG_STRING, &format,
        "f32-cthw: normalised planes of little-endian floats (the default); u8-thwc: RGB bytes, a frame"
        " after the other", "FORMAT" },
    TOOL_SESSION_ENTRIES (where),
    { "threads", 't', 0, G_OPTION_ARG_INT, &o.threads, "Threads (0: one for each CPU)", "N" },
    { "json", 'j', 0, G_OPTION_ARG_NONE, &json, "Print {\"logits\": [...]}", NULL },
    { NULL },
  };
  g_autoptr (Cnn3dModel) model = NULL;
  g_autoptr (Cnn3dSession) session = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *data = NULL;
  g_autofree float *logits = NULL;
  const Cnn3dConfig *config;
  gboolean bytes;
  gsize size, expected;

  if (!tool_parse (&argc, &argv, entries, "MODEL",
          "Runs one clip, as it is in memory, through a model.\n\n"
          "Example:\n  3dcnn run shufflenet --input clip.u8 --input-format u8-thwc --json\n", 1, 1))
    return EXIT_USAGE;
  if (input == NULL) {
    tool_complain ("run needs --input FILE");
    return EXIT_USAGE;
  }
  if (format != NULL && strcmp (format, "f32-cthw") != 0 && strcmp (format, "u8-thwc") != 0) {
    tool_complain ("--input-format is f32-cthw or u8-thwc, not '%s'", format);
    return EXIT_USAGE;
  }
  bytes = g_strcmp0 (format, "u8-thwc") == 0;
  if (!tool_session_options (&where, &o))
    return EXIT_USAGE;
  model = tool_load (argv[1], NULL, &error);
  if (model == NULL || (session = cnn3d_session_new (model, &o, &error)) == NULL
      || !g_file_get_contents (input, &data, &size, &error))
    return tool_fail (error);

  config = cnn3d_model_get_config (model);
  expected = (gsize) 3 * config->frames * config->size * config->size * (bytes ? 1 : sizeof (float));
  if (size != expected) {
    tool_complain ("%s: has %" G_GSIZE_FORMAT " bytes; a clip of %d frames of %d x %d as %s has %"
        G_GSIZE_FORMAT, input, size, config->frames, config->size, config->size,
        bytes ? "u8-thwc" : "f32-cthw", expected);
    return EXIT_FAILED;
  }
  logits = g_new (float, config->classes);
  if (!(bytes ? cnn3d_session_run_rgb (session, (const guint8 *) data, 1, logits, &error)
          : cnn3d_session_run (session, (const float *) (gpointer) data, 1, logits, &error)))
    return tool_fail (error);
  tool_session_warn (session);

  printf (json ? "{\"logits\": [" : "");
  for (int c = 0; c < config->classes; c++) {
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_ascii_formatd (text, sizeof text, "%.9g", (double) logits[c]);
    if (json)
      printf ("%s%s", c > 0 ? ", " : "", text);
    else
      printf ("%s\t%s\n", text, cnn3d_model_get_label (model, c));
  }
  printf (json ? "]}\n" : "");
  return EXIT_OK;
}
