/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/gpu/double.h"

#include "tests/gpu/emulate.h"

DoubleSettings double_settings = { .count = 1, .device = "h100", .capability = 90 };
DoubleCounts double_counts;
gboolean double_dry;
cudaError_t double_last_error;

struct DoubleStream {
  GQueue queue;       /* DoubleOp */
  GPtrArray *record;  /* DoubleOp, while a graph is recorded */
  gboolean dry;       /* between two events with timing */
  gpointer timed_from; /* the first of these */
  int device;
};

typedef struct {
  gboolean timing;
  DoubleStream *stream;
  guint64 recorded, done;
  int device;
} Event;

static GHashTable *live; /* stream, event, graph, graph exec, library -> its kind */
static __thread int n_recording; /* streams, by this thread: others may go on */
static GPtrArray *graves; /* streams and events that were destroyed: queued work may still refer to them */

static void
live_add (gpointer object, const char *kind)
{
  if (live == NULL)
    live = g_hash_table_new (NULL, NULL);
  g_hash_table_insert (live, object, (gpointer) kind);
}

static void
live_check (gpointer object, const char *kind)
{
  if (object == NULL)
    g_error ("cuda double: NULL for a %s (the default stream is not to be used)", kind);
  if (live == NULL || g_strcmp0 (g_hash_table_lookup (live, object), kind) != 0)
    g_error ("cuda double: a %s that does not exist (any more)", kind);
}

static void
live_remove (gpointer object, const char *kind)
{
  live_check (object, kind);
  g_hash_table_remove (live, object);
}

static void
not_while_recording (const char *what)
{
  if (n_recording > 0)
    g_error ("cuda double: %s while a stream is recorded", what);
}

static void
op_unref (DoubleOp *op)
{
  if (--op->ref_count > 0)
    return;
  if (op->clear != NULL)
    op->clear (op);
  g_free (op);
}

static DoubleStream *
stream_of (cudaStream_t stream)
{
  live_check (stream, "stream");
  return (DoubleStream *) (gpointer) stream;
}

cudaError_t
double_enqueue (cudaStream_t handle, DoubleOp *op)
{
  DoubleStream *stream = stream_of (handle);

  double_check_device (stream->device, "a stream");
  op->ref_count = 1;
  if (stream->record != NULL) {
    g_ptr_array_add (stream->record, op);
  } else {
    double_counts.kernels += op->is_kernel;
    double_counts.convs += op->is_conv;
    g_queue_push_tail (&stream->queue, op);
  }
  return cudaSuccess;
}

/* Does what is queued, up to an event's ticket if there is one. */
static void
drain (DoubleStream *stream, const Event *event, guint64 ticket)
{
  int before = double_work_on (stream->device);
  DoubleOp *op;

  while ((event == NULL || event->done < ticket) && (op = g_queue_pop_head (&stream->queue)) != NULL) {
    op->run (op, stream->dry || double_dry);
    if (op->is_kernel || op->is_conv)
      double_counts.computed = (double_counts.computed ^ op->what) * 0x9E3779B97F4A7C15 + 1;
    op_unref (op);
  }
  double_work_on (before);
}

/* What frees memory waits for the device, as CUDA does. */
static void
drain_all (void)
{
  GHashTableIter iter;
  gpointer object, kind;

  if (live == NULL)
    return;
  g_hash_table_iter_init (&iter, live);
  while (g_hash_table_iter_next (&iter, &object, &kind))
    if (strcmp (kind, "stream") == 0)
      drain (object, NULL, 0);
}

static void
bury (gpointer object)
{
  if (graves == NULL)
    graves = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (graves, object);
}

/* Runtime: devices and memory. */

static const char *
double_cudaGetErrorString (cudaError_t code)
{
  return "an error that a test wants";
}

static cudaError_t
double_cudaGetLastError (void)
{
  cudaError_t code = double_last_error;

  double_last_error = cudaSuccess;
  return code;
}

