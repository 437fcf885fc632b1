/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/reference.h"
#include "lib3dcnn/backend.h"

#include <math.h>

#define BATCHNORM_EPSILON 1e-5

typedef struct {
  const Cnn3dNode *node;
  const Cnn3dNode *in[CNN3D_MAX_INPUTS];
  const double *x[CNN3D_MAX_INPUTS];
  const float *const *params;
  double *y;
  gint64 positions; /* of the output */
} Step;

/* Calls body for every position (t, h, w) of the window that lies inside of the input. */
#define FOR_WINDOW(node, in, o, body)                                                              \
  for (int kt = 0; kt < (node)->kernel.t; kt++)                                                    \
    for (int kh = 0; kh < (node)->kernel.h; kh++)                                                  \
      for (int kw = 0; kw < (node)->kernel.w; kw++) {                                              \
        int t = (o).t * (node)->stride.t + kt - (node)->pad.t;                                     \
        int h = (o).h * (node)->stride.h + kh - (node)->pad.h;                                     \
        int w = (o).w * (node)->stride.w + kw - (node)->pad.w;                                     \
        if (t < 0 || h < 0 || w < 0 || t >= (in).t || h >= (in).h || w >= (in).w)                  \
          continue;                                                                                \
        body                                                                                       \
      }

#define FOR_EXTENT(o, e)                                                                           \
  for ((o).t = 0; (o).t < (e).t; (o).t++)                                                          \
    for ((o).h = 0; (o).h < (e).h; (o).h++)                                                        \
      for ((o).w = 0; (o).w < (e).w; (o).w++)

static inline gint64
at (Cnn3dExtent e, int c, int t, int h, int w)
{
  return (((gint64) c * e.t + t) * e.h + h) * e.w + w;
}

/* Outputs [*first, *end) whose tap k lies inside of the input, along one axis. */
static void
outputs_of_tap (int k, int stride, int pad, int in, int out, int *first, int *end)
{
  *first = MAX (pad - k + stride - 1, 0) / stride;
  *end = in + pad - k > 0 ? MIN ((in + pad - k - 1) / stride + 1, out) : 0;
}

/* y += weight * x over the outputs of one frame that the tap meets, row by row. */
static void
add_tap (const Cnn3dNode *node, Cnn3dExtent in, Cnn3dExtent out, Cnn3dExtent tap, double weight, const double *x, double *y)
{
  Cnn3dExtent first, end;
  int stride = node->stride.w;

  outputs_of_tap (tap.h, node->stride.h, node->pad.h, in.h, out.h, &first.h, &end.h);
  outputs_of_tap (tap.w, node->stride.w, node->pad.w, in.w, out.w, &first.w, &end.w);
  for (int h = first.h; h < end.h; h++) {
    double *restrict to = y + h * out.w + first.w;
    const double *restrict from
        = x + (h * node->stride.h + tap.h - node->pad.h) * in.w + first.w * stride + tap.w - node->pad.w;

    if (stride == 1)
      for (int w = 0; w < end.w - first.w; w++)
        to[w] += weight * from[w];
    else
      for (int w = 0; w < end.w - first.w; w++)
        to[w] += weight * from[w * stride];
  }
}

/* A sum's order is bias, then input channels, and in each the taps. */
static void
conv (const Step *s)
{
  const Cnn3dNode *node = s->node;
  Cnn3dExtent in = s->in[0]->shape.e, out = node->shape.e, k = node->kernel, tap;
  int in_group = s->in[0]->shape.c / node->groups, out_group = node->shape.c / node->groups;
  const float *weight = s->params[0], *bias = node->n_params > 1 ? s->params[1] : NULL;

  if (cnn3d_extent_count (k) == 1 && cnn3d_extent_count (node->stride) == 1) {
    in = (Cnn3dExtent){ in.t, 1, in.h * in.w };
    out = in; /* a frame is one long row */
  }
  /* Frame by frame, as those stay in the cache. */
  for (int oc = 0; oc < node->shape.c; oc++)
    for (int t = 0; t < out.t; t++) {
      double *y = s->y + at (out, oc, t, 0, 0);

      for (int i = 0; i < out.h * out.w; i++)
        y[i] = bias ? (double) bias[oc] : 0;
      for (int ic = 0; ic < in_group; ic++)
        FOR_EXTENT (tap, k)
        {
          int from = t * node->stride.t + tap.t - node->pad.t;

          if (from >= 0 && from < in.t)
            add_tap (node, in, out, tap, (double) weight[at (k, oc * in_group + ic, tap.t, tap.h, tap.w)],
                s->x[0] + at (in, oc / out_group * in_group + ic, from, 0, 0), y);
        }
    }
}

static void
batchnorm (const Step *s)
{
  const float *weight = s->params[0], *bias = s->params[1];
  const float *mean = s->params[2], *var = s->params[3];

  for (int c = 0; c < s->node->shape.c; c++)
    for (gint64 i = c * s->positions; i < (c + 1) * s->positions; i++)
      s->y[i] = (s->x[0][i] - mean[c]) / sqrt (var[c] + BATCHNORM_EPSILON) * weight[c] + bias[c];
}

static void
pool (const Step *s)
{
  const Cnn3dNode *node = s->node;
  Cnn3dExtent in = s->in[0]->shape.e, out = node->shape.e, o;
  gboolean max = node->op == CNN3D_OP_MAXPOOL;

  for (int c = 0; c < node->shape.c; c++)
    FOR_EXTENT (o, out) {
      double best = -INFINITY, sum = 0;

      FOR_WINDOW (node, in, o, {
        double x = s->x[0][at (in, c, t, h, w)];
        best = MAX (best, x);
        sum += x;
      })
      s->y[at (out, c, o.t, o.h, o.w)] =
          max ? best : sum / (double) cnn3d_extent_count (node->kernel);
    }
}

