/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/classifysettings.h"

#define MAX_TOP_K 100000

#define DEFAULT_MODEL CNN3D_ARCH_SHUFFLENET
#define DEFAULT_BACKEND CNN3D_BACKEND_AUTO
#define DEFAULT_TOP_K 3
#define DEFAULT_MODE GST_CLASSIFY_MODE_AUTO
#define DEFAULT_ON_EOS GST_CLASSIFY_ON_EOS_AUTO
#define DEFAULT_ROI GST_CLASSIFY_ROI_FULL
#define DEFAULT_SMOOTHING GST_DECISION_SMOOTHING_NONE
#define DEFAULT_SMOOTHING_WINDOW 4
#define DEFAULT_EVENTS GST_CLASSIFY_EVENTS_NONE
#define DEFAULT_EVENT_THRESHOLD 0.5
#define DEFAULT_EVENT_HYSTERESIS 0.15
#define DEFAULT_EVENT_LEAD 0.3

enum
{
  PROP_MODEL = GST_CLASSIFY_FIRST_SETTING,
  PROP_MODEL_FILE,
  PROP_LABELS_FILE,
  PROP_BACKEND,
  PROP_DEVICE,
  PROP_PRECISION,
  PROP_ALLOW_TF32,
  PROP_THREADS,
  PROP_TOP_K,
  PROP_THRESHOLD,
  PROP_SAMPLE_RATE,
  PROP_CLIP_STRIDE,
  PROP_MODE,
  PROP_ON_EOS,
  PROP_ROI,
  PROP_SMOOTHING,
  PROP_SMOOTHING_WINDOW,
  PROP_EVENTS,
  PROP_EVENT_THRESHOLD,
  PROP_EVENT_HYSTERESIS,
  PROP_EVENT_LEAD,
  PROP_IDLE_LABELS,
};

static GType
model_get_type (void)
{
  static gsize type = 0;
  static GEnumValue values[CNN3D_N_ARCHS + 1];

  if (g_once_init_enter (&type)) {
    GType t;

    for (guint i = 0; i < CNN3D_N_ARCHS; i++)
      values[i] = (GEnumValue) {
      i, cnn3d_arch_get_title (i), cnn3d_arch_get_name (i)};
    t = g_enum_register_static ("GstVideoClassify3DModel", values);
    gst_type_mark_as_plugin_api (t, 0);
    g_once_init_leave (&type, t);
  }
  return type;
}

#define DEFINE_ENUM(name, Name, ...) \
static GType \
name##_get_type (void) \
{ \
  static gsize type = 0; \
  static const GEnumValue values[] = { __VA_ARGS__, {0, NULL, NULL} }; \
\
  if (g_once_init_enter (&type)) { \
    GType t = g_enum_register_static (Name, values); \
\
    gst_type_mark_as_plugin_api (t, 0); \
    g_once_init_leave (&type, t); \
  } \
  return type; \
}

/* *INDENT-OFF* */
DEFINE_ENUM (backend, "GstVideoClassify3DBackend",
    {CNN3D_BACKEND_AUTO, "The fastest that is available", "auto"},
    {CNN3D_BACKEND_CPU, "Vector kernels of the CPU", "cpu"},
    {CNN3D_BACKEND_CUDNN, "An NVIDIA GPU, by cuDNN", "cudnn"},
    {CNN3D_BACKEND_REFERENCE, "Slow loops in double precision", "reference"})
DEFINE_ENUM (precision, "GstVideoClassify3DPrecision",
    {CNN3D_PRECISION_AUTO, "fp16 on GPUs with tensor cores, elsewhere as exact as "
        "fp32", "auto"},
    {CNN3D_PRECISION_FP32, "Single precision", "fp32"},
    {CNN3D_PRECISION_FP16, "Half precision, sums in single precision, on GPUs",
        "fp16"},
    {CNN3D_PRECISION_BF16X3, "Products of two bfloat16 numbers each, near fp32, "
        "on CPUs with AMX-BF16 or AVX512_BF16", "bf16x3"},
    {CNN3D_PRECISION_BF16, "Products in bfloat16, sums in single precision, "
        "on CPUs with AMX-BF16 or AVX512_BF16", "bf16"})
