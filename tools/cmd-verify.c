/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "tools/session-options.h"

/* In the session that options ask for. */
static gboolean
verify_session (const char *name, Cnn3dModel *model, const Cnn3dSessionOptions *options, GError **error)
{
  g_autoptr (Cnn3dSession) session = cnn3d_session_new (model, options, error);
  double difference;

  if (session == NULL || !cnn3d_session_verify (session, &difference, error))
    return FALSE;
  tool_session_warn (session);
  printf ("%s: ok, %s: logits differ by %.1e of the largest\n", name, cnn3d_session_describe (session),
      difference);
  return TRUE;
}

int
cmd_verify (int argc, char **argv)
{
  g_auto (ToolSession) where = { 0 };
  Cnn3dSessionOptions options = { 0 };
  const GOptionEntry entries[] = { TOOL_SESSION_ENTRIES (where), { NULL } };
  gboolean chosen;
  int status = EXIT_OK;

  if (!tool_parse (&argc, &argv, entries, "MODEL...",
          "Runs a clip made by a hash through each model, on the reference backend and on the default\n"
          "one, and compares the logits with those in the model card. With --backend, --device, --precision or\n"
          "--allow-tf32, on what these name instead, and says how far they are apart.\n", 1, -1))
    return EXIT_USAGE;
  chosen = where.backend != NULL || where.device != NULL || where.precision != NULL || where.allow_tf32;
  if (!tool_session_options (&where, &options))
    return EXIT_USAGE;
  for (int i = 1; i < argc; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (Cnn3dModel) model = tool_load (argv[i], NULL, &error);

    if (model == NULL) {
      status = tool_fail (error);
    } else if (!(chosen ? verify_session (argv[i], model, &options, &error)
                        : cnn3d_model_verify (model, &error))) {
      tool_complain ("%s: %s", argv[i], error->message);
      status = EXIT_FAILED;
    } else if (!chosen) {
      printf ("%s: ok\n", argv[i]);
    }
  }
  return status;
}
