/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The doubles notice what they are there to notice. Each misuse runs in a process of its own, which has to end
 * with the right message. */

#include "tests/gpu/double.h"

#include "lib3dcnn/cudnn/engine.h"

typedef struct {
  const char *name, *message;
  void (*misuse) (const Cnn3dCuda *c);
} Misuse;

static cudaStream_t
make_stream (const Cnn3dCuda *c)
{
  cudaStream_t stream = NULL;

  c->cudaStreamCreateWithFlags (&stream, cudaStreamNonBlocking);
  return stream;
}

static float *
make_memory (const Cnn3dCuda *c, gsize bytes)
{
  void *pointer = NULL;

  c->cudaMalloc (&pointer, bytes);
  return pointer;
}

static void
launch_add (const Cnn3dCuda *c, cudaStream_t stream, const void *x, void *y, gint64 positions)
{
  Cnn3dAddArgs a = { .x = x, .y = y, .positions = positions, .c = 8, .low = 0, .high = 6 };
  Cnn3dLaunchShape s = cnn3d_shape_add (&a, FALSE);
  cudaLaunchConfig_t config = { .gridDim = { s.grid[0], 1, 1 }, .blockDim = { s.block[0], 1, 1 },
    .stream = stream };
  void *arguments[1] = { &a };
  cudaLibrary_t library;
  cudaKernel_t kernel;

  c->cudaLibraryLoadData (&library, "", NULL, NULL, 0, NULL, NULL, 0);
  c->cudaLibraryGetKernel (&kernel, library, cnn3d_cuda_kernel_name (s.kernel, FALSE));
  c->cudaLaunchKernelExC (&config, (const void *) kernel, arguments);
  c->cudaLibraryUnload (library);
}

static void
default_stream (const Cnn3dCuda *c)
{
  launch_add (c, NULL, make_memory (c, 1024), make_memory (c, 1024), 4);
}

static void
destroyed_stream (const Cnn3dCuda *c)
{
  cudaStream_t stream = make_stream (c);

  c->cudaStreamDestroy (stream);
  c->cudaStreamSynchronize (stream);
}

static void
use_after_free (const Cnn3dCuda *c)
{
  float *x = make_memory (c, 1024);

  c->cudaFree (x);
  launch_add (c, make_stream (c), x, make_memory (c, 1024), 4);
}

static void
free_twice (const Cnn3dCuda *c)
{
  float *x = make_memory (c, 1024);

  c->cudaFree (x);
  c->cudaFree (x);
}

static void
unaligned (const Cnn3dCuda *c)
{
  float *x = make_memory (c, 1024);

  launch_add (c, make_stream (c), x + 1, make_memory (c, 1024), 4);
}

static void
copy_out_of_bounds (const Cnn3dCuda *c)
{
  static char data[128];

  c->cudaMemcpyAsync (make_memory (c, 64), data, sizeof data, cudaMemcpyHostToDevice, make_stream (c));
}

static void
host_pointer (const Cnn3dCuda *c)
{
  static char data[128];

  c->cudaMemsetAsync (data, 0, sizeof data, make_stream (c));
}

static void
kernel_out_of_bounds (const Cnn3dCuda *c)
{
  cudaStream_t stream = make_stream (c);
  float *x = make_memory (c, 4096), *y = make_memory (c, 1024);

  c->cudaMemsetAsync (x, 0, 4096, stream);
  launch_add (c, stream, x, y, 40);
  c->cudaStreamSynchronize (stream);
  c->cudaFree (y);
}

static void
allocate_while_recording (const Cnn3dCuda *c)
{
  c->cudaStreamBeginCapture (make_stream (c), cudaStreamCaptureModeThreadLocal);
  make_memory (c, 16);
}

static void
leak_memory (const Cnn3dCuda *c)
{
  make_memory (c, 16);
  double_check_clean ();
}

static void
leak_stream (const Cnn3dCuda *c)
{
  make_stream (c);
  double_check_clean ();
}

static void
leak_descriptor (const Cnn3dCuda *c)
{
  cudnnBackendDescriptor_t d;

  c->cudnnBackendCreateDescriptor (CUDNN_BACKEND_TENSOR_DESCRIPTOR, &d);
  double_check_clean ();
}

static void
unknown_handle (const Cnn3dCuda *c)
{
  cudnnHandle_t handle;

  c->cudnnCreate (&handle);
  c->cudnnDestroy (handle);
  c->cudnnSetStream (handle, make_stream (c));
}