DEFINE_ENUM (mode, "GstVideoClassify3DMode",
    {GST_CLASSIFY_MODE_AUTO, "async for live sources, else sync", "auto"},
    {GST_CLASSIFY_MODE_SYNC, "Every clip is classified, and waited for", "sync"},
    {GST_CLASSIFY_MODE_ASYNC, "Never wait; skip clips if need be", "async"},
    {GST_CLASSIFY_MODE_QUEUE, "Every clip is classified; buffers go ahead",
        "queue"})
DEFINE_ENUM (on_eos, "GstVideoClassify3DOnEos",
    {GST_CLASSIFY_ON_EOS_AUTO, "Pad if the stream had no clip yet, else drop",
        "auto"},
    {GST_CLASSIFY_ON_EOS_DROP, "Drop a part-filled clip", "drop"},
    {GST_CLASSIFY_ON_EOS_PAD, "Repeat a part-filled clip to its full length",
        "pad"})
DEFINE_ENUM (roi, "GstVideoClassify3DRoi",
    {GST_CLASSIFY_ROI_FULL, "The whole picture", "full"},
    {GST_CLASSIFY_ROI_META, "Each object that upstream follows", "meta"})
DEFINE_ENUM (smoothing, "GstVideoClassify3DSmoothing",
    {GST_DECISION_SMOOTHING_NONE, "Scores of each clip by itself", "none"},
    {GST_DECISION_SMOOTHING_MEAN, "Mean over clips", "mean"},
    {GST_DECISION_SMOOTHING_EWMA, "Exponentially weighted mean", "ewma"},
    {GST_DECISION_SMOOTHING_MEDIAN, "Median over clips", "median"})
DEFINE_ENUM (events, "GstVideoClassify3DEvents",
    {GST_CLASSIFY_EVENTS_NONE, "No events", "none"},
    {GST_CLASSIFY_EVENTS_ONCE, "Each action is reported once", "once"})
/* *INDENT-ON* */

void
gst_classify_settings_init (GstClassifySettings * s)
{
  s->model = DEFAULT_MODEL;
  s->backend = DEFAULT_BACKEND;
  s->top_k = DEFAULT_TOP_K;
  s->mode = DEFAULT_MODE;
  s->on_eos = DEFAULT_ON_EOS;
  s->roi = DEFAULT_ROI;
  s->decision.smoothing = DEFAULT_SMOOTHING;
  s->decision.window = DEFAULT_SMOOTHING_WINDOW;
  s->decision.threshold = DEFAULT_EVENT_THRESHOLD;
  s->decision.hysteresis = DEFAULT_EVENT_HYSTERESIS;
  s->decision.lead = DEFAULT_EVENT_LEAD;
  s->events = DEFAULT_EVENTS;
}

void
gst_classify_settings_copy (GstClassifySettings * to,
    const GstClassifySettings * from)
{
  *to = *from;
  to->model_file = g_strdup (from->model_file);
  to->labels_file = g_strdup (from->labels_file);
  to->idle_labels = g_strdup (from->idle_labels);
  to->device = g_strdup (from->device);
}

void
gst_classify_settings_copy_model (GstClassifySettings * to,
    const GstClassifySettings * from)
{
  to->model = from->model;
  g_free (to->model_file);
  to->model_file = g_strdup (from->model_file);
  g_free (to->labels_file);
  to->labels_file = g_strdup (from->labels_file);
  g_free (to->idle_labels);
  to->idle_labels = g_strdup (from->idle_labels);
}

gboolean
gst_classify_settings_is_model (guint id)
{
  return id == PROP_MODEL || id == PROP_MODEL_FILE || id == PROP_LABELS_FILE
      || id == PROP_IDLE_LABELS;
}

void
gst_classify_settings_clear (GstClassifySettings * s)
{
  g_clear_pointer (&s->model_file, g_free);
  g_clear_pointer (&s->labels_file, g_free);
  g_clear_pointer (&s->idle_labels, g_free);
  g_clear_pointer (&s->device, g_free);
}

static void
take_string (gchar ** to, const GValue * value)
{
  g_free (*to);
  *to = g_value_dup_string (value);
}

