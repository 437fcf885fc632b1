/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Incremental inference: equal to a run from scratch to the last bit, whatever was pushed and run before. */

#include "lib3dcnn/cpu/isa.h"
#include "lib3dcnn/cpu/stream.h"
#include "lib3dcnn/model-private.h"
#include "lib3dcnn/session-private.h"

#include <stdlib.h>

#define N_FRAMES 36
#define CLASSES 7

static const Cnn3dConfig configs[] = {
  { CNN3D_ARCH_MOBILENET, 0.5, .classes = CLASSES, .frames = 16, .size = 64 },
  { CNN3D_ARCH_MOBILENET, 0.6, .classes = CLASSES, .frames = 9, .size = 113 },
  { CNN3D_ARCH_MOBILENET, 0.3, .classes = CLASSES, .frames = 1, .size = 33 },
  { CNN3D_ARCH_MOBILENET, 1.0, .classes = CLASSES, .frames = 16, .size = 112 },
  { CNN3D_ARCH_MOBILENETV2, 0.3, .classes = CLASSES, .frames = 16, .size = 64 },
  { CNN3D_ARCH_MOBILENETV2, 0.75, .classes = CLASSES, .frames = 8, .size = 79 },
  { CNN3D_ARCH_MOBILENETV2, 0.45, .classes = CLASSES, .frames = 16, .size = 112 },
  { CNN3D_ARCH_MOBILENETV2, 0.2, .classes = CLASSES, .frames = 32, .size = 96 },
  { CNN3D_ARCH_SHUFFLENET, 0.5, .groups = 3, .classes = CLASSES, .frames = 16, .size = 64 },
  { CNN3D_ARCH_SHUFFLENET, 1.0, .groups = 3, .classes = CLASSES, .frames = 16, .size = 112 },
  { CNN3D_ARCH_SHUFFLENET, 0.25, .groups = 1, .classes = CLASSES, .frames = 32, .size = 49 },
  { CNN3D_ARCH_SHUFFLENETV2, 0.25, .classes = CLASSES, .frames = 16, .size = 112 },
  { CNN3D_ARCH_SHUFFLENETV2, 1.0, .classes = CLASSES, .frames = 3, .size = 64 },
  { CNN3D_ARCH_SQUEEZENET, .version = 11, .classes = CLASSES, .frames = 16, .size = 64 },
  { CNN3D_ARCH_SQUEEZENET, .version = 10, .classes = CLASSES, .frames = 12, .size = 33 },
};

/* A video, and what a run from scratch makes of the clip that begins at each frame. */
typedef struct {
  Cnn3dConfig config;
  Cnn3dModel *model;
  gsize frame_bytes;
  guint8 *rgb;
  float *expected, *features;
  int n_features;
} Video;

static void
set_up (Video *v, gconstpointer data)
{
  guint64 hash = cnn3d_hash_name ("video", "rgb");
  g_autoptr (GError) error = NULL;

  v->config = *(const Cnn3dConfig *) data;
  v->model = cnn3d_model_new_synthetic (&v->config, "streams", &error);
  g_assert_no_error (error);
  v->frame_bytes = (gsize) 3 * v->config.size * v->config.size;
  v->rgb = g_malloc (N_FRAMES * v->frame_bytes);
  for (gsize k = 0; k < N_FRAMES * v->frame_bytes; k++)
    v->rgb[k] = (guint8) (cnn3d_hash_uniform (hash, k) * 256);
  v->expected = g_new (float, N_FRAMES * CLASSES);
  v->n_features = cnn3d_model_get_n_features (v->model);
  v->features = g_new (float, N_FRAMES * v->n_features);
}

static void
tear_down (Video *v, gconstpointer data)
{
  cnn3d_model_unref (v->model);
  g_free (v->rgb);
  g_free (v->expected);
  g_free (v->features);
}

static Cnn3dSession *
new_session (Video *v, Cnn3dBackend backend, int threads, gboolean direct)
{
  /* Of stems in bfloat16, as auto may have them, streams are in test-precision. */
  Cnn3dSessionOptions options = { .backend = backend, .threads = threads, .direct_stem = direct,
    .precision = CNN3D_PRECISION_FP32 };
  g_autoptr (GError) error = NULL;
  Cnn3dSession *session = cnn3d_session_new (v->model, &options, &error);

  g_assert_no_error (error);
  for (int i = 0; i + v->config.frames <= N_FRAMES; i++)
    g_assert_true (cnn3d_session_run_rgb_features (session, v->rgb + i * v->frame_bytes, 1,
        v->expected + i * CLASSES, v->features + i * v->n_features, NULL));
  return session;
}

