/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "tools/tool.h"

int
cmd_export (int argc, char **argv)
{
  g_autofree char *onnx = NULL;
  const GOptionEntry entries[] = {
    { "onnx", 'o', 0, G_OPTION_ARG_FILENAME, &onnx, "The file to write (needed)", "FILE" },
    { NULL },
  };
  g_autoptr (Cnn3dModel) model = NULL;
  g_autoptr (GError) error = NULL;

  if (!tool_parse (&argc, &argv, entries, "MODEL",
          "Writes a model as ONNX, opset 17: input \"x\" (N x 3 x frames x size x size, normalised), output\n"
          "\"y\" (logits, N x classes). BatchNorm is folded into the convolutions. The model card is in the\n"
          "file's metadata.\n\n"
          "Example:\n  3dcnn export shufflenet --onnx shufflenet.onnx\n", 1, 1))
    return EXIT_USAGE;
  if (onnx == NULL) {
    tool_complain ("export needs --onnx FILE");
    return EXIT_USAGE;
  }
  model = tool_load (argv[1], NULL, &error);
  if (model == NULL || !cnn3d_model_export_onnx (model, onnx, &error))
    return tool_fail (error);
  printf ("%s\n", onnx);
  if (cnn3d_unknown_needs_features (cnn3d_model_get_card (model)->unknown))
    tool_complain ("note: the distance by which clips are unknown is not in the file");
  return EXIT_OK;
}
