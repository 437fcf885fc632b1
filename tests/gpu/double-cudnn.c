/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/gpu/double.h"

#include "lib3dcnn/cudnn/convplan.h"
#include "tests/gpu/real.h"

/* What was set on a descriptor. */
typedef struct Shadow Shadow;
struct Shadow {
  int ref_count;
  cudnnBackendDescriptorType_t type;
  GHashTable *values;   /* attribute -> GBytes */
  GHashTable *children; /* attribute -> GPtrArray of Shadow */
};

typedef struct {
  cudaStream_t stream;
} Handle;

static Cnn3dCuda real;
static GHashTable *shadows; /* descriptor -> Shadow */
static GHashTable *handles;

static void
shadow_unref (gpointer data)
{
  Shadow *s = data;

  if (--s->ref_count > 0)
    return;
  g_hash_table_unref (s->values);
  g_hash_table_unref (s->children);
  g_free (s);
}

static Shadow *
shadow_of (cudnnBackendDescriptor_t descriptor)
{
  Shadow *s = shadows != NULL ? g_hash_table_lookup (shadows, descriptor) : NULL;

  if (s == NULL)
    g_error ("cudnn double: a descriptor that does not exist (any more)");
  return s;
}

static Shadow *
child (Shadow *s, cudnnBackendAttributeName_t name, guint i)
{
  GPtrArray *list = g_hash_table_lookup (s->children, GINT_TO_POINTER (name));

  return list != NULL && i < list->len ? list->pdata[i] : NULL;
}

static const void *
value (Shadow *s, cudnnBackendAttributeName_t name, gsize *bytes)
{
  GBytes *b = g_hash_table_lookup (s->values, GINT_TO_POINTER (name));

  if (b == NULL)
    g_error ("cudnn double: attribute %d is not set", (int) name);
  return g_bytes_get_data (b, bytes);
}

static cudnnStatus_t
double_cudnnBackendCreateDescriptor (cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *descriptor)
{
  cudnnStatus_t status = real.cudnnBackendCreateDescriptor (type, descriptor);

  if (status == CUDNN_STATUS_SUCCESS) {
    Shadow *s = g_new0 (Shadow, 1);

    s->ref_count = 1;
    s->type = type;
    s->values = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) g_bytes_unref);
    s->children = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) g_ptr_array_unref);
    if (shadows == NULL)
      shadows = g_hash_table_new_full (NULL, NULL, NULL, shadow_unref);
    g_hash_table_insert (shadows, *descriptor, s);
  }
  return status;
}

static cudnnStatus_t
double_cudnnBackendDestroyDescriptor (cudnnBackendDescriptor_t descriptor)
{
  shadow_of (descriptor);
  g_hash_table_remove (shadows, descriptor);
  return real.cudnnBackendDestroyDescriptor (descriptor);
}

static gsize
size_of (cudnnBackendAttributeType_t type)
{
  switch (type) {
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
      return 8;
    case CUDNN_TYPE_CHAR:
    case CUDNN_TYPE_BOOLEAN:
      return 1;
    default:
      return 4;
  }
}

static void
adopt (Shadow *s, cudnnBackendAttributeName_t name, gint64 count, const cudnnBackendDescriptor_t *descriptors)
{
  GPtrArray *list = g_ptr_array_new_with_free_func (shadow_unref);

  for (gint64 i = 0; i < count; i++) {
    Shadow *c = shadow_of (descriptors[i]);
    c->ref_count++;
    g_ptr_array_add (list, c);
  }
  g_hash_table_insert (s->children, GINT_TO_POINTER (name), list);
}

/* A device that is asked for by number is the one of the file. */
static cudnnStatus_t
set_device (cudnnBackendDescriptor_t descriptor)
{
  g_autofree char *file = g_strdup_printf ("%s.json", double_settings.device);
  g_autofree char *path = g_build_filename (g_getenv ("G_TEST_SRCDIR"), "devices", file, NULL);
  g_autofree char *json = NULL;
  gsize n;

  g_assert_true (g_file_get_contents (path, &json, &n, NULL));
  return real.cudnnBackendSetAttribute (descriptor, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
      CUDNN_TYPE_CHAR, (gint64) n, json);
}