/* The clip of the newest frames, of which the last is that of this number in the video. */
static void
check_clip (Video *v, Cnn3dStream *stream, int last)
{
  gsize bytes = (gsize) v->n_features * sizeof (float);
  g_autofree float *features = g_malloc (bytes);
  float logits[CLASSES];
  int first = last - v->config.frames + 1;

  g_assert_true (cnn3d_stream_run_features (stream, logits, last % 2 ? features : NULL, NULL));
  g_assert_cmpmem (logits, sizeof logits, v->expected + first * CLASSES, sizeof logits);
  if (last % 2)
    g_assert_cmpmem (features, bytes, v->features + first * v->n_features, bytes);
}

static void
push (Video *v, Cnn3dStream *stream, int frame)
{
  cnn3d_stream_push_rgb (stream, v->rgb + frame * v->frame_bytes);
}

static void
check_stride (Video *v, Cnn3dStream *stream, int stride)
{
  int n_clips = 0;

  cnn3d_stream_reset (stream);
  cnn3d_stream_set_stride (stream, stride);
  for (int i = 0; i < N_FRAMES; i++) {
    push (v, stream, i);
    g_assert_true (cnn3d_stream_is_due (stream) == (i == v->config.frames - 1 + n_clips * stride));
    if (!cnn3d_stream_is_due (stream))
      continue;
    check_clip (v, stream, i);
    n_clips++;
  }
  g_assert_cmpint (n_clips, ==, (N_FRAMES - v->config.frames) / stride + 1);
  g_assert_cmpint (cnn3d_stream_get_n_frames (stream), ==, N_FRAMES);
}

/* Clips when they are due and when they are not, clips left out, jumps, strides that change: multiples of `unit`. */
static void
check_wild (Video *v, Cnn3dStream *stream, int n, int unit)
{
  int frame = 0;

  cnn3d_stream_reset (stream);
  for (int i = 0; i < n; i++, frame++) {
    if (frame == N_FRAMES || g_test_rand_int_range (0, 40) == 0) {
      frame = g_test_rand_int_range (0, N_FRAMES - v->config.frames);
      cnn3d_stream_reset (stream);
    }
    push (v, stream, frame);
    if (g_test_rand_int_range (0, 10) == 0)
      cnn3d_stream_set_stride (stream, unit * g_test_rand_int_range (1, 20 / unit));
    if (cnn3d_stream_get_n_frames (stream) >= v->config.frames
        && (cnn3d_stream_is_due (stream) || g_test_rand_int_range (0, unit > 1 ? 20 : 5) == 0))
      check_clip (v, stream, frame);
    if (g_test_rand_int_range (0, 60) == 0 && cnn3d_stream_get_n_frames (stream) >= v->config.frames)
      check_clip (v, stream, frame); /* the same clip once more */
  }
}

static void
test_stream (Video *v, gconstpointer data)
{
  gboolean small = v->config.size < 70 && v->config.arch != CNN3D_ARCH_SQUEEZENET;
  int further = g_getenv ("CNN3D_TEST_QUICK") != NULL ? 2 : 1, n_isas = 0;

  while (cnn3d_isa_get (n_isas) != NULL)
    n_isas++;
  for (int i = 0; i < n_isas; i += further)
    for (int threads = further == 2 && i > 0 ? 3 : 1; threads <= (further == 2 && i == 0 ? 1 : 3); threads++)
      /* Small pictures' stems are plain sums in any case. */
      for (int direct = v->config.size < 64; direct <= 1; direct++) {
        g_autoptr (Cnn3dSession) session = NULL;
        g_autoptr (Cnn3dStream) stream = NULL;

        setenv (CNN3D_ISA_ENV, cnn3d_isa_get (i)->isa, TRUE);
        session = new_session (v, CNN3D_BACKEND_CPU, threads, direct);
        stream = cnn3d_stream_new (session, 1);
        g_assert_true (cnn3d_stream_get_session (stream) == session);
        /* Every stride on small networks, each by one number of threads; some on large ones. */
        for (int stride = small ? threads : 4 + threads; stride <= 16; stride += small ? 3 : 10)
          check_stride (v, stream, stride);
        /* Those that the stem's groups of frames suit. */
        for (int stride = small || direct ? 20 : 4; stride <= 16; stride += 4)
          check_stride (v, stream, stride);
        check_wild (v, stream, small ? 60 : 20, direct ? 1 : g_test_rand_int_range (0, 2) ? 4 : 1);
      }
  unsetenv (CNN3D_ISA_ENV);
}

