/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The properties of videoclassify3d. */

#include <gst/gst.h>

#include "gst/decision.h"
#include "lib3dcnn/3dcnn.h"

G_BEGIN_DECLS

typedef enum
{
  GST_CLASSIFY_MODE_AUTO,
  GST_CLASSIFY_MODE_SYNC,
  GST_CLASSIFY_MODE_ASYNC,
  GST_CLASSIFY_MODE_QUEUE,
} GstClassifyMode;

typedef enum
{
  GST_CLASSIFY_EVENTS_NONE,
  GST_CLASSIFY_EVENTS_ONCE,
} GstClassifyEvents;

typedef enum
{
  GST_CLASSIFY_ON_EOS_AUTO,
  GST_CLASSIFY_ON_EOS_DROP,
  GST_CLASSIFY_ON_EOS_PAD,
} GstClassifyOnEos;

typedef enum
{
  GST_CLASSIFY_ROI_FULL,
  GST_CLASSIFY_ROI_META,
} GstClassifyRoi;

typedef struct
{
  Cnn3dArch model;
  gchar *model_file;
  gchar *labels_file;
  Cnn3dBackend backend;
  gchar *device;
  Cnn3dPrecision precision;
  gboolean allow_tf32;
  guint threads;
  guint top_k;
  gdouble threshold;
  gdouble sample_rate;
  guint clip_stride;
  GstClassifyMode mode;
  GstClassifyOnEos on_eos;
  GstClassifyRoi roi;
  GstDecisionParams decision;
  GstClassifyEvents events;
  gchar *idle_labels;
} GstClassifySettings;

/* Identifiers below it are the element's own. */
#define GST_CLASSIFY_FIRST_SETTING 100

void gst_classify_settings_install (GObjectClass * klass);
void gst_classify_settings_init (GstClassifySettings * settings);
void gst_classify_settings_copy (GstClassifySettings * to,
    const GstClassifySettings * from);
/* Only what says which model it is and what its labels mean. */
void gst_classify_settings_copy_model (GstClassifySettings * to,
    const GstClassifySettings * from);
void gst_classify_settings_clear (GstClassifySettings * settings);

/* Whether it is one of those of gst_classify_settings_copy_model(). */
gboolean gst_classify_settings_is_model (guint id);

/* Return FALSE if id is no setting. */
gboolean gst_classify_settings_set (GstClassifySettings * settings, guint id,
    const GValue * value);
gboolean gst_classify_settings_get (const GstClassifySettings * settings,
    guint id, GValue * value);

G_END_DECLS