static cudaError_t
double_cudaRuntimeGetVersion (int *version)
{
  *version = 13000;
  return cudaSuccess;
}

static cudaError_t
double_cudaGetDeviceCount (int *count)
{
  *count = double_settings.count;
  return cudaSuccess;
}

static cudaError_t
double_cudaDeviceGetAttribute (int *value, enum cudaDeviceAttr attribute, int device)
{
  *value = attribute == cudaDevAttrComputeCapabilityMajor   ? double_settings.capability / 10
           : attribute == cudaDevAttrComputeCapabilityMinor ? double_settings.capability % 10
           : double_settings.multiprocessors > 0            ? double_settings.multiprocessors
                                                            : 132;
  return cudaSuccess;
}

static cudaError_t
double_cudaMalloc (void **pointer, size_t bytes)
{
  not_while_recording ("cudaMalloc");
  *pointer = double_allocate (bytes, TRUE);
  return cudaSuccess;
}

static cudaError_t
double_cudaFree (void *pointer)
{
  not_while_recording ("cudaFree");
  drain_all ();
  if (!double_release (pointer, TRUE))
    g_error ("cuda double: cudaFree of what cudaMalloc did not return");
  return cudaSuccess;
}

static cudaError_t
double_cudaHostAlloc (void **pointer, size_t bytes, unsigned flags)
{
  not_while_recording ("cudaHostAlloc");
  *pointer = double_allocate (bytes, FALSE);
  return cudaSuccess;
}

static cudaError_t
double_cudaFreeHost (void *pointer)
{
  not_while_recording ("cudaFreeHost");
  drain_all ();
  if (!double_release (pointer, FALSE))
    g_error ("cuda double: cudaFreeHost of what cudaHostAlloc did not return");
  return cudaSuccess;
}

typedef struct {
  DoubleOp op;
  void *to;
  const void *from;
  gpointer copy; /* of pageable memory, which is read at once */
  gsize bytes;
  enum cudaMemcpyKind kind;
} CopyOp;

static void
copy_run (DoubleOp *op, gboolean dry)
{
  CopyOp *c = (CopyOp *) op;

  double_check_pointer (c->kind == cudaMemcpyHostToDevice ? c->to : c->from, c->bytes, 1, "cudaMemcpyAsync");
  memcpy (c->to, c->copy != NULL ? c->copy : c->from, c->bytes);
}

static void
copy_clear (DoubleOp *op)
{
  g_free (((CopyOp *) op)->copy);
}

static cudaError_t
double_cudaMemcpyAsync (void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream)
{
  CopyOp *c = g_new0 (CopyOp, 1);

  g_assert_true (kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToHost);
  *c = (CopyOp){ { .run = copy_run, .clear = copy_clear }, to, from, NULL, bytes, kind };
  double_check_pointer (kind == cudaMemcpyHostToDevice ? to : from, bytes, 1, "cudaMemcpyAsync");
  if (kind == cudaMemcpyHostToDevice && !double_is_pinned (from))
    c->copy = g_memdup2 (from, bytes);
  if (kind == cudaMemcpyDeviceToHost) {
    g_assert_true (double_is_pinned (to));
    /* Whoever reads before the copy is done reads NaN. */
    memset (to, 0xff, bytes);
  }
  return double_enqueue (stream, &c->op);
}

typedef struct {
  DoubleOp op;
  void *pointer;
  int value;
  gsize bytes;
} SetOp;

static void
set_run (DoubleOp *op, gboolean dry)
{
  SetOp *s = (SetOp *) op;

  double_check_pointer (s->pointer, s->bytes, 1, "cudaMemsetAsync");
  memset (s->pointer, s->value, s->bytes);
}

static cudaError_t
double_cudaMemsetAsync (void *pointer, int value, size_t bytes, cudaStream_t stream)
{
  SetOp *s = g_new0 (SetOp, 1);

  *s = (SetOp){ { .run = set_run }, pointer, value, bytes };
  double_check_pointer (pointer, bytes, 1, "cudaMemsetAsync");
  return double_enqueue (stream, &s->op);
}

