/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/classifylane.h"

static void
clear_results (GstClassifyLane * lane)
{
  g_clear_pointer (&lane->result, gst_video_classify_result_unref);
  g_queue_clear_full (&lane->pending,
      (GDestroyNotify) gst_video_classify_result_unref);
}

void
gst_classify_lane_clear (GstClassifyLane * lane)
{
  g_clear_pointer (&lane->network, gst_classify_network_unref);
  g_clear_pointer (&lane->window, gst_clip_window_free);
  g_clear_pointer (&lane->scaler, gst_frame_scaler_free);
  g_clear_pointer (&lane->output, gst_classify_output_unref);
  clear_results (lane);
  lane->n_clips = 0;
}

void
gst_classify_lane_set_network (GstClassifyLane * lane,
    GstClassifyNetwork * network)
{
  if (lane->network == NULL
      || !gst_classify_network_same_frames (lane->network, network)) {
    g_clear_pointer (&lane->window, gst_clip_window_free);
    g_clear_pointer (&lane->scaler, gst_frame_scaler_free);
    lane->announced = 0;
    lane->window = gst_clip_window_new (network->frames, network->clip_stride,
        network->rate, network->frame_size);
  }
  g_clear_pointer (&lane->network, gst_classify_network_unref);
  lane->network = gst_classify_network_ref (network);
  g_clear_pointer (&lane->output, gst_classify_output_unref);
  lane->output = gst_classify_output_new (network->model, network->name,
      network->settings.idle_labels);
}

gboolean
gst_classify_lane_is_between_clips (GstClassifyLane * lane)
{
  return gst_clip_window_is_between_clips (lane->window);
}

GList *
gst_classify_lane_take_pending (GstClassifyLane * lane)
{
  GList *pending = lane->pending.head;

  g_queue_init (&lane->pending);
  return pending;
}

void
gst_classify_lane_reset (GstClassifyLane * lane, gboolean forget)
{
  if (lane->window != NULL)
    gst_clip_window_reset (lane->window);
  if (lane->output != NULL)
    gst_classify_output_reset (lane->output, forget);
  clear_results (lane);
  if (forget)
    lane->n_clips = 0;
}