/*
 * Clips that are not due between those that are, at each place between two of these: what is kept of groups of frames is of
 * no use to them, and they may take its place.
 */
static void
test_detours (Video *v, gconstpointer data)
{
  g_autoptr (Cnn3dSession) session = new_session (v, CNN3D_BACKEND_CPU, 1, FALSE);
  g_autoptr (Cnn3dStream) stream = cnn3d_stream_new (session, 1);

  for (int stride = 4; stride <= 12; stride += 4)
    for (int detour = 1; detour < stride; detour++) {
      cnn3d_stream_reset (stream);
      cnn3d_stream_set_stride (stream, stride);
      for (int i = 0; i < N_FRAMES; i++) {
        int since = i + 1 - v->config.frames;

        push (v, stream, i);
        if (since < 0 || (since % stride != 0 && since % (2 * stride) != detour))
          continue;
        check_clip (v, stream, i);
        /* Which is taken as the beginning of those to come. */
        if (since % stride != 0)
          cnn3d_stream_set_stride (stream, stride - detour);
        else
          cnn3d_stream_set_stride (stream, stride);
      }
    }
}

/* What was kept before a reset is of other frames, though they have the same numbers. */
static void
test_forgotten (Video *v, gconstpointer data)
{
  g_autoptr (Cnn3dSession) session = new_session (v, CNN3D_BACKEND_CPU, 1, FALSE);
  g_autoptr (Cnn3dStream) stream = cnn3d_stream_new (session, 8);

  for (int i = 0; i < v->config.frames; i++)
    push (v, stream, i);
  check_clip (v, stream, v->config.frames - 1);
  cnn3d_stream_reset (stream);
  /* A stride for which nothing is kept anew. */
  cnn3d_stream_set_stride (stream, 1);
  for (int i = 1; i < 1 + v->config.frames; i++)
    push (v, stream, i);
  check_clip (v, stream, v->config.frames);
  cnn3d_stream_set_stride (stream, 8);
  for (int i = 1; i <= 8; i++)
    push (v, stream, v->config.frames + i);
  check_clip (v, stream, v->config.frames + 8);
}

/* How many parts of groups a clip takes that begins so many frames after another one: each frame's products are made once. */
static void
test_parts (void)
{
  static const struct { int stride, whole, first, last; } known[] = {
    { 4, 1, 1, 1 }, { 8, 2, 1, 1 }, { 12, 3, 1, 1 }, { 16, 4, 0, 0 }, { 20, 4, 0, 0 } };
  static const Cnn3dConfig networks[] = {
    { CNN3D_ARCH_SHUFFLENET, 0.25, .groups = 1, .classes = CLASSES, .frames = 16, .size = 64 },
    { CNN3D_ARCH_MOBILENET, 0.25, .classes = CLASSES, .frames = 16, .size = 64 } };
  Video v = { 0 };

  for (guint n = 0; n < G_N_ELEMENTS (networks); n++) {
    set_up (&v, &networks[n]);
    for (guint k = 0; k < G_N_ELEMENTS (known); k++) {
      g_autoptr (Cnn3dSession) session = new_session (&v, CNN3D_BACKEND_CPU, 1, FALSE);
      const Cnn3dStreamClass *klass;
      gpointer engine;
      Stream *stream;
      int counts[PART_WHOLE + 1] = { 0 }, clip = 0;
      float logits[CLASSES];

      klass = cnn3d_session_get_stream_class (session, &engine);
      stream = klass->create (engine);
      for (int i = 0; i < 16 + 2 * known[k].stride; i++) {
        gboolean due = i == clip + 15;

        klass->push (stream, &(Cnn3dClip){ .rgb = v.rgb + (i % N_FRAMES) * (int) v.frame_bytes }, clip, known[k].stride);
        for (int round = 0; round <= due; round++) {
          for (int w = 0; i > 15 + known[k].stride && w < stream->n_work; w++) {
            counts[stream->work[w].step == 0 ? stream->work[w].part : 0]++;
            counts[PART_FIRST] += stream->work[w].makes_first;
          }
          if (due && round == 0)
            klass->run (stream, logits, NULL);
        }
        clip += due ? known[k].stride : 0;
      }
      g_test_message ("stride %d: %d %d %d", known[k].stride, counts[PART_WHOLE], counts[PART_FIRST], counts[PART_LAST]);
      g_assert_cmpint (counts[PART_WHOLE], ==, known[k].whole);
      g_assert_cmpint (counts[PART_FIRST], ==, known[k].first);
      g_assert_cmpint (counts[PART_LAST], ==, known[k].last);
      klass->destroy (stream);
    }
    tear_down (&v, NULL);
  }
}