static void
linear (const Step *s)
{
  int n = s->in[0]->shape.c;

  for (int o = 0; o < s->node->shape.c; o++) {
    double sum = s->params[1][o];
    for (int i = 0; i < n; i++)
      sum += (double) s->params[0][(gint64) o * n + i] * s->x[0][i];
    s->y[o] = sum;
  }
}

static void
shuffle (const Step *s)
{
  int groups = s->node->groups, size = s->node->shape.c / groups;
  gsize bytes = (gsize) s->positions * sizeof (double);

  for (int g = 0; g < groups; g++)
    for (int i = 0; i < size; i++)
      memcpy (s->y + (i * groups + g) * s->positions, s->x[0] + (g * size + i) * s->positions,
          bytes);
}

static void
compute (const Step *s)
{
  gint64 n = cnn3d_shape_count (&s->node->shape);

  switch (s->node->op) {
    case CNN3D_OP_INPUT:
      break;
    case CNN3D_OP_CONV:
      conv (s);
      break;
    case CNN3D_OP_BATCHNORM:
      batchnorm (s);
      break;
    case CNN3D_OP_RELU:
      for (gint64 i = 0; i < n; i++)
        s->y[i] = MAX (s->x[0][i], 0);
      break;
    case CNN3D_OP_RELU6:
      for (gint64 i = 0; i < n; i++)
        s->y[i] = CLAMP (s->x[0][i], 0, 6);
      break;
    case CNN3D_OP_MAXPOOL:
    case CNN3D_OP_AVGPOOL:
      pool (s);
      break;
    case CNN3D_OP_ADD:
      for (gint64 i = 0; i < n; i++)
        s->y[i] = s->x[0][i] + s->x[1][i];
      break;
    case CNN3D_OP_CONCAT: {
      gint64 n0 = cnn3d_shape_count (&s->in[0]->shape);
      memcpy (s->y, s->x[0], (gsize) n0 * sizeof (double));
      memcpy (s->y + n0, s->x[1], (gsize) (n - n0) * sizeof (double));
      break;
    }
    case CNN3D_OP_SLICE:
      memcpy (s->y, s->x[0] + s->node->first * s->positions, (gsize) n * sizeof (double));
      break;
    case CNN3D_OP_SHUFFLE:
      shuffle (s);
      break;
    case CNN3D_OP_DROPOUT:
      memcpy (s->y, s->x[0], (gsize) n * sizeof (double));
      break;
    case CNN3D_OP_LINEAR:
      linear (s);
      break;
  }
}

double **
cnn3d_reference_compute (Cnn3dModel *model, const float *clip)
{
  const Cnn3dGraph *graph = model->graph;
  double **values = g_new0 (double *, graph->nodes->len);

  for (guint i = 0; i < graph->nodes->len; i++) {
    const Cnn3dNode *node = cnn3d_graph_node (graph, (int) i);
    gint64 n = cnn3d_shape_count (&node->shape);
    Step s = { .node = node, .params = model->params + node->param,
      .positions = cnn3d_extent_count (node->shape.e) };

    s.y = values[i] = g_new (double, (gsize) n);
    for (int k = 0; k < node->n_inputs; k++) {
      s.in[k] = cnn3d_graph_node (graph, node->inputs[k]);
      s.x[k] = values[node->inputs[k]];
    }
    if (node->op == CNN3D_OP_INPUT)
      for (gint64 j = 0; j < n; j++)
        s.y[j] = clip[j];
    else
      compute (&s);
  }
  return values;
}

void
cnn3d_reference_free (Cnn3dModel *model, double **values)
{
  for (guint i = 0; i < model->graph->nodes->len; i++)
    g_free (values[i]);
  g_free (values);
}

static gpointer
create (Cnn3dModel *model, const Cnn3dSessionOptions *options, GError **error)
{
  return model;
}

static void
read_features (Cnn3dModel *model, double *const *values, float *features)
{
  int node = cnn3d_graph_get_features (model->graph);
  const Cnn3dShape *shape = &cnn3d_graph_node (model->graph, node)->shape;
  gint64 positions = cnn3d_extent_count (shape->e);

  for (int c = 0; c < shape->c; c++) {
    double sum = 0;

    for (gint64 p = 0; p < positions; p++)
      sum += values[node][c * positions + p];
    features[c] = (float) (sum / (double) positions);
  }
}

static gboolean
run (gpointer engine, const Cnn3dClip *clips, int n, float *logits, float *features, GError **error)
{
  Cnn3dModel *model = engine;
  int classes = model->config.classes, n_features = cnn3d_model_get_n_features (model);

  for (int i = 0; i < n; i++) {
    g_autofree float *planes = NULL;
    const float *clip = clips[i].planes;
    double **values;

    if (clip == NULL) {
      clip = planes = g_new (float, (gsize) cnn3d_shape_count (&cnn3d_graph_node (model->graph, 0)->shape));
      cnn3d_model_normalize (model, clips[i].rgb, planes);
    }
    values = cnn3d_reference_compute (model, clip);
    for (int c = 0; c < classes; c++)
      logits[i * classes + c] = (float) values[model->graph->nodes->len - 1][c];
    if (features != NULL)
      read_features (model, values, features + i * n_features);
    cnn3d_reference_free (model, values);
  }
  return TRUE;
}

static void
destroy (gpointer engine)
{
}

static char *
describe (gpointer engine)
{
  return g_strdup ("reference (double precision)");
}

const Cnn3dBackendClass cnn3d_reference_backend = {
  .create = create,
  .run = run,
  .destroy = destroy,
  .describe = describe,
};
