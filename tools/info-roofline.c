/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "tools/info.h"

void
info_print_roofline (const Cnn3dRoofline *r, int clips, gboolean half)
{
  printf ("roofline         %d clip%s in %s: predicted, not measured\n", clips, clips > 1 ? "s" : "",
      half ? "fp16" : "fp32");
  printf ("launches         %d\n", r->launches);
  printf ("memory           %.2f MB, of which %.2f MB are weights\n", (double) r->bytes * 1e-6,
      (double) r->weight_bytes * 1e-6);
  printf ("multiply-adds    %" G_GINT64_FORMAT " dense and %" G_GINT64_FORMAT
      " depthwise for %" G_GINT64_FORMAT " published\n", r->dense_macs, r->other_macs, r->macs);
  printf ("at least, in us  %12s %12s %12s\n", "memory", "arithmetic", "both");
  for (int i = 0; i < CNN3D_N_ROOFLINE_DEVICES; i++)
    printf ("%-16s %12.1f %12.1f %12.1f\n", cnn3d_roofline_get_device (i)->name,
        r->times[i].memory * 1e6, r->times[i].compute * 1e6, r->times[i].both * 1e6);
}

void
info_json_roofline (JsonBuilder *b, const Cnn3dRoofline *r, int clips, gboolean half)
{
  json_builder_set_member_name (b, "roofline");
  json_builder_begin_object (b);
  tool_json_int (b, "clips", clips);
  tool_json_string (b, "precision", half ? "fp16" : "fp32");
  tool_json_int (b, "launches", r->launches);
  tool_json_int (b, "bytes", r->bytes);
  tool_json_int (b, "weight_bytes", r->weight_bytes);
  tool_json_int (b, "macs", r->macs);
  tool_json_int (b, "dense_macs", r->dense_macs);
  tool_json_int (b, "other_macs", r->other_macs);
  json_builder_set_member_name (b, "devices");
  json_builder_begin_array (b);
  for (int i = 0; i < CNN3D_N_ROOFLINE_DEVICES; i++) {
    json_builder_begin_object (b);
    tool_json_string (b, "name", cnn3d_roofline_get_device (i)->name);
    tool_json_double (b, "memory_us", r->times[i].memory * 1e6);
    tool_json_double (b, "compute_us", r->times[i].compute * 1e6);
    tool_json_double (b, "both_us", r->times[i].both * 1e6);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
  json_builder_end_object (b);
}

static void
print_head (int clips, gboolean half)
{
  printf ("%d clip%s in %s, predicted, not measured: microseconds a clip at least, for memory / for arithmetic\n", clips,
      clips > 1 ? "s" : "", half ? "fp16" : "fp32");
  printf ("%-18s %8s %7s %6s %8s", "network", "launches", "MB", "MMAC", "computed");
  for (int i = 0; i < CNN3D_N_ROOFLINE_DEVICES; i++)
    printf (" %16s", cnn3d_roofline_get_device (i)->name);
  printf ("\n");
}

/* Bytes, multiply-adds and times are for one clip. */
static void
print_row (const char *name, const Cnn3dRoofline *r, int clips)
{
  printf ("%-18s %8d %7.1f %6.0f %8.0f", name, r->launches, (double) r->bytes * 1e-6 / clips, (double) r->macs * 1e-6 / clips,
      (double) (r->dense_macs + r->other_macs) * 1e-6 / clips);
  for (int i = 0; i < CNN3D_N_ROOFLINE_DEVICES; i++)
    printf (" %8.1f / %5.1f", r->times[i].memory * 1e6 / clips, r->times[i].compute * 1e6 / clips);
  printf ("\n");
}

int
info_all_rooflines (const Cnn3dConfig *like, int clips, gboolean half, gboolean json)
{
  g_autoptr (GError) error = NULL;
  JsonBuilder *b = json ? json_builder_new () : NULL;

  if (json)
    json_builder_begin_array (b);
  for (int i = 0; i < TOOL_N_TABLE8; i++) {
    Cnn3dConfig config = tool_table8[i];
    g_autofree char *name = NULL;
    Cnn3dRoofline r;

    config.classes = like->classes;
    config.frames = like->frames;
    config.size = like->size;
    if (!cnn3d_config_check (&config, &error) || !cnn3d_config_get_roofline (&config, clips, half, &r, &error)) {
      g_clear_object (&b);
      return tool_fail (error);
    }
    if (json) {
      json_builder_begin_object (b);
      tool_json_string (b, "architecture", cnn3d_arch_get_name (config.arch));
      tool_json_double (b, "width", config.width);
      info_json_roofline (b, &r, clips, half);
      json_builder_end_object (b);
      continue;
    }
    if (i == 0)
      print_head (clips, half);
    name = g_strdup_printf ("%s %gx", cnn3d_arch_get_name (config.arch), config.width);
    print_row (name, &r, clips);
  }
  if (json) {
    json_builder_end_array (b);
    tool_print_json (b);
  }
  return EXIT_OK;
}