gboolean
gst_classify_settings_set (GstClassifySettings * s, guint id,
    const GValue * value)
{
  switch (id) {
    case PROP_MODEL:
      s->model = g_value_get_enum (value);
      break;
    case PROP_MODEL_FILE:
      take_string (&s->model_file, value);
      break;
    case PROP_LABELS_FILE:
      take_string (&s->labels_file, value);
      break;
    case PROP_BACKEND:
      s->backend = g_value_get_enum (value);
      break;
    case PROP_DEVICE:
      take_string (&s->device, value);
      break;
    case PROP_PRECISION:
      s->precision = g_value_get_enum (value);
      break;
    case PROP_ALLOW_TF32:
      s->allow_tf32 = g_value_get_boolean (value);
      break;
    case PROP_THREADS:
      s->threads = g_value_get_uint (value);
      break;
    case PROP_TOP_K:
      s->top_k = g_value_get_uint (value);
      break;
    case PROP_THRESHOLD:
      s->threshold = g_value_get_double (value);
      break;
    case PROP_SAMPLE_RATE:
      s->sample_rate = g_value_get_double (value);
      break;
    case PROP_CLIP_STRIDE:
      s->clip_stride = g_value_get_uint (value);
      break;
    case PROP_MODE:
      s->mode = g_value_get_enum (value);
      break;
    case PROP_ON_EOS:
      s->on_eos = g_value_get_enum (value);
      break;
    case PROP_ROI:
      s->roi = g_value_get_enum (value);
      break;
    case PROP_SMOOTHING:
      s->decision.smoothing = g_value_get_enum (value);
      break;
    case PROP_SMOOTHING_WINDOW:
      s->decision.window = g_value_get_uint (value);
      break;
    case PROP_EVENTS:
      s->events = g_value_get_enum (value);
      break;
    case PROP_EVENT_THRESHOLD:
      s->decision.threshold = g_value_get_double (value);
      break;
    case PROP_EVENT_HYSTERESIS:
      s->decision.hysteresis = g_value_get_double (value);
      break;
    case PROP_EVENT_LEAD:
      s->decision.lead = g_value_get_double (value);
      break;
    case PROP_IDLE_LABELS:
      take_string (&s->idle_labels, value);
      break;
    default:
      return FALSE;
  }
  return TRUE;
}

gboolean
gst_classify_settings_get (const GstClassifySettings * s, guint id,
    GValue * value)
{
  switch (id) {
    case PROP_MODEL:
      g_value_set_enum (value, s->model);
      break;
    case PROP_MODEL_FILE:
      g_value_set_string (value, s->model_file);
      break;
    case PROP_LABELS_FILE:
      g_value_set_string (value, s->labels_file);
      break;
    case PROP_BACKEND:
      g_value_set_enum (value, s->backend);
      break;
    case PROP_DEVICE:
      g_value_set_string (value, s->device);
      break;
    case PROP_PRECISION:
      g_value_set_enum (value, s->precision);
      break;
    case PROP_ALLOW_TF32:
      g_value_set_boolean (value, s->allow_tf32);
      break;
    case PROP_THREADS:
      g_value_set_uint (value, s->threads);
      break;
    case PROP_TOP_K:
      g_value_set_uint (value, s->top_k);
      break;
    case PROP_THRESHOLD:
      g_value_set_double (value, s->threshold);
      break;
    case PROP_SAMPLE_RATE:
      g_value_set_double (value, s->sample_rate);
      break;
    case PROP_CLIP_STRIDE:
      g_value_set_uint (value, s->clip_stride);
      break;
    case PROP_MODE:
      g_value_set_enum (value, s->mode);
      break;
    case PROP_ON_EOS:
      g_value_set_enum (value, s->on_eos);
      break;
    case PROP_ROI:
      g_value_set_enum (value, s->roi);
      break;
    case PROP_SMOOTHING:
      g_value_set_enum (value, s->decision.smoothing);
      break;
    case PROP_SMOOTHING_WINDOW:
      g_value_set_uint (value, s->decision.window);
      break;
    case PROP_EVENTS:
      g_value_set_enum (value, s->events);
      break;
    case PROP_EVENT_THRESHOLD:
      g_value_set_double (value, s->decision.threshold);
      break;
    case PROP_EVENT_HYSTERESIS:
      g_value_set_double (value, s->decision.hysteresis);
      break;
    case PROP_EVENT_LEAD:
      g_value_set_double (value, s->decision.lead);
      break;
    case PROP_IDLE_LABELS:
      g_value_set_string (value, s->idle_labels);
      break;
    default:
      return FALSE;
  }
  return TRUE;
}

