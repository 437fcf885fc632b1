/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The lowering for GPUs, with no GPU and nothing of CUDA: its steps, run by plain loops in buffers that share
 * one arena as on the device, give the reference's values; and there are no more launches than promised.
 */

#include <math.h>

#include "lib3dcnn/cudnn/weights.h"
#include "lib3dcnn/reference.h"
#include "tests/gpu/networks.h"

typedef struct {
  Cnn3dModel *model;
  Cnn3dGpuPlan *plan;
  float *arena;
} Run;

static float *
buffer_of (Run *r, int i)
{
  return r->arena + cnn3d_gpu_plan_buffer (r->plan, i)->offset / sizeof (float);
}

static float
activate (float v, Cnn3dActivation activation, Cnn3dGpuKind kind)
{
  if (activation == CNN3D_ACTIVATION_NONE)
    return v;
  v = MAX (v, 0);
  return activation == CNN3D_ACTIVATION_RELU6 && kind != CNN3D_GPU_CONV ? MIN (v, 6) : v;
}

static float
load (const Cnn3dGpuStep *s, const float *x)
{
  return s->clamp && *x > 6 ? 6 : *x;
}

/* One lane of one output position. */
static float
compute (Run *r, const Cnn3dGpuStep *s, const Cnn3dGpuWeights *w, Cnn3dExtent o, int lane)
{
  int lanes = cnn3d_gpu_plan_buffer (r->plan, s->x)->lanes;
  int y_lanes = cnn3d_gpu_plan_buffer (r->plan, s->y)->lanes;
  int taps = (int) cnn3d_extent_count (s->kernel), tap = 0, from = s->from ? s->from[lane] : lane;
  const float *x = buffer_of (r, s->x);
  gboolean max = s->kind == CNN3D_GPU_MAXPOOL;
  float sum = w ? w->bias[lane] : max ? -INFINITY : 0;

  if (from < 0)
    return 0;
  for (int kt = 0; kt < s->kernel.t; kt++)
    for (int kh = 0; kh < s->kernel.h; kh++)
      for (int kw = 0; kw < s->kernel.w; kw++, tap++) {
        int t = o.t * s->stride.t + kt - s->pad.t, h = o.h * s->stride.h + kh - s->pad.h;
        int v = o.w * s->stride.w + kw - s->pad.w;
        const float *p = x + ((t * s->in.h + h) * s->in.w + v) * lanes;

        if (t < 0 || h < 0 || v < 0 || t >= s->in.t || h >= s->in.h || v >= s->in.w)
          continue;
        if (s->kind == CNN3D_GPU_CONV)
          for (int c = 0; c < lanes; c++)
            sum += p[c] * w->weights[(lane * taps + tap) * lanes + c];
        else if (s->kind == CNN3D_GPU_DEPTHWISE)
          sum += load (s, p + from) * w->weights[tap * y_lanes + lane];
        else
          sum = max ? fmaxf (sum, load (s, p + from)) : sum + load (s, p + from);
      }
  return w || max ? sum : sum / (float) taps;
}

static void
run_step (Run *r, const Cnn3dGpuStep *s)
{
  g_autoptr (Cnn3dGpuWeights) w =
      s->n_parts > 0 ? cnn3d_gpu_weights_new (r->model, r->plan, s) : NULL;
  int lanes = cnn3d_gpu_plan_buffer (r->plan, s->y)->lanes;
  int x_lanes = cnn3d_gpu_plan_buffer (r->plan, s->x)->lanes;
  gint64 positions = cnn3d_extent_count (s->out);
  float *y = buffer_of (r, s->y), *x = buffer_of (r, s->x);
  Cnn3dExtent o;

  for (gint64 i = 0; i < positions; i++) {
    o = (Cnn3dExtent){ (int) (i / s->out.w / s->out.h), (int) (i / s->out.w % s->out.h),
      (int) (i % s->out.w) };
    if (s->kind == CNN3D_GPU_COPY) {
      for (int k = 0; k < s->n_lanes; k++)
        y[i * lanes + s->to[k]] = x[i * x_lanes + s->from[k]];
      continue;
    }
    for (int lane = 0; lane < lanes; lane++) {
      float v = compute (r, s, w, o, lane);

      if (s->z >= 0)
        v += buffer_of (r, s->z)[i * lanes + lane];
      y[i * lanes + lane] = activate (v, s->activation, s->kind);
    }
  }
}

/* What a step stored against the graph's value. */
static void
check_step (Run *r, const Cnn3dGpuStep *s, const double *expected)
{
  const Cnn3dNode *node = cnn3d_graph_node (r->model->graph, s->value);
  const Cnn3dGpuBuffer *y = cnn3d_gpu_plan_buffer (r->plan, s->y);
  gint64 positions = cnn3d_extent_count (node->shape.e);
  const float *data = buffer_of (r, s->y);
  double worst = 0, largest = 0;

  for (int c = 0; c < node->shape.c; c++)
    for (gint64 i = 0; i < positions; i++) {
      double v = data[i * y->lanes + s->lanes[c]], e = expected[c * positions + i];

      if (y->clamp)
        v = MIN (v, 6);
      g_assert_true (isfinite (v));
      worst = MAX (worst, fabs (v - e));
      largest = MAX (largest, fabs (e));
    }
  if (worst > 1e-4 * largest)
    g_error ("%s (value %d): off by %g of %g", s->module ? s->module : "?", s->value, worst, largest);
}