/* The second device's. */
static void
set_device (const Cnn3dCuda *c, int device)
{
  CUcontext context;

  double_settings.count = 2;
  c->cuDevicePrimaryCtxRetain (&context, device);
  c->cuCtxPushCurrent_v2 (context);
}

static void
stream_of_another_device (const Cnn3dCuda *c)
{
  cudaStream_t stream;

  set_device (c, 1);
  stream = make_stream (c);
  set_device (c, 0);
  launch_add (c, stream, make_memory (c, 1024), make_memory (c, 1024), 4);
}

static void
memory_of_another_device (const Cnn3dCuda *c)
{
  float *x;

  set_device (c, 1);
  x = make_memory (c, 1024);
  set_device (c, 0);
  launch_add (c, make_stream (c), x, make_memory (c, 1024), 4);
}

static void
pinned_by_another_device (const Cnn3dCuda *c)
{
  void *host;

  c->cudaHostAlloc (&host, 128, 0);
  set_device (c, 1);
  c->cudaMemcpyAsync (make_memory (c, 128), host, 128, cudaMemcpyHostToDevice, make_stream (c));
}

static void
event_of_another_device (const Cnn3dCuda *c)
{
  cudaEvent_t event;

  c->cudaEventCreateWithFlags (&event, cudaEventDisableTiming);
  set_device (c, 1);
  c->cudaEventRecord (event, make_stream (c));
}

static void
graph_of_another_device (const Cnn3dCuda *c)
{
  cudaStream_t stream = make_stream (c);
  cudaGraphExec_t exec;
  cudaGraph_t graph;

  c->cudaStreamBeginCapture (stream, cudaStreamCaptureModeThreadLocal);
  c->cudaStreamEndCapture (stream, &graph);
  c->cudaGraphInstantiate (&exec, graph, 0);
  set_device (c, 1);
  c->cudaGraphLaunch (exec, make_stream (c));
}

static void
handle_of_another_device (const Cnn3dCuda *c)
{
  cudnnHandle_t handle;

  set_device (c, 1);
  c->cudnnCreate (&handle);
  set_device (c, 0);
  c->cudnnDestroy (handle);
}

/* A thread that has chosen no device is on the first one. */
static gpointer
launch_in_thread (gpointer stream)
{
  const Cnn3dCuda *c = double_table ();

  launch_add (c, stream, make_memory (c, 1024), make_memory (c, 1024), 4);
  return NULL;
}

static void
device_of_another_thread (const Cnn3dCuda *c)
{
  set_device (c, 1);
  g_thread_join (g_thread_new ("launch", launch_in_thread, make_stream (c)));
}

/* Runs a convolution with a bias, with these pointers in its pack; which has no bias if it is FALSE. */
static void
execute (const Cnn3dCuda *c, const Cnn3dConvPointers *pointers, gboolean bias)
{
  Cnn3dConvKey key = { .n = 1, .c = 8, .k = 8, .in = { 2, 4, 4 }, .out = { 2, 4, 4 }, .kernel = { 1, 1, 1 },
    .stride = { 1, 1, 1 }, .bias = TRUE };
  Cnn3dConvFilter filter = { FALSE, 0, 1 };
  cudnnBackendDescriptor_t device = NULL, pack;
  cudnnHandle_t handle;
  GArray *plans;

  c->cudnnCreate (&handle);
  c->cudnnSetStream (handle, make_stream (c));
  g_assert_true (cnn3d_device_descriptor (c, 0, &device, NULL));
  plans = cnn3d_conv_plans (c, device, &key, &filter, NULL);
  g_assert_nonnull (plans);
  key.bias = bias;
  pack = cnn3d_gpu_pack (c, &key, pointers, NULL, NULL);
  c->cudnnBackendExecute (handle, g_array_index (plans, Cnn3dConvPlan, 0).plan, pack);
}

static Cnn3dConvPointers
make_pointers (const Cnn3dCuda *c)
{
  return (Cnn3dConvPointers){ .x = make_memory (c, 2048), .w = make_memory (c, 512), .y = make_memory (c, 2048),
    .bias = make_memory (c, 64) };
}

static void
missing_tensor (const Cnn3dCuda *c)
{
  Cnn3dConvPointers p = make_pointers (c);

  execute (c, &p, FALSE);
}