static cudnnStatus_t
double_cudnnBackendSetAttribute (cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
    cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
  Shadow *s = shadow_of (descriptor);

  /* These need a handle, which is not the real one here. */
  g_assert_true (name != CUDNN_ATTR_OPERATIONGRAPH_HANDLE && name != CUDNN_ATTR_EXECUTION_PLAN_HANDLE
      && name != CUDNN_ATTR_DEVICEPROP_HANDLE);
  g_hash_table_insert (s->values, GINT_TO_POINTER (name), g_bytes_new (values, (gsize) count * size_of (type)));
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
    adopt (s, name, count, values);
  if (name == CUDNN_ATTR_DEVICEPROP_DEVICE_ID)
    return set_device (descriptor);
  return real.cudnnBackendSetAttribute (descriptor, name, type, count, values);
}

static cudnnStatus_t
double_cudnnBackendGetAttribute (cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
    cudnnBackendAttributeType_t type, int64_t room, int64_t *count, void *values)
{
  Shadow *s = shadow_of (descriptor);
  cudnnStatus_t status = real.cudnnBackendGetAttribute (descriptor, name, type, room, count, values);

  /* A configuration belongs to the operations that it was proposed for. */
  if (status == CUDNN_STATUS_SUCCESS && name == CUDNN_ATTR_ENGINEHEUR_RESULTS && values != NULL)
    for (gint64 i = 0; i < *count; i++) {
      Shadow *config = shadow_of (((cudnnBackendDescriptor_t *) values)[i]);
      GPtrArray *list = g_ptr_array_new_with_free_func (shadow_unref);
      Shadow *graph = child (s, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, 0);

      graph->ref_count++;
      g_ptr_array_add (list, graph);
      g_hash_table_insert (config->children, GINT_TO_POINTER (CUDNN_ATTR_ENGINE_OPERATION_GRAPH), list);
    }
  return status;
}

static cudnnStatus_t
double_cudnnBackendFinalize (cudnnBackendDescriptor_t descriptor)
{
  Shadow *s = shadow_of (descriptor);

  if (double_settings.no_fusion && s->type == CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR
      && child (s, CUDNN_ATTR_OPERATIONGRAPH_OPS, 1) != NULL)
    return CUDNN_STATUS_NOT_SUPPORTED;
  return real.cudnnBackendFinalize (descriptor);
}

