/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "tools/tool.h"

static void
print_json (const GPtrArray *devices, const char *versions)
{
  JsonBuilder *b = json_builder_new ();

  json_builder_begin_object (b);
  tool_json_string (b, "versions", versions);
  json_builder_set_member_name (b, "devices");
  json_builder_begin_array (b);
  for (guint i = 0; i < devices->len; i++) {
    const Cnn3dDevice *d = devices->pdata[i];
    g_autofree char *capability = g_strdup_printf ("%d.%d", d->major, d->minor);

    json_builder_begin_object (b);
    tool_json_int (b, "index", d->index);
    tool_json_string (b, "name", d->name);
    tool_json_string (b, "uuid", d->uuid);
    tool_json_string (b, "capability", capability);
    tool_json_int (b, "multiprocessors", d->multiprocessors);
    tool_json_int (b, "memory", d->memory);
    tool_json_string (b, "problem", d->problem);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
  json_builder_end_object (b);
  tool_print_json (b);
}

int
cmd_devices (int argc, char **argv)
{
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "json", 'j', 0, G_OPTION_ARG_NONE, &json, "Print JSON", NULL },
    { NULL },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) devices = NULL;
  g_autofree char *versions = NULL;

  if (!tool_parse (&argc, &argv, entries, "",
          "Lists the GPUs that the cudnn backend may run on; or tells what is missing.\n", 0, 0))
    return EXIT_USAGE;
  devices = cnn3d_device_list (&versions, &error);
  if (devices == NULL)
    return tool_fail (error);
  if (json) {
    print_json (devices, versions);
    return EXIT_OK;
  }
  printf ("%s\n", versions);
  for (guint i = 0; i < devices->len; i++) {
    const Cnn3dDevice *d = devices->pdata[i];

    printf ("%3d  %s  capability %d.%d, %d multiprocessors, %.1f GB  %s%s%s\n", d->index, d->uuid,
        d->major, d->minor, d->multiprocessors, (double) d->memory * 1e-9, d->name,
        d->problem ? ": cannot be used, " : "", d->problem ? d->problem : "");
  }
  return EXIT_OK;
}
