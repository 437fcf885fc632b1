/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cudnn/convplan.h"

#include <stdbool.h>

/* Descriptors that are made on the way to a plan; the plan does not need them afterwards. */
typedef struct {
  const Cnn3dCuda *cuda;
  GArray *made; /* cudnnBackendDescriptor_t */
  GError **error;
  gboolean failed;
} Maker;

#define DESCRIPTOR CUDNN_TYPE_BACKEND_DESCRIPTOR

static void
maker_clear (Maker *m)
{
  for (guint i = m->made->len; i > 0; i--)
    m->cuda->cudnnBackendDestroyDescriptor (
        g_array_index (m->made, cudnnBackendDescriptor_t, i - 1));
  g_array_unref (m->made);
}

static gboolean
check (Maker *m, const char *what, cudnnStatus_t status)
{
  if (status != CUDNN_STATUS_SUCCESS && !m->failed) {
    m->failed = TRUE;
    cnn3d_cudnn_fail (m->cuda, what, status, m->error);
  }
  return !m->failed;
}

static cudnnBackendDescriptor_t
make (Maker *m, cudnnBackendDescriptorType_t type)
{
  cudnnBackendDescriptor_t descriptor = NULL;

  if (m->failed
      || !check (m, "cudnnBackendCreateDescriptor", m->cuda->cudnnBackendCreateDescriptor (type, &descriptor)))
    return NULL;
  g_array_append_val (m->made, descriptor);
  return descriptor;
}

static void
set (Maker *m, cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
    cudnnBackendAttributeType_t type, gint64 count, const void *values)
{
  if (!m->failed)
    check (m, "cudnnBackendSetAttribute",
        m->cuda->cudnnBackendSetAttribute (descriptor, name, type, count, values));
}

static cudnnBackendDescriptor_t
finalize (Maker *m, cudnnBackendDescriptor_t descriptor)
{
  if (!m->failed)
    check (m, "cudnnBackendFinalize", m->cuda->cudnnBackendFinalize (descriptor));
  return descriptor;
}