static void
missing_pointer (const Cnn3dCuda *c)
{
  Cnn3dConvPointers p = make_pointers (c);

  p.bias = NULL;
  execute (c, &p, TRUE);
}

static void
unaligned_tensor (const Cnn3dCuda *c)
{
  Cnn3dConvPointers p = make_pointers (c);

  p.w = (float *) make_memory (c, 1024) + 1;
  execute (c, &p, TRUE);
}

static void
freed_tensor (const Cnn3dCuda *c)
{
  Cnn3dConvPointers p = make_pointers (c);

  c->cudaFree (p.x);
  execute (c, &p, TRUE);
}

static void
short_tensor (const Cnn3dCuda *c)
{
  Cnn3dConvPointers p = make_pointers (c);

  p.y = make_memory (c, 512);
  execute (c, &p, TRUE);
}

static cudaStream_t
begin_recording (const Cnn3dCuda *c)
{
  cudaStream_t stream = make_stream (c);

  c->cudaStreamBeginCapture (stream, cudaStreamCaptureModeThreadLocal);
  return stream;
}

static cudaGraph_t
make_graph (const Cnn3dCuda *c)
{
  cudaStream_t stream = begin_recording (c);
  cudaGraph_t graph;

  c->cudaStreamEndCapture (stream, &graph);
  c->cudaStreamDestroy (stream);
  return graph;
}

static void
launch_while_recording (const Cnn3dCuda *c)
{
  cudaGraphExec_t exec;

  c->cudaGraphInstantiate (&exec, make_graph (c), 0);
  c->cudaGraphLaunch (exec, begin_recording (c));
}

static void
synchronize_while_recording (const Cnn3dCuda *c)
{
  c->cudaStreamSynchronize (begin_recording (c));
}

static cudaEvent_t
make_event (const Cnn3dCuda *c, unsigned flags)
{
  cudaEvent_t event;

  c->cudaEventCreateWithFlags (&event, flags);
  return event;
}

static void
event_while_recording (const Cnn3dCuda *c)
{
  c->cudaEventRecord (make_event (c, cudaEventDisableTiming), begin_recording (c));
}

static void
wait_while_recording (const Cnn3dCuda *c)
{
  begin_recording (c);
  c->cudaEventSynchronize (make_event (c, cudaEventDisableTiming));
}

static void
leak_handle (const Cnn3dCuda *c)
{
  cudnnHandle_t handle;

  c->cudnnCreate (&handle);
  double_check_clean ();
}

static void
leak_graph (const Cnn3dCuda *c)
{
  make_graph (c);
  double_check_clean ();
}

static void
leak_exec (const Cnn3dCuda *c)
{
  cudaGraph_t graph = make_graph (c);
  cudaGraphExec_t exec;

  c->cudaGraphInstantiate (&exec, graph, 0);
  c->cudaGraphDestroy (graph);
  double_check_clean ();
}

static void
leak_event (const Cnn3dCuda *c)
{
  make_event (c, cudaEventDisableTiming);
  double_check_clean ();
}

static void
leak_pinned (const Cnn3dCuda *c)
{
  void *host;

  c->cudaHostAlloc (&host, 16, 0);
  double_check_clean ();
}

static void
time_without_wait (const Cnn3dCuda *c)
{
  cudaStream_t stream = make_stream (c);
  cudaEvent_t begin = make_event (c, cudaEventDefault), end = make_event (c, cudaEventDefault);
  float ms;

  c->cudaEventRecord (begin, stream);
  c->cudaEventRecord (end, stream);
  c->cudaEventElapsedTime (&ms, begin, end);
}