/* Streams and events. */

static cudaError_t
double_cudaStreamCreateWithFlags (cudaStream_t *stream, unsigned flags)
{
  DoubleStream *s = g_new0 (DoubleStream, 1);

  g_assert_cmpuint (flags, ==, cudaStreamNonBlocking);
  g_queue_init (&s->queue);
  s->device = double_current_device ();
  live_add (s, "stream");
  *stream = (cudaStream_t) (gpointer) s;
  return cudaSuccess;
}

static cudaError_t
double_cudaStreamDestroy (cudaStream_t stream)
{
  DoubleStream *s = stream_of (stream);

  drain (s, NULL, 0);
  live_remove (s, "stream");
  if (s->record != NULL) {
    g_ptr_array_unref (s->record);
    n_recording--;
  }
  bury (s);
  return cudaSuccess;
}

static cudaError_t
double_cudaStreamSynchronize (cudaStream_t stream)
{
  not_while_recording ("cudaStreamSynchronize");
  double_counts.syncs++;
  drain (stream_of (stream), NULL, 0);
  return cudaSuccess;
}

typedef struct {
  DoubleOp op;
  Event *event;
  guint64 ticket;
} EventOp;

static void
record_run (DoubleOp *op, gboolean dry)
{
  EventOp *e = (EventOp *) op;

  e->event->done = MAX (e->event->done, e->ticket);
  if (e->event->timing) {
    DoubleStream *s = e->event->stream;

    /* The first one may come again, if what is to be timed has failed. */
    s->dry = s->timed_from == NULL || s->timed_from == e->event;
    s->timed_from = s->dry ? e->event : NULL;
  }
}

static void
wait_run (DoubleOp *op, gboolean dry)
{
  EventOp *e = (EventOp *) op;

  if (e->event->stream != NULL)
    drain (e->event->stream, e->event, e->ticket);
}

static cudaError_t
double_cudaEventCreateWithFlags (cudaEvent_t *event, unsigned flags)
{
  Event *e = g_new0 (Event, 1);

  e->timing = (flags & cudaEventDisableTiming) == 0;
  e->device = double_current_device ();
  live_add (e, "event");
  *event = (cudaEvent_t) (gpointer) e;
  return cudaSuccess;
}

static cudaError_t
double_cudaEventDestroy (cudaEvent_t event)
{
  Event *e = (Event *) (gpointer) event;

  live_remove (event, "event");
  /* Of the two events round what is timed, only one may have been recorded. */
  if (e->timing && e->stream != NULL && g_hash_table_contains (live, e->stream)) {
    drain (e->stream, NULL, 0);
    e->stream->dry = FALSE;
    e->stream->timed_from = NULL;
  }
  bury (event);
  return cudaSuccess;
}

static cudaError_t
double_cudaEventRecord (cudaEvent_t event, cudaStream_t stream)
{
  Event *e = (Event *) (gpointer) event;
  EventOp *op = g_new0 (EventOp, 1);

  live_check (event, "event");
  not_while_recording ("cudaEventRecord");
  e->stream = stream_of (stream);
  if (e->device != e->stream->device)
    g_error ("cuda double: an event of device %d is recorded on device %d", e->device, e->stream->device);
  *op = (EventOp){ { .run = record_run }, e, ++e->recorded };
  return double_enqueue (stream, &op->op);
}

static cudaError_t
double_cudaStreamWaitEvent (cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
  Event *e = (Event *) (gpointer) event;
  EventOp *op = g_new0 (EventOp, 1);

  live_check (event, "event");
  *op = (EventOp){ { .run = wait_run }, e, e->recorded };
  return double_enqueue (stream, &op->op);
}