/* What does not need a clip's last frame is there before that; nothing else is. */
static void
test_early (Video *v, gconstpointer data)
{
  for (int direct = 0; direct <= 1; direct++) {
    g_autoptr (Cnn3dSession) session = new_session (v, CNN3D_BACKEND_CPU, 1, direct);
    const Cnn3dStreamClass *klass;
    gpointer engine;
    Stream *stream;
    int last = v->config.frames - 1, early = 0, late = 0;

    klass = cnn3d_session_get_stream_class (session, &engine);
    stream = klass->create (engine);
    for (int i = 0; i < last; i++)
      klass->push (stream, &(Cnn3dClip){ .rgb = v->rgb + i * (int) v->frame_bytes }, 0, v->config.frames);
    for (int i = 1; i < stream->s->slices->n_steps; i++) {
      const Cnn3dStepSlices *s = &stream->s->slices->steps[i];

      for (int t = 0; s->role == CNN3D_SLICES_KEPT && t < s->n; t++) {
        g_assert_true (cnn3d_stream_has (stream, i, t) == (s->last_frame[t] < last));
        *(s->last_frame[t] < last ? &early : &late) += 1;
      }
    }
    g_test_message ("%s: %d slices early, %d late", direct ? "direct" : "default", early, late);
    g_assert_cmpint (early, >, late);
    klass->destroy (stream);
  }
}

/* Two streams of one session, in turns with runs of the session itself; normalised frames. */
static void
test_shared (Video *v, gconstpointer data)
{
  g_autoptr (Cnn3dSession) session = new_session (v, CNN3D_BACKEND_CPU, 2, FALSE);
  g_autoptr (Cnn3dStream) a = cnn3d_stream_new (session, 4), b = cnn3d_stream_new (session, 3);
  gsize n = (gsize) v->config.frames * v->frame_bytes, pixels = v->frame_bytes / 3;
  g_autofree float *clip = g_new (float, n), *frame = g_new (float, v->frame_bytes);
  float logits[CLASSES];

  for (int i = 0; i < N_FRAMES; i++) {
    int last = N_FRAMES - 1 - i;

    push (v, a, i);
    if (cnn3d_stream_is_due (a))
      check_clip (v, a, i);
    /* b sees the video backwards: only its first frame, over and over, makes a clip of known logits. */
    cnn3d_model_normalize (v->model, v->rgb + MIN (last, N_FRAMES - v->config.frames) * v->frame_bytes, clip);
    for (int p = 0; p < 3; p++)
      memcpy (frame + p * pixels, clip + p * (int) pixels * v->config.frames, pixels * sizeof (float));
    cnn3d_stream_push (b, frame);
    if (cnn3d_stream_is_due (b))
      g_assert_true (cnn3d_stream_run (b, logits, NULL));
    if (i % 5 == 0 && i + v->config.frames <= N_FRAMES) {
      g_assert_true (cnn3d_session_run_rgb (session, v->rgb + i * v->frame_bytes, 1, logits, NULL));
      g_assert_cmpmem (logits, sizeof logits, v->expected + i * CLASSES, sizeof logits);
    }
  }
  /* The same frames normalised and as bytes. */
  cnn3d_stream_reset (b);
  for (int i = 0; i < v->config.frames; i++) {
    cnn3d_model_normalize (v->model, v->rgb, clip);
    for (int p = 0; p < 3; p++)
      memcpy (frame + p * pixels, clip + (p * (gsize) v->config.frames + (gsize) i) * pixels,
          pixels * sizeof (float));
    cnn3d_stream_push (b, frame);
  }
  check_clip (v, b, v->config.frames - 1);
}

