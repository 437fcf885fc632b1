/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cudnn/engine.h"
#include "lib3dcnn/cudnn/half.h"

#include <math.h>

gboolean
cnn3d_gpu_load_clips (Cnn3dGpuEngine *engine, Cnn3dGpuProgram *program, Cnn3dGpuSlot *slot,
    const Cnn3dClip *clips, int n, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;
  const Cnn3dCard *card = engine->model->card;
  gsize positions = cnn3d_gpu_clip_positions (engine);
  gboolean rgb = clips[0].rgb != NULL;
  gsize bytes = positions * 3 * (rgb ? 1 : sizeof (float));
  Cnn3dGpuKernelLaunch launch = { .used = TRUE };

  if (slot->in_use)
    CNN3D_CUDA_TRY ("waiting for the GPU", cudaEventSynchronize, slot->done);
  slot->in_use = FALSE;
  for (int i = 0; i < n; i++)
    memcpy (slot->host + (gsize) i * bytes, rgb ? (const void *) clips[i].rgb : clips[i].planes, bytes);
  memset (slot->host + (gsize) n * bytes, 0, (gsize) (program->batch - n) * bytes);
  CNN3D_CUDA_TRY ("copying clips to the GPU", cudaMemcpyAsync, slot->device, slot->host,
      (gsize) program->batch * bytes, cudaMemcpyHostToDevice, engine->upload);
  CNN3D_CUDA_TRY ("copying clips to the GPU", cudaEventRecord, slot->uploaded, engine->upload);
  CNN3D_CUDA_TRY ("copying clips to the GPU", cudaStreamWaitEvent, engine->stream, slot->uploaded, 0);

  if (rgb) {
    Cnn3dFramesArgs *a = &launch.args.frames;

    *a = (Cnn3dFramesArgs){ .x = slot->device, .y = program->buffers[0],
      .positions = program->batch * (gint64) positions, .pitch = 3 };
    for (int k = 0; k < 3; k++) {
      a->order[k] = card->channel_order == CNN3D_CHANNEL_ORDER_RGB ? k : 2 - k;
      a->scale[k] = 1 / card->std[k];
      a->shift[k] = -card->mean[k] / card->std[k];
    }
    launch.shape = cnn3d_shape_frames (a, engine->half);
  } else {
    Cnn3dPlanesArgs *a = &launch.args.planes;

    *a = (Cnn3dPlanesArgs){ .x = (const float *) (gpointer) slot->device, .y = program->buffers[0],
      .n = program->batch, .positions = (gint64) positions, .pitch = 3 };
    launch.shape = cnn3d_shape_planes (a, engine->half);
  }
  if (!cnn3d_gpu_launch_kernel (engine, &launch, error))
    return FALSE;
  CNN3D_CUDA_TRY ("copying clips to the GPU", cudaEventRecord, slot->done, engine->stream);
  slot->in_use = TRUE;
  return TRUE;
}

static gboolean
run_program (Cnn3dGpuEngine *engine, Cnn3dGpuProgram *program, int first, int n, gboolean features,
    GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;
  gsize clip = (gsize) cnn3d_gpu_logit_lanes (engine) * engine->size;
  gsize of_features = cnn3d_gpu_feature_bytes (engine);

  if (program->graph != NULL)
    CNN3D_CUDA_TRY ("running the network", cudaGraphLaunch, program->graph, engine->stream);
  else if (!cnn3d_gpu_launch_steps (engine, program, error))
    return FALSE;
  CNN3D_CUDA_TRY ("copying logits from the GPU", cudaMemcpyAsync, engine->logits + (gsize) first * clip,
      program->buffers[engine->plan->output], (gsize) n * clip, cudaMemcpyDeviceToHost, engine->stream);
  if (features)
    CNN3D_CUDA_TRY ("copying features from the GPU", cudaMemcpyAsync,
        engine->features + (gsize) first * of_features, program->buffers[engine->plan->features],
        (gsize) n * of_features, cudaMemcpyDeviceToHost, engine->stream);
  return TRUE;
}

