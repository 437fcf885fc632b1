/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "tools/tool.h"

int
cmd_verify (int argc, char **argv)
{
  const GOptionEntry entries[] = { { NULL } };
  int status = EXIT_OK;

  if (!tool_parse (&argc, &argv, entries, "MODEL...",
          "Runs a clip made by a hash through each model, on the reference backend and on the default\n"
          "one, and compares the logits with those in the model card.\n", 1, -1))
    return EXIT_USAGE;
  for (int i = 1; i < argc; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (Cnn3dModel) model = tool_load (argv[i], NULL, &error);

    if (model == NULL) {
      status = tool_fail (error);
    } else if (!cnn3d_model_verify (model, &error)) {
      tool_complain ("%s: %s", argv[i], error->message);
      status = EXIT_FAILED;
    } else {
      printf ("%s: ok\n", argv[i]);
    }
  }
  return status;
}