static cudaError_t
double_cudaEventSynchronize (cudaEvent_t event)
{
  Event *e = (Event *) (gpointer) event;

  live_check (event, "event");
  not_while_recording ("cudaEventSynchronize");
  if (e->stream != NULL)
    drain (e->stream, e, e->recorded);
  return cudaSuccess;
}

/* No time passes here; each measurement is a little longer, or shorter, than the one before. */
static cudaError_t
double_cudaEventElapsedTime (float *milliseconds, cudaEvent_t begin, cudaEvent_t end)
{
  Event *a = (Event *) (gpointer) begin, *b = (Event *) (gpointer) end;

  live_check (begin, "event");
  live_check (end, "event");
  if (!a->timing || !b->timing || a->done < a->recorded || b->done < b->recorded)
    g_error ("cuda double: the time between events that have not been waited for");
  *milliseconds = 0.1f + (double_settings.faster_later ? -1e-6f : 1e-6f) * (float) (++double_counts.timings % 10000);
  return cudaSuccess;
}

/* Graphs. */

static cudaError_t
double_cudaStreamBeginCapture (cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
  DoubleStream *s = stream_of (stream);

  double_check_device (s->device, "a stream");
  if (mode != cudaStreamCaptureModeThreadLocal)
    g_error ("cuda double: a stream is recorded in a mode that forbids calls to other threads");
  if (double_settings.no_capture)
    return double_last_error = cudaErrorStreamCaptureUnsupported;
  g_assert_null (s->record);
  s->record = g_ptr_array_new_with_free_func ((GDestroyNotify) op_unref);
  n_recording++;
  return cudaSuccess;
}

static cudaError_t
double_cudaStreamEndCapture (cudaStream_t stream, cudaGraph_t *graph)
{
  DoubleStream *s = stream_of (stream);

  if (s->record == NULL)
    g_error ("cuda double: the end of a recording that did not begin");
  double_counts.recorded = (int) s->record->len;
  n_recording--;
  live_add (s->record, "graph");
  *graph = (cudaGraph_t) (gpointer) g_steal_pointer (&s->record);
  return cudaSuccess;
}

/* What can be launched is of the device that was current. */
typedef struct {
  GPtrArray *ops;
  int device;
} Exec;

static cudaError_t
double_cudaGraphInstantiate (cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags)
{
  GPtrArray *ops = (GPtrArray *) (gpointer) graph;
  Exec *copy = g_new0 (Exec, 1);

  live_check (graph, "graph");
  copy->device = double_current_device ();
  copy->ops = g_ptr_array_new_with_free_func ((GDestroyNotify) op_unref);
  for (guint i = 0; i < ops->len; i++) {
    DoubleOp *op = ops->pdata[i];
    op->ref_count++;
    g_ptr_array_add (copy->ops, op);
  }
  live_add (copy, "graph exec");
  *exec = (cudaGraphExec_t) (gpointer) copy;
  return cudaSuccess;
}

static cudaError_t
double_cudaGraphLaunch (cudaGraphExec_t exec, cudaStream_t stream)
{
  Exec *e = (Exec *) (gpointer) exec;
  DoubleStream *s = stream_of (stream);

  live_check (exec, "graph exec");
  double_check_device (s->device, "a stream");
  double_check_device (e->device, "a graph");
  not_while_recording ("cudaGraphLaunch");
  double_counts.graphs++;
  for (guint i = 0; i < e->ops->len; i++) {
    DoubleOp *op = e->ops->pdata[i];
    op->ref_count++;
    g_queue_push_tail (&s->queue, op);
  }
  return cudaSuccess;
}

static cudaError_t
double_cudaGraphDestroy (cudaGraph_t graph)
{
  live_remove (graph, "graph");
  g_ptr_array_unref ((GPtrArray *) (gpointer) graph);
  return cudaSuccess;
}