void
gst_classify_settings_install (GObjectClass * klass)
{
  const GParamFlags ready = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS
      | GST_PARAM_MUTABLE_READY;
  const GParamFlags playing = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS
      | GST_PARAM_MUTABLE_PLAYING;

  /**
   * GstVideoClassify3D:model:
   *
   * The bundled model to use, if #GstVideoClassify3D:model-file is not set.
   * It can be changed at any time, like #GstVideoClassify3D:model-file.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_MODEL,
      g_param_spec_enum ("model", "Model", "Bundled model to use",
          model_get_type (), DEFAULT_MODEL, playing));
  /**
   * GstVideoClassify3D:model-file:
   *
   * A model file: safetensors, or a PyTorch checkpoint as published.
   *
   * It can be changed at any time. The new model is loaded while the old one
   * goes on, and takes over between two clips; a message named
   * `videoclassify3d-model` says so. If it cannot be loaded, a warning says why,
   * and this property is again what is in use. Properties that belong together,
   * such as #GstVideoClassify3D:labels-file, are to be changed by one call of
   * g_object_set().
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_MODEL_FILE,
      g_param_spec_string ("model-file", "Model file",
          "Model file to use in place of a bundled model "
          "(.safetensors, or a PyTorch .pth)", NULL, playing));
  /**
   * GstVideoClassify3D:labels-file:
   *
   * A text file with a label a line, which replaces the model's labels.
   * Changed while the element runs, it changes with the model.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_LABELS_FILE,
      g_param_spec_string ("labels-file", "Labels file",
          "Text file with one label a line, in place of the model's labels",
          NULL, playing));
  /**
   * GstVideoClassify3D:backend:
   *
   * What runs the network.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_BACKEND,
      g_param_spec_enum ("backend", "Backend", "What runs the network",
          backend_get_type (), DEFAULT_BACKEND, ready));
  /**
   * GstVideoClassify3D:device:
   *
   * The GPU of the cudnn backend: an index or a UUID, as `3dcnn devices` lists
   * them.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_DEVICE,
      g_param_spec_string ("device", "Device",
          "GPU of the cudnn backend, by index or UUID "
          "(NULL = the first that can be used)", NULL, ready));
  /**
   * GstVideoClassify3D:precision:
   *
   * In which precision the network is computed. Where the backend, or the
   * CPU, does not have it, the element does not start and says why.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_PRECISION,
      g_param_spec_enum ("precision", "Precision",
          "In which precision the network is computed", precision_get_type (),
          CNN3D_PRECISION_AUTO, ready));
  /**
   * GstVideoClassify3D:allow-tf32:
   *
   * Whether the cudnn backend in fp32 may round products to 10 bits of
   * mantissa.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_ALLOW_TF32,
      g_param_spec_boolean ("allow-tf32", "Allow TF32",
          "Whether the cudnn backend in fp32 may round products, for speed",
          FALSE, ready));
  /**
   * GstVideoClassify3D:threads:
   *
   * Threads that the network runs on. Elements with the same model and options
   * share them.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_THREADS,
      g_param_spec_uint ("threads", "Threads",
          "Threads that the network runs on (0 = one for each CPU)",
          0, 256, 0, ready));
  /**
   * GstVideoClassify3D:top-k:
   *
   * How many classes a result has at most.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_TOP_K,
      g_param_spec_uint ("top-k", "Top k",
          "Best classes in a result (0 = all)", 0, MAX_TOP_K, DEFAULT_TOP_K,
          playing));
  /**
   * GstVideoClassify3D:threshold:
   *
   * The score that a class must reach to be part of a result.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_THRESHOLD,
      g_param_spec_double ("threshold", "Threshold",
          "Score that a class must reach to be part of a result",
          0, 1, 0, playing));
  /**
   * GstVideoClassify3D:sample-rate:
   *
   * How many frames a second are taken from the video.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_SAMPLE_RATE,
      g_param_spec_double ("sample-rate", "Sample rate",
          "Frames per second to take from the video (0 = the model's)",
          0, 1000, 0, ready));
  /**
   * GstVideoClassify3D:clip-stride:
   *
   * After how many sampled frames the next clip begins. Where clips share half
   * of their frames or more, they are run incrementally on the CPU; those that
   * begin a multiple of four frames apart share most.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_CLIP_STRIDE,
      g_param_spec_uint ("clip-stride", "Clip stride",
          "Sampled frames from the start of one clip to that of the next "
          "(0 = the clip's length)", 0, 100000, 0, ready));
  /**
   * GstVideoClassify3D:mode:
   *
   * Whether buffers wait for the classification of the clip that they end.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_MODE,
      g_param_spec_enum ("mode", "Mode",
          "Whether buffers wait for the classification of their clip",
          mode_get_type (), DEFAULT_MODE, ready));
  /**
   * GstVideoClassify3D:on-eos:
   *
   * What becomes of a clip that is not complete when the stream ends.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_ON_EOS,
      g_param_spec_enum ("on-eos", "On EOS",
          "What becomes of a part-filled clip at the end of the stream",
          on_eos_get_type (), DEFAULT_ON_EOS, playing));
  /**
   * GstVideoClassify3D:roi:
   *
   * What is classified: the picture, or objects in it that have a
   * #GstVideoRegionOfInterestMeta with an id, or GstAnalytics object detection
   * with tracking. An object's result is attached to it.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_ROI,
      g_param_spec_enum ("roi", "Region of interest",
          "What is classified: the picture, or objects that upstream follows",
          roi_get_type (), DEFAULT_ROI, ready));
  /**
   * GstVideoClassify3D:smoothing:
   *
   * How scores are smoothed over clips.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_SMOOTHING,
      g_param_spec_enum ("smoothing", "Smoothing",
          "How scores are smoothed over clips", smoothing_get_type (),
          DEFAULT_SMOOTHING, playing));
  /**
   * GstVideoClassify3D:smoothing-window:
   *
   * Over how many clips scores are smoothed.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_SMOOTHING_WINDOW,
      g_param_spec_uint ("smoothing-window", "Smoothing window",
          "Clips that scores are smoothed over", 1, 256,
          DEFAULT_SMOOTHING_WINDOW, playing));
  /**
   * GstVideoClassify3D:events:
   *
   * Whether actions are reported as events.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_EVENTS,
      g_param_spec_enum ("events", "Events",
          "Whether each action is reported as one event", events_get_type (),
          DEFAULT_EVENTS, playing));
  /**
   * GstVideoClassify3D:event-threshold:
   *
   * The score from which an action begins.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_EVENT_THRESHOLD,
      g_param_spec_double ("event-threshold", "Event threshold",
          "Score from which an action begins", 0, 1, DEFAULT_EVENT_THRESHOLD,
          playing));
  /**
   * GstVideoClassify3D:event-hysteresis:
   *
   * An action ends when its score falls by this below the event threshold.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_EVENT_HYSTERESIS,
      g_param_spec_double ("event-hysteresis", "Event hysteresis",
          "How far below event-threshold a score falls when an action ends",
          0, 1, DEFAULT_EVENT_HYSTERESIS, playing));
  /**
   * GstVideoClassify3D:event-lead:
   *
   * An action is reported before its end if it leads by this.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_EVENT_LEAD,
      g_param_spec_double ("event-lead", "Event lead",
          "Lead over the next class from which an action is reported at once",
          0, 1, DEFAULT_EVENT_LEAD, playing));
  /**
   * GstVideoClassify3D:idle-labels:
   *
   * Labels that are no actions, separated by commas. Case does not matter, `_` is
   * the same as a space, and `\,` is a comma in a label. A name that no class of
   * the model has is a warning on the bus. Changed while the element runs, they
   * change with the model.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_IDLE_LABELS,
      g_param_spec_string ("idle-labels", "Idle labels",
          "Labels that are no actions, separated by commas; case does not matter, "
          "_ is a space, \\, a comma", NULL, playing));
}