static float
get_element (const Cnn3dGpuEngine *engine, const guint8 *elements, gsize i)
{
  if (engine->half)
    return cnn3d_half_to_float (((const guint16 *) (gconstpointer) elements)[i]);
  return ((const float *) (gconstpointer) elements)[i];
}

static void
read_logits (Cnn3dGpuEngine *engine, int n, float *logits)
{
  int classes = engine->model->config.classes, lanes = cnn3d_gpu_logit_lanes (engine);

  for (int i = 0; i < n; i++)
    for (int c = 0; c < classes; c++)
      *logits++ = get_element (engine, engine->logits,
          (gsize) i * (gsize) lanes + (gsize) engine->plan->output_lanes[c]);
}

/* Halfs end at 65504; what was larger on the way is infinite, or no number any more. */
static gboolean
check_logits (const Cnn3dGpuEngine *engine, int n, const float *logits, GError **error)
{
  int classes = engine->model->config.classes;

  for (int i = 0; engine->half && i < n * classes; i++)
    if (!isfinite (logits[i])) {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND, "the logits of clip %d of %d are not finite, as fp16 ends"
          " at %g and activations may be larger: use precision=fp32", i / classes + 1, n, (double) CNN3D_HALF_MAX);
      return FALSE;
    }
  return TRUE;
}

/* The mean over positions, as where there are several the last layer ends in one. */
static void
read_features (Cnn3dGpuEngine *engine, int n, float *features)
{
  const Cnn3dGpuPlan *plan = engine->plan;
  gsize lanes = (gsize) cnn3d_gpu_plan_buffer (plan, plan->features)->lanes;
  gsize positions = cnn3d_gpu_feature_bytes (engine) / engine->size / lanes;

  for (int i = 0; i < n; i++)
    for (int c = 0; c < plan->n_features; c++) {
      double sum = 0;

      for (gsize p = 0; p < positions; p++)
        sum += (double) get_element (engine, engine->features,
            ((gsize) i * positions + p) * lanes + (gsize) plan->feature_lanes[c]);
      *features++ = (float) (sum / (double) positions);
    }
}

/* The smallest that holds all clips that are left, or else the largest. */
static Cnn3dGpuProgram *
choose_program (Cnn3dGpuEngine *engine, int left)
{
  int i = 0;

  while (i + 1 < engine->n_programs && engine->programs[i].batch < left)
    i++;
  return &engine->programs[i];
}

/* All clips, up to when their results have come to the host. */
static gboolean
run_clips (Cnn3dGpuEngine *engine, const Cnn3dClip *clips, int n, gboolean features, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;
  int done = 0;

  for (int slot = 0; done < n; slot = (slot + 1) % CNN3D_GPU_SLOTS) {
    Cnn3dGpuProgram *program = choose_program (engine, n - done);
    int count = MIN (n - done, program->batch);

    if (!cnn3d_gpu_load_clips (engine, program, &engine->slots[slot], clips + done, count, error)
        || !run_program (engine, program, done, count, features, error))
      return FALSE;
    done += count;
  }
  CNN3D_CUDA_TRY ("waiting for the GPU", cudaStreamSynchronize, engine->stream);
  return TRUE;
}

gboolean
cnn3d_gpu_run (gpointer data, const Cnn3dClip *clips, int n, float *logits, float *features,
    GError **error)
{
  Cnn3dGpuEngine *engine = data;
  gboolean ok;

  g_assert (n <= CNN3D_MAX_GROUP);
  if (!cnn3d_gpu_enter (engine, error))
    return FALSE;
  ok = run_clips (engine, clips, n, features != NULL, error);
  cnn3d_gpu_leave (engine);
  if (!ok)
    return FALSE;
  read_logits (engine, n, logits);
  if (!check_logits (engine, n, logits, error))
    return FALSE;
  if (features != NULL)
    read_features (engine, n, features);
  return TRUE;
}