static cudnnStatus_t
double_cudnnCreate (cudnnHandle_t *handle)
{
  Handle *h = g_new0 (Handle, 1);

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
dims_of (Shadow *tensor)
{
  gsize bytes;
  const gint64 *d = value (tensor, CUDNN_ATTR_TENSOR_DIMENSIONS, &bytes);
  const gint64 *s = value (tensor, CUDNN_ATTR_TENSOR_STRIDES, &bytes);

  g_assert_cmpuint (bytes, ==, 5 * sizeof *s);
  g_assert_true (s[1] == 1 && s[4] == d[1] && s[3] == d[1] * d[4] && s[2] == s[3] * d[3] && s[0] == s[2] * d[2]);
  return d;
}

static void *
pointer_of (Shadow *tensor, Shadow *pack)
{
  gsize n, bytes;
  gint64 uid = *(const gint64 *) value (tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, &bytes);
  const gint64 *uids = value (pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, &n);
  void *const *pointers = value (pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, &bytes);

  for (gsize i = 0; i < n / sizeof *uids; i++)
    if (uids[i] == uid) {
      if (pointers[i] == NULL)
        g_error ("cudnn double: tensor %d has no pointer", (int) uid);
      return pointers[i];
    }
  g_error ("cudnn double: tensor %d is missing from the variant pack", (int) uid);
}

static void
read_window (Shadow *op, DoubleConv *v)
{
  Shadow *conv = child (op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, 0);
  const gint64 *x = dims_of (child (op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, 0));
  const gint64 *w = dims_of (child (op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, 0));
  const gint64 *y = dims_of (child (op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, 0));
  gsize bytes;
  const gint64 *pad = value (conv, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, &bytes);
  const gint64 *stride = value (conv, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, &bytes);

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
read_graph (Shadow *graph, Shadow *pack, DoubleConv *v)
{
  Shadow *op, *last = NULL;
  gsize bytes;

  for (guint i = 0; (op = child (graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, i)) != NULL; i++) {
    if (op->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR) {
      Shadow *x = child (op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, 0);

      g_assert_cmpuint (i, ==, 0);
      read_window (op, v);
      v->half = *(const cudnnDataType_t *) value (x, CUDNN_ATTR_TENSOR_DATA_TYPE, &bytes) == CUDNN_DATA_HALF;
      v->x = pointer_of (x, pack);
      v->w = pointer_of (child (op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, 0), pack);
      last = child (op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, 0);
    } else {
      Shadow *pointwise = child (op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, 0);
      Shadow *b = child (op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, 0);
      cudnnPointwiseMode_t mode =
          *(const cudnnPointwiseMode_t *) value (pointwise, CUDNN_ATTR_POINTWISE_MODE, &bytes);

      g_assert_true (child (op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, 0) == last);
      g_assert_false (v->relu);
      if (mode == CUDNN_POINTWISE_RELU_FWD) {
        v->relu = TRUE;
      } else {
        gint64 uid = *(const gint64 *) value (b, CUDNN_ATTR_TENSOR_UNIQUE_ID, &bytes);

        dims_of (b);
        g_assert_cmpint (mode, ==, CUDNN_POINTWISE_ADD);
        *(uid == CNN3D_UID_BIAS ? &v->bias : &v->z) = pointer_of (b, pack);
      }
      last = child (op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, 0);
    }
  }
  v->y = pointer_of (last, pack);
}

static cudnnStatus_t
double_cudnnBackendExecute (cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
    cudnnBackendDescriptor_t variant_pack)
{
  Handle *h = handle_of (handle);
  Shadow *p = shadow_of (plan), *pack = shadow_of (variant_pack);
  Shadow *config = child (p, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, 0);
  ConvOp *c = g_new0 (ConvOp, 1);
  gint64 count = 0, workspace = 0;
  gsize bytes;

  c->op = (DoubleOp){ .run = conv_run, .is_conv = TRUE };
  read_graph (child (config, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, 0), pack, &c->conv);
  g_assert_cmpint (real.cudnnBackendGetAttribute (plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                       CUDNN_TYPE_INT64, 1, &count, &workspace), ==, 0);
  c->workspace = *(guint8 *const *) value (pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, &bytes);
  c->workspace_bytes = (gsize) workspace;
  conv_check (c);
  double_enqueue (h->stream, &c->op);
  return CUDNN_STATUS_SUCCESS;
}

void
double_cudnn_fill (Cnn3dCuda *table, const Cnn3dCuda *from)
{
  real = *from;
  table->cudnnGetVersion = real.cudnnGetVersion;
  table->cudnnGetErrorString = real.cudnnGetErrorString;
  table->cudnnGetLastErrorString = real.cudnnGetLastErrorString;
  table->cudnnCreate = double_cudnnCreate;
  table->cudnnDestroy = double_cudnnDestroy;
  table->cudnnSetStream = double_cudnnSetStream;
  table->cudnnBackendCreateDescriptor = double_cudnnBackendCreateDescriptor;
  table->cudnnBackendDestroyDescriptor = double_cudnnBackendDestroyDescriptor;
  table->cudnnBackendSetAttribute = double_cudnnBackendSetAttribute;
  table->cudnnBackendGetAttribute = double_cudnnBackendGetAttribute;
  table->cudnnBackendFinalize = double_cudnnBackendFinalize;
  table->cudnnBackendExecute = double_cudnnBackendExecute;
}

void
double_cudnn_check_clean (void)
{
  if (shadows != NULL && g_hash_table_size (shadows) > 0)
    g_error ("cudnn double: %u descriptors are leaked", g_hash_table_size (shadows));
  if (handles != NULL && g_hash_table_size (handles) > 0)
    g_error ("cudnn double: a handle is leaked");
  g_clear_pointer (&shadows, g_hash_table_unref);
  g_clear_pointer (&handles, g_hash_table_unref);
}

static Cnn3dCuda table;

gboolean
double_install (void)
{
  static Cnn3dCuda found;

  if (!real_cudnn_load (&found))
    return FALSE;
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
