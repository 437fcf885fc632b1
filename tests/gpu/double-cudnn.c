/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cudnn/convplan.h"
#include "tests/gpu/double-descriptors.h"
#include "tests/gpu/real.h"

typedef struct {
  cudaStream_t stream;
  int device;
} Handle;

static GHashTable *handles;

static cudnnStatus_t
double_cudnnCreate (cudnnHandle_t *handle)
{
  Handle *h = g_new0 (Handle, 1);

  h->device = double_current_device ();
  if (handles == NULL)
    handles = g_hash_table_new (NULL, NULL);
  g_hash_table_add (handles, h);
  *handle = (cudnnHandle_t) (gpointer) h;
  return CUDNN_STATUS_SUCCESS;
}

static Handle *
handle_of (cudnnHandle_t handle)
{
  if (handles == NULL || !g_hash_table_contains (handles, handle))
    g_error ("cudnn double: a handle that does not exist (any more)");
  double_check_device (((Handle *) (gpointer) handle)->device, "cuDNN's handle");
  return (Handle *) (gpointer) handle;
}

static cudnnStatus_t
double_cudnnDestroy (cudnnHandle_t handle)
{
  Handle *h = handle_of (handle);

  g_hash_table_remove (handles, h);
  g_free (h);
  return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t
double_cudnnSetStream (cudnnHandle_t handle, cudaStream_t stream)
{
  handle_of (handle)->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

typedef struct {
  DoubleOp op;
  DoubleConv conv;
  guint8 *workspace;
  gsize workspace_bytes;
} ConvOp;

static void
conv_check (const ConvOp *c)
{
  const DoubleConv *v = &c->conv;
  gsize size = v->half ? 2 : 4;
  gsize in = (gsize) v->n * v->in[0] * v->in[1] * v->in[2] * v->c;
  gsize out = (gsize) v->n * v->out[0] * v->out[1] * v->out[2] * v->k;
  gsize weights = (gsize) v->k * v->kernel[0] * v->kernel[1] * v->kernel[2] * v->c;

  double_check_pointer (v->x, in * size, 16, "x of a convolution");
  double_check_pointer (v->w, weights * size, 16, "weights of a convolution");
  double_check_pointer (v->y, out * size, 16, "y of a convolution");
  if (v->z != NULL)
    double_check_pointer (v->z, out * size, 16, "residual of a convolution");
  if (v->bias != NULL)
    double_check_pointer (v->bias, (gsize) v->k * size, 16, "bias of a convolution");
  if (c->workspace_bytes > 0)
    double_check_pointer (c->workspace, c->workspace_bytes, 16, "workspace of a convolution");
}

static void
conv_run (DoubleOp *op, gboolean dry)
{
  ConvOp *c = (ConvOp *) op;

  conv_check (c);
  /* What overlaps the workspace becomes NaN. */
  if (c->workspace_bytes > 0 && !dry)
    memset (c->workspace, 0xff, c->workspace_bytes);
  if (!dry)
    double_conv (&c->conv);
}

/* The tensor's dimensions; checks that it is packed, channels last. */
static const gint64 *
dims_of (Descriptor *tensor)
{
  gsize bytes;
  const gint64 *d = descriptor_value (tensor, CUDNN_ATTR_TENSOR_DIMENSIONS, &bytes);
  const gint64 *s = descriptor_value (tensor, CUDNN_ATTR_TENSOR_STRIDES, &bytes);

  g_assert_cmpuint (bytes, ==, 5 * sizeof *s);
  g_assert_true (s[1] == 1 && s[4] == d[1] && s[3] == d[1] * d[4] && s[2] == s[3] * d[3] && s[0] == s[2] * d[2]);
  return d;
}

static void *
pointer_of (Descriptor *tensor, Descriptor *pack)
{
  gsize n, bytes;
  gint64 uid = *(const gint64 *) descriptor_value (tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, &bytes);
  const gint64 *uids = descriptor_value (pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, &n);
  void *const *pointers = descriptor_value (pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, &bytes);

  for (gsize i = 0; i < n / sizeof *uids; i++)
    if (uids[i] == uid) {
      if (pointers[i] == NULL)
        g_error ("cudnn double: tensor %d has no pointer", (int) uid);
      return pointers[i];
    }
  g_error ("cudnn double: tensor %d is missing from the variant pack", (int) uid);
}

static void
read_window (Descriptor *op, DoubleConv *v)
{
  Descriptor *conv = descriptor_child (op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, 0);
  const gint64 *x = dims_of (descriptor_child (op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, 0));
  const gint64 *w = dims_of (descriptor_child (op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, 0));
  const gint64 *y = dims_of (descriptor_child (op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, 0));
  gsize bytes;
  const gint64 *pad = descriptor_value (conv, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, &bytes);
  const gint64 *stride = descriptor_value (conv, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, &bytes);

  g_assert_cmpint (x[1], ==, w[1]);
  v->n = (int) x[0];
  v->c = (int) x[1];
  v->k = (int) y[1];
  for (int i = 0; i < 3; i++) {
    v->in[i] = (int) x[2 + i];
    v->out[i] = (int) y[2 + i];
    v->kernel[i] = (int) w[2 + i];
    v->pad[i] = (int) pad[i];
    v->stride[i] = (int) stride[i];
  }
}

/* The operations that the plan was made for, with the pack's pointers. */
static void
read_graph (Descriptor *graph, Descriptor *pack, DoubleConv *v)
{
  Descriptor *op, *last = NULL;
  gsize bytes;

  for (guint i = 0; (op = descriptor_child (graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, i)) != NULL; i++) {
    if (descriptor_type (op) == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR) {
      Descriptor *x = descriptor_child (op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, 0);

      g_assert_cmpuint (i, ==, 0);
      read_window (op, v);
      v->half = *(const cudnnDataType_t *) descriptor_value (x, CUDNN_ATTR_TENSOR_DATA_TYPE, &bytes)
          == CUDNN_DATA_HALF;
      v->x = pointer_of (x, pack);
      v->w = pointer_of (descriptor_child (op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, 0), pack);
      last = descriptor_child (op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, 0);
    } else {
      Descriptor *pointwise = descriptor_child (op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, 0);
      Descriptor *b = descriptor_child (op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, 0);
      cudnnPointwiseMode_t mode =
          *(const cudnnPointwiseMode_t *) descriptor_value (pointwise, CUDNN_ATTR_POINTWISE_MODE, &bytes);

      g_assert_true (descriptor_child (op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, 0) == last);
      g_assert_false (v->relu);
      if (mode == CUDNN_POINTWISE_RELU_FWD) {
        v->relu = TRUE;
      } else {
        gint64 uid = *(const gint64 *) descriptor_value (b, CUDNN_ATTR_TENSOR_UNIQUE_ID, &bytes);

        dims_of (b);
        g_assert_cmpint (mode, ==, CUDNN_POINTWISE_ADD);
        *(uid == CNN3D_UID_BIAS ? &v->bias : &v->z) = pointer_of (b, pack);
      }
      last = descriptor_child (op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, 0);
    }
  }
  v->y = pointer_of (last, pack);
}

static cudnnStatus_t
double_cudnnBackendExecute (cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
    cudnnBackendDescriptor_t variant_pack)
{
  Handle *h = handle_of (handle);
  Descriptor *p = descriptor_of (plan), *pack = descriptor_of (variant_pack);
  Descriptor *config = descriptor_child (p, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, 0);
  ConvOp *c = g_new0 (ConvOp, 1);
  gint64 count = 0, workspace = 0;
  gsize bytes;

  c->op = (DoubleOp){ .run = conv_run, .is_conv = TRUE, .what = descriptor_hash (p) };
  read_graph (descriptor_graph (config), pack, &c->conv);
  g_assert_cmpint (double_table ()->cudnnBackendGetAttribute (plan,
                       CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count,
                       &workspace), ==, 0);
  c->workspace = *(guint8 *const *) descriptor_value (pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, &bytes);
  c->workspace_bytes = (gsize) workspace;
  conv_check (c);
  double_enqueue (h->stream, &c->op);
  return CUDNN_STATUS_SUCCESS;
}

void
double_cudnn_fill (Cnn3dCuda *table, const Cnn3dCuda *from)
{
  table->cudnnGetVersion = from->cudnnGetVersion;
  table->cudnnGetCudartVersion = from->cudnnGetCudartVersion;
  table->cudnnGetErrorString = from->cudnnGetErrorString;
  table->cudnnGetLastErrorString = from->cudnnGetLastErrorString;
  table->cudnnCreate = double_cudnnCreate;
  table->cudnnDestroy = double_cudnnDestroy;
  table->cudnnSetStream = double_cudnnSetStream;
  table->cudnnBackendExecute = double_cudnnBackendExecute;
  descriptors_fill (table, from);
}

void
double_cudnn_check_clean (void)
{
  descriptors_check_clean ();
  if (handles != NULL && g_hash_table_size (handles) > 0)
    g_error ("cudnn double: a handle is leaked");
  g_clear_pointer (&handles, g_hash_table_unref);
}

static Cnn3dCuda table;

gboolean
double_install (void)
{
  static Cnn3dCuda found;

  if (!real_cudnn_load (&found))
    return FALSE;
  double_driver_fill (&table);
  double_runtime_fill (&table);
  double_cudnn_fill (&table, &found);
  cnn3d_cuda_replace (&table);
  return TRUE;
}

const Cnn3dCuda *
double_table (void)
{
  return &table;
}

void
double_check_clean (void)
{
  double_runtime_check_clean ();
  double_cudnn_check_clean ();
  double_memory_check_clean ();
}