static const Misuse misuses[] = {
  { "missing-tensor", "*tensor 5 is missing from the variant pack*", missing_tensor },
  { "missing-pointer", "*tensor 5 has no pointer*", missing_pointer },
  { "unaligned-tensor", "*weights of a convolution: a pointer is not aligned*", unaligned_tensor },
  { "freed-tensor", "*x of a convolution: memory is used after it was freed*", freed_tensor },
  { "short-tensor", "*y of a convolution: * out of bounds*", short_tensor },
  { "launch-while-recording", "*cudaGraphLaunch while a stream is recorded*", launch_while_recording },
  { "synchronize-while-recording", "*cudaStreamSynchronize while*", synchronize_while_recording },
  { "event-while-recording", "*cudaEventRecord while*", event_while_recording },
  { "wait-while-recording", "*cudaEventSynchronize while*", wait_while_recording },
  { "leak-handle", "*handle is leaked*", leak_handle },
  { "leak-graph", "*a graph is leaked*", leak_graph },
  { "leak-exec", "*a graph exec is leaked*", leak_exec },
  { "leak-event", "*a event is leaked*", leak_event },
  { "leak-pinned", "*16 bytes of pinned memory are leaked*", leak_pinned },
  { "time-without-wait", "*not been waited for*", time_without_wait },
  { "stream-of-another-device", "*stream of device 1*", stream_of_another_device },
  { "memory-of-another-device", "*memory of device 1*", memory_of_another_device },
  { "pinned-by-another-device", "*pinned memory of device 0*", pinned_by_another_device },
  { "event-of-another-device", "*event of device 0*", event_of_another_device },
  { "graph-of-another-device", "*graph of device 0*", graph_of_another_device },
  { "handle-of-another-device", "*handle of device 1*", handle_of_another_device },
  { "device-of-another-thread", "*stream of device 1*", device_of_another_thread },
  { "default-stream", "*default stream*", default_stream },
  { "destroyed-stream", "*does not exist (any more)*", destroyed_stream },
  { "use-after-free", "*used after it was freed*", use_after_free },
  { "free-twice", "*freed twice*", free_twice },
  { "unaligned", "*not aligned*", unaligned },
  { "copy-out-of-bounds", "*out of bounds*", copy_out_of_bounds },
  { "host-pointer", "*not of the device*", host_pointer },
  { "kernel-out-of-bounds", "*", kernel_out_of_bounds },
  { "allocate-while-recording", "*while a stream is recorded*", allocate_while_recording },
  { "leak-memory", "*leaked*", leak_memory },
  { "leak-stream", "*stream is leaked*", leak_stream },
  { "leak-descriptor", "*descriptors are leaked*", leak_descriptor },
  { "unknown-handle", "*handle that does not exist*", unknown_handle },
};

static void
test_misuse (gconstpointer data)
{
  const Misuse *m = data;

  if (!double_install ())
    return;
  if (g_test_subprocess ()) {
    m->misuse (double_table ());
    return;
  }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr (m->message);
}

/* A result that is read before it was waited for is NaN, and a clip that comes too late is not seen. */
static void
test_missing_wait (void)
{
  const Cnn3dCuda *c;
  cudaStream_t work, upload;
  cudaEvent_t uploaded;
  float *host, *device, *result;

  if (!double_install ())
    return;
  c = double_table ();
  work = make_stream (c);
  upload = make_stream (c);
  c->cudaHostAlloc ((void **) &host, 128, 0);
  c->cudaHostAlloc ((void **) &result, 128, 0);
  device = make_memory (c, 128);
  c->cudaEventCreateWithFlags (&uploaded, cudaEventDisableTiming);
  for (int i = 0; i < 32; i++)
    host[i] = 1;

  /* No event between the streams. */
  c->cudaMemcpyAsync (device, host, 128, cudaMemcpyHostToDevice, upload);
  c->cudaMemcpyAsync (result, device, 128, cudaMemcpyDeviceToHost, work);
  g_assert_false (result[0] == 1);
  c->cudaStreamSynchronize (work);
  g_assert_false (result[0] == 1);

  /* With one; and still no wait of the host's. */
  c->cudaEventRecord (uploaded, upload);
  c->cudaStreamWaitEvent (work, uploaded, 0);
  c->cudaMemcpyAsync (result, device, 128, cudaMemcpyDeviceToHost, work);
  g_assert_false (result[0] == 1);
  c->cudaStreamSynchronize (work);
  g_assert_true (result[0] == 1);

  c->cudaFree (device);
  c->cudaFreeHost (host);
  c->cudaFreeHost (result);
  c->cudaEventDestroy (uploaded);
  c->cudaStreamDestroy (work);
  c->cudaStreamDestroy (upload);
  double_check_clean ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (misuses); i++) {
    g_autofree char *name = g_strdup_printf ("/gpu/doubles/%s", misuses[i].name);
    g_test_add_data_func (name, &misuses[i], test_misuse);
  }
  g_test_add_func ("/gpu/doubles/missing-wait", test_missing_wait);
  return g_test_run ();
}