static cudaError_t
double_cudaGraphExecDestroy (cudaGraphExec_t exec)
{
  Exec *e = (Exec *) (gpointer) exec;

  live_remove (exec, "graph exec");
  g_ptr_array_unref (e->ops);
  g_free (e);
  return cudaSuccess;
}

/* Kernels. */

static cudaError_t
double_cudaLibraryLoadData (cudaLibrary_t *library, const void *code, enum cudaJitOption *jit_options,
    void **jit_values, unsigned n_jit, enum cudaLibraryOption *options, void **values, unsigned n_options)
{
  gpointer object = g_malloc (1);

  g_assert_nonnull (code);
  live_add (object, "library");
  *library = (cudaLibrary_t) object;
  return cudaSuccess;
}

static cudaError_t
double_cudaLibraryUnload (cudaLibrary_t library)
{
  live_remove (library, "library");
  g_free (library);
  return cudaSuccess;
}

/* A kernel's handle is its name. */
static cudaError_t
double_cudaLibraryGetKernel (cudaKernel_t *kernel, cudaLibrary_t library, const char *name)
{
  live_check (library, "library");
  if (cnn3d_emulate_args_size (name) == 0)
    g_error ("cuda double: there is no kernel %s", name);
  *kernel = (cudaKernel_t) (gpointer) g_intern_string (name);
  return cudaSuccess;
}

typedef struct {
  DoubleOp op;
  const char *name;
  cudaLaunchConfig_t config;
  gpointer args;
  gsize bytes;
} KernelOp;

static void
kernel_run (DoubleOp *op, gboolean dry)
{
  KernelOp *k = (KernelOp *) op;
  unsigned int grid[3] = { k->config.gridDim.x, k->config.gridDim.y, k->config.gridDim.z };
  unsigned int block[3] = { k->config.blockDim.x, k->config.blockDim.y, k->config.blockDim.z };

  double_check_words (k->args, k->bytes, k->name);
  if (!dry && cnn3d_emulate (k->name, grid, block, (unsigned) k->config.dynamicSmemBytes, k->args,
                  double_settings.order) != 0)
    g_error ("cuda double: %s: %s", k->name, cnn3d_emulate_error ());
}

static void
kernel_clear (DoubleOp *op)
{
  g_free (((KernelOp *) op)->args);
}

static cudaError_t
double_cudaLaunchKernelExC (const cudaLaunchConfig_t *config, const void *kernel, void **arguments)
{
  KernelOp *k = g_new0 (KernelOp, 1);

  *k = (KernelOp){ { .run = kernel_run, .clear = kernel_clear, .is_kernel = TRUE }, kernel, *config };
  k->op.what = g_str_hash (k->name) + ((guint64) config->gridDim.x << 32) + config->blockDim.x;
  k->bytes = cnn3d_emulate_args_size (k->name);
  k->args = g_memdup2 (arguments[0], k->bytes);
  double_check_words (k->args, k->bytes, k->name);
  return double_enqueue (config->stream, &k->op);
}

void
double_runtime_fill (Cnn3dCuda *table)
{
  enum { DRIVER, RUNTIME, CUDNN };

#define STATUS(of, type, name, parameters, arguments) FILL_##of (name)
#define PLAIN(of, type, name, parameters) FILL_##of (name)
#define FILL_DRIVER(name)
#define FILL_RUNTIME(name) table->name = double_##name;
#define FILL_CUDNN(name)
#include "lib3dcnn/cudnn/functions.inc"
#undef STATUS
#undef PLAIN
}

void
double_runtime_check_clean (void)
{
  if (live != NULL) {
    GHashTableIter iter;
    gpointer object, kind;

    g_hash_table_iter_init (&iter, live);
    if (g_hash_table_iter_next (&iter, &object, &kind))
      g_error ("cuda double: a %s is leaked, one of %u objects", (const char *) kind,
          g_hash_table_size (live));
    g_clear_pointer (&live, g_hash_table_unref);
  }
  g_clear_pointer (&graves, g_ptr_array_unref);
}
