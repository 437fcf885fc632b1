/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/graph.h"
#include "lib3dcnn/plan.h"

/*
 * The figures of Tables 7 and 8. The paper counts layers and non-linearities along the longest
 * path (a fire module's two expansions are one layer; ShuffleNetV2's shortcut convolutions are
 * none), and as skip connection whatever joins paths of different length.
 */

gboolean
cnn3d_config_get_complexity (const Cnn3dConfig *config, Cnn3dComplexity *complexity, GError **error)
{
  Cnn3dConfig filled;
  g_autoptr (Cnn3dGraph) graph = NULL;
  g_autofree int *layers = NULL, *nonlinearities = NULL;
  Cnn3dComplexity c = { 0 };

  g_return_val_if_fail (config != NULL && complexity != NULL, FALSE);

  filled = *config;
  cnn3d_config_fill (&filled);
  graph = cnn3d_graph_new (&filled, error);
  if (graph == NULL)
    return FALSE;

  layers = g_new0 (int, graph->nodes->len);
  nonlinearities = g_new0 (int, graph->nodes->len);
  for (guint i = 0; i < graph->nodes->len; i++) {
    const Cnn3dNode *node = cnn3d_graph_node (graph, (int) i);

    for (int k = 0; k < node->n_inputs; k++) {
      layers[i] = MAX (layers[i], layers[node->inputs[k]]);
      nonlinearities[i] = MAX (nonlinearities[i], nonlinearities[node->inputs[k]]);
    }

    switch (node->op) {
      case CNN3D_OP_CONV:
      case CNN3D_OP_LINEAR: {
        gint64 weights = cnn3d_param_count (cnn3d_graph_param (graph, node->param));
        layers[i]++;
        c.macs += weights * cnn3d_extent_count (node->shape.e);
        c.activation_bytes += cnn3d_shape_count (&node->shape) * (gint64) sizeof (float);
        break;
      }
      case CNN3D_OP_MAXPOOL:
      case CNN3D_OP_AVGPOOL:
        c.activation_bytes += cnn3d_shape_count (&node->shape) * (gint64) sizeof (float);
        break;
      case CNN3D_OP_RELU:
      case CNN3D_OP_RELU6:
        nonlinearities[i]++;
        break;
      case CNN3D_OP_ADD:
      case CNN3D_OP_CONCAT:
        if (layers[node->inputs[0]] != layers[node->inputs[1]])
          c.skips++;
        break;
      default:
        break;
    }
  }
  c.layers = layers[graph->nodes->len - 1];
  c.nonlinearities = nonlinearities[graph->nodes->len - 1];
  for (guint i = 0; i < graph->params->len; i++)
    if (cnn3d_graph_param (graph, (int) i)->learned)
      c.parameters += cnn3d_param_count (cnn3d_graph_param (graph, (int) i));

  c.arena_bytes = cnn3d_plan_get_arena_bytes (graph);
  *complexity = c;
  return TRUE;
}