/* What the last layer has read is still there after the last step. */
static void
check_features (Run *r, const double *expected)
{
  const Cnn3dGpuPlan *plan = r->plan;
  Cnn3dGpuStep step = { .module = "features", .y = plan->features, .lanes = plan->feature_lanes,
    .value = cnn3d_graph_get_features (r->model->graph) };

  g_assert_cmpint (plan->n_features, ==, cnn3d_graph_node (r->model->graph, step.value)->shape.c);
  check_step (r, &step, expected);
}

static void
test_values (gconstpointer data)
{
  Cnn3dConfig config = *(const Cnn3dConfig *) data;
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (&config, "gpu", &error);
  g_autoptr (Cnn3dGpuPlan) plan = NULL;
  g_autofree float *clip = NULL;
  double **expected;
  Run r = { model };
  gint64 n;
  float *input;

  g_assert_no_error (error);
  config = model->config;
  r.plan = plan = cnn3d_gpu_plan_new (model->graph);
  n = (gint64) config.frames * config.size * config.size;
  clip = g_new (float, 3 * n);
  cnn3d_hash_clip (&config, "gpu", clip);
  expected = cnn3d_reference_compute (model, clip);
  r.arena = g_malloc (cnn3d_gpu_plan_place (plan, 1, sizeof (float)));
  /* What nobody writes shows. */
  memset (r.arena, 0xff, cnn3d_gpu_plan_place (plan, 1, sizeof (float)));
  input = buffer_of (&r, 0);
  for (int c = 0; c < 3; c++)
    for (gint64 i = 0; i < n; i++)
      input[i * 3 + c] = clip[c * n + i];
  for (guint i = 0; i < plan->steps->len; i++) {
    const Cnn3dGpuStep *step = cnn3d_gpu_plan_step (plan, (int) i);

    run_step (&r, step);
    check_step (&r, step, expected[step->value]);
  }
  for (int c = 0; c < config.classes; c++)
    g_assert_cmpint (plan->output_lanes[c], <, cnn3d_gpu_plan_buffer (plan, plan->output)->lanes);
  check_features (&r, expected[cnn3d_graph_get_features (model->graph)]);
  cnn3d_reference_free (model, expected);
  g_free (r.arena);
}

static void
test_launches (void)
{
  for (int i = 0; i < N_NETWORKS; i++) {
    Cnn3dConfig config = networks[i].config;
    g_autoptr (Cnn3dGraph) graph = NULL;
    g_autoptr (Cnn3dGpuPlan) plan = NULL;
    int convs = 0, published = 0, launches;

    cnn3d_config_fill (&config);
    graph = cnn3d_graph_new (&config, NULL);
    plan = cnn3d_gpu_plan_new (graph);
    for (guint s = 0; s < plan->steps->len; s++)
      convs += cnn3d_gpu_plan_step (plan, (int) s)->n_parts > 0;
    for (guint n = 0; n < graph->nodes->len; n++) {
      Cnn3dOp op = cnn3d_graph_node (graph, (int) n)->op;
      published += op == CNN3D_OP_CONV || op == CNN3D_OP_LINEAR;
    }
    /* One for each convolution, and one that brings the clip into its layout. */
    g_assert_cmpint (convs, <=, published);
    launches = (int) plan->steps->len + 1;
    g_assert_cmpint (launches, <=, networks[i].launches);
    g_test_message ("%s: %d launches", networks[i].name, launches);
  }
}

static const Cnn3dConfig small[] = {
  { CNN3D_ARCH_MOBILENET, 0.3, .classes = 7, .frames = 8, .size = 48 },
  { CNN3D_ARCH_MOBILENETV2, 0.3, .classes = 27, .frames = 16, .size = 40 },
  { CNN3D_ARCH_SHUFFLENET, 0.25, .groups = 3, .classes = 5, .frames = 16, .size = 48 },
  { CNN3D_ARCH_SHUFFLENET, 0.3, .groups = 1, .classes = 5, .frames = 16, .size = 33 },
  { CNN3D_ARCH_SHUFFLENET, 1.0, .groups = 8, .classes = 5, .frames = 16, .size = 32 },
  { CNN3D_ARCH_SHUFFLENETV2, 0.25, .classes = 9, .frames = 16, .size = 56 },
  { CNN3D_ARCH_SQUEEZENET, .version = 11, .classes = 11, .frames = 8, .size = 33 },
  { CNN3D_ARCH_SQUEEZENET, .version = 10, .classes = 11, .frames = 4, .size = 33 },
};

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (small); i++) {
    g_autofree char *name = g_strdup_printf ("/gpu/lower/%s-%u", cnn3d_arch_get_name (small[i].arch), i);
    g_test_add_data_func (name, &small[i], test_values);
  }
  g_test_add_func ("/gpu/lower/launches", test_launches);
  return g_test_run ();
}