/* As many frames as a clip may have: steps that are run slice by slice have as many of these. */
static void
test_many_frames (void)
{
  for (int i = 0; i < 2 * CNN3D_N_ARCHS; i++) {
    int arch = i / 2;
    Cnn3dConfig config = { .arch = arch, .width = arch == CNN3D_ARCH_SQUEEZENET ? 0 : 0.25, .classes = CLASSES,
      .frames = 256, .size = 32 };
    Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CPU, .threads = 2, .direct_stem = TRUE,
      .precision = i % 2 ? CNN3D_PRECISION_AUTO : CNN3D_PRECISION_FP32 };
    gsize frame = 3 * (gsize) config.size * (gsize) config.size;
    g_autoptr (GError) error = NULL;
    g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (&config, "many", &error);
    g_autoptr (Cnn3dSession) session = NULL;
    g_autoptr (Cnn3dStream) stream = NULL;
    g_autofree guint8 *rgb = g_malloc ((gsize) config.frames * frame);
    float logits[CLASSES], expected[CLASSES];

    g_assert_no_error (error);
    for (gsize k = 0; k < (gsize) config.frames * frame; k++)
      rgb[k] = (guint8) (cnn3d_hash_uniform (1, k) * 256);
    session = cnn3d_session_new (model, &options, &error);
    g_assert_no_error (error);
    g_assert_true (cnn3d_session_run_rgb (session, rgb, 1, expected, NULL));
    stream = cnn3d_stream_new (session, 1);
    for (int t = 0; t < config.frames; t++)
      cnn3d_stream_push_rgb (stream, rgb + (gsize) t * frame);
    g_assert_true (cnn3d_stream_run (stream, logits, NULL));
    g_assert_cmpmem (logits, sizeof logits, expected, sizeof expected);
  }
}

/* A backend without streams of its own. */
static void
test_reference (void)
{
  Cnn3dConfig config = { CNN3D_ARCH_MOBILENET, 0.2, .classes = CLASSES, .frames = 8, .size = 32 };
  Video v = { 0 };

  set_up (&v, &config);
  {
    g_autoptr (Cnn3dSession) session = new_session (&v, CNN3D_BACKEND_REFERENCE, 1, FALSE);
    g_autoptr (Cnn3dStream) stream = cnn3d_stream_new (session, 3);

    for (int stride = 1; stride <= 9; stride += 4)
      check_stride (&v, stream, stride);
  }
  tear_down (&v, NULL);
}

static gboolean
is_able (int step, gpointer data)
{
  return cnn3d_plan_step (data, step)->kind != CNN3D_STEP_CONV;
}

/* What must hold of any choice of slices, found here from frames instead of from ranges. */
static void
check_slices (const Cnn3dPlan *plan, int frames, int group)
{
  g_autoptr (Cnn3dSlices) slices = cnn3d_slices_new (plan, is_able, (gpointer) plan, group);

  for (int i = 0; i < slices->n_steps; i++) {
    const Cnn3dStepSlices *s = &slices->steps[i];
    const Cnn3dStep *step = cnn3d_plan_step (plan, i);

    for (int t = 0; t < step->out.t; t++) {
      g_assert_cmpint (s->last_frame[t], >=, MIN (t * s->scale, frames - 1));
      g_assert_cmpint (s->last_frame[t], <, frames);
      g_assert_cmpint (s->last_frame[t], >=, t > 0 ? s->last_frame[t - 1] : 0);
    }
    for (int c = 0; step->inputs != NULL && c < step->channels_in; c++) {
      const Cnn3dStepSlices *in = &slices->steps[step->inputs[c].buffer];

      g_assert_cmpint (s->scale, ==, in->scale * step->stride.t);
      if (s->role != CNN3D_SLICES_WHOLE)
        g_assert_cmpint (in->role, ==, CNN3D_SLICES_KEPT);
      else
        g_assert_true (in->role != CNN3D_SLICES_KEPT || in->copied);
      for (int t = s->first; t < s->end; t++)
        for (int k = 0; k < step->kernel.t; k++) {
          g_assert_cmpint (t * step->stride.t - step->pad.t + k, >=, in->first);
          g_assert_cmpint (t * step->stride.t - step->pad.t + k, <, in->end);
        }
    }
  }
}