static cudnnBackendDescriptor_t
make_tensor (Maker *m, gint64 uid, cudnnDataType_t type, gint64 n, gint64 c, Cnn3dExtent e)
{
  cudnnBackendDescriptor_t tensor = make (m, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  gint64 dims[5] = { n, c, e.t, e.h, e.w };
  gint64 strides[5] = { c * cnn3d_extent_count (e), 1, c * e.h * e.w, c * e.w, c };
  gint64 alignment = 16;
  bool is_virtual = uid >= CNN3D_UID_VIRTUAL;

  set (m, tensor, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  set (m, tensor, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 5, dims);
  set (m, tensor, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 5, strides);
  set (m, tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid);
  set (m, tensor, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
  set (m, tensor, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual);
  return finalize (m, tensor);
}

static cudnnBackendDescriptor_t
make_conv (Maker *m, const Cnn3dConvKey *key, cudnnBackendDescriptor_t x,
    cudnnBackendDescriptor_t w, cudnnBackendDescriptor_t y)
{
  cudnnBackendDescriptor_t conv = make (m, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR), op;
  cudnnDataType_t compute = CUDNN_DATA_FLOAT;
  cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  gint64 dims = 3, dilation[3] = { 1, 1, 1 }, pad[3] = { key->pad.t, key->pad.h, key->pad.w };
  gint64 stride[3] = { key->stride.t, key->stride.h, key->stride.w };
  float one = 1, zero = 0;

  set (m, conv, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &dims);
  set (m, conv, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute);
  set (m, conv, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  set (m, conv, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 3, pad);
  set (m, conv, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 3, pad);
  set (m, conv, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 3, dilation);
  set (m, conv, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 3, stride);
  finalize (m, conv);

  op = make (m, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
  set (m, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, DESCRIPTOR, 1, &x);
  set (m, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, DESCRIPTOR, 1, &w);
  set (m, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, DESCRIPTOR, 1, &y);
  set (m, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, DESCRIPTOR, 1, &conv);
  set (m, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1, &one);
  set (m, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1, &zero);
  return finalize (m, op);
}

static cudnnBackendDescriptor_t
make_pointwise (Maker *m, cudnnPointwiseMode_t mode, cudnnBackendDescriptor_t x,
    cudnnBackendDescriptor_t b, cudnnBackendDescriptor_t y)
{
  cudnnBackendDescriptor_t pointwise = make (m, CUDNN_BACKEND_POINTWISE_DESCRIPTOR), op;
  cudnnDataType_t compute = CUDNN_DATA_FLOAT;

  set (m, pointwise, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
  set (m, pointwise, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &compute);
  finalize (m, pointwise);

  op = make (m, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  set (m, op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, DESCRIPTOR, 1, &pointwise);
  set (m, op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, DESCRIPTOR, 1, &x);
  if (b != NULL)
    set (m, op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, DESCRIPTOR, 1, &b);
  set (m, op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, DESCRIPTOR, 1, &y);
  return finalize (m, op);
}

/* What the convolution, or an addition after it, writes: virtual tensors of floats, but for the last. */
static cudnnBackendDescriptor_t
make_result (Maker *m, const Cnn3dConvKey *key, int *left)
{
  gboolean last = --*left == 0;

  return make_tensor (m, last ? CNN3D_UID_Y : CNN3D_UID_VIRTUAL + *left,
      !last || !key->half ? CUDNN_DATA_FLOAT : CUDNN_DATA_HALF, key->n, key->k, key->out);
}

static cudnnBackendDescriptor_t
make_graph (Maker *m, const Cnn3dConvKey *key)
{
  const Cnn3dExtent point = { 1, 1, 1 };
  cudnnDataType_t type = key->half ? CUDNN_DATA_HALF : CUDNN_DATA_FLOAT;
  cudnnBackendDescriptor_t ops[4], graph, from, to, x, w;
  int left = 1 + key->z + key->bias + key->relu;
  gint64 n = 0;

  x = make_tensor (m, CNN3D_UID_X, type, key->n, key->c, key->in);
  w = make_tensor (m, CNN3D_UID_W, type, key->k, key->c, key->kernel);
  to = make_result (m, key, &left);
  ops[n++] = make_conv (m, key, x, w, to);
  if (key->z) {
    from = to;
    to = make_result (m, key, &left);
    ops[n++] = make_pointwise (m, CUDNN_POINTWISE_ADD, from,
        make_tensor (m, CNN3D_UID_Z, type, key->n, key->k, key->out), to);
  }
  if (key->bias) {
    from = to;
    to = make_result (m, key, &left);
    ops[n++] = make_pointwise (m, CUDNN_POINTWISE_ADD, from,
        make_tensor (m, CNN3D_UID_BIAS, type, 1, key->k, point), to);
  }
  if (key->relu) {
    from = to;
    to = make_result (m, key, &left);
    ops[n++] = make_pointwise (m, CUDNN_POINTWISE_RELU_FWD, from, NULL, to);
  }
  graph = make (m, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  set (m, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, DESCRIPTOR, n, ops);
  return finalize (m, graph);
}

/* Engine configurations, in the order of the heuristics; owned by the maker. None if cuDNN refuses this mode, as it
 * does with those that it has not for a device or an operation; *reason says why, unless it is set already. */
static GArray *
propose (const Maker *maker, cudnnBackendDescriptor_t graph, cudnnBackendDescriptor_t device,
    cudnnBackendHeurMode_t mode, GError **reason)
{
  Maker of_mode = { maker->cuda, maker->made, *reason == NULL ? reason : NULL, FALSE }, *m = &of_mode;
  GArray *configs = g_array_new (FALSE, FALSE, sizeof (cudnnBackendDescriptor_t));
  cudnnBackendDescriptor_t heuristics = make (m, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  gint64 count = 0;

  set (m, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, DESCRIPTOR, 1, &graph);
  set (m, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  set (m, heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, DESCRIPTOR, 1, &device);
  finalize (m, heuristics);
  if (!m->failed)
    check (m, "cudnnBackendGetAttribute",
        m->cuda->cudnnBackendGetAttribute (heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, DESCRIPTOR, 0,
            &count, NULL));
  for (gint64 i = 0; i < count && !m->failed; i++) {
    cudnnBackendDescriptor_t config = make (m, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    g_array_append_val (configs, config);
  }
  if (count > 0 && !m->failed)
    check (m, "cudnnBackendGetAttribute",
        m->cuda->cudnnBackendGetAttribute (heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, DESCRIPTOR,
            count, &count, configs->data));
  if (m->failed)
    count = 0;
  g_array_set_size (configs, (guint) count);
  return configs;
}

#define MAX_NOTES 16

static gboolean
has_note (const cudnnBackendNumericalNote_t *notes, gint64 n, cudnnBackendNumericalNote_t note)
{
  for (gint64 i = 0; i < MIN (n, MAX_NOTES); i++)
    if (notes[i] == note)
      return TRUE;
  return FALSE;
}

/* Whether the engine computes as we want it to: sums in float, the same result each time. */
static gboolean
inspect (Maker *m, cudnnBackendDescriptor_t config, const Cnn3dConvKey *key,
    const Cnn3dConvFilter *filter, Cnn3dConvPlan *plan)
{
  static const cudnnBackendNumericalNote_t unwanted[] = {
    CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION, CUDNN_NUMERICAL_NOTE_FFT,
    CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, CUDNN_NUMERICAL_NOTE_WINOGRAD,
    CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4, CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6,
    CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13,
  };
  cudnnBackendDescriptor_t engine = make (m, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendNumericalNote_t notes[MAX_NOTES];
  cudnnBackendBehaviorNote_t behaviors[MAX_NOTES];
  gint64 count = 0, n_notes = 0, n_behaviors = 0, number = -1;
  const Cnn3dCuda *cuda = m->cuda;

  if (m->failed
      || !check (m, "cudnnBackendGetAttribute",
          cuda->cudnnBackendGetAttribute (config, CUDNN_ATTR_ENGINECFG_ENGINE, DESCRIPTOR, 1,
              &count, &engine))
      || !check (m, "cudnnBackendGetAttribute",
          cuda->cudnnBackendGetAttribute (engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX,
              CUDNN_TYPE_INT64, 1, &count, &number))
      || !check (m, "cudnnBackendGetAttribute",
          cuda->cudnnBackendGetAttribute (engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
              CUDNN_TYPE_NUMERICAL_NOTE, MAX_NOTES, &n_notes, notes))
      || !check (m, "cudnnBackendGetAttribute",
          cuda->cudnnBackendGetAttribute (engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE,
              CUDNN_TYPE_BEHAVIOR_NOTE, MAX_NOTES, &n_behaviors, behaviors)))
    return FALSE;
  plan->engine = (int) number;
  plan->tensor_core = has_note (notes, n_notes, CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
  for (gint64 i = 0; i < MIN (n_behaviors, MAX_NOTES); i++)
    if (behaviors[i] == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION)
      plan->runtime_compiled = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (unwanted); i++)
    if (has_note (notes, n_notes, unwanted[i]))
      return FALSE;
  /* In single precision, tensor cores mean TF32; others may round what they read as well. */
  return !plan->runtime_compiled
      && (key->half || filter->allow_tf32
          || (!plan->tensor_core && !has_note (notes, n_notes, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS)));
}

/* FALSE, and no error, if cuDNN does not take this configuration after all. */
static gboolean
make_plan (Maker *m, cudnnBackendDescriptor_t config, cudnnBackendDescriptor_t device,
    const Cnn3dConvFilter *filter, Cnn3dConvPlan *plan)
{
  const Cnn3dCuda *cuda = m->cuda;
  gint64 count;

  if (!check (m, "cudnnBackendCreateDescriptor",
          cuda->cudnnBackendCreateDescriptor (CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan->plan)))
    return FALSE;
  if (cuda->cudnnBackendSetAttribute (plan->plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
          DESCRIPTOR, 1, &config) == CUDNN_STATUS_SUCCESS
      && cuda->cudnnBackendSetAttribute (plan->plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
          DESCRIPTOR, 1, &device) == CUDNN_STATUS_SUCCESS
      && cuda->cudnnBackendFinalize (plan->plan) == CUDNN_STATUS_SUCCESS
      && cuda->cudnnBackendGetAttribute (plan->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
          CUDNN_TYPE_INT64, 1, &count, &plan->workspace) == CUDNN_STATUS_SUCCESS
      && plan->workspace <= filter->workspace)
    return TRUE;
  cuda->cudnnBackendDestroyDescriptor (plan->plan);
  plan->plan = NULL;
  return FALSE;
}

/* Proposals are counted from these on, mode by mode, so that one of a cache is found without asking the others. */
#define MODE_INDICES 10000

/* Only the proposal of this index if it is not negative, and only if it is of this engine. */
static GArray *
find_plans (const Cnn3dCuda *cuda, cudnnBackendDescriptor_t device, const Cnn3dConvKey *key,
    const Cnn3dConvFilter *filter, int only, int engine, GError **error)
{
  static const cudnnBackendHeurMode_t modes[] = { CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK };
  Maker m = { cuda, g_array_new (FALSE, FALSE, sizeof (cudnnBackendDescriptor_t)), error, FALSE };
  cudnnBackendDescriptor_t graph = make_graph (&m, key);
  GArray *plans = g_array_new (FALSE, FALSE, sizeof (Cnn3dConvPlan));
  guint n_preferred = 0;
  g_autoptr (GError) refused = NULL;

  /* What neither of the modes proposes cannot be had. */
  for (guint k = 0; k < G_N_ELEMENTS (modes) && !m.failed && n_preferred < (guint) filter->max_plans;
       k++) {
    g_autoptr (GArray) configs = NULL;

    if (only >= 0 && only / MODE_INDICES != (int) k)
      continue;
    configs = propose (&m, graph, device, modes[k], &refused);
    for (guint i = 0; i < MIN (configs->len, MODE_INDICES) && !m.failed && n_preferred < (guint) filter->max_plans;
         i++) {
      cudnnBackendDescriptor_t config = g_array_index (configs, cudnnBackendDescriptor_t, i);
      Cnn3dConvPlan plan = { .index = (int) k * MODE_INDICES + (int) i };
      gboolean preferred;

      if ((only >= 0 && plan.index != only) || !inspect (&m, config, key, filter, &plan)
          || (only >= 0 && plan.engine != engine))
        continue;
      /* Of what has no tensor cores, the first few are kept, in case that there is nothing else. */
      preferred = !key->half || plan.tensor_core;
      if ((!preferred && plans->len >= (guint) filter->max_plans)
          || !make_plan (&m, config, device, filter, &plan))
        continue;
      if (preferred)
        g_array_insert_val (plans, n_preferred++, plan);
      else
        g_array_append_val (plans, plan);
    }
  }
  maker_clear (&m);
  if (!m.failed && plans->len == 0) {
    g_autofree char *name = cnn3d_conv_key_string (key);
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
        "cuDNN has no kernel for the convolution %s on this device with at most %d MB of workspace%s%s",
        name, (int) (filter->workspace >> 20), refused != NULL ? "; its heuristics: " : "",
        refused != NULL ? refused->message : "");
    m.failed = TRUE;
  }
  while (plans->len > (m.failed ? 0 : (guint) filter->max_plans)) {
    cnn3d_conv_plan_clear (cuda, &g_array_index (plans, Cnn3dConvPlan, plans->len - 1));
    g_array_set_size (plans, plans->len - 1);
  }
  if (m.failed)
    g_clear_pointer (&plans, g_array_unref);
  return plans;
}

GArray *
cnn3d_conv_plans (const Cnn3dCuda *cuda, cudnnBackendDescriptor_t device, const Cnn3dConvKey *key,
    const Cnn3dConvFilter *filter, GError **error)
{
  return find_plans (cuda, device, key, filter, -1, -1, error);
}

GArray *
cnn3d_conv_plan_at (const Cnn3dCuda *cuda, cudnnBackendDescriptor_t device,
    const Cnn3dConvKey *key, const Cnn3dConvFilter *filter, int index, int engine, GError **error)
{
  return find_plans (cuda, device, key, filter, index, engine, error);
}

void
cnn3d_conv_plan_clear (const Cnn3dCuda *cuda, Cnn3dConvPlan *plan)
{
  if (plan->plan != NULL)
    cuda->cudnnBackendDestroyDescriptor (plan->plan);
  plan->plan = NULL;
}

void
cnn3d_conv_plans_free (const Cnn3dCuda *cuda, GArray *plans)
{
  if (plans == NULL)
    return;
  for (guint i = 0; i < plans->len; i++)
    cnn3d_conv_plan_clear (cuda, &g_array_index (plans, Cnn3dConvPlan, i));
  g_array_unref (plans);
}

gboolean
cnn3d_device_descriptor (const Cnn3dCuda *cuda, int device, cudnnBackendDescriptor_t *descriptor,
    GError **error)
{
  cudnnStatus_t status;
  gint32 id = device;

  CNN3D_CUDNN_TRY ("cudnnBackendCreateDescriptor", cudnnBackendCreateDescriptor,
      CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, descriptor);
  status = cuda->cudnnBackendSetAttribute (*descriptor, CUDNN_ATTR_DEVICEPROP_DEVICE_ID,
      CUDNN_TYPE_INT32, 1, &id);
  if (status == CUDNN_STATUS_SUCCESS)
    status = cuda->cudnnBackendFinalize (*descriptor);
  if (status == CUDNN_STATUS_SUCCESS)
    return TRUE;
  cnn3d_cudnn_fail (cuda, "cuDNN does not accept the device", status, error);
  cuda->cudnnBackendDestroyDescriptor (*descriptor);
  *descriptor = NULL;
  return FALSE;
}