static void
test_slices (void)
{
  /*
   * Of a clip of 16 frames of 112 pixels: steps up to where three of four slices need the last frame; those that whole steps
   * read as well, if it is worth it.
   */
  static const struct { Cnn3dArch arch; int kept, copied, last; } known[] = {
    { CNN3D_ARCH_SHUFFLENET, 11, 0, 1 },   /* stem, pool, two units and most of the third */
    { CNN3D_ARCH_SHUFFLENETV2, 14, 4, 1 }, /* stem, pool, three units, half of the next; channels pass by it */
    { CNN3D_ARCH_MOBILENET, 9, 0, 1 },     /* stem, four blocks; the next depthwise */
    { CNN3D_ARCH_MOBILENETV2, 16, 1, 1 },  /* stem, five blocks, expansion; the fifth is a residual */
    { CNN3D_ARCH_SQUEEZENET, 3, 1, 1 },    /* stem, pool, squeeze; one of two expansions */
  };

  for (guint k = 0; k < G_N_ELEMENTS (known); k++)
    for (int frames = 1; frames <= 33; frames++) {
      Cnn3dConfig config = { .arch = known[k].arch, .frames = frames };
      g_autoptr (Cnn3dGraph) graph = NULL;
      g_autoptr (Cnn3dPlan) plan = NULL;
      g_autoptr (Cnn3dSlices) slices = NULL;
      int last = 0, copied = 0;

      cnn3d_config_fill (&config);
      graph = cnn3d_graph_new (&config, NULL);
      if (graph == NULL)
        continue;
      plan = cnn3d_plan_new (graph);
      check_slices (plan, frames, 1);
      check_slices (plan, frames, 4);
      slices = cnn3d_slices_new (plan, is_able, plan, 1);
      for (int i = 0; i < slices->n_steps; i++) {
        last += slices->steps[i].role == CNN3D_SLICES_LAST;
        copied += slices->steps[i].copied;
      }
      g_test_message ("%s, %d frames: %d kept, %d copied, %d last; early with %d", cnn3d_arch_get_name (config.arch), frames,
          slices->n_kept, copied, last, slices->early);
      if (frames == 16) {
        g_assert_cmpint (slices->n_kept, ==, known[k].kept);
        g_assert_cmpint (copied, ==, known[k].copied);
        g_assert_cmpint (last, ==, known[k].last);
        g_assert_cmpint (slices->early, ==, 15);
      }
    }
}

int
main (int argc, char **argv)
{
  /* Builds that repeat what another one has tested in full take every second network. */
  guint step = g_getenv ("CNN3D_TEST_QUICK") != NULL ? 2 : 1;

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/streams/slices", test_slices);
  g_test_add_func ("/streams/reference", test_reference);
  g_test_add_func ("/streams/many-frames", test_many_frames);
  g_test_add_func ("/streams/parts", test_parts);
  for (guint i = 0; i + step <= G_N_ELEMENTS (configs); i += step) {
    const Cnn3dConfig *c = &configs[i];
    g_autofree char *name = g_strdup_printf ("%s-%.2f-%dx%d", cnn3d_arch_get_name (c->arch), c->width,
        c->frames, c->size);
    g_autofree char *equal = g_strconcat ("/streams/equal/", name, NULL);
    g_autofree char *shared = g_strconcat ("/streams/shared/", name, NULL);
    g_autofree char *early = g_strconcat ("/streams/early/", name, NULL);
    g_autofree char *detours = g_strconcat ("/streams/detours/", name, NULL);
    g_autofree char *forgotten = g_strconcat ("/streams/forgotten/", name, NULL);

    g_test_add (equal, Video, c, set_up, test_stream, tear_down);
    g_test_add (shared, Video, c, set_up, test_shared, tear_down);
    if (c->frames == 16)
      g_test_add (early, Video, c, set_up, test_early, tear_down);
    if (c->frames == 16 && c->size <= 64) {
      g_test_add (detours, Video, c, set_up, test_detours, tear_down);
      g_test_add (forgotten, Video, c, set_up, test_forgotten, tear_down);
    }
  }
  return g_test_run ();
}
